"""Random changes of valid certificates, signed again: no crash, and what is accepted is a proof of something true.

A mutant is a small file of certificates/valid with one to three changes. It ends as `malformed`, as rejected for its
hashes (`hash`) or for what it says (`logic`), or as `accepted`: by exact arithmetic too, and by no point contradicted.
"""

import copy
import csv
import json
import math
import re
import time
import zipfile
from collections import Counter
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import pytest
from cases import case, prop, row
from make_certificates import CORPUS, NAMES, PARTS, ROOT, Draft, Exclusion, Node, flipped, packed

from engine.audit.check import check
from engine.audit.failures import Malformed
from engine.errors import InputError
from engine.exact import evaluate
from engine.onnx_file import load_network
from engine.vnnlib import load_property
from engine.vnnlib.writer import property_text

SECONDS = 10  # more is a hang


# --- mutants --------------------------------------------------------------------------------------


class Skip(Exception):
    """The change does not apply to this certificate."""


@dataclass
class Mutant:
    """A certificate with its files, and the changes that remain when it is signed or packed."""

    draft: Draft
    network: bytes
    property: str
    outputs: int
    random: np.random.Generator
    follow: bool = False  # the property is to ask for what is claimed
    signed: bool = True
    late: list = field(default_factory=list)  # of members, then of the file's bytes

    def pick(self, choices):
        choices = list(choices)
        if not choices:
            raise Skip
        return choices[self.random.integers(len(choices))]

    def number(self, low: int, high: int) -> int:
        """low <= number < high"""
        return int(self.random.integers(low, high))

    def step(self, least: int = 45) -> Fraction:
        """Up or down, by 1 to 2^-least."""
        return Fraction(self.pick((-1, 1)), 2 ** self.number(0, least + 1))

    @property
    def cases(self) -> list[dict]:
        """Of the claim, or the only one of a witness."""
        return self.draft.cases if self.draft.roots is not None else [self.draft.manifest["case"]]

    def nodes(self, split: bool | None = None) -> list[Node]:
        return [node for node in self.draft.nodes() if split in (None, bool(node.children))]

    def exclusion(self, part: str = "") -> Exclusion:
        """A random one; with pairs of a part, if one is named."""
        return self.pick(one for _, one in self.draft.excluded() if not part or getattr(one, part))

    def claimed(self) -> None:
        """What follows a change of the claim: half of the properties ask for the same."""
        self.follow = bool(self.random.integers(2))

    def bytes(self) -> bytes:
        if self.follow:
            self.property = asked(self.cases, self.outputs)
        if self.signed:
            self.draft.about(self.network, self.property.encode())
        members = self.draft.members()
        for change in self.late:
            members = change(members)
        return members if isinstance(members, bytes) else packed(members, zipfile.ZIP_DEFLATED)


def asked(cases: list[dict], outputs: int) -> str:
    """The VNN-LIB text of a claim."""

    def vector(given: dict, size: int) -> list[Fraction]:
        if any(int(i) >= size for i in given):
            raise Skip
        return [Fraction(given.get(str(i), 0)) for i in range(size)]

    def rows(polytope: list, size: int):
        return [
            row(
                vector(one["outputs"], outputs),
                Fraction(one["constant"]),
                inputs=vector(one["inputs"], size),
                strict=one["strict"],
            )
            for one in polytope
        ]

    parts = [
        case(one["lower"], one["upper"], *(rows(polytope, len(one["lower"])) for polytope in one["unsafe"]))
        for one in cases
    ]
    try:
        return property_text(prop(*parts, n_outputs=outputs))
    except ValueError:  # a number of too many digits
        raise Skip from None


# --- changes --------------------------------------------------------------------------------------

MUTATORS = {}  # changes of one certificate are made in this order


def mutator(kind: str):
    """Registers a change of this kind."""

    def register(change):
        MUTATORS[change.__name__] = kind, change
        return change

    return register


# the claim


def _end(m: Mutant) -> tuple[list, int]:
    ends = m.pick(m.pick(m.cases)[side] for side in ("lower", "upper"))
    return ends, m.number(0, len(ends))


def _row(m: Mutant) -> dict:
    return m.pick(one for part in m.cases for polytope in part["unsafe"] for one in polytope)


@mutator("claim")
def box_end(m):
    ends, i = _end(m)
    ends[i] = str(Fraction(ends[i]) + m.step())
    m.claimed()


@mutator("claim")
def box_scaled(m):
    part, factor = m.pick(m.cases), m.pick((Fraction(1, 2), 2, 2**60, Fraction(1, 2**60), 2**1000))
    part |= {side: [str(Fraction(end) * factor) for end in part[side]] for side in ("lower", "upper")}
    m.claimed()


@mutator("claim")
def constant(m):
    one = _row(m)
    one["constant"] = str(Fraction(one["constant"]) + m.step())
    m.claimed()


@mutator("claim")
def coefficient(m):
    one = _row(m)
    of = one[m.pick(("inputs", "outputs"))]
    i = str(m.number(0, 3))
    of[i] = str(Fraction(of.get(i, 0)) + m.step())
    m.claimed()


@mutator("claim")
def row_scaled(m):
    one, factor = _row(m), m.pick((2, Fraction(1, 1024), -1, 0, 2**80, Fraction(1, 2**80), 2**950, Fraction(1, 2**950)))
    for of in (one["inputs"], one["outputs"]):
        of |= {i: str(Fraction(c) * factor) for i, c in of.items()}
    one["constant"] = str(Fraction(one["constant"]) * factor)
    m.claimed()


@mutator("claim")
def strict(m):
    one = _row(m)
    one["strict"] = not one["strict"]
    m.claimed()


@mutator("claim")
def row_dropped(m):
    polytope = m.pick(polytope for part in m.cases for polytope in part["unsafe"] if polytope)
    del polytope[m.number(0, len(polytope))]
    m.claimed()


@mutator("claim")
def row_added(m):
    polytope = m.pick(polytope for part in m.cases for polytope in part["unsafe"])
    new = {
        "inputs": {},
        "outputs": {m.pick("01"): m.pick(("1", "-1", "0"))},
        "constant": m.pick(("0", "-9", "9")),
        "strict": bool(m.number(0, 2)),
    }
    polytope.insert(m.number(0, len(polytope) + 1), new)
    m.claimed()


@mutator("claim")
def polytope_dropped(m):
    unsafe = m.pick(part["unsafe"] for part in m.cases if part["unsafe"])
    del unsafe[m.number(0, len(unsafe))]
    m.claimed()


@mutator("claim")
def polytope_doubled(m):
    unsafe = m.pick(part["unsafe"] for part in m.cases if part["unsafe"])
    unsafe.insert(m.number(0, len(unsafe)), copy.deepcopy(m.pick(unsafe)))
    m.claimed()


@mutator("claim")
def polytopes_swapped(m):
    m.pick(part["unsafe"] for part in m.cases if len(part["unsafe"]) > 1).reverse()


@mutator("claim")
def case_dropped(m):
    if len(m.cases) < 2:
        raise Skip
    i = m.number(0, len(m.cases))
    del m.draft.cases[i], m.draft.roots[i]
    m.claimed()


@mutator("claim")
def case_doubled(m):
    if m.draft.roots is None:
        raise Skip
    i = m.number(0, len(m.cases))
    m.cases.insert(i, copy.deepcopy(m.cases[i]))
    m.draft.roots.insert(i, copy.deepcopy(m.draft.roots[i]) if m.number(0, 2) else Node())
    m.claimed()


@mutator("claim")
def cases_swapped(m):
    if len(m.cases) < 2:
        raise Skip
    m.cases.reverse()
    m.claimed()


@mutator("claim")
def semantics(m):
    m.draft.manifest["semantics"] = {"real": "float32", "float32": "real"}[m.draft.manifest["semantics"]]


@mutator("claim")
def witness_number(m):
    of = m.draft.manifest.get(m.pick(("point", "outputs", "margins"))) or m.pick(())
    i = m.number(0, len(of))
    of[i] = str(Fraction(of[i]) + m.step())


# the tree


@mutator("tree")
def cut_nudged(m):
    node = m.pick(node for node in m.nodes(split=True) if node.split < m.draft.inputs)
    node.cut += float(m.step(8))


@mutator("tree")
def cut_far(m):
    node = m.pick(node for node in m.nodes(split=True) if node.split < m.draft.inputs)
    node.cut = m.pick((0.0, -0.0, 5e-324, 1e300, -1e300, math.inf, math.nan, float(m.random.normal())))


@mutator("tree")
def split_other(m):
    m.pick(m.nodes(split=True)).split = m.number(0, m.draft.inputs + 13)


@mutator("tree")
def leaf_split(m):
    """Its exclusions stay, or are claimed of the children instead."""
    leaf = m.pick(m.nodes(split=False))
    leaf.split, leaf.cut = m.number(0, m.draft.inputs + 6), float(m.random.normal())
    leaf.children = [Node(), Node()]
    if m.number(0, 2):
        for child in leaf.children:
            child.exclusions = copy.deepcopy(leaf.exclusions)
        leaf.exclusions = []


@mutator("tree")
def split_closed(m):
    node = m.pick(m.nodes(split=True))
    node.split, node.children = -1, []


@mutator("tree")
def leaf_dropped(m):
    """The other child takes its parent's place."""
    node = m.pick(m.nodes(split=True))
    kept = m.pick(node.children)
    vars(node).update(vars(kept))


@mutator("tree")
def subtree_other(m):
    node, other = m.pick(m.nodes(split=True)), m.pick(m.nodes())
    node.children[m.number(0, 2)] = copy.deepcopy(other)


@mutator("tree")
def children_swapped(m):
    m.pick(m.nodes(split=True)).children.reverse()


@mutator("tree")
def exclusion_dropped(m):
    node, one = m.pick(m.draft.excluded())
    node.exclusions.remove(one)


@mutator("tree")
def exclusion_moved(m):
    node, one = m.pick(m.draft.excluded())
    node.exclusions.remove(one)
    _put(m.pick(m.nodes()), one)


@mutator("tree")
def exclusion_copied(m):
    _put(m.pick(m.nodes()), copy.deepcopy(m.exclusion()))


def _put(node: Node, one: Exclusion) -> None:
    node.exclusions = sorted([*node.exclusions, one], key=lambda exclusion: exclusion.polytope)


@mutator("tree")
def exclusions_reversed(m):
    m.pick(node for node in m.nodes() if len(node.exclusions) > 1).exclusions.reverse()


@mutator("tree")
def polytope_other(m):
    m.exclusion().polytope = m.number(-1, 4)


@mutator("tree")
def exclusion_of_other(m):
    """By the rows, slopes and multipliers of another."""
    one, other = m.exclusion(), m.exclusion()
    vars(one).update(vars(other) | {"polytope": one.polytope})


def _pair(m: Mutant, part: str) -> tuple[list, int]:
    pairs = getattr(m.exclusion(part), part)
    return pairs, m.number(0, len(pairs))


def _value(part: str, choose):
    """A change of one value of a part, `choose(mutant, value)`."""

    def change(m):
        pairs, i = _pair(m, part)
        pairs[i] = pairs[i][0], choose(m, pairs[i][1])

    return change


def _index(part: str):
    def change(m):
        pairs, i = _pair(m, part)
        pairs[i] = m.number(-1, 13), pairs[i][1]

    return change


def _dropped(part: str):
    def change(m):
        pairs, i = _pair(m, part)
        del pairs[i]

    return change


def _added(part: str, choose):
    def change(m):
        pairs = getattr(m.exclusion(), part)
        new = m.number(0, 2 if part == "rows" else 12)
        pairs[:] = sorted([*(pair for pair in pairs if pair[0] != new), (new, choose(m))])

    return change


ODD = (0.0, -0.0, 5e-324, 1e308, math.inf, math.nan, -1e-300)
MUTATORS |= {
    "weight": ("tree", _value("rows", lambda m, _: m.number(1, 1025))),
    "weight_odd": ("tree", _value("rows", lambda m, value: m.pick((-value, 0, 1025, 2**31 - 1, -(2**31))))),
    "row_index": ("tree", _index("rows")),
    "row_left_out": ("tree", _dropped("rows")),
    "row_more": ("tree", _added("rows", lambda m: m.number(1, 1025))),
    "slope": ("tree", _value("slopes", lambda m, _: m.number(0, 1025))),
    "slope_odd": ("tree", _value("slopes", lambda m, _: m.pick((-1, 1025, 2048, 2**31 - 1, -(2**31))))),
    "slope_neuron": ("tree", _index("slopes")),
    "slope_left_out": ("tree", _dropped("slopes")),
    "slope_more": ("tree", _added("slopes", lambda m: m.number(0, 1025))),
    "multiplier": ("tree", _value("multipliers", lambda m, value: value * 2.0 ** m.random.normal(0, 3))),
    "multiplier_negated": ("tree", _value("multipliers", lambda m, value: -value)),
    "multiplier_odd": ("tree", _value("multipliers", lambda m, _: m.pick(ODD))),
    "multiplier_neuron": ("tree", _index("multipliers")),
    "multiplier_left_out": ("tree", _dropped("multipliers")),
    "multiplier_more": ("tree", _added("multipliers", lambda m: float(abs(m.random.normal())))),
}


# the arrays, as they are in the file


@mutator("arrays")
def entry(m):
    name = m.pick(NAMES)
    values = m.draft.arrays()[name]
    i = m.pick(range(len(values)))
    near = values[i] + m.pick((-1, 1)) if math.isfinite(values[i]) else 0
    m.draft.raw[name] = values[:i] + [m.pick((near, m.number(-2, 20), 2**31 - 1))] + values[i + 1 :]


@mutator("arrays")
def entries_swapped(m):
    name = m.pick(NAMES)
    values = m.draft.arrays()[name]
    i, j = (m.pick(range(len(values))) for _ in range(2))
    values[i], values[j] = values[j], values[i]
    m.draft.raw[name] = values


@mutator("arrays")
def entry_dropped(m):
    name = m.pick(NAMES)
    values = m.draft.arrays()[name]
    del values[m.pick(range(len(values)))]
    m.draft.raw[name] = values


@mutator("arrays")
def entry_doubled(m):
    name = m.pick(NAMES)
    values = m.draft.arrays()[name]
    i = m.pick(range(len(values)))
    m.draft.raw[name] = values[: i + 1] + values[i:]


@mutator("arrays")
def group_moved(m):
    """A count is one larger, its neighbour one smaller."""
    name = m.pick(PARTS)
    counts = m.draft.arrays()[name]
    i = m.pick(range(1, len(counts)))
    m.draft.raw[name] = counts[: i - 1] + [counts[i - 1] + 1, counts[i] - 1] + counts[i + 1 :]


# what it is about


@mutator("files")
def network_bit(m):
    tensors = onnx.ModelProto.FromString(m.network).graph.initializer
    tensor = m.number(0, len(tensors))
    bit = m.number(0, 8 * len(tensors[tensor].raw_data)) | m.pick((0, 16))  # more of the larger ones
    m.network = flipped(m.network, tensor, bit)


@mutator("files")
def property_digit(m):
    at = m.pick(match.start() for match in re.finditer(r"\d", m.property) if m.property[match.start() - 1] != "_")
    m.property = f"{m.property[:at]}{m.number(0, 10)}{m.property[at + 1 :]}"


@mutator("files")
def property_sign(m):
    at = m.pick(match.span() for match in re.finditer("<=|>=|<|>", m.property))
    m.property = f"{m.property[: at[0]]}{m.pick(('<=', '>=', '<', '>', '='))}{m.property[at[1] :]}"


@mutator("files")
def network_other(m):
    m.network = m.pick(bases()).network


@mutator("files")
def property_other(m):
    m.property = m.pick(bases()).property


@mutator("files")
def network_given(m):
    m.draft.about(m.network, m.property.encode())
    m.network, m.signed = m.pick(bases()).network, False


@mutator("files")
def hashes_swapped(m):
    m.draft.about(m.property.encode(), m.network)
    m.signed = False


# what was signed


def _late(change) -> tuple:
    """A change of the members, or of the file's bytes."""
    return "file", lambda m: m.late.append(lambda members: change(m, members))


def _edited(members: dict[str, bytes], manifest) -> dict[str, bytes]:
    return members | {"manifest.json": json.dumps(manifest).encode()}


JUNK = (
    None,
    True,
    False,
    -1,
    0,
    1,
    10**30,
    1.5,
    math.nan,
    "",
    "0",
    "-0",
    "1/3",
    "1e5",
    "9" * 5000,
    "\ud800",
    [],
    {},
    [[]],
)


def _json(m: Mutant, members: dict[str, bytes]) -> dict[str, bytes]:
    """Any value of the manifest is another, or is gone."""
    manifest = json.loads(members["manifest.json"])
    places, containers = [], [manifest]
    for container in containers:
        keys = container if isinstance(container, dict) else range(len(container))
        places += [(container, key) for key in keys]
        containers += [container[key] for key in keys if isinstance(container[key], (dict, list))]
    container, key = m.pick(places)
    if m.number(0, 4):
        container[key] = m.pick(JUNK)
    else:
        del container[key]
    return _edited(members, manifest)


def _count(m: Mutant, members: dict[str, bytes]) -> dict[str, bytes]:
    manifest = json.loads(members["manifest.json"])
    name = m.pick(manifest.get("arrays", ()))
    manifest["arrays"][name]["count"] += m.pick((-1, 1, 2**40))
    return _edited(members, manifest)


def _array(m: Mutant, members: dict[str, bytes]) -> dict[str, bytes]:
    name = m.pick(name for name, data in members.items() if data and name != "manifest.json")
    data = bytearray(members[name])
    data[m.number(0, len(data))] ^= 1 << m.number(0, 8)
    return members | {name: bytes(data)}


def _member(m: Mutant, members: dict[str, bytes]) -> dict[str, bytes]:
    name = m.pick(members)
    new = m.pick(("", "../", "/", "a/", "C:\\", "\0")) + name + m.pick(("", "/", "\0", ".bak"))
    return {new if member == name else member: data for member, data in members.items()}


def _flips(m: Mutant, data) -> bytes:
    data = bytearray(_bytes(data))
    for _ in range(m.number(1, 9)):
        data[m.number(0, len(data))] ^= 1 << m.number(0, 8)
    return bytes(data)


def _bytes(data) -> bytes:
    return data if isinstance(data, bytes) else packed(data, zipfile.ZIP_DEFLATED)


def _truncation(m: Mutant, data) -> bytes:
    data = _bytes(data)
    return data[: m.number(0, len(data))]


def _insertion(m: Mutant, data) -> bytes:
    data = _bytes(data)
    at = m.number(0, len(data) + 1)
    return data[:at] + m.random.bytes(m.number(1, 20)) + data[at:]


MUTATORS |= {
    "json": _late(_json),
    "count": _late(_count),
    "array_bit": _late(_array),
    "member_name": _late(_member),
    "flips": _late(_flips),
    "truncation": _late(_truncation),
    "insertion": _late(_insertion),
}


# --- what becomes of them -------------------------------------------------------------------------


@cache
def bases() -> list[Mutant]:
    """The small valid certificates, unchanged."""
    with (CORPUS / "index.csv").open(newline="") as file:
        index = [entry for entry in csv.DictReader(file) if entry["expected"] == "accepted"]
    return [
        Mutant(
            Draft.read((CORPUS / entry["file"]).read_bytes()),
            (ROOT / entry["network"]).read_bytes(),
            (ROOT / entry["property"]).read_text(),
            load_property(ROOT / entry["property"]).n_outputs,
            None,
        )
        for entry in index
        if "standin" not in entry["network"]
    ]


@cache
def outcomes(first: int, count: int) -> list[tuple[tuple[str, ...], str]]:
    """Of so many mutants from this number on: the names of the changes made, and how it ended."""
    with TemporaryDirectory() as folder:
        return [outcome(number, Path(folder)) for number in range(first, first + count)]


def outcome(number: int, folder: Path) -> tuple[tuple[str, ...], str]:
    """Each change is the first of as many mutants as any other."""
    random = np.random.default_rng(number)
    first = list(MUTATORS)[number % len(MUTATORS)]
    while True:
        others = random.choice(list(MUTATORS), random.choice(3, p=(0.6, 0.2, 0.2)))
        try:
            return (first, *others.tolist()), ended(*changed({first, *others.tolist()}, random, folder))
        except Skip:
            continue


def changed(names: set[str], random: np.random.Generator, folder: Path) -> list[Path]:
    """The files of a random base with these changes."""
    base = bases()[random.integers(len(bases()))]
    found = replace(base, draft=copy.deepcopy(base.draft), random=random, late=[])
    for name in sorted(names, key=list(MUTATORS).index):
        kind, change = MUTATORS[name]
        if found.draft.roots is None and kind in ("tree", "arrays"):
            raise Skip
        change(found)
    contents = {"c.zip": found.bytes(), "n.onnx": found.network, "p.vnnlib": found.property.encode()}
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in contents]


def ended(*paths: Path) -> str:
    """How a check ends: in time, with nothing but Malformed raised, and with nothing accepted that is not true."""
    start = time.perf_counter()
    try:
        result = check(*paths)
    except Malformed:
        return "malformed"
    finally:
        assert time.perf_counter() - start < SECONDS
    if result.accepted:
        check_accepted(result, *paths)
        return "accepted"
    return "hash" if "SHA-256" in result.reason else "logic"


def check_accepted(result, *paths) -> None:
    """Exact arithmetic accepts the whole proof, and no point says otherwise."""
    exact = check(*paths, arithmetic="exact")
    assert exact.accepted and not exact.reason and exact.checked == exact.nodes == result.nodes
    network = load_network(paths[1])
    try:
        question = load_property(paths[2])
    except InputError as error:
        assert "contradict" in error.what or "false at every point" in error.what
        return
    if result.kind == "witness":
        x = result.certificate.witness.point
        assert any(part.violated_at(x, evaluate(network, x)) for part in question.cases)
    else:
        for part in question.cases:
            for x in suspects(network, part):
                assert not part.violated_at(x, evaluate(network, x)), [str(value) for value in x]


def suspects(network, part) -> list[tuple[Fraction, ...]]:
    """Points of a case's box, exact: of many, those that come nearest to each polytope; corners among them."""
    n, random = len(part.lower), np.random.default_rng(0)
    places = np.concatenate([random.random((300, n)), random.integers(0, 2, (30, n))])
    places[:100] = np.round(places[:100] * 4) / 4
    ends = np.array([[float(end) for end in side] for side in (part.lower, part.upper)])
    points = ends[0] + places * (ends[1] - ends[0])
    values, found = np.hstack([points, network.evaluate(points)]), set()
    for polytope in part.unsafe:
        rows = np.array([[*one.inputs, *one.outputs, one.constant] for one in polytope.rows], dtype=float)
        worst = (values @ rows[:, :-1].T + rows[:, -1]).max(1, initial=-np.inf)
        found |= {tuple(places[i]) for i in np.argsort(worst)[:3]}
    return [
        tuple(low + Fraction(t) * (high - low) for low, high, t in zip(part.lower, part.upper, place))
        for place in found
    ]


# --- the tests ------------------------------------------------------------------------------------

COUNT, CHUNK, LATER = 1500, 100, 10**6

#: Alone these break a rule of the format, whatever they are applied to. Each of the others may leave a proof.
NEVER_ACCEPTED = {
    "witness_number",
    "exclusions_reversed",
    "weight_odd",
    "slope_odd",
    "multiplier_negated",
    "entry_dropped",
    "entry_doubled",
    "hashes_swapped",
    "count",
    "array_bit",
    "truncation",
}


@pytest.mark.parametrize(
    "first",
    [first if first < COUNT // 4 else pytest.param(first, marks=pytest.mark.slow) for first in range(0, COUNT, CHUNK)],
)
def test_mutants(first):
    assert len(outcomes(first, CHUNK)) == CHUNK


@pytest.mark.slow
@pytest.mark.parametrize("first", range(LATER, LATER + 10_000, 1000))
def test_many_mutants(first):
    assert not broken_but_accepted(outcomes(first, 1000))


@pytest.fixture(scope="module")
def found() -> list[tuple[tuple[str, ...], str]]:
    """What became of all that `test_mutants` makes."""
    return [one for first in range(0, COUNT, CHUNK) for one in outcomes(first, CHUNK)]


@pytest.mark.slow
def test_most_are_judged_by_what_they_say(found):
    words = Counter(word for _, word in found)
    assert words["logic"] >= 0.4 * COUNT
    assert words["accepted"] >= 0.1 * COUNT and words["malformed"] >= 0.1 * COUNT and words["hash"] >= 10


@pytest.mark.slow
def test_each_change_alone_is_refused_somewhere(found):
    """For what it says; only changes of hashes are refused for hashes."""
    alone = {names[0] for names, word in found if len(names) == 1 and word in ("logic", "malformed")}
    assert alone == MUTATORS.keys() - {"network_given", "hashes_swapped"}


@pytest.mark.slow
def test_what_breaks_a_rule_is_never_accepted(found):
    assert NEVER_ACCEPTED < MUTATORS.keys() and not broken_but_accepted(found)


def broken_but_accepted(found) -> list[str]:
    return [names[0] for names, word in found if names[0] in NEVER_ACCEPTED and names[1:] == () and word == "accepted"]
