"""VNN-LIB 2.0 files and texts to questions."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path

from engine.errors import InputError
from engine.property import Case, Property
from engine.query import Query, Tie
from engine.vnnlib import terms
from engine.vnnlib.cases import Variables, cases
from engine.vnnlib.contradiction import Contradiction
from engine.vnnlib.networks.declarations import Declarations
from engine.vnnlib.networks.script import QueryScript
from engine.vnnlib.networks.ties import rewritten, solved
from engine.vnnlib.source import Source, decoded, file_stem, read_bytes
from engine.vnnlib.terms import Linear


def load_query(path: str | PathLike[str]) -> Query:
    """Returns the exact question of a VNN-LIB 2.0 file, `.vnnlib` or `.vnnlib.gz`. InputError where it is not one.

    The property's `name` is the file's name without these endings, its `sha256` that of the decompressed bytes.
    """
    path = Path(path)
    return query_of(read_bytes(path), path)


def query_of(data: bytes, path: Path) -> Query:
    """Returns the question that the decompressed content `data` of the file at `path` states."""
    found = parse_query(decoded(data, where=str(path)), name=file_stem(path), where=str(path))
    return replace(found, property=replace(found.property, sha256=hashlib.sha256(data).hexdigest()))


def parse_query(text: str, *, name: str = "", where: str = "<text>") -> Query:
    """Returns the exact question of a VNN-LIB 2.0 text: inputs of all networks for which all asserts hold.

    Numbers are the rationals that the decimals denote, strict comparisons stay strict, `!=` is either of two strict
    ones. Where nothing satisfies the asserts, the property has no cases. InputErrors name the text `where` and give
    the line.
    """
    script = QueryScript(Source(text, where))
    script.read()
    formula, declared = script.formula(), script.declarations
    values: dict[str, Linear] = {}  # of tied inputs
    found: tuple[Case, ...] = ()
    emptiness = script.falsehood
    try:
        if not emptiness:
            values = solved(formula.base)
            formula = rewritten(formula, _renamed(values, declared))
            found = cases(formula, _variables(values, declared), script.source)
    except Contradiction as contradiction:
        emptiness = contradiction.description(script.source)
    except InputError as error:
        raise script.source.placed(error, len(text)) from None
    free = _free(values, declared)
    property_ = Property(found, len(free), len(declared.columns["Y"]), name, emptiness=emptiness)
    return Query(tuple(declared.networks), _ties(values, declared), free, property_)


def _free(values: Mapping[str, Linear], declared: Declarations) -> tuple[int, ...]:
    """Returns the places of the inputs that are not tied."""
    return tuple(i for i, name in enumerate(declared.columns["X"]) if name not in values)


def _renamed(values: Mapping[str, Linear], declared: Declarations) -> Mapping[str, Linear]:
    """Returns the inputs whose name changes where only the free ones are counted, with their values by these names."""
    new = {f"X_{i}": terms.variable(f"X_{k}") for k, i in enumerate(_free(values, declared)) if i != k}
    return new | {name: terms.substitute(value, new) for name, value in values.items()}


def _variables(values: Mapping[str, Linear], declared: Declarations) -> Variables:
    """Returns the free inputs and all outputs, under the names by which they are counted."""
    free = _free(values, declared)
    offsets = list(declared.columns["X"].values())

    def label(name: str) -> str:
        number = int(name[2:])
        return declared.label(name[0], free[number] if name[0] == "X" else number)

    inputs = {f"X_{k}": offsets[i] for k, i in enumerate(free)}
    return Variables(inputs, declared.columns["Y"], label)


def _ties(values: Mapping[str, Linear], declared: Declarations) -> tuple[Tie, ...]:
    """Returns all inputs in terms of the free ones, by their numbers."""
    number = {f"X_{i}": k for k, i in enumerate(_free(values, declared))}
    inputs = (values.get(name) or terms.variable(name) for name in declared.columns["X"])
    return tuple(
        Tie(tuple(sorted((number[name], c) for name, c in term.coefficients.items())), term.constant) for term in inputs
    )
