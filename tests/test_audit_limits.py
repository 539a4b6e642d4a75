"""What a certificate may hold, and that the checker's memory stays bounded for whatever it holds."""

import io
import json
import math
import tracemalloc
import zipfile

import numpy as np
import pytest
from conftest import network, random_network
from hostile import Files, as_many, box, row
from make_certificates import CORPUS, Draft, Exclusion, Node, packed
from second_checker import accepts

from engine.audit import archive, certificate, manifest, walk
from engine.audit.check import check
from engine.audit.failures import Malformed

GIB = 1 << 30
ABSOLUTE = network([[[1.0], [-1.0]], [[1.0, 1.0]]], [[0.0, 0.0], [0.0]])
PATHS = CORPUS / "networks/absolute.onnx", CORPUS / "properties/absolute_close.vnnlib"


@pytest.fixture
def files(tmp_path) -> Files:
    """|x| <= -1 on [-1, 1] is unsafe."""
    return Files(tmp_path, ABSOLUTE, "(<= Y_0 -1.0)")


SHOWN = row(constant="1")
ONE = {"node": [0], "polytope": [0], "rows": [1], "slopes": [0], "multipliers": [0], "row": [0], "row_weight": [1024]}


# --- a file's sizes -------------------------------------------------------------------------------


def both(tmp_path, data: bytes) -> str:
    """What checker and second checker say of a certificate about PATHS."""
    path, said = tmp_path / "c.zip", []
    path.write_bytes(data)
    for judge, error in (
        (lambda: check(path, *PATHS, arithmetic="exact").accepted, Malformed),
        (lambda: accepts(path, *PATHS), ValueError),
    ):
        try:
            said.append("accepted" if judge() else "rejected")
        except error:
            said.append("malformed")
    assert said[0] == said[1]
    return said[0]


def draft() -> Draft:
    return Draft.read((CORPUS / "valid/absolute.zip").read_bytes()).about(*(path.read_bytes() for path in PATHS))


@pytest.mark.parametrize(
    "options, said",
    [
        ('{"a":1e400,"b":-1e-400,"c":1E5}', "accepted"),
        ('{"a":NaN}', "malformed"),
        ('{"a":-Infinity}', "malformed"),
        ('{"a":"NaN"}', "accepted"),
        ('{"a":"\\ud800","\\udc00":[]}', "accepted"),
        ('{"a":"\\u12"}', "malformed"),
        ('{"a":"\x01"}', "malformed"),
        ('{"a":01}', "malformed"),
        ('{"a":.5}', "malformed"),
        ('{"a":+1}', "malformed"),
        ('{"a":1,"\\u0061":2}', "malformed"),
        ('{"a":1,}', "malformed"),
        ('{"a":True}', "malformed"),
        ("{}", "accepted"),
        ("[]", "malformed"),
        ("null", "malformed"),
        (f'{{"a":{"9" * 1000}}}', "accepted"),
        (f'{{"a":{"9" * 5000}}}', "malformed"),
        (f'{{"a":{"[" * 99}{"]" * 99}}}', "accepted"),
        (f'{{"a":{"[" * 100}{"]" * 100}}}', "malformed"),
        (f'{{"a":{"[" * 100_000}{"]" * 100_000}}}', "malformed"),
        ('{"a":{"b":{"a":0}},"b":0}', "accepted"),
        ('{"a":"' + "," * 2**20 + '"}', "malformed"),
    ],
)
def test_options(tmp_path, options, said):
    members = draft().members()
    text = members["manifest.json"].decode()
    start = text.index('"options":') + len('"options":')
    end = start + json.JSONDecoder().raw_decode(text[start:])[1]
    data = packed(members | {"manifest.json": (text[:start] + options + text[end:]).encode()}, zipfile.ZIP_DEFLATED)
    assert both(tmp_path, data) == said


@pytest.mark.parametrize(
    "number, said",
    [
        ("-1", "accepted"),
        ("-1.0", "accepted"),
        ("-7/7", "accepted"),
        ("-1/1", "accepted"),
        (f"-1.{'0' * 997}", "accepted"),
        (f"-1.{'0' * 998}", "malformed"),
        (f"-1/{'0' * 996}1", "accepted"),
        ("-1e0", "malformed"),
        ("-1.", "malformed"),
        ("--1", "malformed"),
        ("-1/-1", "malformed"),
        ("-1/1.0", "malformed"),
        ("-1\n", "malformed"),
        ("\ufeff-1", "malformed"),
        ("\u22121", "malformed"),
        ("-\u0661", "malformed"),
        ("", "malformed"),
        ("-1/0", "malformed"),
        ("nan", "malformed"),
        ("-" + "9" * 999, "rejected"),
    ],
)
def test_numbers(tmp_path, number, said):
    found = draft()
    found.cases[0]["lower"][0] = number
    assert both(tmp_path, found.bytes()) == said


@pytest.mark.parametrize(
    "outputs, said",
    [
        ({"1": "0"}, "rejected"),
        ({"999999999": "0"}, "rejected"),
        ({"1000000000": "0"}, "malformed"),
        ({"00": "0"}, "malformed"),
        ({"-1": "0"}, "malformed"),
        ({"\u0661": "0"}, "malformed"),
        ({}, "accepted"),
    ],
)
def test_outputs_that_are_named_must_exist(tmp_path, outputs, said):
    """With a coefficient of 0, too."""
    found = draft()
    found.cases[0]["unsafe"][0][0]["outputs"] |= outputs
    assert both(tmp_path, found.bytes()) == said


@pytest.mark.parametrize(
    "before, after, said",
    [
        (b"", b"", "accepted"),
        (b"", b"\0", "malformed"),
        (b"", b"PK\5\6", "malformed"),
        (b"", b"PK\5\6" + bytes(18), "malformed"),
        (b"#!/bin/sh\n", b"", "accepted"),
    ],
)
def test_bytes_around_the_archive(tmp_path, before, after, said):
    assert both(tmp_path, before + draft().bytes() + after) == said


def test_a_large_directory_is_not_read(tmp_path):
    """Three hundred thousand members, 14 of which are counted; fourteen, whose extra fields are large."""
    whole = draft().bytes()
    start = int.from_bytes(whole[-6:-2], "little")
    entry = whole[start : start + 46 + len("manifest.json")]
    many = entry * 300_000
    end = whole[-22:-10] + len(many).to_bytes(4, "little") + start.to_bytes(4, "little") + bytes(2)
    (tmp_path / "c.zip").write_bytes(whole[:start] + many + end)
    tracemalloc.start()
    try:
        with pytest.raises(Malformed, match="its directory has more than 65,536 bytes"):
            check(tmp_path / "c.zip", *PATHS)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archived:
        for name, data in draft().members().items():
            info = zipfile.ZipInfo(name)
            info.extra = b"\xfe\xca\x00\x20" + bytes(2**13)
            archived.writestr(info, data)
    assert both(tmp_path, out.getvalue()) == "malformed"


def test_members_that_share_their_bytes(tmp_path):
    """Each of the empty arrays is read from one place. No more is unpacked than is stated."""
    found = draft()
    data = bytearray(packed(found.members()))
    places = [info.header_offset for info in zipfile.ZipFile(io.BytesIO(data)).infolist()]
    start = data.index(b"PK\1\2")
    for k in range(14):
        assert data[start + 42 : start + 46] == places[k].to_bytes(4, "little")
        data[start + 42 : start + 46] = places[0].to_bytes(4, "little")
        start += 46 + int.from_bytes(data[start + 28 : start + 30], "little")
    assert both(tmp_path, bytes(data)) == "malformed"


@pytest.mark.parametrize(
    "name, limit, said",
    [
        ("MAX_NODES", 2, "nodes"),
        ("MAX_MARKS", 50, "commas"),
        ("MAX_MANIFEST", 1000, "its manifest has more than"),
        ("MAX_DENOMINATOR", 20, "common denominator"),
    ],
)
def test_each_limit_is_named(files, monkeypatch, name, limit, said):
    files.write([box(1, f"[{SHOWN},{row(constant='1/3000001')}]")], split=[0, -1, -1], cut=[0], **ONE)
    assert check(*files.paths).accepted
    monkeypatch.setattr(manifest if hasattr(manifest, name) else certificate, name, limit)
    with pytest.raises(Malformed, match=said):
        check(*files.paths)


def test_members_together(files, monkeypatch):
    files.write([box(1, f"[{SHOWN}]")], split=[-1], **ONE)
    monkeypatch.setattr(archive, "MAX_BYTES", 1000)
    with pytest.raises(Malformed, match="it holds more than 1,000 bytes"):
        check(*files.paths)


# --- memory ---------------------------------------------------------------------------------------


def traced(files: Files) -> int:
    """The most memory that a check takes in Python's objects and numpy's arrays."""
    tracemalloc.start()
    try:
        check(*files.paths)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_cases_times_polytopes(files):
    """Three thousand cases, one of which has twenty thousand polytopes: 60 MB of marks at once."""
    files.write([box(1, ",".join([f"[{SHOWN}]"] + ["[]"] * 20_000)), *[box(1)] * 3000], split=[-1] * 3001, **ONE)
    assert traced(files) < 40 << 20


def test_cases_times_neurons(tmp_path):
    """Of six hundred cases of a network of two thousand neurons 10 MB of bounds are never there at once."""
    files, needed = Files(tmp_path, random_network((1, 2000, 1), seed=0), "(<= Y_0 -1e9)"), []
    for count in (270, 600):
        files.write([box(1, f"[{row(constant='1000000000')}]"), *[box(1)] * count], split=[-1] * (count + 1), **ONE)
        needed.append(traced(files))
    assert needed[1] < needed[0] + (4 << 20)


def test_rows_times_outputs(tmp_path):
    """Five thousand rows, each of which names one of a thousand outputs: 40 MB of zeros."""
    net = random_network((1, 2, 1000), seed=0)
    files = Files(tmp_path, net, "(<= Y_0 -1e9)")
    files.write([box(1, f"[{row(constant='1000000000')}],[{','.join([row()] * 5000)}]")], split=[-1], **ONE)
    assert traced(files) < 30 << 20


SHAPES = {
    "comb": lambda n, _: 1,
    "other comb": lambda n, _: n - 1,
    "balanced": lambda n, _: n // 2,
    "random": lambda n, random: int(random.integers(1, n)),
    "third": lambda n, _: max(1, n // 3),
    "teeth": lambda n, _: min(16, max(1, n // 2)),
    "other teeth": lambda n, _: n - min(16, max(1, n // 2)),
}


def shaped(leaves: int, choose, random) -> Node:
    """A tree over [-1, 1], built without recursion, where choose(leaves, random) are in a node's first half."""
    root = Node()
    left = [(root, -1.0, 1.0, leaves)]
    while left:
        node, low, high, n = left.pop()
        if n == 1:
            node.exclusions = [Exclusion(0, [(0, 1024)])]
            continue
        first = choose(n, random)
        node.split, node.cut, node.children = 0, low + (high - low) * first / n, [Node(), Node()]
        left += [(node.children[0], low, node.cut, first), (node.children[1], node.cut, high, n - first)]
    return root


@pytest.mark.parametrize("shape", SHAPES)
def test_few_nodes_are_pending(tmp_path, monkeypatch, shape):
    """Whatever the tree's shape: at most 2 ln(nodes) + 2 batches."""
    found, most = draft(), 0
    found.roots = [shaped(600, SHAPES[shape], np.random.default_rng(0))]
    (tmp_path / "c.zip").write_bytes(found.about(*(path.read_bytes() for path in PATHS)).bytes())
    pop = walk.pop

    def popped(pending, room):
        nonlocal most
        most = max(most, sum(len(nodes.number) for nodes in pending))
        return pop(pending, room)

    monkeypatch.setattr(walk, "pop", popped)
    monkeypatch.setattr(walk, "BATCH", 8)
    result = check(tmp_path / "c.zip", *PATHS)
    assert result.accepted and result.checked == 1199
    assert most <= 8 * (2 * math.log(1199) + 2)


# --- the promise of section 1, by the largest files that are allowed -----------------------------


def distinct(i: int) -> str:
    """A box and a row of long numbers, like no other."""
    n = 10**9 + i
    return box(1, f"""[{row(f'"0":"{n}/7"', f"{n}/11", f'"0":"{n}/13"')}]""", (f"-{n}/17", f"{n}/19"))


def wide(i: int) -> str:
    ends = [",".join(f'"{sign}1/{10**7 + 2000 * i + j}"' for j in range(2000)) for sign in ("-", "")]
    return f'{{"lower":[{ends[0]}],"upper":[{ends[1]}],"unsafe":[[]]}}'


def nodes_and_exclusions(roots: int) -> dict:
    """As many nodes as are allowed, an exclusion at each leaf, and two slopes for each as long as there is room."""
    n = (1 << 22) - roots % 2
    inner = (n - roots) // 2
    node = np.arange(inner, n)
    slopes = np.zeros(len(node))
    slopes[: ((116 << 20) - 4 * n - 8 * inner - 28 * len(node)) // 16] = 2
    total = int(slopes.sum())
    return {
        "split": np.repeat([0, -1], [inner, n - inner]),
        "cut": np.zeros(inner),
        "node": node,
        "polytope": np.zeros(len(node)),
        "rows": np.ones(len(node)),
        "slopes": slopes,
        "multipliers": np.zeros(len(node)),
        "row": np.zeros(len(node)),
        "row_weight": np.full(len(node), 1024),
        "slope": np.arange(total) % 2,
        "slope_value": np.zeros(total),
    }


def one_with_slopes() -> dict:
    n = ((128 << 20) - 100_000) // 8
    return {"split": [-1], **ONE, "slopes": [n], "slope": np.arange(n), "slope_value": np.zeros(n)}


FIRST = box(1, f"[{SHOWN}]")
LARGEST = {
    "cases": lambda: ([FIRST, *(cases := as_many(distinct))], {"split": np.full(len(cases) + 1, -1), **ONE}),
    "polytopes": lambda: ([box(1, ",".join([f"[{SHOWN}]"] + as_many(lambda i: "[]")))], {"split": [-1], **ONE}),
    "rows": lambda: (
        [box(1, f"[{SHOWN}],[{','.join(as_many(lambda i: row(constant=f'{10**9 + i}/7')))}]")],
        {"split": [-1], **ONE},
    ),
    "half cases, half polytopes": lambda: (
        [
            box(1, ",".join([f"[{SHOWN}]"] + as_many(lambda i: "[]", 1 << 19))),
            *(cases := as_many(lambda i: box(1), (1 << 19) - 2000)),
        ],
        {"split": np.full(len(cases) + 1, -1), **ONE},
    ),
    "cases, nodes and exclusions": lambda: ((cases := [FIRST, *as_many(distinct)]), nodes_and_exclusions(len(cases))),
    "slopes": lambda: ([FIRST], one_with_slopes()),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGEST)
def test_the_largest_files(files, name):
    cases, arrays = LARGEST[name]()
    code, line, most = files.write(cases, **arrays).check()
    assert code in (0, 1) and line.startswith(("accepted", "rejected")), line
    assert most < GIB, f"{most / 2**20:,.0f} MiB: {line}"


@pytest.mark.slow
def test_the_widest_file(tmp_path):
    """Half a million ends, of a network with two thousand inputs."""
    files = Files(tmp_path, random_network((2000, 3, 1), seed=0), "(<= Y_0 -1e9)")
    cases = [box(2000, f"[{row(constant='1000000000')}]"), *as_many(wide, (1 << 20) - 10_000)]
    code, line, most = files.write(cases, split=np.full(len(cases), -1), **ONE).check()
    assert code == 1 and "it is a leaf with a polytope that is not excluded" in line, line
    assert most < GIB


@pytest.mark.slow
def test_the_largest_options(files):
    entries = as_many(lambda i: f'{{"k{i}":{10**6 + i}.5}}')
    code, line, most = files.write([FIRST], options=f'{{"a":[{",".join(entries)}]}}', split=[-1], **ONE).check()
    assert code == 0 and most < GIB, line


def test_too_little_memory_is_a_line(files):
    code, line, _ = files.write([FIRST], split=[-1], **ONE).check(room=0)
    assert (code, line) == (0, "accepted: semantics real") or code == 2 and "memory" in line
    n = 1 << 21
    files.write([FIRST], split=np.repeat([0, -1], [n, n + 1]), cut=np.zeros(n))
    code, line, _ = files.check(room=20 << 20)
    assert (code, line) == (2, "unreadable: it needs more memory than there is")
