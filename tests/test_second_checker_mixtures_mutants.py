"""Certificates of version 6, changed at random and signed again: both checkers say the same, and no sample objects."""

import copy
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from mixture_certificates import NAMES, Mixed, MixtureDraft, check_sampled, made
from mutated_certificates import TREES
from test_certificate_mutations import Mutant, Skip
from test_second_checker_cones import agree
from test_second_checker_mixtures import SEEDS, ours, put, theirs  # noqa: F401 (theirs is a fixture)

NUMBERS = ["0", "1", "1/2", "1/7", "0.15", "-1", "2", None]


def claimed(m: Mutant) -> None:
    """One of the claim's parts is another, of the right form."""
    manifest = m.draft.manifest
    changes = [
        (manifest, "claim", m.pick([{"not": m.number(0, 4)}, "label"])),
        (manifest["input"], "scaling", m.pick(["0..1", "0..255", "-1..1"])),
        (manifest["images"], m.number(0, len(manifest["images"])), m.number(0, 8)),
        (manifest["cases"], m.number(0, len(manifest["cases"])), m.number(0, 7)),
        (manifest["contents"], m.pick(NAMES[1:]), m.pick(NUMBERS)),
    ]
    container, place, value = m.pick(changes)
    container[place] = value


def numbered(m: Mutant) -> None:
    """One of the numbers of its contents is a little or much larger or smaller."""
    contents = m.draft.manifest["contents"]
    there = [(contents, name) for name in NAMES[1:] if contents[name] is not None]
    if blend := contents["blend"]:
        there += [(blend, "most"), (blend["pattern"], m.number(0, len(blend["pattern"])))]
    container, place = m.pick(there)
    container[place] = str(Fraction(container[place]) * (1 + m.step() / m.pick([1, 4, 64])))


def mutant(base: MixtureDraft, random: np.random.Generator) -> MixtureDraft:
    while True:
        changed = Mutant(copy.deepcopy(base), b"", "", 3, random)
        try:
            for change in random.choice([*TREES, *[claimed] * 8, *[numbered] * 20], random.integers(1, 3)):
                change(changed)
        except (Skip, TypeError):  # not of such a certificate
            continue
        return changed.draft


def words(numbers: range, folder: Path, said) -> Counter:
    """How a mutant of each number ends, by both checkers alike."""
    bases: dict[int, tuple[MixtureDraft, Mixed]] = {}
    found = Counter()
    for number in numbers:
        seed = SEEDS[number % len(SEEDS)]
        if seed not in bases:
            (folder / str(seed)).mkdir()
            bases[seed] = made(folder / str(seed), seed)
        base, files = bases[seed]
        draft = mutant(base, np.random.default_rng(number))
        certificate = put(folder, draft)
        one, other = ours(certificate, files), said(certificate, files)
        assert agree(one, other), (number, one, other)
        if one[0] == "accepted":
            check_sampled(files, draft)
        found[one[0]] += 1
    return found


def test_mutants(tmp_path, theirs):  # noqa: F811
    found = words(range(60), tmp_path, theirs)
    assert found["accepted"] >= 10 and found["rejected"] >= 15 and found["malformed"]


@pytest.mark.slow
@pytest.mark.parametrize("first", [1000, 2000, 3000])
def test_many_mutants(tmp_path, first, theirs):  # noqa: F811
    found = words(range(first, first + 100), tmp_path, theirs)
    assert found["accepted"] >= 15 and found["rejected"] >= 25
