"""The checker of certificates of kind "change": on how much of a box a changed network may have another lowest output.

Section 9 of docs/certificate-format.md says when one is to be accepted. Like engine.audit, on which it builds, it
shares no code with the rest of `engine`.

    certificate.py   certificate file -> Change
    pair.py          two networks as one, and where their outputs are exactly equal
    check.py         the walk through the tree, the volume of what it leaves open, the verdict
"""
