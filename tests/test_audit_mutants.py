"""Wrong checkers: each accepts a file of certificates/ that must not be accepted, so the corpus notices it.

Missing losses for rounding are not among them: tests/test_audit_rounding.py is about those.
"""

from dataclasses import replace

import numpy as np
import pytest
from test_certificate_corpus import INDEX, said

from engine.audit import arithmetic, certificate, check, claim, claimed, dyadic, exact, tree, walk

# --- bounds ---------------------------------------------------------------------------------------


def _inward(v):
    return np.float32(v + 0.75 * np.abs(v) * 2.0**-23 + 2.0**-149)


def _lines(change):
    """Both arithmetics' lines of a ReLU, changed."""
    wrong = lambda l, u, ratio: change(*original(l, u, ratio))
    original = arithmetic.relu_lines
    return [(arithmetic, "relu_lines", wrong), (exact, "relu_lines", wrong)]


def _maximum(nodes, node, rows, original=arithmetic._minimum):
    return original(nodes._replace(lower=nodes.upper, upper=nodes.lower), node, rows)


def _narrow(self, lower, upper, original=arithmetic.Floating.root):
    return original(self, lower, upper) / 2


def _of_the_first(self, node, original=arithmetic.Lines.at):
    return original(self, 0 * node)


def _always_real(network, semantics, ratio):
    return arithmetic.Floating(network, "real", ratio)


# --- the walk -------------------------------------------------------------------------------------


def _children(change):
    """Children that `change(parents, children)` has changed."""

    def wrong(self, parents, original=walk.Proof._children):
        children = original(self, parents)
        change(parents, children)
        return children

    return [(walk.Proof, "_children", wrong)]


def _both_first(parents, children):
    children.upper[1::2], children.lower[1::2] = children.upper[::2], children.lower[::2]


def _no_second(parents, children):
    children.upper[1::2] = children.lower[1::2]


def _signs_swapped(parents, children):
    children.sign[:] = parents.sign.repeat(2, axis=0) - (children.sign - parents.sign.repeat(2, axis=0))


def _clamped_twice(parents, children):
    children.u[:] = np.where(children.sign != 0, np.minimum(children.u, 0), children.u)


def _marked(which):
    """Polytopes are taken for excluded before any is looked at: which(own) of those with an exclusion at each node."""

    def wrong(self, nodes, original=walk.Proof._step):
        own = np.zeros_like(nodes.excluded)
        place, exclusion = walk.entries(self.claimed.begin, nodes.number)
        own[place, self.tree.polytope[exclusion]] = True
        nodes.excluded[:] |= which(own)
        return original(self, nodes)

    return [(walk.Proof, "_step", wrong)]


def _first_case(self, number, original=walk.Proof._roots):
    nodes = original(self, number)
    for part in (nodes.lower, nodes.upper, nodes.l, nodes.u):
        part[:] = part[0]
    return nodes


def _always_strict(self, nodes, node, exclusion, original=claimed.ClaimedExclusions.of):
    found, strict = original(self, nodes, node, exclusion)
    return found, np.ones_like(strict)


def _not_demanded(what):
    """One of the walk's demands is not made."""

    def wrong(holds, number, reason, original=walk.demand_all):
        if what not in reason:
            original(holds, number, reason)

    return [(module, "demand_all", wrong) for module in (walk, claimed)]


def _holds_or_not(row):
    return not row.inputs and not row.outputs


# --- the claim and the files ----------------------------------------------------------------------


def _constants_ignored(tightest, pairs):
    return all(form in tightest for form, _ in pairs)


def _strictness_ignored(tightest, pairs):
    return all(form in tightest and tightest[form][0] >= constant for form, (constant, _) in pairs)


def _touching(some, tightest, forms):
    opposites = ((c, tightest[form ^ 1][0]) for form, (c, _) in some.items() if form > 1 and form ^ 1 in tightest)
    return any(c + d >= 0 for c, d in opposites)


class _Any(str):
    """Equal to every text."""

    __eq__, __ne__, __hash__ = (lambda *_: True), (lambda *_: False), str.__hash__


class _AnyHash:
    def __init__(self, data):
        pass

    def hexdigest(self):
        return _Any()


def _read(name, **changes):
    """A reader whose result has other parts."""
    original = getattr(check, name)
    return [(check, name, lambda path: replace(original(path), **changes))]


def _nothing(*_):
    pass


#: name -> what is replaced by what, a file that must be accepted then, in which arithmetic
MUTANTS = {
    "bounds_rounded_inward": ([(arithmetic, "down", _inward)], "tampered/chord"),
    "bounds_rounded_inward_exact": ([(dyadic, "down", _inward)], "tampered/chord", "exact"),
    "no_intercept": (_lines(lambda a, c, t: (a, c, 0 * t)), "tampered/chord"),
    "no_intercept_exact": (_lines(lambda a, c, t: (a, c, 0 * t)), "tampered/chord", "exact"),
    "intercept_a_little_low": (_lines(lambda a, c, t: (a, c, t * (1 - 2.0**-20))), "tampered/chord"),
    "maximum_for_minimum": ([(arithmetic, "_minimum", _maximum)], "tampered/half"),
    "root_bounds_too_narrow": ([(arithmetic.Floating, "root", _narrow)], "tampered/chord"),
    "lines_of_the_first_node": ([(arithmetic.Lines, "at", _of_the_first)], "tampered/half"),
    "float32_taken_for_real": ([(check, "ARITHMETIC", {"float64": _always_real})], "tampered/float32_claimed"),
    "children_both_the_first": (_children(_both_first), "tampered/half"),
    "second_child_empty": (_children(_no_second), "tampered/half"),
    "signs_swapped": (_children(_signs_swapped), "tampered/multiplier_other_sign"),
    "sign_of_both_children": (_children(_clamped_twice), "tampered/half_by_sign"),
    "excluded_in_all_nodes": (_marked(lambda own: own.any(0)), "tampered/half_missing"),
    "excluded_in_all_polytopes": (
        _marked(lambda own: own.any(1, keepdims=True)),
        "tampered/exclusion_of_another_polytope",
    ),
    "roots_of_the_first_case": ([(walk.Proof, "_roots", _first_case)], "tampered/second_case"),
    "ties_are_shown": ([(claimed.ClaimedExclusions, "of", _always_strict)], "tampered/tie_not_strict", "exact"),
    "ends_to_nearest": ([(walk, "outward", lambda value, side: float(value))], "tampered/box_end", "exact"),
    "constant_rows_are_false": ([(walk, "_is_false", _holds_or_not)], "tampered/row_true"),
    "exclusions_unchecked": (_not_demanded("not shown"), "tampered/half"),
    "leaves_unchecked": (_not_demanded("leaf"), "tampered/exclusion_missing"),
    "cuts_unchecked": (_not_demanded("cut"), "tampered/cut_at_the_end"),
    "splits_of_signs_unchecked": (_not_demanded("assumed already"), "tampered/sign_twice"),
    "multipliers_unchecked": (_not_demanded("without an assumed sign"), "tampered/multiplier_without_sign"),
    "arrays_unchecked": ([(tree, "_rules", lambda *_: ())], "tampered/weight_negative"),
    "arrays_unchecked_too": ([(tree, "_rules", lambda *_: ())], "tampered/multiplier_negative"),
    "claim_unchecked": ([(check, "check_claim", _nothing)], "tampered/case_missing"),
    "constants_of_the_claim_ignored": ([(claim, "_implies", _constants_ignored)], "tampered/box_smaller"),
    "strictness_of_the_claim_ignored": ([(claim, "_implies", _strictness_ignored)], "tampered/row_strict"),
    "touching_rows_contradict": ([(claim, "_contradicts", _touching)], "tampered/touching"),
    "network_hash_ignored": (_read("read_network", sha256=_Any()), "tampered/network_given"),
    "property_hash_ignored": (_read("read_property", sha256=_Any()), "tampered/property_given"),
    "array_hashes_ignored": ([(certificate, "sha256", _AnyHash)], "malformed/hash_other"),
    "float32_obstacles_ignored": (_read("read_network", obstacle=""), "tampered/float32_double"),
    "scaled_sums_that_underflow": (_read("read_network", obstacle=""), "tampered/float32_under"),
    "scaled_sums_that_overflow": (_read("read_network", obstacle=""), "tampered/float32_over"),
    "merged_factors": (_read("read_network", obstacle=""), "tampered/float32_merged"),
    "inputs_that_are_flushed": (_read("read_network", obstacle=""), "tampered/float32_flushed"),
    "quotients_taken_for_exact": (_read("read_network", rounded=False), "tampered/third_reached", "exact"),
    "witness_of_a_quotient_taken_for_exact": (_read("read_network", rounded=False), "tampered/third_below"),
    "witness_unchecked": ([(check, "check_witness", _nothing)], "tampered/witness_outside"),
}

FILES = {entry["file"]: entry for entry in INDEX}


@pytest.mark.parametrize("name", MUTANTS)
def test_noticed(name, monkeypatch):
    patches, file, *how = MUTANTS[name]
    for patch in patches:
        monkeypatch.setattr(*patch)
    assert said(FILES[f"{file}.zip"], arithmetic=how[0] if how else "float64") == "accepted"


@pytest.mark.parametrize("name", MUTANTS)
def test_rejected_by_the_checker_as_it_is(name):
    _, file, *how = MUTANTS[name]
    assert said(FILES[f"{file}.zip"], arithmetic=how[0] if how else "float64") in ("rejected", "malformed")
