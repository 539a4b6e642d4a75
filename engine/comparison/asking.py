"""Questions about two networks, answered by the search: text, verdict, and the point that refutes a statement."""

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from engine.comparison.questions import (
    ONE,
    OTHER,
    Box,
    Equivalent,
    Monotone,
    SameDecision,
    Shapes,
    Statement,
    demand_comparable,
    question_text,
)
from engine.errors import InputError
from engine.exact import radii
from engine.joining import Question, join
from engine.network import Network
from engine.onnx_file.ends import ends_of
from engine.property import Vector
from engine.search.problem import OnProgress, Options
from engine.search.verify import verify
from engine.verdict import Counterexample, Verdict, Violated
from engine.vnnlib import query_of

NAME = Path("question.vnnlib")


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A statement about two networks on boxes, in the semantics "real" or "float32"."""

    statement: Statement
    networks: tuple[Network, Network]
    boxes: tuple[Box, ...]
    semantics: str = "real"


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """text: the VNN-LIB 2.0 file that was asked; verdict: Verified where the statement holds."""

    asked: Asked
    text: bytes
    question: Question
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Refutation:
    """Both networks at a point that refutes a statement.

    inputs: what is given to each of both, exactly; exact: their outputs there in exact arithmetic; executed:
    onnxruntime's, at the nearest floating-point numbers where the point has others.
    """

    inputs: tuple[Vector, Vector]
    exact: tuple[Vector, Vector]
    executed: tuple[tuple[float, ...], tuple[float, ...]]

    @property
    def differences(self) -> Vector:
        """The second outputs less the first, exactly."""
        return tuple(b - a for a, b in zip(*self.exact))

    @property
    def executed_differences(self) -> tuple[float, ...]:
        return tuple(b - a for a, b in zip(*self.executed))


def ask(asked: Asked, options: Options, *, path: Path = NAME, on_progress: OnProgress | None = None) -> Answer:
    """Decides a statement as the question that its text asks, in `asked.semantics`. path: names the text.

    InputError where the networks do not fit each other or the boxes.
    """
    text, question = posed(asked, path)
    options = replace(options, semantics=question.semantics)
    return Answer(
        asked, text, question, verify(question.joint, question.query.property, options, on_progress=on_progress)
    )


def posed(asked: Asked, path: Path = NAME) -> tuple[bytes, Question]:
    """The text of a statement, and the question that is read from it."""
    one, other = (Shapes(*(shape for _, shape in ends_of(network))) for network in asked.networks)
    _demand_fit(asked, one, other)
    text = question_text(asked.statement, asked.boxes, (one, other), element=asked.semantics).encode("ascii")
    return text, join(query_of(text, path), dict(zip((ONE, OTHER), asked.networks)))


def _demand_fit(asked: Asked, one: Shapes, other: Shapes) -> None:
    first = asked.networks[0]
    demand_comparable(one, other)
    for box in asked.boxes:
        if len(box[0]) != first.n_inputs:
            what = f"the boxes have {len(box[0])} inputs, the network has {first.n_inputs}"
            raise InputError(what, where=first.name, advice="give boxes of the network's own inputs")
    match asked.statement:
        case SameDecision() if first.n_outputs < 2:
            raise InputError("a network of one output decides nothing", where=first.name, advice="use --equivalent")
        case Monotone(i, _, outputs, _):
            _demand_index("input", i, first.n_inputs)
            for j in outputs:
                _demand_index("output", j, first.n_outputs)


def _demand_index(kind: str, index: int, size: int) -> None:
    if not 0 <= index < size:
        raise InputError(f"there is no {kind} {index}", advice=f"the network's {kind}s are 0 to {size - 1}")


def refutation(answer: Answer) -> Refutation | None:
    """Both networks at the counterexample, if there is one."""
    if not isinstance(answer.verdict, Violated):
        return None
    found = answer.verdict.counterexample
    n, m = (getattr(answer.asked.networks[0], f"n_{kind}") for kind in ("inputs", "outputs"))
    given = answer.question.joint.given(found.point)
    return Refutation(
        (given[:n], given[n:]),
        (found.exact_outputs[:m], found.exact_outputs[m:]),
        (found.outputs[:m], found.outputs[m:]),
    )


def difference(answer: Answer) -> Fraction | None:
    """The largest difference of two outputs at a counterexample: exactly, and as executed where that is less.

    It refutes every equivalence with a smaller eps.
    """
    found = refutation(answer)
    if found is None:
        return None
    exact = max(map(abs, found.differences))
    executable = isinstance(answer.verdict, Violated) and answer.verdict.counterexample.executable
    executed = max(Fraction(abs(d)) for d in found.executed_differences)
    return min(exact, executed) if executable else exact


def sharpened(answer: Answer, eps: Fraction, *, path: Path = NAME) -> Answer:
    """What the same counterexample says of the question with another eps; the answer as it is where it says nothing."""
    if not isinstance(answer.verdict, Violated):
        return answer
    asked = replace(answer.asked, statement=Equivalent(eps))
    text, question = posed(asked, path)
    stands = _stands(answer.verdict.counterexample, question)
    return Answer(asked, text, question, answer.verdict) if stands else answer


def _stands(found: Counterexample, question: Question) -> bool:
    """True iff the point violates the question exactly and, where the networks can be given it, as executed."""
    cases, x = question.query.property.cases, found.point
    exact = any(case.violated_at(x, found.exact_outputs, radii(question.joint, x)) for case in cases)
    executed = tuple(map(Fraction, found.outputs))
    return exact and (not found.executable or any(case.violated_at(x, executed) for case in cases))
