"""VNN-COMP's result files."""

from engine.verdict import Counterexample, Verdict, Violated


def result_text(verdict: Verdict) -> str:
    """The text of a result file: the verdict's word on the first line, for `sat` the counterexample after it."""
    if isinstance(verdict, Violated):
        return f"{verdict.word}\n{counterexample_text(verdict.counterexample)}"
    return f"{verdict.word}\n"


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
