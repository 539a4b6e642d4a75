"""The checker of certificates: a program that shares no code with the rest of `engine`.

It needs Python's standard library, numpy, and onnx to parse network files.
docs/certificate-format.md says what a certificate is and when it is to be accepted; this is one
implementation of that text, and "section" always means one of that text. In the order in which a
certificate is checked:

    __main__.py        python -m engine.audit
    check.py           the verdict on a file
    data.py            the records that the parts hand to each other
    failures.py        the two ways to fail, in one line
    files.py           reading files

    archive.py         certificate file -> its members  (section 1)
    manifest.py        JSON within limits, rational numbers  (section 1)
    certificate.py     members -> Certificate  (sections 1, 2, 7)
    tree.py            the rules that the arrays of a tree obey  (section 4)

    vnnlib_reader.py   VNN-LIB file -> Specification, a union of conjunctions  (section 2)
    vnnlib_tokens.py   its tokens
    vnnlib_terms.py    its terms and comparisons
    claim.py           does what the certificate claims cover what the property asks?  (section 2)

    network_reader.py  a network's file -> Network  (section 3)
    nnet_reader.py     .nnet file -> Network  (section 3)
    onnx_reader.py     ONNX file -> Network  (section 3)
    onnx_data.py       the model with all its data, some from files beside it  (section 1)
    onnx_operators.py  what a node gives: a constant, the signal, or layers of it  (section 3)
    onnx_forms.py      which operators there are, in which forms
    onnx_constants.py  what is computed from constants
    onnx_selections.py what takes some numbers, or repeats them
    onnx_moves.py      what moves numbers and changes none
    onnx_layers.py     what makes layers
    onnx_sums.py       sums and means, which do, too
    onnx_maxima.py     largest elements of windows: layers with ReLUs on some neurons
    onnx_meeting.py    signals that meet: their layers side by side
    onnx_chain.py      the layers so far
    onnx_graph.py      nodes without names and numbers  (section 10)
    onnx_rounded.py    factors that are only the nearest float64 numbers

    walk.py            the walk through the tree: exclusions shown, leaves covered  (section 4)
    nodes.py           nodes of a tree, many at a time
    claimed.py         the exclusions that a tree claims  (sections 4, 6)
    sample.py          some leaves, or one share of a tree
    bounds.py          bounds of neurons and of exclusions, in any arithmetic  (section 5)
    arithmetic.py      ... in float64, with all that rounding can change  (sections 5, 6, 8)
    exact.py           ... in exact arithmetic  (sections 5, 6)
    dyadic.py          numbers that numpy computes with exactly
    witness.py         is a point unsafe, exactly?  (section 7)

    comparison/        certificates of how two networks differ  (section 9)

For proofs with cones, in which most inputs are fixed (section 12):

    cone.py            what the free inputs of a case reach
    cone_floating.py   ... its biases with their radii, and bounds, in float64
    cone_exact.py      ... in exact arithmetic
    cone_walk.py       the walk through the tree, each case in its cone

    images/            certificates about a classifier and images  (section 13)

For networks with a Sigmoid or a Tanh (section 14):

    curves/            enclosures of both from integers, lines of neurons

And for certificates about several networks (section 10):

    query.py                 query, networks, certificate -> blocks over free inputs
    vnnlib2_reader.py        VNN-LIB 2.0 file -> Query
    vnnlib2_declarations.py  ... what it declares
    vnnlib2_formulas.py      ... what holds throughout, and what in a disjunct
    ties.py                  inputs that equations tie to others
    blocks.py                networks side by side, as what bounds.py bounds
"""
