"""Statements about two networks and their verdicts as JSON."""

from fractions import Fraction

from engine.cli.question_words import Words
from engine.cli.verdict_json import Json, encounter_json, rational_json, verdict_content
from engine.comparison.asking import Answer, refutation
from engine.comparison.narrowing import Narrowed
from engine.comparison.questions import Equivalent, Monotone, SameDecision, Statement


def answer_json(found: Answer, words: Words) -> Json:
    """The fields of an answer. Numbers that are exact are decimals or rationals n/d, in strings."""
    networks = [{"name": name, "sha256": net.sha256} for name, net in zip(words.names, found.asked.networks)]
    point = refutation(found)
    content: Json = {
        "statement": _statement(found.asked.statement),
        "meaning": words.meaning(found.asked.statement),
        "region": words.region,
        "networks": networks,
        "question": found.text.decode("ascii"),
        "question_sha256": found.question.query.property.sha256,
    }
    content |= verdict_content(words.identity, found.verdict)
    if point:
        content["refutation"] = {
            "inputs": [list(map(rational_json, part)) for part in point.inputs],
            "exact_outputs": [list(map(rational_json, part)) for part in point.exact],
            "exact_differences": list(map(rational_json, point.differences)),
            "outputs": [list(part) for part in point.executed],
            "differences": list(point.executed_differences),
        }
        if words.identity:
            content["encounters"] = list(map(encounter_json, words.encounters(point)))
    return content


def narrowed_json(found: Narrowed, words: Words) -> Json:
    """Both ends of eps, what was given up between them, and each step."""
    bracket = found.bracket
    return {
        "smallest_proved": _exactly(bracket.proved),
        "largest_refuted": _exactly(bracket.refuted),
        "given_up": [_exactly(bracket.low), _exactly(bracket.high)] if bracket.low else None,
        "seconds": found.seconds,
        "steps": [
            {"eps": _exactly(step.eps), "verdict": step.word, "boxes": step.boxes, "seconds": step.seconds}
            for step in found.steps
        ],
        "proved": answer_json(found.proved, words) if found.proved else None,
        "refuted": answer_json(found.refuted, words) if found.refuted else None,
    }


def _statement(asked: Statement) -> Json:
    match asked:
        case Equivalent(eps):
            return {"kind": "equivalent", "eps": _exactly(eps)}
        case SameDecision(decision, gap):
            return {"kind": "same decision", "decision": decision.value, "gap": _exactly(gap)}
        case Monotone(i, rising, outputs, tolerance):
            direction = "rising" if rising else "falling"
            content: Json = {"kind": "monotone", "input": i, "direction": direction, "outputs": list(outputs)}
            return content | {"tolerance": _exactly(tolerance)}


def _exactly(value: Fraction | None) -> str | None:
    return None if value is None else rational_json(value)
