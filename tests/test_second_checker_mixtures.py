"""Contents in a few numbers by the second checker: margins by hand, and what engine/audit says, too."""

import copy
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import second_checker_mixtures
from make_certificates import Exclusion, Node
from mixture_certificates import Mixed, MixtureDraft, draft, linear, made, one_pixel
from onnx_graphs import f32, node
from second_checker_layers import Rejected, float32
from test_second_checker_cones import agree

from engine.audit.failures import Malformed
from engine.audit.images.check import check_images
from engine.audit.images.mixture_bounds import ExactForward

SEEDS = [0, 1, 2, 9, 15, 16, 22, 23]  # of certificates: each kind of network twice; some trees are split
HALF, G = Fraction(1, 2), Fraction(1, 2**53)


def ours(certificate: Path, files: Mixed):
    """The word, the bounds of exclusions, and how many images count and are safe, by the second checker."""
    try:
        shown = second_checker_mixtures.shown(certificate, files.network, files.about, files.labels)
    except Rejected:
        return "rejected", [], None
    except ValueError:
        return "malformed", [], None
    return "accepted", shown.margins, (shown.count, shown.safe)


@pytest.fixture
def theirs(monkeypatch):
    """The same by engine/audit: a function."""
    bounds, original = [], ExactForward.margins

    def recorded(*arguments):
        found = original(*arguments)
        bounds.extend(found)
        return found

    monkeypatch.setattr(ExactForward, "margins", recorded)

    def said(certificate: Path, files: Mixed, arithmetic: str = "exact"):
        bounds.clear()
        try:
            result = check_images(certificate, files.network, files.about, files.labels, arithmetic=arithmetic)
        except Malformed:
            return "malformed", [], None
        if not result.accepted:
            return "rejected", [], None
        return "accepted", list(bounds), (result.shown.counted, result.shown.safe)

    return said


def put(folder: Path, made: MixtureDraft) -> Path:
    (folder / "c.zip").write_bytes(made.bytes())
    return folder / "c.zip"


def leaf(row: int = 0, **parts) -> Node:
    return Node(exclusions=[Exclusion(0, [(row, 1024)], **parts)])


# --- margins by hand ------------------------------------------------------------------------------

FIRST = linear([1, 0], [0, 0.25])  # unsafe: x <= 1/4


def rectified(v, e) -> tuple[list, dict]:
    """Scores of max(x - 1/2, 0) and max(x, 0)."""
    nodes = [node("Gemm", "x w b", "z"), node("Relu", "z", "h"), node("Gemm", "h v e", "y")]
    return nodes, {"w": f32([1, 1]), "b": f32(-0.5, 0), "v": f32(*v), "e": f32(*e)}


KNOWN = {
    "brightness": (255, FIRST, {"brightness": "1/2"}, HALF - Fraction(1, 4)),
    "blend": (255, FIRST, {"blend": {"pattern": ["-1"], "most": "1/8"}}, HALF),
    "contrast": (255, FIRST, {"contrast": "0.25"}, HALF),
    "contrast about -1": (255, FIRST, {"contrast": "0.25", "scaling": "-1..1"}, Fraction(1, 4)),
    "contrast of black": (0, linear([1, 0], [0, -1]), {"contrast": "9"}, Fraction(1)),
    "all three": (
        255,
        FIRST,
        {"blend": {"pattern": ["0"], "most": "1/8"}, "brightness": "1/8", "contrast": "1/8"},
        Fraction(3, 8),
    ),
    "a lower line": (255, rectified([[1, 0], [0, 0]], [0, -1]), {"brightness": "1"}, HALF),
    "no lower line": (0, rectified([[1, 0], [0, 0]], [0, -1]), {"brightness": "1/2"}, Fraction(1)),
    "an upper line": (255, rectified([[0, 1], [0, 0]], [2, 0]), {"brightness": "1"}, HALF),
    "both": (255, rectified([[0, 1], [1, 0]], [0.125, 0]), {"brightness": "1"}, Fraction(1, 8)),
    "a rounded slope": (255, rectified([[0, 1], [0, 0]], [1, 0]), {"brightness": "5/8"}, None),
}


@pytest.mark.parametrize("name", KNOWN)
def test_margins_by_hand(tmp_path, name, theirs):
    byte, network, contents, margin = KNOWN[name]
    files = one_pixel(tmp_path, byte, *network)
    certificate = put(tmp_path, draft(files, leaf(), **contents))
    if margin is None:  # z lies between -1/8 and 9/8: c = 9/10, which is rounded to 922/1024
        c = Fraction(922, 1024)
        margin = 1 - c * Fraction(9, 8) - max(c / 8, (1 - c) * Fraction(9, 8))
        assert margin != 1 - Fraction(9, 8) and margin < 0
        assert ours(certificate, files)[0] == "rejected" == theirs(certificate, files)[0]
        files = one_pixel(tmp_path, byte, *rectified([[0, 1], [0, 0]], [2, 0]))
        certificate, margin = put(tmp_path, draft(files, leaf(), **contents)), margin + 1
    assert ours(certificate, files) == ("accepted", [margin], (1, 1)) == theirs(certificate, files)
    assert theirs(certificate, files, "float64")[0] == "accepted"


def test_a_rounded_case(tmp_path, theirs):
    """x = x0 + a (1/3 - x0), of which one number is no float64 number: it loses at the input, and at the end."""
    files = one_pixel(tmp_path, 51, *linear([1, 0], [0, -1]))
    certificate = put(tmp_path, draft(files, leaf(), blend={"pattern": ["1/3"], "most": "1/2"}))
    t = float32(Fraction(1, 5))
    slope = Fraction(float(Fraction(1, 3) - t))
    assert 0 < slope != Fraction(1, 3) - t
    size = t + slope / 2
    noise = G * size
    margin = t - noise + 1 - G * (size + noise + 1)  # M of both scores: |up of x|, and 1
    assert ours(certificate, files) == ("accepted", [margin], (1, 1)) == theirs(certificate, files)


def test_a_rounded_case_that_ends_in_a_relu(tmp_path, theirs):
    """The exclusion's row is of size |A| H_L."""
    _, constants = linear([1, 0], [0, -1])
    nodes = [node("Gemm", "x w b", "z"), node("Relu", "z", "y")]
    files = one_pixel(tmp_path, 51, nodes, constants)
    certificate = put(tmp_path, draft(files, leaf(), blend={"pattern": ["1/3"], "most": "1/2"}))
    t = float32(Fraction(1, 5))
    size = (t + Fraction(float(Fraction(1, 3) - t)) / 2) * (1 + G)  # of up of x
    margin = t - G * size / (1 + G) - G * size - G * size * (1 + G)
    assert ours(certificate, files) == ("accepted", [margin], (1, 1)) == theirs(certificate, files)


# --- the engine's certificates --------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_the_engines_certificates(tmp_path, seed, theirs):
    written, files = made(tmp_path, seed)
    certificate = put(tmp_path, written)
    found = ours(certificate, files)
    assert found[0] == "accepted" and found[1] and agree(found, theirs(certificate, files))


# --- forms ----------------------------------------------------------------------------------------


def at(*places, value):
    """Sets what is at the end of these keys and numbers of the manifest."""

    def change(made: MixtureDraft) -> None:
        part = made.manifest
        for place in places[:-1]:
            part = part[place]
        part[places[-1]] = value

    return change


def without(*places):
    def change(made: MixtureDraft) -> None:
        part = made.manifest
        for place in places[:-1]:
            part = part[place]
        del part[places[-1]]

    return change


def blend(pattern, most="1/8"):
    return at("contents", "blend", value={"pattern": pattern, "most": most})


def tree(root: Node):
    return lambda made: made.roots.__setitem__(0, root)


def nothing(made: MixtureDraft) -> None:
    at("contents", value=dict.fromkeys(made.manifest["contents"]))(made)
    made.raw["cut"] = []


#: word -> what is changed in a valid certificate about one white pixel, of two numbers
FORMS = {
    "accepted": {
        "nothing": lambda made: None,
        "a pattern": blend(["1/2"]),
        "the image as a pattern": blend(["1"]),
        "a split": tree(Node(1, 0.0, [], [leaf(), leaf()])),
        "a split of the blend": tree(Node(0, 0.0625, [], [leaf(), leaf()])),
        "another class": at("claim", value={"not": 1}),
    },
    "rejected": {
        "a pattern of two": blend(["1", "1"]),
        "a pattern of none": blend([]),
        "a huge pattern": blend([str(2**101)]),
        "a pattern that is nearly the image": blend(["1." + "0" * 400 + "1"]),
        "too much": at("contents", "brightness", value="2"),
        "huge": at("contents", "brightness", value=str(2**101)),
        "no float64 number": at("contents", "brightness", value="1" + "0" * 400),
        "no such class": at("claim", value={"not": 2}),
        "the label's class": at("claim", value={"not": 0}),
        "no such image": at("images", value=[0, 1]),
        "another network": at("network", "sha256", value="0" * 64),
        "other images": at("data", "images", value="0" * 64),
        "a slope": tree(leaf(slopes=[(0, 512)])),
        "a multiplier": tree(leaf(multipliers=[(0, 0.5)])),
        "a neuron's split": tree(Node(2, 0.0, [], [leaf(), leaf()])),
        "a split outside": tree(Node(1, 0.5, [], [leaf(), leaf()])),
        "a split at an end": tree(Node(0, 0.0, [], [leaf(), leaf()])),
        "no exclusion": tree(Node()),
        "no such row": tree(leaf(1)),
        "no rows": tree(Node(exclusions=[Exclusion(0, [])])),
    },
    "malformed": {
        "no contents": nothing,
        "a key too few": without("contents", "contrast"),
        "a key too many": at("contents", "hue", value=None),
        "no most": without("contents", "blend", "most"),
        "a most of 0": blend(["0"], "0"),
        "a most below 0": blend(["0"], "-1"),
        "a pattern that is none": blend("1"),
        "a pattern of numbers": blend([1]),
        "a brightness of 0": at("contents", "brightness", value="0"),
        "a brightness below 0": at("contents", "brightness", value="-1/8"),
        "a decimal that is none": at("contents", "brightness", value="1e-2"),
        "a long number": at("contents", "brightness", value="0." + "1" * 1000),
        "false": at("contents", "contrast", value=False),
        "contents of a patch": at("contents", value={"low": "0", "high": "1", "around": None}),
        "pairs": at("cases", value=[[0, 0]]),
        "a case twice": lambda made: (at("cases", value=[0, 0])(made), made.roots.append(leaf())),
        "no such case": at("cases", value=[1]),
        "a case below 0": at("cases", value=[-1]),
        "true": at("cases", value=[True]),
        "a fraction": at("cases", value=[0.0]),
        "no images": at("images", value=[]),
        "version 4": at("version", value=4),
        "version 5": at("version", value=5),
        "version 7": at("version", value=7),
        "a patch": at("patch", value={"height": 1, "width": 1, "positions": [[0, 0]]}),
        "cones": at("cones", value=True),
        "float32": at("semantics", value="float32"),
        "another scaling": at("input", "scaling", value="0..2"),
        "a class below 0": at("claim", value={"not": -1}),
        "a cut too many": lambda made: made.raw.update(cut=[0.0]),
    },
}


@pytest.mark.parametrize("word, name", [(word, name) for word, changes in FORMS.items() for name in changes])
def test_forms(tmp_path, word, name, theirs):
    """As the text has it, and by both checkers."""
    files = one_pixel(tmp_path, 255, *FIRST)
    base = draft(files, leaf(), blend={"pattern": ["1/4"], "most": "1/8"}, brightness="1/8")
    FORMS[word][name](base)
    certificate = put(tmp_path, copy.deepcopy(base))
    found = ours(certificate, files)
    assert found[0] == word and agree(found, theirs(certificate, files))


def test_networks_with_a_curve_have_none(tmp_path, theirs):
    nodes, constants = FIRST
    nodes = [node("Sigmoid", "x", "h"), node("Gemm", "h w b", "y")]
    files = one_pixel(tmp_path, 255, nodes, constants)
    certificate = put(tmp_path, draft(files, leaf(), brightness="1/8"))
    assert ours(certificate, files)[0] == "rejected" == theirs(certificate, files)[0]


def test_one_output_is_no_class(tmp_path, theirs):
    files = one_pixel(tmp_path, 255, [node("MatMul", "x w", "y")], {"w": np.float32([[1]])})
    certificate = put(tmp_path, draft(files, leaf(), brightness="1/8", claim={"not": 0}))
    assert ours(certificate, files)[0] == "rejected" == theirs(certificate, files)[0]


@pytest.mark.parametrize("ending", ["Softmax", "LogSoftmax"])
def test_cases_are_about_scores(tmp_path, ending, theirs):
    """What is behind these has no effect."""
    nodes, constants = FIRST
    files = one_pixel(tmp_path, 255, [*nodes, node(ending, "y", "p")], constants, output="p")
    certificate = put(tmp_path, draft(files, leaf(), brightness="1/2"))
    assert ours(certificate, files) == ("accepted", [Fraction(1, 4)], (1, 1)) == theirs(certificate, files)


@pytest.mark.parametrize("bits, word", [(99, "accepted"), (100, "rejected"), (1024, "rejected")])
def test_a_number_without_effect(tmp_path, bits, word, theirs):
    """Of a black image the contrast changes nothing; but it is below 2^100."""
    files = one_pixel(tmp_path, 0, *linear([1, 0], [0, -1]))
    certificate = put(tmp_path, draft(files, leaf(), contrast=str(2**bits)))
    found = ours(certificate, files)
    assert agree(found, theirs(certificate, files)) and found[0] == word
