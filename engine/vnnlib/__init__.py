"""VNN-LIB files: those of version 1.0 as exact properties, those of version 2.0 as exact questions about networks.

source.py         bytes -> text -> tokens that know their place
language.py       what the two versions call things
commands.py       commands: parentheses become values when they close
script.py         what a 1.0 text declares and asserts
expressions.py    parentheses -> terms and formulas
terms.py          linear terms and half-spaces
formulas.py       and, or and comparisons in disjunctive normal form
contradiction.py  half-spaces that exclude each other
cases.py          a formula -> input boxes with their unsafe polytopes
reader.py         1.0 files and texts -> Property
networks/         2.0 files and texts -> Query
version.py        which of the two a text is
writer.py         Property -> text
"""

from engine.vnnlib.networks.reader import load_query, parse_query, query_of
from engine.vnnlib.reader import load_property, parse_property, property_of
from engine.vnnlib.version import is_query, states_query

__all__ = [
    "is_query",
    "load_property",
    "load_query",
    "parse_property",
    "parse_query",
    "property_of",
    "query_of",
    "states_query",
]
