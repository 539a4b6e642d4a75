"""What can be asked about a network that ends in a Softmax or a LogSoftmax.

The outputs of a `Network` are the scores y that the Softmax reads. The file gives probabilities p_i = exp(y_i) / sum
exp(y_j), or their logarithms log p_i = y_i - log sum exp(y_j). A property of what the file gives is the same property
of the scores where each row that names outputs (of one of several networks, these alone)

  of a Softmax      is c p_i - c p_j <= 0 (or < 0): exp is increasing, so this holds where c y_i - c y_j <= 0 does
  of a LogSoftmax   has coefficients of these that add up to 0: what all logarithms have in common falls out of it

Other rows are about probabilities themselves, and are refused. This is exact, in real arithmetic. As executed, scores
that differ may get equal probabilities, so there is no float32 semantics. What onnxruntime gives at a counterexample
are the file's own outputs, and these must violate the property, too: saturated probabilities that are equal satisfy
p_i <= p_j, and violate p_i < p_j.
"""

from collections.abc import Sequence

from engine.errors import InputError
from engine.exact import number_text
from engine.joint import Model, blocks_of
from engine.network import Network
from engine.property import Property, Row

SOFTMAX, LOG_SOFTMAX = "Softmax", "LogSoftmax"
MAX_TERMS = 4  # of a row in an error


def demand_scores(model: Model, prop: Property) -> None:
    """Raises InputError, which shows the first such row, where a property is about more than scores tell."""
    ends = [(block.own.ending, block.network.n_outputs) for block in blocks_of(model)]
    if not any(ending for ending, _ in ends):
        return
    rows = (row for case in prop.cases for polytope in case.unsafe for row in polytope.rows)
    for row in rows:
        if ending := _beyond_scores(row, ends):
            raise _refused(row, ending, prop)


def _beyond_scores(row: Row, ends: Sequence[tuple[str, int]]) -> str:
    """The first ending for which a row is about more than scores; empty where it holds iff it holds of these.

    ends: of each network in order, its ending and how many outputs it has.
    """
    named, start = sum(map(bool, row.outputs)), 0
    for ending, size in ends:
        factors = [factor for factor in row.outputs[start : start + size] if factor]
        start += size
        compares = len(factors) == named == 2 and not row.constant and not any(row.inputs)
        good = sum(factors) == 0 and (compares or ending == LOG_SOFTMAX)
        if ending and factors and not good:
            return ending
    return ""


def demand_no_ending(network: Network, what: str) -> None:
    """Raises InputError where a network has an ending: `what` is about its outputs, and not about their order."""
    if network.ending:
        raise InputError(
            f"{what} is about the network's outputs, and it ends in a {network.ending}",
            where=network.name or "network",
            advice=_advice(network.ending),
        )


def _refused(row: Row, ending: str, prop: Property) -> InputError:
    of = "probabilities" if ending == SOFTMAX else "logarithms of probabilities"
    what = f"the property is about {of}, not about the order of scores, in the row {_text(row)}"
    return InputError(what, where=prop.name, advice=_advice(ending))


def _advice(ending: str) -> str:
    return f"export the network without its {ending}, and ask about scores"


def _text(row: Row) -> str:
    pairs = [(c, f"{name}_{i}") for name, cs in (("X", row.inputs), ("Y", row.outputs)) for i, c in enumerate(cs) if c]
    pairs.sort(key=lambda pair: pair[1][0] != "Y")  # outputs first: they are what is wrong
    terms = [f"{number_text(c)} {name}" for c, name in pairs[:MAX_TERMS]]
    terms += [".."] * (len(pairs) > MAX_TERMS) + [number_text(row.constant)] * bool(row.constant)
    return f"{' + '.join(terms)} {'<' if row.strict else '<='} 0"
