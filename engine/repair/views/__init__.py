"""Tasks as methods see them.

scale.py   scores of about the size of ACAS Xu's
parts.py   one part of a property after the other
"""
