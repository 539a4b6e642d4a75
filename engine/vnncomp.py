"""VNN-COMP's result files."""

from engine.assignment import assignment
from engine.joining import Question
from engine.verdict import Counterexample, Verdict, Violated


def result_text(verdict: Verdict, question: Question | None = None) -> str:
    """The text of a result file: the verdict's word on the first line, for `sat` the counterexample after it.

    That of a `question`, which is one of VNN-LIB 2.0, is an assignment in that standard's form.
    """
    if isinstance(verdict, Violated):
        return f"{verdict.word}\n{point_text(verdict.counterexample, question)}"
    return f"{verdict.word}\n"


def point_text(found: Counterexample, question: Question | None = None) -> str:
    """The counterexample: as an assignment of VNN-LIB 2.0 where it is one to a `question`, else counterexample_text."""
    return f"{assignment(question, found).text}\n" if question else counterexample_text(found)


def counterexample_text(found: Counterexample) -> str:
    """The counterexample as ((X_0 v) ... (Y_0 v) ...), one variable a line; outputs are onnxruntime's.

    Numbers read back to the same bits as float32 and as float64. Those of a point that the network cannot be given read
    back to the nearest numbers, and its outputs are those at the nearest inputs.
    """
    inputs = tuple(map(float, found.point))
    pairs = [
        f"({letter}_{i} {value!r})"
        for letter, values in (("X", inputs), ("Y", found.outputs))
        for i, value in enumerate(values)
    ]
    return "(" + "\n ".join(pairs) + ")\n"
