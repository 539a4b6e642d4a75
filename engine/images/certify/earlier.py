"""What an earlier run left in its folder, as far as it bears itself out."""

import json
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from engine.errors import InputError
from engine.images.certify.aggregate import DataFiles, read_part
from engine.images.certify.ledger import OPEN, PROVED, REFUTED, Finding, Ledger
from engine.images.certify.questions import Key, Questions
from engine.images.certify.record import ledger_of
from engine.images.certify.triggers import refutation_name
from engine.images.formats.contents import content
from engine.images.formats.npz import read_arrays
from engine.replay import AnyReplay, replay_of
from engine.search.confirm import Confirmer

ADVICE = "choose another folder, or --force to begin anew"


def earlier_cases(folder: Path, questions: Questions, data: DataFiles) -> dict[Path, list[Key]]:
    """The cases of the certificates in a folder, by file. InputError where one is damaged, or about other questions."""
    found: dict[Path, list[Key]] = {}
    for file in sorted(folder.glob("images*.proof.zip")):
        part = read_part(file, questions, data)
        if part is None:
            raise InputError("this certificate is damaged, or about another question", where=str(file), advice=ADVICE)
        found[file] = part[0]
    return found


def earlier_findings(record: Path, questions: Questions, *, proved: Collection[Key] | None) -> Ledger:
    """The findings in a record that stand. proved: the cases in the certificates; None where none are wanted.

    A proof without certificate is believed only where none is wanted, and is marked. A trigger must work again.
    InputError where the record is not there, is damaged or about another question.
    """
    if not record.is_file():
        raise InputError("this folder holds something else", where=str(record.parent), advice=ADVICE)
    try:
        ledger = ledger_of(json.loads(content(record)), questions, where=str(record))
    except (ValueError, RecursionError):
        raise InputError("this is no JSON", where=str(record), advice=ADVICE) from None
    if ledger is None:
        what = "this folder belongs to another network, data, patch, contents or claim"
        raise InputError(what, where=str(record.parent), advice=ADVICE)
    again = cache(lambda: replay_of(questions.network))
    for key, finding in list(ledger.findings.items()):
        if finding.word == PROVED and proved is None:
            ledger.findings[key] = replace(finding, taken_over=True)
        elif finding.word == REFUTED and not _works(record.parent, questions, key, again):
            del ledger.findings[key]
        elif finding.word == PROVED and proved is not None and key not in proved:
            del ledger.findings[key]
    for key in proved or ():
        found = ledger.findings.get(key)
        if found is None or found.word == OPEN:  # the run was ended before it could write the record
            ledger.findings[key] = Finding(PROVED, 0.0)
    return ledger


def _works(folder: Path, questions: Questions, key: Key, replay: Callable[[], AnyReplay]) -> bool:
    """Whether the trigger in the file of this case does what it should, exactly and in onnxruntime.

    replay: of the network itself.
    """
    path = folder / f"{refutation_name(questions, key)}.npz"
    try:
        arrays = read_arrays(content(path), (questions.point,), where=str(path))
    except InputError:
        return False
    point = arrays.get(questions.point, np.zeros(0)).astype(np.float64).ravel()
    if point.shape != (questions.n_inputs,) or not np.isfinite(point).all():
        return False
    problem = questions.problem(*key)
    (case,) = problem.property.cases
    own = replay if problem.network is questions.network else None
    found = Confirmer(problem.network, case, own).counterexample(point)
    return found is not None and found.stands
