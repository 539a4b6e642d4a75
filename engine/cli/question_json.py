"""Statements about two networks and their verdicts as JSON."""

from fractions import Fraction

from engine.cli.question_words import Words
from engine.cli.verdict_json import Json, encounter_json, rational_json, verdict_content
from engine.comparison.asking import Answer, refutation
from engine.comparison.narrowing import Bracket, Narrowed
from engine.comparison.questions import Equivalent, Monotone, SameDecision, Statement
from engine.exact import number_text


def answer_json(found: Answer, words: Words) -> Json:
    """The fields of an answer. Numbers that are exact are decimals or rationals n/d, in strings."""
    networks = [{"name": name, "sha256": net.sha256} for name, net in zip(words.names, found.asked.networks)]
    point = refutation(found)
    content: Json = {
        "in_words": words.verdict(found, point),
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
            "in_words": words.point(found.asked.statement, point),
            "outputs_called": [words.called(j) for j in range(len(point.differences))],
        }
        if words.identity:
            content["encounters"] = list(map(encounter_json, words.encounters(point)))
    return content


def narrowed_json(found: Narrowed, words: Words) -> Json:
    """Both ends of eps, what was given up between them, and each step."""
    bracket = found.bracket
    return {
        "in_words": ends_in_words(bracket),
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


def ends_in_words(bracket: Bracket) -> str:
    """Both ends of eps in a line, and what was given up in another."""
    smallest = f"proved from {number_text(bracket.proved)} on" if bracket.proved else "proved for no eps"
    largest = f"refuted up to {number_text(bracket.refuted)}" if bracket.refuted else "refuted for no eps"
    if not (bracket.low and bracket.high):
        return f"{smallest}, {largest}"
    given_up = f"given up: {number_text(bracket.low)} to {number_text(bracket.high)}, each after its time"
    return f"{smallest}, {largest}\n{given_up}"


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
