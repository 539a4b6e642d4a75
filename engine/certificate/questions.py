"""Verdicts about several networks to certificate files (docs/certificate-format.md, section 10)."""

from os import PathLike
from pathlib import Path

from engine.certificate.encoding import Json, rational_text
from engine.certificate.writer import decided_bytes, write_new
from engine.errors import InputError
from engine.joining import Question
from engine.query import Tie
from engine.search.problem import Options
from engine.verdict import Verdict

VERSION, OF_PAIRS = 2, 3


def write_question_certificate(
    path: str | PathLike[str],
    question: Question,
    verdict: Verdict,
    options: Options = Options(),
    *,
    force: bool = False,
) -> None:
    """Writes the certificate of a verdict on a question, from which `acasxu check` decides again without this engine.

    As write_certificate, which is about one network and a property of VNN-LIB 1.0.
    """
    write_new(Path(path), question_certificate_bytes(question, verdict, options), force=force)


def question_certificate_bytes(question: Question, verdict: Verdict, options: Options = Options()) -> bytes | None:
    """Returns the certificate of a verdict on a question, None if nothing was decided.

    options: those of the search, with `proofs=True` for a verdict that nothing satisfies the query. InputError where
    the query or a network was not read from a file, and as certificate_bytes.
    """
    query = question.query
    sources = [(network.name, network.sha256) for network in question.networks]
    for name, sha256 in [*sources, (query.property.name, query.property.sha256)]:
        if not sha256:
            raise InputError(
                "no certificate can name it: it was not read from a file",
                where=name or "query",
                advice="write it to a file and load that",
            )
    about: dict[str, Json] = {
        "networks": [
            {"declared": declared.name, "name": network.name, "sha256": network.sha256}
            for declared, network in zip(query.networks, question.networks)
        ],
        "ties": _ties(question),
    }
    pairs = question.joint.pairs
    if pairs:
        about["pairs"] = [list(pair) for pair in pairs]
    version = OF_PAIRS if pairs else VERSION
    return decided_bytes(version, about, query.property, verdict, options, where=query.property.name)


def _ties(question: Question) -> list[Json]:
    """Returns the ties of each network's inputs."""
    found: list[Json] = []
    start = 0
    for declared in question.query.networks:
        size = sum(tensor.size for tensor in declared.of_kind("input"))
        found.append([_tie(tie) for tie in question.query.ties[start : start + size]])
        start += size
    return found


def _tie(tie: Tie) -> Json:
    inputs = {str(i): rational_text(coefficient) for i, coefficient in tie.coefficients}
    return {"inputs": inputs, "constant": rational_text(tie.constant)}
