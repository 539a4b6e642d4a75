"""The checker of certificates of kinds "change", "structure" and "band": how two networks differ.

On how much of a box they may differ at most (section 9 of docs/certificate-format.md), what their
weights alone say of every input (section 16), and on how much of a box the decision may differ
where it is clear (section 18). Like engine.audit, on which it builds, it
shares no code with the rest of `engine`.

    check.py         the verdict on a file
    certificate.py   certificate file -> Change
    pair.py          two networks as one, and where their outputs are exactly equal
    walk.py          the walk through the tree, which adds up the volume of what it leaves open
    volume.py        shares of a volume, exactly

    kinds.py             which of the kinds a file is
    structure_check.py   the verdict on a file of kind "structure"
    structure.py         what two networks' weights say of their outputs

    band.py          the verdict on a file of kind "band"
    joined.py        two networks side by side, with what they share once
"""
