"""The answer to a query in VNN-LIB 2.0, in the form that the standard asks of solvers.

Stdout has the verdict in its first line and, for sat, the values of all variables below, in order of declaration; or
one JSON object. Everything else that is said goes to stderr.
"""

import json
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.output import answer, note
from engine.cli.verdict_files import write_verdict
from engine.errors import InputError
from engine.files import prepare
from engine.query import Query
from engine.verdict import Verdict, Violated

if TYPE_CHECKING:  # these take long
    from engine.assignment import Assigned, Assignment
    from engine.cli.verdict_json import Json
    from engine.joining import Question

FOLDER = "--serialise-assignments"


@dataclass(frozen=True, slots=True)
class QueryOutput:
    """Where the answer goes to; query and networks: the files, by the networks' names."""

    query: Path
    networks: Mapping[str, Path]
    results: Path | None
    tensors: Mapping[str, Path]
    arguments: Namespace

    def tell(self, question: "Question", verdict: Verdict) -> None:
        """Writes and prints the verdict, with the values of all variables for sat."""
        from engine.assignment import assignment
        from engine.cli.query_words import explanation

        found = assignment(question, verdict.counterexample) if isinstance(verdict, Violated) else None
        text = "\n".join([answer_word(verdict), *([found.text] if found else [])])
        if self.results:
            write_verdict(self.results, f"{text}\n".encode("ascii"), verdict)
        for tensor in found.tensors if found and self.tensors else ():
            write_verdict(self.tensors[tensor.variable.name], _serialised(tensor), verdict)
        if self.arguments.json:
            answer(json.dumps(self._content(question, verdict, found), indent=2, allow_nan=False))
        else:
            answer(answer_word(verdict) if self.tensors else text)
        note(explanation(question, verdict, found, self.arguments))

    def _content(self, question: "Question", verdict: Verdict, found: "Assignment | None") -> "Json":
        from engine.acasxu.identity import identify
        from engine.cli.verdict_json import verdict_content

        pairs = zip(question.query.networks, question.networks)
        named = [(declared.name, network, identify(network)) for declared, network in pairs]
        prop = question.query.property
        content = verdict_content(None, verdict)
        del content["label"]  # each network has its own
        return {
            "query": {"file": str(self.query), "name": prop.name, "sha256": prop.sha256},
            "networks": [
                {
                    "declared": name,
                    "file": str(self.networks[name]),
                    "name": network.name,
                    "sha256": network.sha256,
                    "label": identity and identity.label,
                }
                for name, network, identity in named
            ],
            **content,
            "assignment": found and [_entry(tensor) for tensor in found.tensors],
            "rounding": (found and found.rounding) or None,
        }


def answer_word(verdict: Verdict) -> str:
    """The verdict as the standard calls it."""
    return "timed-out" if verdict.word == "timeout" else verdict.word


def prepare_output(path: Path, networks: Mapping[str, Path], query: Query, arguments: Namespace) -> QueryOutput:
    """Where the answer goes to, after a trial that it can be written; what an earlier run left there is removed."""
    given = (path, *networks.values())
    results = prepare(arguments.results, option="--results", given=given) if arguments.results else None
    folder, tensors = arguments.serialise_assignments, {}
    if folder:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            what = f"no folder can be made there ({error.strerror})"
            raise InputError(what, where=f"{FOLDER} {folder}", advice="name another one") from None
        names = [variable.name for network in query.networks for variable in network.variables]
        tensors = {name: prepare(folder / f"{name}.pb", option=FOLDER, given=given) for name in names}
    return QueryOutput(path, networks, results, tensors, arguments)


def _entry(tensor: "Assigned") -> "Json":
    variable = tensor.variable
    return {
        "name": variable.name,
        "kind": variable.kind,
        "type": variable.element,
        "shape": list(variable.shape),
        "values": list(tensor.decimals),
    }


def _serialised(tensor: "Assigned") -> bytes:
    """An ONNX TensorProto of the variable's type and shape; real numbers are the nearest float64 ones."""
    from onnx import numpy_helper

    return bytes(numpy_helper.from_array(tensor.numbers, tensor.variable.name).SerializeToString())
