"""Certificates about a classifier and images in a data file (section 13).

In the order in which one is checked:

    check.py        the verdict on a file
    certificate.py  members -> Claim and arrays
    pixels.py       data files, IDX or CSV -> Images
    cases.py        claim and images -> cases, and how many images are safe
    walk.py         the walk through the tree
"""
