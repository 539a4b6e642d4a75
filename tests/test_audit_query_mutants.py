"""Wrong checkers of several networks: each accepts a file of query_certificates/ that must not be accepted."""

import csv
from dataclasses import replace

import pytest
from make_query_certificates import CORPUS, files_of

from engine.audit import blocks, check, claimed, query, walk
from engine.audit.blocks import joint


def _nothing(*_):
    pass


def _never_rounded(networks, n_inputs, pairs):
    return replace(joint(networks, n_inputs, pairs), obstacle="")


def _always_paired(networks, n_inputs, pairs):
    return joint(networks, n_inputs, pairs or ((0, 1),))


def _not_demanded(what):
    """One of the walk's demands is not made."""

    def wrong(holds, number, reason, original=walk.demand_all):
        if what not in reason:
            original(holds, number, reason)

    return [(module, "demand_all", wrong) for module in (walk, claimed)]


#: name -> what is replaced by what, a file that must be accepted then
MUTANTS = {
    "hashes_ignored": ([(query, "check_hash", _nothing)], "networks_swapped"),
    "names_ignored": ([(query, "_check_named", _nothing)], "networks_renamed"),
    "ties_ignored": ([(query, "_check_named", _nothing)], "paired_otherwise"),
    "ties_nearly": ([(query, "_check_named", _nothing)], "tie_nearly"),
    "claim_unchecked": ([(check, "check_claim", _nothing)], "case_smaller"),
    "leaves_unchecked": (_not_demanded("leaf"), "exclusion_missing"),
    "exclusions_unchecked": (_not_demanded("not shown"), "leaf_only"),
    "rounded_ties_executed": ([(query, "joint", _never_rounded)], "float32_claimed"),
    "types_ignored": ([(query, "_check_executed", _nothing)], "real_claimed"),
    "pairs_unchecked": ([(blocks, "_check_pairs", _nothing)], "pair_absent_from_a_witness_3"),
    "pairs_in_version_2": ([(query, "joint", _always_paired)], "pairs_dropped_3"),
    "pairs_added": ([(query, "joint", _always_paired)], "pairs_empty_3"),
    "witness_unchecked": ([(check, "check_witness", _nothing)], "outputs_nearly"),
}


with (CORPUS / "index.csv").open(newline="") as _file:
    QUESTIONS = {entry["file"]: entry["question"] for entry in csv.DictReader(_file)}


def _is_accepted(name: str) -> bool:
    file = f"tampered/{name}.zip"
    return check.check(CORPUS / file, *files_of(QUESTIONS[file])).accepted


@pytest.mark.parametrize("name", MUTANTS)
def test_noticed(name, monkeypatch):
    patches, file = MUTANTS[name]
    assert not _is_accepted(file)
    for patch in patches:
        monkeypatch.setattr(*patch)
    assert _is_accepted(file)
