"""What two networks' weights say of their outputs, in plain words."""

from collections.abc import Iterator, Sequence

from engine.comparison.decision import Decision
from engine.comparison.structure import Claim, Structure

EVERYWHERE = "for every input, inside the domain and outside"
NOT_OWN = "numbers of a network are not its own, but the nearest that float64 holds; or it has a Sigmoid or Tanh"
_PREDICATES = {
    Claim.EQUAL: ("is unchanged", "are unchanged"),
    Claim.RAISED: ("is nowhere smaller", "are nowhere smaller"),
    Claim.LOWERED: ("is nowhere larger", "are nowhere larger"),
    Claim.FREE: ("may be smaller or larger", "may be smaller or larger"),
}


def in_words(found: Structure, decision: Decision, *, names: Sequence[str] = (), word: str = "decision") -> str:
    """The claims, and what follows for the network's decision where that is known.

    names: of the scores that the outputs are, none where they have no names; word: what the decision is called.
    """
    if found.all_equal:
        return f"{EVERYWHERE}: all outputs are equal"
    parts = [_claim(found, claim, names) for claim in _PREDICATES if found.among(claim)]
    if decision.is_known:
        parts.append(_conclusion(found, decision, names, word))
    return f"{EVERYWHERE}: {'; '.join(parts)}"


def structure_json(
    found: Structure | None, decision: Decision, *, names: Sequence[str] = (), word: str = "decision"
) -> dict[str, object]:
    """The claim of each output, and the words; a reason where the weights say nothing."""
    if found is None:
        return {"outputs": None, "theorem": False, "reason": NOT_OWN}
    return {
        "outputs": [claim.value for claim in found.outputs],
        "theorem": found.is_theorem(decision.guide),
        "in_words": in_words(found, decision, names=names, word=word),
    }


def _claim(found: Structure, claim: Claim, names: Sequence[str]) -> str:
    """One claim, with the outputs that it is made of."""
    outputs = found.among(claim)
    several = len(outputs) > 1
    noun = ("scores of" if several else "score of") if names else "outputs" if several else "output"
    article = "the " if names else ""
    return f"{article}{noun} {_listed(outputs, names, 'and')} {_PREDICATES[claim][several]}"


def _conclusion(found: Structure, decision: Decision, names: Sequence[str], word: str) -> str:
    n, possible = len(found.outputs), found.changes(decision)
    if not possible:
        return f"so the {word} is the same everywhere"
    if len(possible) == n * (n - 1):
        return f"nothing follows for the {word}"
    return f"so the {word} changes only {', or '.join(_where(found, decision, names))}"


def _where(found: Structure, decision: Decision, names: Sequence[str]) -> Iterator[str]:
    """The two ways in which the decision may change; what one output alone rules out is said, too."""
    left, entered = found.left(decision), found.entered(decision)
    if left:
        only = f", and becomes {_listed(left, names, 'or')} nowhere where it was not"
        yield f"where it is {_listed(left, names, 'or')} in the original" + only * (len(left) == 1 and not entered)
    if entered:
        only = f", and stays {_listed(entered, names, 'or')} wherever it was"
        yield f"to {_listed(entered, names, 'or')}" + only * (len(entered) == 1 and not left)


def _listed(outputs: Sequence[int], names: Sequence[str], last: str) -> str:
    called = [names[j] if names else str(j) for j in outputs]
    return f" {last} ".join([", ".join(called[:-1]), called[-1]]) if len(called) > 1 else called[0]
