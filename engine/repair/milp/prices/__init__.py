"""Linear programs in which what is unsafe must be mended, and all else that changes has a price.

program.py   the cheapest weights
method.py    plans solved so, and refined
"""
