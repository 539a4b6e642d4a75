"""The checker of certificates: a program of its own, which shares no code with the rest of `engine`.

It needs Python's standard library, numpy, and onnx to parse network files. docs/certificate-format.md
says what a certificate is and when it is to be accepted; this is one implementation of that text.

    data.py            the data: networks, rows, cases, trees, certificates; the two ways to fail
    onnx_data.py       ONNX file -> the model with all its data, some from files beside it
    onnx_reader.py     ONNX file -> Network
    vnnlib_reader.py   VNN-LIB file -> Specification, the unsafe set as a union of conjunctions
    archive.py         certificate file -> its members
    certificate.py     these -> Certificate
    claim.py           does what the certificate claims cover what the VNN-LIB file asks?
    arithmetic.py      bounds in float64, with all that rounding can change
    exact.py           the same bounds in exact arithmetic
    walk.py            the walk through the tree: every exclusion shown, every leaf covered
    check.py           the verdict on a file
    __main__.py        python -m engine.audit
"""
