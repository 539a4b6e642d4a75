"""VERE's three figures of a repair (Ma et al., ICSE 2024): what they are, and their form as JSON."""

from dataclasses import dataclass

from engine.comparison.decision import Decision

#: The fields of `Figures` that are shares, each with the field that says of how many points.
SHARES = {"success": "given", "generalization": "held_out", "drawdown": "safe"}


@dataclass(frozen=True, slots=True)
class Figures:
    """VERE's figures for one property: shares of so many points as `definitions` say, None where there are none.

    drawdown: None too where the network's decision is not known.
    """

    property: str
    given: int
    success: float | None
    held_out: int
    generalization: float | None
    safe: int
    drawdown: float | None


def definitions(decision: Decision, word: str) -> dict[str, str]:
    """The figures that can be given in one line each: drawdown is one of decisions, for which reports say `word`."""
    texts = {
        "success": "of counterexamples of the original, the share that is safe now",
        "generalization": "the same of held-out counterexamples, none of them among the former",
    }
    if decision.is_known:
        texts["drawdown"] = f"of points where the original was safe, the share whose {word} is another now"
    return texts
