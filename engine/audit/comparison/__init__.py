"""The checker of certificates of kind "change": on how much of a box two networks may differ.

Section 9 of docs/certificate-format.md says when one is to be accepted. Like engine.audit, on which
it builds, it shares no code with the rest of `engine`.

    check.py         the verdict on a file
    certificate.py   certificate file -> Change
    pair.py          two networks as one, and where their outputs are exactly equal
    walk.py          the walk through the tree, which adds up the volume of what it leaves open
    volume.py        shares of a volume, exactly
"""
