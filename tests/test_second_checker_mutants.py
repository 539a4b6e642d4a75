"""Certificates about branches, pooling and curves, changed at random: both checkers agree, and no sample objects.

With those of test_second_checker_cones_mutants.py there are 1,000 of them.
"""

import copy
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from make_certificates import Draft
from mutated_certificates import Base, about_bounds, about_images, check_sampled, mutant
from test_audit_meeting import residual
from test_second_checker_cones import agree, ours, theirs  # noqa: F401 (theirs is a fixture)
from test_second_checker_cones_mutants import is_broken_twice
from test_second_checker_meeting import certified, wide

FIXED = ("0.5", "0.1", "0", "-1", "0.25", "0.75")
WHY = "engine/audit has no section 14 yet"


def searched(folder: Path, name: str) -> Base:
    """The engine's, of a network with branches: a MaxPool, or most inputs fixed."""
    made, fixed = (wide(0), FIXED) if name == "cone" else (residual(1), ())
    certificate, _, code = certified(folder, made, 0.05, fixed)
    assert code == 0
    return Base(Draft.read(certificate.read_bytes()), made.SerializeToString())


def words(seeds: range, base_of: Callable[[int], Base], folder: Path, said) -> Counter:
    """How a mutant of each seed ends, by both checkers alike."""
    found = Counter()
    for seed in seeds:
        base = base_of(seed)
        certificate, files, draft = mutant(base, np.random.default_rng(seed), folder)
        one, other = ours(certificate, files), said(certificate, files)
        assert agree(one, other) or is_broken_twice(one, other, files), (seed, one, other)
        if one[0] == "accepted":
            check_sampled(base, draft)
        found[one[0]] += 1
    return found


# --- branches and pooling -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pool", "cone"])
def test_mutants_with_branches(tmp_path, name, theirs):  # noqa: F811
    base = searched(tmp_path, name)
    found = words(range(12), lambda seed: base, tmp_path, theirs)
    assert found["accepted"] and found["rejected"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pool", "cone"])
def test_many_mutants_with_branches(tmp_path, name, theirs):  # noqa: F811
    base = searched(tmp_path, name)
    found = words(range(1000, 1150), lambda seed: base, tmp_path, theirs)
    assert found["accepted"] > 20 and found["rejected"] > 50


# --- curves ---------------------------------------------------------------------------------------


def as_they_are(seeds: range, base_of: Callable[[int], Base], folder: Path, said) -> Counter:
    found = Counter()
    for seed in seeds:
        base = base_of(seed)
        certificate, files = base.written(folder, copy.deepcopy(base.draft))
        one, other = ours(certificate, files), said(certificate, files)
        assert agree(one, other), (seed, one, other)
        found[one[0]] += 1
    return found


@pytest.mark.parametrize("base_of, least", [(about_bounds, 2), (about_images, 2)])
def test_certificates_about_curves(tmp_path, base_of, least, theirs):  # noqa: F811
    """The bounds of exclusions are the same, to the last bit."""
    assert as_they_are(range(4), base_of, tmp_path, theirs)["accepted"] >= least


@pytest.mark.parametrize("base_of", [about_bounds, about_images])
def test_mutants_about_curves(tmp_path, base_of, theirs):  # noqa: F811
    found = words(range(6), base_of, tmp_path, theirs)
    assert found["accepted"] and found["rejected"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "base_of, first, networks",
    [(about_bounds, 1000, 50), (about_bounds, 2000, 50), (about_bounds, 3000, 50), (about_images, 1000, 8)],
)
def test_many_mutants_about_curves(tmp_path, base_of, first, networks, theirs):  # noqa: F811
    bases = [base_of(first + i) for i in range(networks)]
    found = words(range(first, first + 100), lambda seed: bases[seed % networks], tmp_path, theirs)
    assert found["accepted"] > 10 and found["rejected"] > 30


@pytest.mark.parametrize("base_of", [about_bounds, about_images])
def test_no_sample_objects(tmp_path, base_of):
    """To what the second checker accepts of what is drawn, and of mutants of it."""
    accepted = 0
    for seed in range(50, 58):
        base = base_of(seed)
        if seed % 2:
            certificate, files, draft = mutant(base, np.random.default_rng(seed), tmp_path)
        else:
            certificate, files, draft = *base.written(tmp_path, copy.deepcopy(base.draft)), base.draft
        if ours(certificate, files)[0] == "accepted":
            check_sampled(base, draft)
            accepted += 1
    assert accepted >= 2
