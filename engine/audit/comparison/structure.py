"""Section 16: what two networks' weights say of their outputs, at every input.

Nothing is computed: numbers are compared with each other and with 0, which is exact.
"""

from typing import Any, NamedTuple

import numpy as np

from engine.audit.comparison.pair import shapes
from engine.audit.data import Floats, Integers, Layer, Network, Truths
from engine.audit.failures import demand
from engine.audit.sparse import Matrix, Sparse

CLAIMS = ("equal", "raised", "lowered", "free")


class Structure(NamedTuple):
    """A certificate: hashes of both networks, and what is claimed of each output.

    manifest: as a whole; sha256: of the certificate's own file.
    """

    network_sha256: str
    changed_sha256: str
    claims: tuple[str, ...]
    manifest: dict[str, Any]
    sha256: str


class Compared(NamedTuple):
    """Of a layer's values h in the original and h' in the changed network, at every input [width].

    up: h' >= h. down: h' <= h. positive: h >= 0 and h' >= 0. off: h = 0. off_after: h' = 0.
    """

    up: Truths
    down: Truths
    positive: Truths
    off: Truths
    off_after: Truths


def compared(original: Network, changed: Network) -> Compared:
    """The networks' outputs. Rejected where shapes differ, or numbers are not the files' own."""
    demand(shapes(original) == shapes(changed), "the networks have different shapes")
    own = not original.rounded and not changed.rounded
    demand(own, "numbers of a network are not its own, but the nearest")
    yes, no = np.ones(original.n_inputs, bool), np.zeros(original.n_inputs, bool)
    found = Compared(yes, yes, no, no, no)
    for one, other in zip(original.layers, changed.layers, strict=True):
        found = _behind(one, other, found)
    return found


def is_shown(claim: str, up: bool, down: bool) -> bool:
    """Whether what is claimed of an output is known of it."""
    return {"equal": up and down, "raised": up, "lowered": down, "free": True}[claim]


def conclusion(claims: tuple[str, ...]) -> str:
    """What the claims say of the output that is least, the first of equals."""
    left = [j for j, claim in enumerate(claims) if claim in ("raised", "free")]
    entered = [j for j, claim in enumerate(claims) if claim in ("lowered", "free")]
    places = range(len(claims))
    if not any(a != b and (a in left or b in entered) for a in places for b in places):
        return "which output is least is the same in both"
    where = [f"it is {_either(left)} in the original"] * bool(left)
    where += [f"it becomes {_either(entered)}"] * bool(entered)
    return f"which output is least changes only where {' or '.join(where)}"


def _either(outputs: list[int]) -> str:
    return " or ".join(map(str, outputs))


# --- one layer ------------------------------------------------------------------------------------


class _Terms(NamedTuple):
    """The terms w h and v h' of a layer's sums of which one may not be 0: neuron, input, w, v."""

    neuron: Integers
    input: Integers
    before: Floats
    after: Floats


def _behind(one: Layer, other: Layer, inputs: Compared) -> Compared:
    """Section 16, "Layers": what is known behind a layer of what is known before it."""
    terms = _terms(one.weight, other.weight, inputs)
    before, after = terms.before, terms.after
    up = _all(terms, _grows(terms, inputs, before, after), other.bias >= one.bias)
    down = _all(terms, _grows(terms, inputs, -before, -after), other.bias <= one.bias)
    off = one.has_relu & _all(terms, _is_low(terms, inputs, before), one.bias <= 0)
    off_after = one.has_relu & _all(terms, _is_low(terms, inputs, after), other.bias <= 0)
    return Compared(up | off, down | off_after, one.has_relu, off, off_after)


def _grows(terms: _Terms, inputs: Compared, old: Floats, new: Floats) -> Truths:
    """Section 16, "Terms": new h' >= old h, whatever the values are; w and v of the text."""
    up, down, positive = (each[terms.input] for each in (inputs.up, inputs.down, inputs.positive))
    same = (old == new) & (up | (old <= 0)) & (down | (old >= 0))
    at_zero = (old <= 0) & (0 <= new)
    as_raised = up & (0 <= old) & (old <= new)
    as_lowered = down & (old <= new) & (new <= 0)
    found: Truths = same | positive & (at_zero | as_raised | as_lowered)
    return found


def _is_low(terms: _Terms, inputs: Compared, weight: Floats) -> Truths:
    """Terms that are nowhere above 0 with this weight."""
    found: Truths = (weight == 0) | inputs.positive[terms.input] & (weight < 0)
    return found


def _all(terms: _Terms, holds: Truths, biases: Truths) -> Truths:
    """The neurons of which it holds of all terms, and of the biases."""
    found = biases.copy()
    found[terms.neuron[~holds]] = False
    return found


def _terms(one: Matrix, other: Matrix, inputs: Compared) -> _Terms:
    """A term of what is always 0 has weight 0."""
    if isinstance(one, Sparse) and isinstance(other, Sparse):
        width = one.shape[1]
        places = np.unique(np.concatenate([_places(one), _places(other)]))
        neuron, source = places // width, places % width
        before, after = _numbers(one, places), _numbers(other, places)
    else:
        one, other = np.asarray(one), np.asarray(other)
        neuron, source = np.nonzero((one != 0) | (other != 0))
        before, after = one[neuron, source], other[neuron, source]
    before = np.where(inputs.off[source], 0.0, before)
    after = np.where(inputs.off_after[source], 0.0, after)
    return _Terms(neuron, source, before, after)


def _places(matrix: Sparse) -> Integers:
    """The number of each place that a number is held for, in row-major order."""
    places: Integers = matrix.row.astype(np.int64) * matrix.shape[1] + matrix.column
    return places


def _numbers(matrix: Sparse, places: Integers) -> Floats:
    """The matrix's numbers at these places, ascending, which are all that it holds and others."""
    found: Floats = np.zeros(len(places))
    found[np.searchsorted(places, _places(matrix))] = matrix.numbers
    return found
