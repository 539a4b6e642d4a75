"""The verdict on a query in VNN-LIB 2.0 in words, for stderr."""

from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from engine.acasxu.identity import identify
from engine.assignment import Assigned, Assignment, executed
from engine.cli.helpful import helpful
from engine.cli.labels import explain
from engine.joining import Question
from engine.verdict import Counterexample, Unknown, Verdict, Verified, Violated
from engine.vnnlib.networks.tensors import shown

MAX_NUMBERS = 10  # of a variable in a line


def explanation(question: Question, verdict: Verdict, found: Assignment | None, arguments: Namespace) -> str:
    """Some lines on a verdict: its meaning and cost, its point as executed, and advice where it is Unknown.

    found: the values of all variables, where there are any.
    """
    statistics = verdict.statistics
    boxes = f"{statistics.boxes:,} box{'es' if statistics.boxes != 1 else ''}"
    cost = f"{boxes}, {statistics.seconds:.2f} s, {statistics.device}"
    lines = [f"{_meaning(verdict)}; semantics {verdict.semantics}, {cost}"]
    if isinstance(verdict, Violated):
        lines += _point(question, verdict.counterexample, found)
    elif near := verdict.near_miss:
        where, other = ("exact arithmetic", "onnxruntime") if near.exact else ("onnxruntime", "exact arithmetic")
        lines += [
            f"near miss: a point satisfies all asserts in {where} only, not in {other}",
            *_executed(question, near),
        ]
    if isinstance(verdict, Unknown):
        weaker = "--semantics real" if question.semantics == "real" else "tensors that are declared real"
        lines.append(helpful(verdict, arguments, weaker=weaker))
    return "\n".join(filter(None, [*_labels(question), *lines]))


def _labels(question: Question) -> Iterator[str]:
    for declared, network in zip(question.query.networks, question.networks):
        if identity := identify(network):
            yield f"{declared.name}: {identity.label}"


def _meaning(verdict: Verdict) -> str:
    match verdict:
        case Verified():
            return f"warning: {verdict.warning}" if verdict.warning else "no inputs satisfy all asserts"
        case Violated(counterexample) if counterexample.executable:
            return "these inputs satisfy all asserts, in exact arithmetic and in onnxruntime"
        case Violated():
            return "these inputs satisfy all asserts, in exact arithmetic"
        case Unknown():
            return f"not decided: {verdict.reason}; proved on {verdict.proved:.4%} of the volume"


def _point(question: Question, found: Counterexample, values: Assignment | None) -> Iterator[str]:
    """The rounding of its decimals, the point as executed, and what it means where that is known."""
    if values and values.rounding:
        yield values.rounding
    if "real" in question.query.elements:
        yield from _executed(question, found)
    yield from _encounters(question, found)


def _executed(question: Question, found: Counterexample) -> Iterator[str]:
    number = question.joint.number.__name__
    at = "this point" if found.executable else f"the nearest {number} point, where the asserts may not hold"
    yield f"as executed by onnxruntime at {at}:"
    for tensor in executed(question, found):
        yield f"  {_line(tensor)}"


def _line(tensor: Assigned) -> str:
    numbers, rest = tensor.decimals[:MAX_NUMBERS], len(tensor.decimals) - MAX_NUMBERS
    more = f" and {rest:,} more" if rest > 0 else ""
    return f"{tensor.variable.name} {shown(tensor.variable.shape)}: {' '.join(numbers)}{more}"


def _encounters(question: Question, found: Counterexample) -> Iterator[str]:
    """The point in feet and degrees for each network whose units are known."""
    tensors = {tensor.variable.name: tensor for tensor in executed(question, found)}
    for declared, network in zip(question.query.networks, question.networks):
        given, scores = (
            np.concatenate([tensors[v.name].numbers.ravel() for v in declared.of_kind(kind)]).tolist()
            for kind in ("input", "output")
        )
        if text := explain(identify(network), replace(found, inputs=tuple(given), outputs=tuple(scores))):
            yield f"{declared.name}:\n{text}"
