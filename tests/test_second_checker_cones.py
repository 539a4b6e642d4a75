"""Certificates of versions 4 to 6 and about images by a second checker, written from the format's text alone."""

import csv
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import second_checker
import second_checker_bounds
import second_checker_cones
import second_checker_file
import second_checker_images
import second_checker_layers
import second_checker_mixtures
import second_checker_network
from make_cone_certificates import ALL_BROKEN, ALL_CHANGES, CORPUS, VALID, Files, changed
from onnx import helper
from pair_certificates import Exclusion, Pair
from second_checker_layers import Rejected
from second_checker_pairs import margins as pair_margins

from engine.audit.check import check
from engine.audit.exact import Exact
from engine.audit.failures import Malformed
from engine.audit.images.check import check_images
from engine.audit.images.mixture_bounds import ExactForward

with (CORPUS / "index.csv").open(newline="", encoding="utf-8") as _file:
    INDEX = list(csv.DictReader(_file))


#: Seconds by the second checker; others of their kind (`patch`, `label`, `around_none`) stay in the default suite.
LONG = {"valid/quarters", "tampered/around_wider"}


def each(entries):
    named = {entry["file"].removesuffix(".zip"): entry for entry in entries}
    return pytest.mark.parametrize(
        "entry", [pytest.param(e, id=name, marks=[pytest.mark.slow] * (name in LONG)) for name, e in named.items()]
    )


def files_of(entry) -> tuple[Path, Files]:
    return CORPUS / entry["file"], Files.of(entry["network"], entry["about"])


def ours(certificate: Path, files: Files):
    """The word, the bounds of exclusions, and of images how many count and are safe, by the second checker."""
    try:
        if not files.is_images:
            return "accepted", second_checker_cones.margins(certificate, files.network, files.about), None
        checker = second_checker_mixtures if is_mixture(certificate) else second_checker_images
        shown = checker.shown(certificate, files.network, files.about, files.labels)
        return "accepted", shown.margins, (shown.count, shown.safe)
    except Rejected:
        return "rejected", [], None
    except ValueError:
        return "malformed", [], None


def is_mixture(certificate: Path) -> bool:
    manifest, _ = second_checker_file.read_archive(certificate)
    return manifest["version"] == 6


@pytest.fixture
def theirs(monkeypatch):
    """The same by engine/audit: a function."""
    bounds: list[Fraction] = []

    def record(kind) -> None:
        original = kind.margins

        def recorded(*arguments):
            found = original(*arguments)
            bounds.extend(found)
            return found

        monkeypatch.setattr(kind, "margins", recorded)

    record(Exact)
    record(ExactForward)

    def said(certificate: Path, files: Files, arithmetic: str = "exact"):
        bounds.clear()
        try:
            if not files.is_images:
                result = check(certificate, files.network, files.about, arithmetic=arithmetic)
            else:
                labels = None if files.about.suffix == ".csv" else files.labels
                result = check_images(certificate, files.network, files.about, labels, arithmetic=arithmetic)
        except Malformed:
            return "malformed", [], None
        if not result.accepted:
            return "rejected", [], None
        shown = (result.shown.counted, result.shown.safe) if files.is_images else None
        return "accepted", list(bounds), shown

    return said


def agree(one, other) -> bool:
    """To the last bit of each bound."""
    return one[0] == other[0] and sorted(one[1]) == sorted(other[1]) and one[2] == other[2]


# --- the corpus -----------------------------------------------------------------------------------


@each(INDEX)
def test_both_checkers_agree_with_the_corpus(entry, theirs):
    found = ours(*files_of(entry))
    assert found[0] == entry["expected"] == theirs(*files_of(entry), "float64")[0]
    assert agree(found, theirs(*files_of(entry)))
    assert bool(found[1]) is (entry["expected"] == "accepted")


def test_the_corpus_is_complete_and_small():
    assert {entry["file"] for entry in INDEX} == {
        *(f"valid/{name}.zip" for name in VALID),
        *(f"tampered/{change.name}.zip" for change in ALL_CHANGES),
        *(f"malformed/{change.name}.zip" for change in ALL_BROKEN),
    }
    sizes = [path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()]
    assert max(sizes) < 16 * 2**10 and sum(sizes) < 400 * 2**10


def test_what_is_wrong_is_made_of_what_is_valid():
    """The same bytes on every machine."""
    for file, *_, content in changed():
        assert (CORPUS / file).read_bytes() == content


# --- known answers --------------------------------------------------------------------------------


def cone_of(rows, bias, lower, upper, *, relu=True, g=0):
    """The cone of one layer, which the outputs are."""
    layer = second_checker_layers.Layer([list(map(Fraction, row)) for row in rows], list(map(Fraction, bias)), relu)
    block = second_checker_bounds.Block(range(len(lower)), len(rows), [layer], [0, len(rows)], Fraction(g), Fraction(0))
    net = second_checker_bounds.Network(len(lower), len(rows), len(rows), [block])
    case = second_checker_file.Case(list(map(Fraction, lower)), list(map(Fraction, upper)), [])
    return second_checker_cones.cone(net, case).blocks[0].layers[0]


def test_fixed_inputs_of_float64_have_no_radius():
    layer = cone_of([[2, 3], [0, 5]], [1, 1], ["1/4", -1], ["1/4", 1])
    assert layer[:4] == ([[3], [5]], [Fraction(3, 2), 1], [True, True], [0, 0])


def test_a_fixed_decimal_has_half_the_distance_of_its_neighbours():
    """1/10 lies between two float64 numbers 2^-56 apart."""
    layer = cone_of([[3, 1]], [0], ["1/10", 0], ["1/10", 1])
    assert layer.radii == [Fraction(3, 2**57)]
    assert abs(layer.bias[0] - Fraction(3, 10)) < layer.radii[0]


def test_a_rounded_network_has_wider_radii():
    """By 2^-53 (|b| + |W| |h|) of what is not reached."""
    layer = cone_of([[3, 1]], ["1/2"], [-2, 0], [-2, 1], g=Fraction(1, 2**53))
    assert layer.radii == [Fraction(13, 2) / 2**53] and layer.bias == [Fraction(-11, 2)]


@pytest.mark.parametrize(
    "byte, scaling, value",
    [(255, "0..1", 1), (0, "-1..1", -1), (255, "0..255", 255), (51, "0..1", Fraction(13421773, 2**26))],
)
def test_values_of_pixels(byte, scaling, value):
    assert second_checker_images.value(byte, scaling) == value


LINE = b"1,2,3,4,7"


@pytest.mark.parametrize(
    "text, lines",
    [(LINE, 1), (LINE + b"\r\n" + LINE + b"\r\n", 2), (b"0" * 5000 + LINE + b"\n", 1), (LINE + b"\n\n", 0), (b"", 0),
     (b"\n" + LINE, 0), (LINE + b",\n", 0), (b"+" + LINE, 0), (b"1,2,3,256,7\n", 0), (b"7\n", 0), (b"1,2,3,7\n", 0)],
)  # fmt: skip
def test_csv_files(text, lines):
    """lines: how many images; none where it is malformed."""
    if lines:
        read = second_checker_images.read_csv(text, text)
        assert read == (2, 2, [[1, 2, 3, 4]] * lines, [7] * lines)
    else:
        with pytest.raises(ValueError):
            second_checker_images.read_csv(text, text)


# --- maxima ---------------------------------------------------------------------------------------

WINDOWS = [
    ([1, 2, 5], {"kernel_shape": [2]}),
    ([1, 1, 4, 5], {"kernel_shape": [2, 3], "strides": [2, 1], "pads": [1, 0, 0, 2]}),
    ([1, 1, 5, 5], {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
    ([1, 2, 5, 4], {"kernel_shape": [2, 2], "dilations": [2, 1]}),
    ([1, 1, 5, 6], {"kernel_shape": [3, 2], "strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    ([1, 1, 5, 6], {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_LOWER"}),
    ([1, 1, 4, 4], {"kernel_shape": [3, 3], "auto_pad": "VALID"}),
    ([1, 1, 2, 3, 2], {"kernel_shape": [2, 2, 2]}),
    ([1, 3, 3, 2], None),
]


@pytest.mark.parametrize("shape, options", WINDOWS)
def test_maxima_are_those_of_onnxruntime(shape, options):
    """Of points with a quarter's steps, exactly."""
    kind = "GlobalMaxPool" if options is None else "MaxPool"
    node = helper.make_node(kind, ["x"], ["y"], **(options or {}))
    ends = [helper.make_tensor_value_info("x", 1, shape), helper.make_tensor_value_info("y", 1, None)]
    graph = helper.make_graph([node], "maximum", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    block = second_checker_network.read_chain(model).network("real").blocks[0]
    for seed in range(3):
        x = np.random.default_rng(seed).integers(-8, 9, shape).astype(np.float32) / 4
        found, _ = second_checker.evaluate(block, second_checker_layers.exact(x))
        assert found == second_checker_layers.exact(session.run(None, {"x": x})[0])


def test_layers_of_a_maximum_of_three():
    """max(a, b) and c; then max of these two; then what is left."""
    chain = second_checker_network.Chain([1, 1, 3])
    chain.maximize({"kernel_shape": [3]})
    assert [layer.weights for layer in chain.layers] == [
        [[1, -1, 0], [0, 1, 0], [0, 0, 1]],
        [[1, 1, -1], [0, 0, 1]],
        [[1, 1]],
    ]
    assert [layer.relus for layer in chain.layers] == [[True, False, False], [True, False], [False]]


# --- pairs of networks with maxima ----------------------------------------------------------------


def pooled(shift: float) -> bytes:
    """y is the larger of x + shift and -x, less that of x - 1/2 and x / 4."""
    constant = lambda name, values, dims, kind=1: helper.make_tensor(name, kind, dims, values)
    nodes = [
        helper.make_node("Gemm", ["x", "W", "b"], ["z"]),
        helper.make_node("Reshape", ["z", "s"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2], strides=[2]),
        helper.make_node("Reshape", ["p", "t"], ["q"]),
        helper.make_node("Gemm", ["q", "V"], ["y"]),
    ]
    constants = [
        constant("W", [1, -1, 1, 0.25], [1, 4]),
        constant("b", [shift, 0, -0.5, 0], [4]),
        constant("s", [1, 1, 4], [3], 7),
        constant("t", [1, 2], [2], 7),
        constant("V", [1, -1], [2, 1]),
    ]
    ends = [helper.make_tensor_value_info(name, 1, [1, 1]) for name in "xy"]
    graph = helper.make_graph(nodes, "pooled", ends[:1], ends[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


@pytest.mark.parametrize("gap", ["0.25", "0.0625"])
@pytest.mark.parametrize("exclusion", [Exclusion(), Exclusion(0, {0: 300, 2: 700})])
def test_pairs_with_relus_on_some_neurons(tmp_path, gap, exclusion, theirs):
    """Both checkers find the same bound, which the shift of 1/8 leaves below 1/4."""
    pair = Pair(pooled(0), pooled(0.125), gap, exclusions=(exclusion,))
    certificate, networks, query = pair.write(tmp_path)
    result = check(certificate, networks, query, arithmetic="exact")
    assert result.accepted is (gap == "0.25")
    if result.accepted:
        assert [result.margin] == list(map(float, pair_margins(certificate, networks, query)))
    else:
        with pytest.raises(Rejected):
            pair_margins(certificate, networks, query)
