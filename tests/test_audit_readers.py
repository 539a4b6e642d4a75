"""The checker's readers: the same networks and properties as the engine's, and one line for anything else."""

import ast
import gzip
import hashlib
import io
import json
import random
import struct
import subprocess
import sys
import warnings
import zipfile
import zlib
from fractions import Fraction as F
from pathlib import Path

import numpy as np
import pytest
from fuzzing import examples, mutations
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.defs import onnx_opset_version
from onnx_graphs import chains, f32, model, node
from test_onnx_errors import REFUSED
from test_onnx_file import CONSTANTS, GOLDEN, SHAPES
from test_onnx_fuzz import VALID as VALID_ONNX
from test_vnnlib_errors import HEAD, TEXTS
from test_vnnlib_fuzz import VALID as VALID_VNNLIB
from test_vnnlib_fuzz import WORDS as WORDS_VNNLIB

import engine.audit
from engine.acasxu.files import property_path
from engine.audit import vnnlib_terms, vnnlib_tokens
from engine.audit.certificate import ARRAYS, read_certificate
from engine.audit.data import Row, Tree
from engine.audit.failures import Malformed, Rejected, plain
from engine.audit.files import read_bytes
from engine.audit.onnx_reader import read_network
from engine.audit.tree import check_tree
from engine.audit.vnnlib_reader import read_property
from engine.errors import InputError
from engine.network import Network
from engine.onnx_file import load_network
from engine.vnnlib import load_property

FUZZ = settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))
PARTS = (
    "__init__",
    "sparse",
    "data",
    "failures",
    "files",
    "archive",
    "manifest",
    "network_reader",
    "nnet_reader",
    "onnx_activations",
    "onnx_chain",
    "onnx_constants",
    "onnx_convolutions",
    "onnx_data",
    "onnx_endings",
    "onnx_forms",
    "onnx_layers",
    "onnx_maxima",
    "onnx_meeting",
    "onnx_moves",
    "onnx_operators",
    "onnx_reader",
    "onnx_rounded",
    "onnx_selections",
    "onnx_sums",
    "onnx_windows",
    "onnx_graph",
    "vnnlib_tokens",
    "vnnlib_terms",
    "vnnlib_reader",
    "vnnlib2_declarations",
    "vnnlib2_formulas",
    "vnnlib2_reader",
    "ties",
    "blocks",
    "query",
    "tree",
    "certificate",
    "claim",
)

#: What each reads beside data.
READS = {
    "archive": "files",
    "data": "sparse",
    "certificate": "archive manifest tree",
    "network_reader": "nnet_reader onnx_reader",
    "nnet_reader": "files",
    "onnx_activations": "onnx_chain onnx_forms onnx_layers",
    "onnx_chain": "sparse",
    "onnx_constants": "onnx_forms onnx_moves onnx_selections",
    "onnx_convolutions": "onnx_chain onnx_forms onnx_moves onnx_rounded onnx_selections onnx_windows sparse",
    "onnx_data": "files",
    "onnx_endings": "onnx_chain onnx_forms onnx_moves",
    "onnx_layers": "onnx_chain onnx_forms onnx_rounded",
    "onnx_maxima": "onnx_chain onnx_forms onnx_windows sparse",
    "onnx_meeting": "onnx_chain onnx_forms onnx_layers sparse",
    "onnx_moves": "onnx_forms",
    "onnx_operators": "onnx_activations onnx_chain onnx_constants onnx_convolutions onnx_endings onnx_forms "
    "onnx_layers onnx_maxima onnx_moves onnx_selections onnx_sums",
    "onnx_reader": "files onnx_chain onnx_constants onnx_data onnx_endings onnx_forms onnx_graph onnx_meeting "
    "onnx_operators sparse",
    "onnx_rounded": "onnx_chain",
    "onnx_selections": "onnx_chain onnx_forms onnx_moves",
    "onnx_sums": "onnx_chain onnx_forms onnx_rounded onnx_selections sparse",
    "onnx_windows": "onnx_chain onnx_forms",
    "query": "blocks files network_reader ties vnnlib2_declarations vnnlib2_reader",
    "ties": "vnnlib_terms",
    "vnnlib_reader": "vnnlib_terms vnnlib_tokens",
    "vnnlib_tokens": "files",
    "vnnlib2_declarations": "vnnlib_terms",
    "vnnlib2_formulas": "vnnlib_terms",
    "vnnlib2_reader": "vnnlib_terms vnnlib_tokens vnnlib2_declarations vnnlib2_formulas",
}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("audit")


def refused(read, path) -> str:
    """The one line with which a reader refuses a file."""
    with pytest.raises(Malformed) as caught:
        read(path)
    message = str(caught.value)
    named = plain(str(path))
    assert message.startswith(named) and len(message.splitlines()) == 1
    return message.removeprefix(named)


def reads_or_refuses(read, path, data: bytes):
    """What a reader makes of the bytes; None where it refuses them in one line."""
    path.write_bytes(data)
    try:
        return read(path)
    except (Malformed, Rejected) as error:
        assert str(error).startswith(str(path)) and len(str(error).splitlines()) == 1
        return None


class TestIndependence:
    @pytest.mark.parametrize("part", PARTS)
    def test_only_numpy_onnx_and_the_standard_library(self, part):
        tree = ast.parse(Path(engine.audit.__file__).with_name(f"{part}.py").read_text())
        for entry in ast.walk(tree):
            if isinstance(entry, (ast.Import, ast.ImportFrom)):
                names = [entry.module] if isinstance(entry, ast.ImportFrom) else [a.name for a in entry.names]
                parts = {name.removeprefix("engine.audit.") for name in names if name.startswith("engine")}
                assert parts <= {"data", "failures", "curves.curve", *READS.get(part, "").split()}
                allowed = {"engine", "numpy", *(["onnx"] if part.startswith("onnx") else []), *sys.stdlib_module_names}
                assert {name.split(".")[0] for name in names} <= allowed

    def test_nothing_else_of_the_engine_is_loaded(self):
        code = "".join(f"import engine.audit.{part}\n" for part in PARTS[1:])
        code += "import sys; print(*[m for m in sys.modules if m.startswith('engine.')])"
        loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split()
        curves = {"engine.audit.curves", "engine.audit.curves.curve"}
        assert set(loaded) == {"engine.audit", *(f"engine.audit.{part}" for part in PARTS[1:]), *curves}


def test_memory_that_ends_says_nothing_of_a_network(tmp_path, monkeypatch):
    """Whoever calls the checker knows a MemoryError, as from certificates; no file is malformed for it."""

    def greedy(*_):
        raise MemoryError

    (tmp_path / "a.onnx").write_bytes(b"")
    monkeypatch.setattr("engine.audit.onnx_reader.whole_model", greedy)
    with pytest.raises(MemoryError):
        read_network(tmp_path / "a.onnx")


class TestFiles:
    def test_limit(self, tmp_path):
        (tmp_path / "a").write_bytes(b"123")
        (tmp_path / "a.gz").write_bytes(gzip.compress(bytes(10**6)))
        assert read_bytes(tmp_path / "a", 3) == b"123"
        assert len(read_bytes(tmp_path / "a.gz", 10**6)) == 10**6
        assert "holds more than 2 bytes" in refused(lambda path: read_bytes(path, 2), tmp_path / "a")
        assert "holds more than 999,999 bytes" in refused(lambda path: read_bytes(path, 999_999), tmp_path / "a.gz")

    @pytest.mark.parametrize("read", [read_network, read_property, read_certificate])
    def test_no_file(self, tmp_path, read):
        assert refused(read, tmp_path / "x") == ": cannot be read (No such file or directory)"
        assert refused(read, tmp_path) == ": cannot be read (Is a directory)"
        assert refused(read, "a\0b") == ": cannot be read (embedded null byte)"

    @pytest.mark.parametrize(
        "damage",
        [
            lambda b: b[:-1],
            lambda b: b[:9],
            lambda b: b[:15] + b"\xff\xff" + b[17:],
            lambda b: b + b"rest",
            lambda b: b"no gzip",
        ],
    )
    @pytest.mark.parametrize("read", [read_network, read_property])
    def test_damaged_gzip(self, tmp_path, read, damage):
        path = tmp_path / "x.gz"
        path.write_bytes(damage(gzip.compress(VALID_VNNLIB.encode())))
        assert "cannot be read (" in refused(read, path)


# Networks


def assert_same_network(path) -> None:
    ours, theirs = read_network(path), load_network(path)
    assert ours.sha256 == theirs.sha256 and len(ours.layers) == len(theirs.layers)
    for a, b in zip(ours.layers, theirs.layers):
        assert (a.relu, np.asarray(a.weight).dtype, a.bias.dtype) == (b.relu, np.float64, np.float64)
        np.testing.assert_array_equal(a.weight, b.weight)
        np.testing.assert_array_equal(a.bias, b.bias)
    assert bool(ours.obstacle) == denies_float32(theirs)
    assert ours.rounded == theirs.rounded


def denies_float32(network: Network) -> bool:
    """Whether the engine refuses float32 semantics: for an operator's sake, or because of a number in the layers."""
    numbers = [array for layer in network.layers for array in (layer.weight, layer.bias)]
    with np.errstate(over="ignore"):
        single = all((a == a.astype(np.float32)).all() for a in numbers)
    return bool(network.float32_obstacle) or not single


def written(scratch: Path, proto) -> Path:
    path = scratch / "n.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def assert_changed_is_read_alike(scratch: Path, found, change, seed: int) -> None:
    """One to three changes of a graph, change(graph, rng): both readers read the same, or refuse it in one line.

    Only numbers computed from constants, which the checker leaves to others, make a difference.
    """
    rng = random.Random(seed)
    for _ in range(rng.randint(1, 3)):
        change(found, rng)
    path = written(scratch, found)
    theirs = ours = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            theirs = load_network(path)
        except InputError as error:
            assert len(str(error).splitlines()) == 1
        try:
            ours = read_network(path)
        except Malformed as error:
            assert len(str(error).splitlines()) == 1
            assert theirs is None or "constants are computed from others" in str(error)
            return
    assert theirs is not None
    for a, b in zip(ours.layers, theirs.layers, strict=True):
        assert np.array_equal(a.weight, b.weight) and np.array_equal(a.bias, b.bias)
        assert np.array_equal(*(np.broadcast_to(each.relu, len(a.bias)) for each in (a, b)))
    assert ours.rounded == theirs.rounded and (denies_float32(theirs) or not ours.obstacle)


class TestNetworks:
    def test_the_published_networks(self, acasxu_networks):
        paths = sorted(acasxu_networks.glob("*.onnx*"))
        assert len(paths) >= 45
        for path in paths:
            assert_same_network(path)
            assert not read_network(path).obstacle and len(read_network(path).layers) == 7

    def test_the_stand_ins(self, standin_paths):
        for path in standin_paths.values():
            assert_same_network(path)
            assert not read_network(path).obstacle

    def test_compressed(self, scratch):
        path = scratch / "n.onnx.gz"
        path.write_bytes(gzip.compress(VALID_ONNX))
        assert_same_network(path)

    @pytest.mark.parametrize("name", GOLDEN)
    def test_golden(self, scratch, name):
        nodes, expected = GOLDEN[name]
        path = written(scratch, model(nodes, CONSTANTS))
        if name.startswith("folded"):
            refused(read_network, path)  # more than the checker needs
            return
        assert [(np.asarray(k.weight).tolist(), k.bias.tolist(), k.relu) for k in read_network(path).layers] == expected

    @pytest.mark.parametrize("name", SHAPES)
    def test_shapes(self, scratch, name):
        shape, nodes = SHAPES[name]
        weight = f32([1, 2], [3, 4], [5, 6])
        constants = {"W": weight, "Wt": weight.T.copy(), "keep": np.array([0, -1]), "infer": np.array([-1, 3])}
        assert_same_network(written(scratch, model(nodes, constants, shape=shape)))

    @settings(max_examples=examples(150), deadline=None)
    @given(chains())
    def test_random_chains(self, scratch, proto):
        assert_same_network(written(scratch, proto))

    # Meant so by their nodes, though the engine wants less room for doubt.
    ALSO_READ = {"declared output shape"}

    @pytest.mark.parametrize("name", sorted(set(REFUSED) - ALSO_READ))
    def test_what_the_engine_refuses(self, scratch, name):
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            refused(read_network, written(scratch, REFUSED[name][0]))

    @pytest.mark.parametrize(
        "proto",
        [
            model([node("MatMul", "x W", "y")], {"W": np.ones((1, 10**6), np.float32)}, shape=(1, 8192, 1)),
            model([node("MatMul", "W x", "y")], {"W": np.ones((10**6, 1), np.float32)}, shape=(1, 8192)),
            model([node("Add", "x W", "y")], {"W": np.ones((10**6, 1), np.float32)}, shape=(1, 8192)),
            model([node("MatMul", "x W", "y")], {"W": np.ones((1, 10**6), np.float32)}, shape=(1, 1)),
            model([node("Relu", "x", "y")], shape=(1, 2**16 + 1)),
            model([node("Relu", "x", "y")], shape=(2**62, 2**62, 4)),
            model([node("Gemm", "x W", "y", alpha=0.1)], {"W": np.ones((1, 1))}, shape=(1, 1), kind=TensorProto.DOUBLE),
            model([node("Gemm", "x W W W", "y")], {"W": np.ones((1, 1), np.float32)}, shape=(1, 1)),
        ],
    )
    def test_what_would_take_too_much_or_round(self, scratch, proto):
        refused(read_network, written(scratch, proto))

    @pytest.mark.parametrize(
        "proto",
        [
            model([node("MatMul", "x W", "y")], {"W": np.ones((8192, 1), np.float32)}, shape=(1, 8192)),
            model([node("MatMul", "x W", "y")], {"W": np.ones((1, 8192), np.float32)}, shape=(1, 1)),
            model([node("Relu", "x", "y")], opset=7),
            model([node("Relu", "x", "y")], opset=onnx_opset_version()),
            model([node("Relu", "x", "y")], shape=()),
            model([helper.make_node("Gemm", ["x", "W", ""], ["y"])], {"W": np.ones((3, 2), np.float32)}),
        ],
    )
    def test_what_is_just_possible(self, scratch, proto):
        assert_same_network(written(scratch, proto))

    @pytest.mark.parametrize(
        "proto",
        [
            model([helper.make_node("Relu", ["x"], [""])], output=""),
            model([helper.make_node("Gemm", ["", "x", "W"], ["y"])], {"W": np.ones((3, 3), np.float32)}),
            model([helper.make_node("Add", ["x", ""], ["y"])]),
            model([node("Relu", "x", "a"), node("Reshape", "a s", "y")], {"s": np.array([1, -2])}),
            model([node("Relu", "x", "a"), node("Reshape", "a s", "y")], {"s": np.array([[1, 3]])}),
        ],
    )
    def test_malformed_nodes(self, scratch, proto):
        refused(read_network, written(scratch, proto))

    @pytest.mark.parametrize("location", [TensorProto.DEFAULT, TensorProto.EXTERNAL])
    def test_tensors_in_other_files(self, scratch, location):
        tensor = numpy_helper.from_array(np.ones((3, 3), np.float32), "W")
        tensor.data_location = location
        if location == TensorProto.DEFAULT:
            tensor.external_data.add(key="location", value="weights.bin")
        message = refused(read_network, written(scratch, model([node("MatMul", "x W", "y")], {"W": tensor})))
        assert ("in another file" if location == TensorProto.DEFAULT else "inside and outside") in message

    def test_numbers_beyond_float32(self, scratch):
        weight = np.array([[1e300], [1 + 2.0**-30], [0.5]])
        proto = model([node("MatMul", "x W", "y")], {"W": weight}, shape=(1, 3), kind=TensorProto.DOUBLE)
        path = written(scratch, proto)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert_same_network(path)
            assert "float32" in read_network(path).obstacle

    @pytest.mark.parametrize("end", range(0, len(VALID_ONNX), 7))
    def test_truncated(self, scratch, end):
        reads_or_refuses(read_network, scratch / "f.onnx", VALID_ONNX[:end])

    @FUZZ
    @given(st.binary(max_size=200))
    def test_random_bytes(self, scratch, data):
        reads_or_refuses(read_network, scratch / "f.onnx", data)

    @FUZZ
    @given(st.lists(st.tuples(st.integers(0, len(VALID_ONNX) - 1), st.integers(0, 255)), min_size=1, max_size=4))
    def test_changed_bytes(self, scratch, changes):
        data = bytearray(VALID_ONNX)
        for place, value in changes:
            data[place] = value
        network = reads_or_refuses(read_network, scratch / "f.onnx", bytes(data))
        if network:
            assert_chain(network)

    @FUZZ
    @given(chains(), st.integers(0, 2**32))
    def test_changed_chains(self, scratch, proto, seed):
        rng, data = random.Random(seed), bytearray(proto.SerializeToString())
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        network = reads_or_refuses(read_network, scratch / "f.onnx", bytes(data))
        if network:
            assert_chain(network)


def assert_chain(network) -> None:
    for before, layer in zip((None, *network.layers), network.layers):
        assert layer.weight.shape == (len(layer.bias), layer.weight.shape[1])
        assert before is None or layer.weight.shape[1] == len(before.bias)
        assert np.isfinite(np.asarray(layer.weight)).all() and np.isfinite(layer.bias).all()


# Properties; what they mean is compared with the engine's reader in test_audit_claim.py.

DECLARED = "(declare-const X_0 Real)\n(declare-const Y_0 Real)\n"


def rows_of(scratch: Path, text: str) -> tuple[tuple[Row, ...], ...]:
    path = scratch / "p.vnnlib"
    path.write_text(DECLARED + text)
    found = read_property(path)
    return tuple(found.base + disjunct for disjunct in found.disjuncts)


def row(inputs=(), outputs=(), constant=0, strict=False) -> Row:
    return Row(dict(inputs), dict(outputs), F(constant), strict)


class TestProperties:
    @pytest.mark.parametrize("number", range(1, 11))
    def test_hash_and_numbers_of_variables(self, number):
        ours, theirs = read_property(property_path(number)), load_property(property_path(number))
        assert (ours.sha256, ours.n_inputs, ours.n_outputs) == (theirs.sha256, theirs.n_inputs, theirs.n_outputs)
        assert len(ours.disjuncts) == sum(len(case.unsafe) for case in theirs.cases)

    def test_compressed_with_a_byte_order_mark(self, scratch):
        path, data = scratch / "p.vnnlib.gz", b"\xef\xbb\xbf" + VALID_VNNLIB.encode()
        path.write_bytes(gzip.compress(data))
        assert read_property(path).sha256 == hashlib.sha256(data).hexdigest()

    @pytest.mark.parametrize(
        "formula, disjuncts",
        [
            ("(<= Y_0 1)", [[row((), {0: 1}, -1)]]),
            ("(>= Y_0 1)", [[row((), {0: -1}, 1)]]),
            ("(< Y_0 X_0)", [[row({0: -1}, {0: 1}, 0, True)]]),
            ("(> Y_0 X_0)", [[row({0: 1}, {0: -1}, 0, True)]]),
            ("(= Y_0 1)", [[row((), {0: 1}, -1), row((), {0: -1}, 1)]]),
            ("(<= (- X_0) (- 1 X_0 Y_0 2))", [[row((), {0: 1}, 1)]]),
            ("(<= (* 2 (+ X_0 Y_0 1) 3) (/ Y_0 4 0.5))", [[row({0: 6}, {0: F(11, 2)}, 6)]]),
            ("(<= (* (- X_0 X_0 -2) Y_0) (+ .5 1. -2.5E+1 5e-1 +1))", [[row((), {0: 2}, 22)]]),
            ("(<= Y_0 1e-999)", [[row((), {0: 1}, -(F(10) ** -999))]]),
            ("(<= 0 1)", [[row((), (), -1)]]),
            ("true", [[]]),
            ("false", []),
            ("(and)", [[]]),
            ("(or)", []),
            (
                "(and (<= Y_0 1) (or (<= Y_0 2) (<= Y_0 3)))",
                [[row((), {0: 1}, -1), row((), {0: 1}, -2)], [row((), {0: 1}, -1), row((), {0: 1}, -3)]],
            ),
            ("(or (and (or (<= Y_0 2) (<= Y_0 3))) (<= Y_0 1))", [[row((), {0: 1}, -k)] for k in (2, 3, 1)]),
            ("(and (or) (or (<= Y_0 2) (<= Y_0 3)))", []),
        ],
    )
    def test_disjuncts(self, scratch, formula, disjuncts):
        assert rows_of(scratch, f"(assert {formula}) ; ( \xe9") == tuple(map(tuple, disjuncts))

    def test_asserts_are_multiplied_out(self, scratch):
        text = "(assert (or (<= Y_0 1) (<= Y_0 2)))" * 3 + '(set-info :source |(assert false "|) (check-sat)'
        assert len(rows_of(scratch, text)) == 8

    # The engine refuses these because it could not verify them; their meaning is clear.
    MEANINGFUL = ("has no lower bound", "has no upper bound", "a number is larger than 2^1022")

    @pytest.mark.parametrize("added, expected", TEXTS, ids=[expected for _, expected in TEXTS])
    def test_what_the_engine_refuses(self, scratch, added, expected):
        path = scratch / "p.vnnlib"
        path.write_text(HEAD + added)
        if any(words in expected for words in self.MEANINGFUL):
            reads_or_refuses(read_property, path, path.read_bytes())
        elif "\xa0" not in added:
            message = refused(read_property, path)
            assert message.startswith((f":{expected.split(':')[0]}:", ":")), (message, expected)

    @pytest.mark.parametrize(
        "text, line, what",
        [
            ("\n\n(assert (<= Y_0\nnan))", 6, "neither a declared variable nor a number"),
            ("(assert (<= Y_0 1e1000))", 3, "too long a number"),
            ("(assert (<= Y_0 1e-1000))", 3, "too long a number"),
            (f"(assert (<= Y_0 0.{'1' * 1001}))", 3, "too long a number"),
            (f"(assert (<= Y_0 {'1' * 10**6}x))", 3, "neither a declared variable nor a number"),
            ("(assert (<= Y_0 1e999999999999999999))", 3, "too long a number"),
            (f"(assert (<= Y_0 (* {'1e-999 ' * 99})))", 3, "grows beyond 10,000 bits"),
            ("(assert " + "(and " * 1000, 3, "more than 1000 parentheses are open"),
            ("(" * 10**6, 3, "more than 1000 parentheses are open"),
            (")", 3, "')' stands outside all parentheses"),
            ("\r(declare-network f (declare-input X Real [2]))", 4, "VNN-LIB 2.0 is not supported (declare-network)"),
            ("(assert (<= Y_0 0)", 3, "a parenthesis is open"),
            ("(check-sat)", 3, "has asserted nothing"),
            ("(assert (not (<= Y_0 0)))", 3, "'not' is not an operator"),
            ("(assert (=> (<= Y_0 0) (<= Y_0 0)))", 3, "'=>' is not an operator"),
            (f"(assert ({'z' * 999} 0))", 3, "zz is not an operator"),
            ("(assert (<= 0 Y_0 1))", 3, "<= takes other arguments"),
            ("(assert ((<= 0 Y_0)))", 3, "'()' is not an operator"),
            (f"(assert ((* {'1e999 ' * 3})))", 3, "'()' is not an operator"),
            ("(assert (<= (<= 0 Y_0) 0))", 3, "a formula stands where a term should"),
            ("(assert (and (+ 0 Y_0) true))", 3, "something else stands where a formula should"),
            ("(assert (/ 1 X_0 2))", 3, "/ takes other arguments"),
            ("(assert (/ 1 2 X_0))", 3, "/ takes other arguments"),
            ("(assert (/ 1 (- 1 1)))", 3, "/ takes other arguments"),
            ("(assert (* X_0 Y_0))", 3, "a product of variables is not linear"),
            ("(declare-const Y_0 Real)", 3, "declared twice"),
            ("(declare-const Y_2 Real)(assert true)", 3, "not all of X_0"),
            ("(declare-const Z Real)", 3, "not of the form"),
            ("(declare-const X_1 Int)", 3, "unknown, or its arguments are wrong"),
            ("\r\n(assert (or (<= Y_0 0) (<= Y_0 1)))" * 18, 21, "more than 5,000,000 parts"),
            ("(assert (or (<= Y_0 0) (<= Y_0 1)))" * 10**4, 3, "more than 5,000,000 parts"),
            (f"(assert (and (or {'true ' * 10**4}) {'true ' * 10**4}))", 3, "more than 5,000,000 parts"),
        ],
        ids=lambda value: repr(value)[:30],
    )
    def test_refused(self, scratch, text, line, what):
        path = scratch / "p.vnnlib"
        path.write_text(DECLARED + text)
        message = refused(read_property, path)
        assert message.startswith(f":{line}: ") and what in message and len(message) < 200

    @pytest.mark.parametrize(
        "text, line",
        [
            (f"(assert (or (<= Y_0 1) (and {'(<= Y_0 0)' * 99})))\n(assert (or {'(<= Y_0 0)' * 999}))", 4),
            ("(assert (or " + f"(and (or {'true ' * 99}) (or {'true ' * 99}))" * 20, 3),
        ],
        ids=["product", "sum of products"],
    )
    def test_disjuncts_that_would_fill_the_memory(self, scratch, monkeypatch, text, line):
        monkeypatch.setattr(vnnlib_terms, "MAX_PARTS", 100_000)
        path = scratch / "p.vnnlib"
        path.write_text(DECLARED + text)
        message = refused(read_property, path)
        assert message.startswith(f":{line}: multiplied out, its disjuncts have more than 100,000 parts")

    def test_numbers_of_variables(self, scratch):
        path = scratch / "p.vnnlib"
        path.write_text(DECLARED + "(declare-fun X_1 () Real) (assert (<= X_1 Y_0))")
        assert (read_property(path).n_inputs, read_property(path).n_outputs) == (2, 1)

    def test_large_files(self, scratch):
        path = scratch / "p.vnnlib.gz"
        path.write_bytes(gzip.compress(b" " * (vnnlib_tokens.MAX_BYTES + 1)))
        assert "holds more than" in refused(read_property, path)

    @FUZZ
    @given(st.binary() | mutations(VALID_VNNLIB, WORDS_VNNLIB).map(lambda text: text.encode("utf-8", "surrogatepass")))
    def test_any_bytes(self, scratch, data):
        reads_or_refuses(read_property, scratch / "f.vnnlib", data)

    @FUZZ
    @given(mutations(VALID_VNNLIB, WORDS_VNNLIB))
    def test_both_readers_refuse_the_same(self, scratch, text):
        """Except what the engine cannot verify."""
        path = scratch / "f.vnnlib"
        ours = reads_or_refuses(read_property, path, text.encode("utf-8", "surrogatepass"))
        try:
            theirs = load_property(path)
        except InputError as error:
            known = any(words in error.what for words in (*self.MEANINGFUL, "UTF-8", "has not the arguments"))
            assert ours is None or known, error
        else:
            assert ours is not None and ours.sha256 == theirs.sha256


# Certificates

INPUTS = 2
CASES = [
    {
        "lower": ["0", "-0.5"],
        "upper": ["1/3", "1"],
        "unsafe": [
            [
                {"inputs": {}, "outputs": {"0": "1", "1": "-1"}, "constant": "-1.25", "strict": False},
                {"inputs": {"1": "2"}, "outputs": {"0": "-1/7"}, "constant": "0", "strict": True},
            ],
            [{"inputs": {}, "outputs": {"2": "1"}, "constant": "-3", "strict": False}],
        ],
    },
    {
        "lower": ["2", "2"],
        "upper": ["2", "3"],
        "unsafe": [[{"inputs": {}, "outputs": {"0": "1"}, "constant": "0", "strict": False}], []],
    },
]
# Roots 0 and 1; node 0 is halved in input 0, node 1 by neuron 1, node 3 in input 1.
TREE = {
    "split": [0, 3, -1, 1, -1, -1, -1, -1],
    "cut": [0.25, -0.0],
    "node": [1, 2, 2, 4, 6, 6, 7],
    "polytope": [1, 0, 1, 0, 0, 1, 0],
    "rows": [0, 2, 1, 1, 1, 1, 2],
    "slopes": [0, 2, 0, 0, 1, 0, 0],
    "multipliers": [0, 0, 0, 2, 0, 0, 1],
    "row": [0, 1, 0, 0, 1, 0, 0, 1],
    "row_weight": [1024, 1, 5, 6, 7, 8, 9, 10],
    "slope": [0, 7, 2**31 - 1],
    "slope_value": [0, 1024, 3],
    "multiplier": [1, 2, 1],
    "multiplier_value": [0.0, 1e300, 0.5],
}
HASHES = {"network": {"name": "n", "sha256": "ab" * 32}, "property": {"name": "", "sha256": "01" * 32}}
SHARED = {
    "format": "acasxu-certificate",
    "version": 1,
    "semantics": "real",
    **HASHES,
    "engine": {"name": "e", "version": "1", "options": {"x": [1.5, None]}},
}
POINT = {
    "point": ["0.1", "2"],
    "outputs": ["1/3", "0", "-7"],
    "margins": ["-1/9", "0"],
    "case": {**CASES[0], "unsafe": CASES[0]["unsafe"][:1]},
}


def proof(tree=None, **changes) -> tuple[dict, dict[str, bytes]]:
    """A manifest and the other members; `tree` and `changes` replace parts."""
    members, entries = {}, {}
    for name, values in {**TREE, **(tree or {})}.items():
        data = np.array(values, "<f8" if ARRAYS[name] == "f64" else "<i4").tobytes()
        members[f"{name}.{ARRAYS[name]}"] = data
        entries[name] = {"count": len(values), "sha256": hashlib.sha256(data).hexdigest()}
    return {**SHARED, "kind": "proof", "cases": CASES, "arrays": entries, **changes}, members


def witness(**changes) -> tuple[dict, dict[str, bytes]]:
    return {**SHARED, "kind": "witness", **POINT, **changes}, {}


def zipped(manifest, members: dict[str, bytes], method=zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    text = manifest if isinstance(manifest, (bytes, str)) else json.dumps(manifest)
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in [("manifest.json", text), *members.items()]:
            archive.writestr(name, data)
    return out.getvalue()


def saved(scratch: Path, data: bytes) -> Path:
    path = scratch / "c.zip"
    path.write_bytes(data)
    return path


def refused_certificate(scratch: Path, manifest, members=None, **how) -> str:
    members = proof()[1] if members is None else members
    return refused(read_certificate, saved(scratch, zipped(manifest, members, **how)))


def rejected(scratch: Path, tree: dict) -> str:
    path = saved(scratch, zipped(*proof(tree)))
    with pytest.raises(Rejected) as caught:
        read_certificate(path)
    assert str(caught.value).startswith(f"{path}: ") and len(str(caught.value).splitlines()) == 1
    return str(caught.value)


class TestCertificates:
    @pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
    @pytest.mark.parametrize("semantics", ["real", "float32"])
    def test_proof(self, scratch, method, semantics):
        manifest, members = proof(semantics=semantics)
        data = zipped(manifest, members, method)
        certificate = read_certificate(saved(scratch, data))
        assert (certificate.kind, certificate.semantics) == ("proof", semantics)
        assert (certificate.network_sha256, certificate.property_sha256) == ("ab" * 32, "01" * 32)
        assert certificate.manifest == manifest and certificate.sha256 == hashlib.sha256(data).hexdigest()
        assert certificate.witness is None
        first, second = certificate.cases
        assert (first.lower, first.upper) == ((0, F(-1, 2)), (F(1, 3), 1))
        assert first.unsafe[0] == (
            Row({}, {0: F(1), 1: F(-1)}, F(-5, 4), False),
            Row({1: F(2)}, {0: F(-1, 7)}, F(0), True),
        )
        assert second.unsafe == ((Row({}, {0: F(1)}, F(0), False),), ())
        for name, values in TREE.items():
            array = getattr(certificate.tree, name)
            assert array.dtype == (np.float64 if name in ("cut", "multiplier_value") else np.int32)
            np.testing.assert_array_equal(array, np.array(values))

    def test_stored_and_deflated_members_and_one_input(self, scratch):
        manifest, members = witness(point=["1"], margins=[], case={"lower": ["1"], "upper": ["1"], "unsafe": [[]]})
        text = json.dumps(manifest).ljust(16 * 2**20)
        assert read_certificate(saved(scratch, zipped(text, members))).witness.point == (1,)
        out = io.BytesIO(zipped(proof()[0], {}, zipfile.ZIP_STORED))
        with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
            for name, data in proof()[1].items():
                archive.writestr(name, data)
        assert read_certificate(saved(scratch, out.getvalue())).tree.split.tolist() == TREE["split"]

    def test_witness(self, scratch):
        certificate = read_certificate(saved(scratch, zipped(*witness())))
        assert (certificate.kind, certificate.semantics, certificate.tree) == ("witness", "real", None)
        assert certificate.witness.point == (F(1, 10), 2) and certificate.witness.outputs == (F(1, 3), 0, -7)
        assert certificate.witness.margins == (F(-1, 9), 0)
        assert len(certificate.cases) == 1 and len(certificate.cases[0].unsafe) == 1

    def test_zero_coefficients_are_none(self, scratch):
        row = {"inputs": {"0": "0"}, "outputs": {"1": "-0/5", "2": "0.00"}, "constant": "1", "strict": False}
        cases = [{**CASES[0], "unsafe": [[row] * 2, [row]]}, CASES[1]]
        certificate = read_certificate(saved(scratch, zipped(*proof(cases=cases))))
        assert certificate.cases[0].unsafe[1] == (Row({}, {}, F(1), False),)

    @pytest.mark.parametrize(
        "text, value",
        [
            ("-0", 0),
            ("007", 7),
            ("-1/3", F(-1, 3)),
            ("6/4", F(3, 2)),
            ("0.125", F(1, 8)),
            ("-00.50", F(-1, 2)),
        ],
    )
    def test_numbers(self, scratch, text, value):
        assert self.number(scratch, text) == value

    def test_long_numbers(self, scratch):
        assert self.number(scratch, "9" * 999 + "1") == 10**1000 - 9
        assert self.number(scratch, "1/" + "0" * 990 + "50") == F(1, 50)
        assert self.number(scratch, "0." + "1" * 998) == F(10**998 // 9, 10**998)

    def test_longer_numbers_are_for_witnesses(self, scratch):
        """Exact outputs are long; sums of long fractions that a claim chose could take minutes."""
        long = "9" * 1001
        refused_certificate(scratch, proof(cases=[{**CASES[0], "upper": [long, "1"]}, CASES[1]])[0])
        assert read_certificate(saved(scratch, zipped(*witness(point=["1", long])))).witness.point[1] == 10**1001 - 1

    def number(self, scratch, text):
        manifest, members = proof(cases=[{**CASES[0], "lower": ["-9", "-9"], "upper": [text, "0"]}, CASES[1]])
        return read_certificate(saved(scratch, zipped(manifest, members))).cases[0].upper[0]

    @pytest.mark.parametrize(
        "value",
        [
            "",
            " 1",
            "1 ",
            "1\n",
            "+1",
            "1.",
            ".5",
            "1e5",
            "1E-5",
            "1/0",
            "1/00",
            "0/0",
            "1/-2",
            "1.5/2",
            "1/2/3",
            "--1",
            "-",
            "0x1",
            "1_0",
            "nan",
            "inf",
            "\u0661",
            "\uff11",
            "1,5",
            "9" * 10001,
            "1e999999999",
            1,
            0.5,
            None,
            True,
            ["1"],
            {},
        ],
        ids=lambda value: repr(value)[:12],
    )
    def test_what_is_no_number(self, scratch, value):
        refused_certificate(scratch, proof(cases=[{**CASES[0], "upper": [value, "1"]}, CASES[1]])[0])
        refused_certificate(scratch, *witness(point=["1", value]))
        row = {"inputs": {}, "outputs": {"0": value}, "constant": "0", "strict": False}
        refused_certificate(scratch, *witness(case={**POINT["case"], "unsafe": [[row, row]]}))

    @pytest.mark.parametrize(
        "changes",
        [
            {"format": "acasxu"},
            {"version": 2},
            {"version": True},
            {"version": 1.0},
            {"version": "1"},
            {"kind": "both"},
            {"kind": ["proof"]},
            {"kind": None},
            {"kind": "witness"},
            {"semantics": "float64"},
            {"semantics": 1},
            {"new": 1},
            {"network": "n"},
            {"network": {"name": "n"}},
            {"network": {"name": 1, "sha256": "ab" * 32}},
            {"network": {"name": "n", "sha256": "AB" * 32}},
            {"property": {"name": "n", "sha256": "ab" * 31}},
            {"property": {"name": "n", "sha256": "ab" * 32, "x": 1}},
            {"property": {"name": "n", "sha256": "ab" * 32 + "\n"}},
            {"engine": {}},
            {"engine": None},
            {"engine": {"name": "e", "version": 1, "options": {}}},
            {"engine": {"name": "e", "version": "1", "options": []}},
            {"cases": []},
            {"cases": {}},
            {"cases": None},
            {"cases": CASES[0]},
            {"cases": [[]]},
            {"arrays": {}},
            {"arrays": []},
            {"arrays": None},
            {"point": ["1", "1"]},
        ],
    )
    def test_proof_manifests(self, scratch, changes):
        refused_certificate(scratch, proof(**changes)[0])

    @pytest.mark.parametrize("key", [*SHARED, "kind", "cases", "arrays"])
    def test_missing_keys(self, scratch, key):
        manifest = proof()[0]
        del manifest[key]
        refused_certificate(scratch, manifest)

    @pytest.mark.parametrize(
        "changes",
        [
            {"lower": ["0"]},
            {"lower": [], "upper": []},
            {"lower": "00"},
            {"lower": {"0": "1", "1": "2"}},
            {"lower": ["2", "0"]},
            {"lower": ["0", "-0.5", "0"], "upper": ["1", "1", "1"]},
            {"unsafe": {}},
            {"unsafe": ""},
            {"unsafe": [""]},
            {"unsafe": [[], {}]},
            {"unsafe": [{}]},
            {"unsafe": [None]},
            {"unsafe": [["row"]]},
            {"new": 1},
        ],
    )
    def test_cases(self, scratch, changes):
        refused_certificate(scratch, proof(cases=[{**CASES[0], **changes}, CASES[1]])[0])

    @pytest.mark.parametrize(
        "changes",
        [
            {"inputs": []},
            {"inputs": None},
            {"inputs": {"2": "1"}},
            {"inputs": {"01": "1"}},
            {"inputs": {"-1": "1"}},
            {"inputs": {"": "1"}},
            {"inputs": {"1.0": "1"}},
            {"inputs": {"\u0661": "1"}},
            {"inputs": {"9" * 5000: "1"}},
            {"outputs": {"x": "1"}},
            {"outputs": {"9" * 10: "1"}},
            {"outputs": {" 1": "1"}},
            {"outputs": {"0": 1}},
            {"constant": 0},
            {"strict": 0},
            {"strict": "false"},
            {"strict": None},
            {"new": 1},
        ],
    )
    def test_rows(self, scratch, changes):
        row = {"inputs": {}, "outputs": {"0": "1"}, "constant": "0", "strict": False, **changes}
        refused_certificate(scratch, proof(cases=[{**CASES[0], "unsafe": [[row, row], [row]]}, CASES[1]])[0])

    @pytest.mark.parametrize(
        "changes",
        [
            {"point": ["1"]},
            {"point": ["1", "1", "1"]},
            {"margins": ["1"]},
            {"margins": []},
            {"outputs": "12"},
            {"semantics": "float32"},
            {"case": CASES[0]},
            {"case": {**CASES[0], "unsafe": []}},
            {"case": [CASES[0]]},
            {"case": None},
            {"kind": "proof"},
            {"cases": CASES},
        ],
    )
    def test_witness_manifests(self, scratch, changes):
        refused_certificate(scratch, *witness(**changes))

    def test_a_witness_has_no_arrays(self, scratch):
        refused_certificate(scratch, witness()[0], proof()[1])

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "{",
            "null",
            "[]",
            "1",
            '"proof"',
            "NaN",
            '{"kind": "proof", "kind": "proof"}',
            b"\xff",
            b"\xef\xbb\xbf{}",
            "[" * 10**6,
            '{"a":' * 10**6,
            "9" * 10**5,
            "{} {}",
            json.dumps(proof()[0]).encode("utf-16"),
            json.dumps(proof()[0])[:-1],
            json.dumps(proof()[0])[:-1] + ', "kind": "proof"}',
            json.dumps(proof()[0]).replace("[1.5, null]", '{"a": 1, "a": 1}'),
            " " * (16 * 2**20) + json.dumps(proof()[0]),
        ],
        ids=lambda text: repr(text[:12]),
    )
    def test_manifest_texts(self, scratch, text):
        refused_certificate(scratch, text)

    @pytest.mark.parametrize("name", ARRAYS)
    def test_arrays_are_what_the_manifest_says(self, scratch, name):
        manifest, members = proof()
        file = f"{name}.{ARRAYS[name]}"
        for data in (members[file] + b"\0" * 8, members[file][:-1], members[file][:-8], b""):
            refused_certificate(scratch, manifest, {**members, file: data})
        flipped = bytearray(members[file])
        flipped[0] ^= 1
        message = refused_certificate(scratch, manifest, {**members, file: flipped})
        assert f"{name} is not what the manifest says" in message
        for entry in (
            {"count": 10**30},
            {"count": float(len(TREE[name]))},
            {"count": -1},
            {"count": True},
            {"sha256": "0" * 64},
            {"sha256": None},
            {"new": 1},
        ):
            arrays = {**manifest["arrays"], name: {**manifest["arrays"][name], **entry}}
            refused_certificate(scratch, {**manifest, "arrays": arrays})
        refused_certificate(scratch, manifest, {n: data for n, data in members.items() if n != file})
        refused_certificate(scratch, {**manifest, "arrays": {n: e for n, e in manifest["arrays"].items() if n != name}})

    @pytest.mark.parametrize("name", list(TREE)[1:])
    def test_lengths_belong_together(self, scratch, name):
        for values in (TREE[name] + TREE[name][-1:], TREE[name][:-1]):
            if name in ("rows", "slopes", "multipliers"):
                values[-1] = sum(TREE[name]) - sum(values[:-1])
            message = refused_certificate(scratch, *proof({name: values}))
            assert "lengths do not belong together" in message
        assert "lengths" in refused_certificate(scratch, *proof({"rows": [0, 2, 1, 1, 1, 1, 3]}))

    @pytest.mark.parametrize(
        "tree, what",
        [
            ({"split": [0, 3, -2, 1, -1, -1, -1, -1]}, "below -1"),
            ({"split": [0, 3, -1, 1, -1, -1, -1]}, "not as many nodes"),
            ({"split": [0, 3, -1, 1, -1, -1, -1, -1, -1, -1]}, "not as many nodes"),
            ({"split": [0, 3, -1, 1, 9, -1, -1, -1]}, "not as many nodes"),
            ({"split": [-1, -1, 0, 2, 1, -1, -1, -1]}, "its own child"),
            ({"split": [-1, -1, -1, -1, -1, 0, 1, 2]}, "its own child"),
            ({"node": [1, 2, 2, 4, 6, 6, 8]}, "node: there is no such node"),
            ({"node": [-1, 2, 2, 4, 6, 6, 7]}, "node: there is no such node"),
            ({"polytope": [2, 0, 1, 0, 0, 1, 0]}, "no such polytope"),
            ({"polytope": [-1, 0, 1, 0, 0, 1, 0]}, "no such polytope"),
            ({"polytope": [1, 0, 1, 0, 0, 1, 2]}, "no such polytope"),
            ({"polytope": [1, 1, 0, 0, 0, 1, 0]}, "not in ascending order"),
            ({"polytope": [1, 0, 0, 0, 0, 1, 0], "rows": [0, 2, 1, 1, 1, 1, 2]}, "not in ascending order"),
            ({"node": [2, 1, 2, 4, 6, 6, 7]}, "not in ascending order"),
            ({"rows": [0, 2, 1, 1, 1, 2, 1], "row": [0, 1, 0, 0, 1, 0, 1, 0]}, "row: there is no such row"),
            ({"rows": [0, 3, 0, 1, 1, 1, 2]}, "row: not in ascending order"),
            ({"rows": [-1, 3, 1, 1, 1, 1, 2]}, "rows: there are negative"),
            ({"row": [1, 0, 0, 0, 1, 0, 0, 1]}, "row: not in ascending order"),
            ({"row": [0, 0, 0, 0, 1, 0, 0, 1]}, "row: not in ascending order"),
            ({"row": [0, 2, 0, 0, 1, 0, 0, 1]}, "row: there is no such row"),
            ({"row": [0, 1, 1, 0, 1, 0, 0, 1]}, "row: there is no such row"),
            ({"row": [-1, 1, 0, 0, 1, 0, 0, 1]}, "row: there is no such row"),
            ({"row_weight": [0, 1, 5, 6, 7, 8, 9, 10]}, "row_weight: a number is not between 1 and 1024"),
            ({"row_weight": [1025, 1, 5, 6, 7, 8, 9, 10]}, "row_weight"),
            ({"slopes": [0, 2, -1, 1, 1, 0, 0]}, "slopes: there are negative"),
            ({"slope": [7, 0, 1]}, "slope: not in ascending order"),
            ({"slope": [0, -1, 1]}, "slope: there is no such slope"),
            ({"slope_value": [-1, 0, 0]}, "slope_value"),
            ({"slope_value": [1025, 0, 0]}, "slope_value"),
            ({"multiplier": [2, 2, 1]}, "multiplier: not in ascending order"),
            ({"multiplier": [-2, 2, 1]}, "multiplier: there is no such"),
            ({"multiplier_value": [0, np.inf, 0]}, "multiplier_value"),
            ({"multiplier_value": [0, np.nan, 0]}, "multiplier_value"),
            ({"multiplier_value": [0, -1e-300, 0]}, "multiplier_value"),
            ({"cut": [np.nan, 0]}, "cut"),
            ({"cut": [0, -np.inf]}, "cut"),
        ],
    )
    def test_rules_of_the_tree(self, scratch, tree, what):
        assert what in rejected(scratch, tree)

    def test_boundaries_of_the_rules(self, scratch):
        """Orders end at exclusions, and a polytope of one case is not one of another."""
        tree = {"slope": [7, 8, 0], "multiplier": [5, 6, 0], "node": [0, 2, 2, 4, 6, 6, 7]}
        tree |= {"cut": [-1e308, 5e-324], "multiplier_value": [-0.0, 1e308, 0]}
        read_certificate(saved(scratch, zipped(*proof(tree))))


class TestArchives:
    @pytest.mark.parametrize(
        "name",
        [
            "../manifest.json",
            "/manifest.json",
            "x/split.i32",
            "x/",
            "split.f64",
            "MANIFEST.JSON",
            "manifest.json ",
            "\u00e9",
            "split",
        ],
    )
    def test_other_members(self, scratch, name):
        manifest, members = proof()
        refused_certificate(scratch, manifest, {**members, name: b""})
        refused_certificate(scratch, witness()[0], {name: b""})

    def test_a_name_with_more_behind_its_end(self, scratch):
        manifest, members = proof()
        members["split.i32_x"] = members.pop("split.i32")
        data = zipped(manifest, members).replace(b"split.i32_x", b"split.i32\0x")
        refused(read_certificate, saved(scratch, data))

    def test_a_member_twice(self, scratch):
        manifest, members = proof()
        del members["multiplier.i32"]
        out = io.BytesIO(zipped(manifest, members))
        with warnings.catch_warnings(), zipfile.ZipFile(out, "a") as archive:
            warnings.simplefilter("ignore")
            archive.writestr("split.i32", proof()[1]["split.i32"])
        assert "a member is there twice" in refused(read_certificate, saved(scratch, out.getvalue()))

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_other_methods(self, scratch, method):
        assert "oddly compressed" in refused_certificate(scratch, *proof(), method=method)

    def test_encrypted(self, scratch):
        data = bytearray(zipped(*proof()))
        place = data.index(b"PK\1\2")
        data[place + 8] |= 1
        assert "encrypted" in refused(read_certificate, saved(scratch, bytes(data)))

    def test_more_than_it_may_hold(self, scratch):
        """A bomb of 9 members of 16 MiB, which are a few KiB each, is not unpacked."""
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for k in range(9):
                archive.writestr(f"{k}", bytes(2**24))
        message = refused(read_certificate, saved(scratch, out.getvalue()))
        assert "holds more than 134,217,728 bytes" in message

    @pytest.mark.parametrize("declared", [0, 1, 31, 33, 2**28, 2**32 - 2])
    @pytest.mark.parametrize("actual", [32, 2**24])
    def test_a_header_that_lies(self, scratch, actual, declared):
        """Both headers of split.i32, as it should be or a bomb, give another size."""
        data = self.resized(actual, declared, zlib.crc32(proof()[1]["split.i32"].ljust(actual, b"\0")))
        refused(read_certificate, saved(scratch, data))

    def test_a_bomb_that_says_what_is_read_of_it(self, scratch):
        right = proof()[1]["split.i32"]
        certificate = read_certificate(saved(scratch, self.resized(2**24, len(right), zlib.crc32(right))))
        assert certificate.tree.split.tolist() == TREE["split"]

    def resized(self, actual: int, declared: int, crc: int) -> bytes:
        manifest, members = proof()
        members["split.i32"] = members["split.i32"].ljust(actual, b"\0")
        data = bytearray(zipped(manifest, members))
        for signature, name_at, crc_at, size_at in (b"PK\3\4", 30, 14, 22), (b"PK\1\2", 46, 16, 24):
            start = data.index(b"split.i32", 0 if name_at == 30 else data.index(b"PK\1\2")) - name_at
            assert data[start : start + 4] == signature
            struct.pack_into("<I", data, start + size_at, declared)
            struct.pack_into("<I", data, start + crc_at, crc)
        return bytes(data)

    def test_every_truncation(self, scratch):
        data = zipped(*proof())
        for end in range(0, len(data), 11):
            refused(read_certificate, saved(scratch, data[:end]))

    @FUZZ
    @given(st.integers(0, 10**6), st.integers(0, 7))
    def test_flipped_bits(self, scratch, at, bit):
        """What is read in spite of one, at a place that does not matter, is the same."""
        data = bytearray(zipped(*proof()))
        data[at % len(data)] ^= 1 << bit
        certificate = reads_or_refuses(read_certificate, scratch / "f.zip", bytes(data))
        if certificate:
            assert certificate.manifest == proof()[0]
            assert all(np.array_equal(getattr(certificate.tree, name), values) for name, values in TREE.items())

    @FUZZ
    @given(st.binary(max_size=300))
    def test_random_bytes(self, scratch, data):
        assert reads_or_refuses(read_certificate, scratch / "f.zip", data) is None
        assert reads_or_refuses(read_certificate, scratch / "f.zip", b"PK\5\6" + data) is None

    @FUZZ
    @given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text(max_size=3)
            | st.sampled_from(["0", "1/2"]),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        ),
        st.integers(0, 2**32),
        st.booleans(),
    )
    def test_changed_manifests(self, scratch, value, seed, kind):
        rng = random.Random(seed)
        manifest, members = proof() if kind else witness()
        manifest = json.loads(json.dumps(manifest))
        here = manifest
        while True:
            keys = list(here) if isinstance(here, dict) else range(len(here))
            key = rng.choice(keys)
            if not isinstance(here[key], (dict, list)) or not here[key] or rng.random() < 0.2:
                break
            here = here[key]
        if rng.random() < 0.2:
            del here[key]
        else:
            here[key] = value
        reads_or_refuses(read_certificate, scratch / "f.zip", zipped(manifest, members))


# The rules of the arrays, once more, one number at a time.


def obeys(tree: dict, sizes: list[list[int]]) -> bool:
    """Section 4; sizes: of each case, the number of rows of each polytope."""
    split, roots = tree["split"], len(sizes)
    splits = [v for v, s in enumerate(split) if s >= 0]
    if min(split) < -1 or len(split) != roots + 2 * len(splits):
        return False
    case = list(range(roots)) + [None] * (len(split) - roots)
    for i, v in enumerate(splits):
        for child in (roots + 2 * i, roots + 2 * i + 1):
            if child <= v:
                return False
            case[child] = case[v]
    pairs = list(zip(tree["node"], tree["polytope"]))
    if any(not 0 <= v < len(split) or not 0 <= p < len(sizes[case[v]]) for v, p in pairs):
        return False
    if any(a >= b for a, b in zip(pairs, pairs[1:])) or min(tree["rows"] + tree["slopes"] + tree["multipliers"]) < 0:
        return False
    for entries in "row", "slope", "multiplier":
        rest = list(tree[entries])
        for count, (v, p) in zip(tree[entries + "s"], pairs):
            own, rest = rest[:count], rest[count:]
            limit = sizes[case[v]][p] if entries == "row" else 2**31
            if any(not 0 <= e < limit for e in own) or any(a >= b for a, b in zip(own, own[1:])):
                return False
    return all(1 <= w <= 1024 for w in tree["row_weight"]) and all(0 <= s <= 1024 for s in tree["slope_value"])


@settings(max_examples=examples(300), deadline=None)
@given(st.integers(0, 2**32))
def test_rules_of_changed_trees(scratch, seed):
    rng = random.Random(seed)
    tree = {name: list(values) for name, values in TREE.items()}
    for _ in range(rng.randint(1, 3)):
        name = rng.choice([name for name, kind in ARRAYS.items() if kind == "i32"])
        values = tree[name]
        k = rng.randrange(len(values))
        if rng.random() < 0.5:
            values[k] = min(values[k] + rng.choice([-1, 1]), 2**31 - 1)
        else:
            j = rng.randrange(len(values))
            values[k], values[j] = values[j], values[k]
    manifest, members = proof(tree)
    inputs, sums = len(CASES[0]["lower"]), [sum(tree[name]) for name in ("rows", "slopes", "multipliers")]
    fits = [sum(0 <= s < inputs for s in tree["split"]), *sums] == [2, 8, 3, 3]
    path = saved(scratch, zipped(manifest, members))
    try:
        read_certificate(path)
        outcome = True
    except Rejected:
        outcome = False
    except Malformed as error:
        assert "lengths" in str(error) and not fits
        return
    assert fits and outcome == obeys(tree, [[2, 1], [1, 0]])


def test_a_deep_and_a_wide_tree():
    """300,000 nodes each: a chain, whose depth is half of that, and a full tree."""
    for splits in ([0] + [-1, 0] * 150_000)[:-1] + [-1], [0] * 150_000 + [-1] * 150_001:
        none, numbers = np.zeros(0, np.int64), np.array(splits)
        arrays = dict.fromkeys(ARRAYS, none) | {"split": numbers, "cut": np.zeros(np.count_nonzero(numbers >= 0))}
        check_tree(Tree(**arrays), (read_cases()[0],))
        one = {
            **arrays,
            "node": np.array([len(splits) - 1]),
            "polytope": np.array([2]),
            "rows": np.array([0]),
            "slopes": np.array([0]),
            "multipliers": np.array([0]),
        }
        with pytest.raises(Rejected, match="no such polytope"):
            check_tree(Tree(**one), (read_cases()[0],))


def read_cases():
    from engine.audit.certificate import _read_case

    return [_read_case(case) for case in CASES]
