"""Random changes of certificates about several networks, signed again: nothing is accepted that is not true.

A mutant is a certificate of query_certificates/valid, of version 2 or 3, with one to three changes, of the certificate
or of what it is about. Both checkers judge it in exact arithmetic and must agree. What is accepted must be true at
exact points, those among them that come nearest to the unsafe set.
"""

import copy
import re
import zipfile
from collections import Counter
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import pytest
from exact_search import refutation
from make_certificates import Draft, flipped, packed
from make_query_certificates import THIRD, certificates, files_of, questions, valid
from second_checker_pairs import accepts_pairs
from second_checker_query import read_claim, read_query
from test_certificate_mutations import MUTATORS, Mutant, Skip

from engine.audit.check import check
from engine.audit.failures import Malformed

#: Those of one network's certificates that change the claim, the tree or its arrays.
CHANGES = {name: change for name, (kind, change) in MUTATORS.items() if kind in ("claim", "tree", "arrays")}


@dataclass
class QueryMutant(Mutant):
    """networks: file by name; gap: the number of the query that decides. Its property is the query."""

    name: str = ""
    networks: dict[str, bytes] = field(default_factory=dict)
    gap: str = ""

    def claimed(self) -> None:
        """Queries are changed by changes of their own."""

    def bytes(self) -> bytes:
        manifest = self.draft.manifest
        if self.signed:
            for entry in manifest["networks"]:
                data = self.networks.get(entry["declared"], self.networks["f"])
                entry["sha256"] = sha256(data).hexdigest()
            manifest["property"]["sha256"] = sha256(self.property.encode()).hexdigest()
        return packed(self.draft.members(), zipfile.ZIP_DEFLATED)


# --- changes --------------------------------------------------------------------------------------


def change(function):
    """Registers it."""
    CHANGES[function.__name__] = function
    return function


def _resigned_ties(m: QueryMutant) -> None:
    """The certificate has the query's ties."""
    try:
        ties, _ = read_claim(*read_query(m.property))
    except (ValueError, LookupError):
        raise Skip from None
    m.draft.manifest["ties"] = [
        [{"inputs": {str(i): str(a) for i, a in tie.inputs.items()}, "constant": str(tie.constant)} for tie in part]
        for part in ties
    ]


def _query(m: QueryMutant, old: str, new: str, *, count: int = 1) -> None:
    """The query with another text at a random place; its ties are followed more often than not."""
    places = [match.start() for match in re.finditer(re.escape(old), m.property)]
    for _ in range(min(count, len(places))):
        at = m.pick(places)
        m.property = m.property[:at] + new + m.property[at + len(old) :]
    if not places:
        raise Skip
    if m.number(0, 4):
        _resigned_ties(m)


# what is asked


@change
def gap_other(m):
    """The number that decides, in the query and in the claim: near, and below what is reached, too."""
    new = Fraction(m.gap) * m.pick((Fraction(1, 2), Fraction(9, 10), Fraction(99, 100), Fraction(999, 1000), 1, 2))
    new += m.pick((0, 0, Fraction(1, 10**6), Fraction(-1, 10**6)))
    text = str(float(new))
    if "e" in text or m.gap not in m.property:
        raise Skip
    m.property = m.property.replace(m.gap, text)
    for one in (one for part in m.cases for polytope in part["unsafe"] for one in polytope):
        if abs(Fraction(one["constant"])) == Fraction(m.gap):
            one["constant"] = str(Fraction(text) * (1 if Fraction(one["constant"]) > 0 else -1))
    m.gap = text


@change
def query_strict(m):
    """In the query alone."""
    old, new = m.pick((("(> ", "(>= "), ("(< ", "(<= "), ("(>= ", "(> "), ("(<= ", "(< "), ("(> ", "(< ")))
    _query(m, old, new)


@change
def claim_strict_throughout(m):
    """In the query and in the claim."""
    for old, new in (("(> ", "(>= "), ("(< ", "(<= ")):
        m.property = m.property.replace(old, new)
    for polytope in (polytope for part in m.cases for polytope in part["unsafe"]):
        for one in polytope:
            one["strict"] = False


@change
def query_digit(m):
    at = m.pick(match.start() for match in re.finditer(r"(?<=[ .])\d(?=[\d.)])", m.property))
    m.property = f"{m.property[:at]}{m.number(0, 10)}{m.property[at + 1 :]}"
    if m.number(0, 2):
        _resigned_ties(m)


@change
def assert_dropped(m):
    """Often that of a tie or of a box's end."""
    lines = [line for line in m.property.splitlines() if line.startswith("(assert")]
    line = m.pick(line for line in lines if "==" in line) if m.number(0, 2) else m.pick(lines)
    _query(m, line, "")


@change
def paired_otherwise_in_the_query(m):
    _query(m, m.pick(("U[0,0]", "X[0,0]")), m.pick(("U[0,1]", "X[0,1]")))


@change
def outputs_exchanged_in_the_query(m):
    m.property = m.property.replace("Y[0]", "?").replace("V[0]", "Y[0]").replace("?", "V[0]")
    if "hidden" in m.property:
        raise Skip


@change
def relation_other(m):
    _query(m, m.pick(("equal-to f", "isomorphic-to f")), m.pick(("equal-to f", "isomorphic-to f")))


@change
def element_float32(m):
    _query(m, "real", "float32", count=m.pick((1, 4)))


@change
def hidden_elsewhere(m):
    _query(m, '"z0"', m.pick(('"a0"', '"z1"', '"x"', '"y"')))


@change
def declared_the_other_way_round(m):
    """The order of the networks, in the query, and half of the time in the certificate."""
    first, second = (line for line in m.property.splitlines() if line.startswith("(declare-network"))
    if "to f)" in second:
        second = second.replace("(isomorphic-to f)", "").replace("(equal-to f)", "")
    m.property = m.property.replace(first, "?").replace(second, first).replace("?", second)
    if m.number(0, 2):
        m.draft.manifest["networks"].reverse()
        m.draft.manifest["ties"].reverse()


# ties and networks of the manifest


def _tie(m: QueryMutant) -> dict:
    return m.pick(tie for part in m.draft.manifest["ties"] for tie in part)


@change
def tie_free(m):
    tie = _tie(m)
    tie["inputs"] = {str(m.number(0, len(m.cases[0]["lower"]))): "1"}
    tie["constant"] = "0"


@change
def tie_coefficient(m):
    tie = _tie(m)
    i = m.pick(("0", "1"))
    tie["inputs"][i] = str(Fraction(tie["inputs"].get(i, 0)) + m.step())


@change
def tie_constant(m):
    tie = _tie(m)
    tie["constant"] = str(Fraction(tie["constant"]) + m.step())


@change
def tie_left_out(m):
    part = m.pick(m.draft.manifest["ties"])
    del part[m.number(0, len(part))]


@change
def ties_reversed(m):
    m.pick((m.draft.manifest["ties"], *m.draft.manifest["ties"])).reverse()


@change
def tie_said_otherwise(m):
    """The same tie: harmless."""
    tie = _tie(m)
    tie["inputs"] = {i: f"{2 * Fraction(a)}/2" for i, a in tie["inputs"].items() if Fraction(a).denominator == 1}
    tie["inputs"].setdefault("0", "0")


@change
def name_other(m):
    """Harmless."""
    m.pick(m.draft.manifest["networks"])["name"] = m.pick(("", "another", "\ud800"))


@change
def declared_other(m):
    entry = m.pick(m.draft.manifest["networks"])
    entry["declared"] = m.pick(("f", "g", "h"))


@change
def network_entries_reversed(m):
    m.draft.manifest["networks"].reverse()


@change
def network_entry_twice(m):
    m.draft.manifest["networks"].append(dict(m.draft.manifest["networks"][-1]))


@change
def hash_of_the_other(m):
    first, second, *_ = m.draft.manifest["networks"]
    m.bytes()
    first["sha256"] = second["sha256"]
    m.signed = False


@change
def version_1(m):
    m.draft.manifest["version"] = 1


# pairs


def _pairs(m: QueryMutant) -> list:
    """Of version 3, which the certificate has from now on."""
    m.draft.manifest["version"] = 3
    return m.draft.manifest.setdefault("pairs", [])


def _pair(m: QueryMutant) -> list:
    """One that is there, or made."""
    pairs = _pairs(m)
    if not pairs:
        pairs.append([0, 1])
    return m.pick(pairs)


@change
def pair_dropped(m):
    pairs, pair = _pairs(m), _pair(m)
    pairs.remove(pair)


@change
def pair_added(m):
    _pairs(m).insert(0, m.pick(([0, 1], [0, 2], [1, 2], [2, 3], [0, 2**70])))


@change
def pair_other(m):
    """One of its numbers."""
    _pair(m)[m.number(0, 2)] = m.pick((0, 1, 2, 3, -1, 1.0, True, "1", None))


@change
def pair_other_blocks(m):
    _pair(m)[:] = m.pick(([0, 1], [0, 2], [1, 2], [1, 3], [0, 1, 2], [0], []))


@change
def pair_reversed(m):
    _pair(m).reverse()


@change
def pair_twice(m):
    pair = _pair(m)
    _pairs(m).append(list(pair))


@change
def pairs_no_list(m):
    _pairs(m)
    m.draft.manifest["pairs"] = m.pick((None, {}, "01", 1, [0, 1], {"0": 1}))


@change
def version_other(m):
    """Mostly with pairs as it has them."""
    m.draft.manifest["version"] = version = m.pick((2, 2, 2, 3, 3, 4))
    pairs = m.pick((version > 2, version > 2, version > 2, version == 2)) and m.pick(([], [[0, 1]]))
    m.draft.manifest.pop("pairs", None)
    if pairs is not False:
        m.draft.manifest["pairs"] = pairs


# the files


@change
def files_exchanged(m):
    """Signed: a claim about the pair the other way round."""
    if len(m.networks) < 2:
        raise Skip
    m.networks = {"f": m.networks["g"], "g": m.networks["f"]}


@change
def one_network_for_both(m):
    m.networks = dict.fromkeys("fg", m.pick(m.networks.values()))


@change
def network_of_another(m):
    name = m.pick(m.networks)
    m.networks = m.networks | {name: m.pick(m.pick(bases()).networks.values())}


@change
def weight_bit(m):
    name = m.pick(m.networks)
    tensors = onnx.ModelProto.FromString(m.networks[name]).graph.initializer
    tensor = m.number(0, len(tensors))
    bit = m.number(0, 8 * len(tensors[tensor].raw_data)) | m.pick((0, 16))
    m.networks = m.networks | {name: flipped(m.networks[name], tensor, bit)}


# the blocks


@change
def outputs_exchanged_in_the_claim(m):
    for one in (one for part in m.cases for polytope in part["unsafe"] for one in polytope):
        one["outputs"] = {str(1 - int(i)): a for i, a in one["outputs"].items() if int(i) < 2}


@change
def neurons_of_the_other_block(m):
    """Splits, slopes and multipliers are of the neuron at the same place in the other block."""
    if m.draft.roots is None:
        raise Skip
    hidden = m.pick((3, 4, 7))
    other = lambda j: j + hidden if j < hidden else j - hidden
    for node in m.nodes():
        node.split = m.draft.inputs + other(node.split - m.draft.inputs) if node.split >= m.draft.inputs else node.split
        for one in node.exclusions:
            one.slopes = sorted((other(j), value) for j, value in one.slopes)
            one.multipliers = sorted((other(j), value) for j, value in one.multipliers)


# --- what becomes of them -------------------------------------------------------------------------


@cache
def bases() -> list[QueryMutant]:
    """The valid certificates, unchanged."""
    return [_base(certificate, question) for certificate, question in certificates().items()]


def _base(certificate: str, name: str) -> QueryMutant:
    files, query = files_of(name)
    networks = {each: path.read_bytes() for each, path in files.items()}
    draft, gap = Draft.read(valid(certificate).read_bytes()), questions()[name].gap
    return QueryMutant(draft, b"", query.read_text(), 0, None, name=certificate, networks=networks, gap=gap)


@cache
def of_version_3() -> list[QueryMutant]:
    return [base for base in bases() if base.name.endswith(THIRD)]


@dataclass(frozen=True)
class Outcome:
    """base: whose certificate was changed; word: malformed, hash, logic or accepted."""

    base: str
    changes: tuple[str, ...]
    word: str


def outcomes(first: int, count: int, among: list[QueryMutant]) -> list[Outcome]:
    """Of changes of these certificates."""
    with TemporaryDirectory() as folder:
        return [outcome(number, among, Path(folder)) for number in range(first, first + count)]


def outcome(number: int, among: list[QueryMutant], folder: Path) -> Outcome:
    """Of one mutant. Each change is the first of as many mutants as any other."""
    random = np.random.default_rng(number)
    first = list(CHANGES)[number % len(CHANGES)]
    while True:
        base = among[random.integers(len(among))]
        others = random.choice(list(CHANGES), random.choice(3, p=(0.6, 0.2, 0.2)))
        found = replace(base, draft=copy.deepcopy(base.draft), random=random, late=[])
        names = sorted({first, *others.tolist()}, key=list(CHANGES).index)
        try:
            for name in names:
                if found.draft.roots is None and MUTATORS.get(name, ("",))[0] in ("tree", "arrays"):
                    raise Skip
                CHANGES[name](found)
            data = found.bytes()
        except Skip:
            continue
        return Outcome(base.name, tuple(names), ended(found, data, folder))


def ended(found: QueryMutant, data: bytes, folder: Path) -> str:
    """How checks end: both checkers agree, float64 accepts no more, and what is accepted holds at exact points."""
    files = {name: folder / f"{name}.onnx" for name in found.networks}
    for name, path in files.items():
        path.write_bytes(found.networks[name])
    certificate, query = folder / "proof.zip", folder / "query.vnnlib"
    certificate.write_bytes(data)
    query.write_text(found.property)
    try:
        ours = accepts_pairs(certificate, files, query)
    except ValueError:
        ours = None
    try:
        floating, exact = (check(certificate, files, query, arithmetic=how) for how in ("float64", "exact"))
    except Malformed:
        assert not ours
        return "malformed"
    assert bool(ours) is exact.accepted >= floating.accepted, (ours, exact.reason, floating.reason)
    if not exact.accepted:
        return "hash" if "SHA-256" in exact.reason else "logic"
    assert exact.checked == exact.nodes and not exact.reason
    if exact.kind == "proof":
        boxes = [(part.lower, part.upper) for part in exact.certificate.cases]
        assert refutation(files, query, boxes) is None
    return "accepted"


# --- the tests ------------------------------------------------------------------------------------

COUNT, LATER = 100, 10**6

#: Alone these break a rule of the format, whatever they are applied to.
NEVER_ACCEPTED = {
    "tie_constant",
    "tie_left_out",
    "network_entries_reversed",
    "network_entry_twice",
    "version_1",
    "pair_reversed",
    "pair_twice",
    "pairs_no_list",
    "tie_coefficient",
    "exclusions_reversed",
    "weight_odd",
    "slope_odd",
    "multiplier_negated",
}
HARMLESS = {"name_other", "tie_said_otherwise"}


@pytest.fixture(scope="module")
def found() -> list[Outcome]:
    return outcomes(0, COUNT, bases())


def test_mutants(found):
    """Of each change one or more. `ended` has the assertions."""
    words = Counter(one.word for one in found)
    assert len(found) == COUNT and {certificates()[one.base] for one in found} == questions().keys()
    assert 0.4 * COUNT <= sum(one.base.endswith(THIRD) for one in found) <= 0.6 * COUNT
    assert words["logic"] >= 0.3 * COUNT and words["accepted"] >= 5 and words["hash"] <= 0.1 * COUNT
    assert not broken_but_accepted(found)


def broken_but_accepted(found: list[Outcome]) -> list[Outcome]:
    return [
        one for one in found if one.word == "accepted" and len(one.changes) == 1 and one.changes[0] in NEVER_ACCEPTED
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "among, true", [(bases, set()), (of_version_3, {"one_network_for_both"})], ids=["both versions", "version 3"]
)
def test_many_mutants(among, true):
    """true: changes that keep all these claims true, and shown (a network does not differ from itself)."""
    later = outcomes(LATER, 1000, among())
    assert not broken_but_accepted(later)
    alone = {one.changes[0] for one in later if len(one.changes) == 1 and one.word != "accepted"}
    true = true | {"cases_swapped", "claim_strict_throughout"}  # alike here, and closed
    assert alone >= CHANGES.keys() - HARMLESS - true


def test_harmless_changes_are_accepted(tmp_path):
    for base in (one for one in bases() if one.name in ("shifted", "turned")):
        for name in HARMLESS:
            mutant = replace(base, draft=copy.deepcopy(base.draft), random=np.random.default_rng(1), late=[])
            CHANGES[name](mutant)
            assert ended(mutant, mutant.bytes(), tmp_path) == "accepted"


@pytest.mark.parametrize("base", [base for base in bases() if base.draft.roots], ids=lambda base: base.name)
def test_points_refute_what_is_false(base, tmp_path):
    """The claim with half of the gap is false, and the search for points finds that."""
    files, query = files_of(certificates()[base.name])
    text = base.property.replace(base.gap, str(float(Fraction(base.gap) / 2)))
    (tmp_path / "query.vnnlib").write_text(text)
    boxes = [tuple([Fraction(end) for end in part[side]] for side in ("lower", "upper")) for part in base.draft.cases]
    assert refutation(files, query, boxes) is None
    assert refutation(files, tmp_path / "query.vnnlib", boxes) is not None
