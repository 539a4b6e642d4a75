"""Certificates about a classifier and images in a data file (sections 13 and 15).

In the order in which one is checked:

    check.py        the verdict on a file
    certificate.py  members -> Claim and arrays
    pixels.py       data files, IDX or CSV -> Images
    cases.py        claim and images -> cases, and how many images are safe
    walk.py         the walk through the tree

Of those of section 15, whose contents are a few numbers, in place of cases.py and walk.py:

    mixture.py         what a manifest says of them
    mixture_cases.py   claim and images -> cases
    mixture_lines.py   lines over a few inputs
    mixture_bounds.py  bounds from the inputs on, in both arithmetics
    mixture_walk.py    the walk through the tree
"""
