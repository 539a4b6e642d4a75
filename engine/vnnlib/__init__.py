"""VNN-LIB 1.0 files as exact properties.

source.py         bytes -> text -> tokens that know their place
script.py         commands: what is declared and asserted
expressions.py    parentheses -> terms and formulas
terms.py          linear terms and half-spaces
formulas.py       and, or and comparisons in disjunctive normal form
contradiction.py  half-spaces that exclude each other
cases.py          a formula -> input boxes with their unsafe polytopes
reader.py         files and texts -> Property
writer.py         Property -> text
"""

from engine.vnnlib.reader import load_property, parse_property, property_of

__all__ = ["load_property", "parse_property", "property_of"]
