"""Certificates of kind "band": what the checker accepts, and what it does not, be it signed again."""

import json
import random
from fractions import Fraction

import numpy as np
import pytest
from cases import executable
from conftest import network, random_network
from test_audit_comparison import contents, packed
from test_preservation import LOWER, PAIRS, UPPER, nudged, with_layer

from engine.audit.comparison.band import check_band, read_band
from engine.audit.comparison.kinds import check_comparison
from engine.audit.failures import Malformed, Rejected
from engine.cli import main
from engine.cli.compare import _progress_text
from engine.comparison.band import outside, outside_band
from engine.comparison.certificate import band_certificate_bytes
from engine.comparison.decision import Decision
from engine.comparison.proving import Limits, Progress
from engine.comparison.service import ComparisonOptions
from engine.meaning import Meaning

GAP = Fraction(1, 40)
MUTANTS = 112
LIMITS = Limits(max_boxes=40, batch=8, threads=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """name -> (certificate, original, changed): files."""
    folder, found = tmp_path_factory.mktemp("band"), {}
    pairs = {name: PAIRS[name] for name in ("layer 0, seed 0", "layer 1, seed 1", "a shift", "switched")}
    for name, pair in pairs.items():
        files = [folder / f"{name}.{what}" for what in ("band.zip", "a.onnx", "b.onnx")]
        pair = [executable(net) for net in pair]
        result = outside_band(*pair, gap=GAP, lower=LOWER, upper=UPPER, limits=LIMITS)
        for file, data in zip(files, [band_certificate_bytes(*pair, result), *(net.onnx_bytes for net in pair)]):
            file.write_bytes(data)
        found[name] = files
    return found


NAMES = ["layer 0, seed 0", "layer 1, seed 1", "a shift", "switched"]


@pytest.mark.parametrize("name, arithmetic", [*((name, "float64") for name in NAMES), ("layer 1, seed 1", "exact")])
def test_what_was_written_is_accepted(made, name, arithmetic):
    result = check_comparison(*made[name], arithmetic=arithmetic)
    assert result.accepted, result.reason
    assert (result.kind, result.certificate.gap) == ("band", GAP) and result.leaves > 1


@pytest.mark.parametrize("by", ["1/1000000", "-1/1000000"])
def test_the_share_by_hand(tmp_path, by):
    """f = (0, x - 1/2), g = (0, x - 3/4) on [0, 1], gap 1/8, cut at 19/32: all that changes is above.

    There 13/32 are open: to prove more, that box would have to be cut where it is closed.
    """
    nets = [executable(network([[[0], [1]]], [[0, -by_]])) for by_ in (0.5, 0.75)]
    limits = Limits(max_boxes=3, batch=1, threads=1)
    cut = [(np.array([19 / 32]), np.array([2.0]))]
    found = outside_band(
        *nets, gap=Fraction(1, 8), lower=(Fraction(0),), upper=(Fraction(1),), first=cut, limits=limits
    )
    assert found.open - Fraction(13, 32) < Fraction(1, 10**8)
    files = [tmp_path / name for name in ("c.zip", "a.onnx", "b.onnx")]
    for file, data in zip(files, [band_certificate_bytes(*nets, found), *(net.onnx_bytes for net in nets)]):
        file.write_bytes(data)
    manifest, arrays = contents(files[0])
    manifest["open"] = str(Fraction(13, 32) + Fraction(by))
    result = check_band(packed(files[0], manifest, arrays), *files[1:], arithmetic="exact")
    assert result.accepted == (by[0] != "-"), result.reason


# What was tampered with


def tampered(made, tmp_path, change, name: str = "layer 1, seed 1"):
    """The verdict on a certificate after change(manifest, arrays)."""
    certificate, *networks = made[name]
    manifest, arrays = contents(certificate)
    change(manifest, arrays)
    return check_band(packed(tmp_path / "t.zip", manifest, arrays), *networks)


def less_open(manifest, arrays):
    manifest["open"] = str(Fraction(manifest["open"]) - Fraction(1, 10**7))


def less_gap(manifest, arrays):
    manifest["gap"] = "1/50"


def less_gap_in_the_polytopes_too(manifest, arrays):
    manifest["gap"] = "0"
    for rows in manifest["cases"][0]["unsafe"]:
        for row in rows:
            row["constant"] = "0"


def no_exclusions(manifest, arrays):
    for name in arrays.keys() - {"split", "cut"}:
        arrays[name] = arrays[name][:0]


def cut_outside(manifest, arrays):
    arrays["cut"][0] = 5.0


def another_polytope(manifest, arrays):
    arrays["polytope"][0] = (arrays["polytope"][0] + 1) % 6


def larger_box(manifest, arrays):
    manifest["cases"][0]["upper"][0] = "5"


def no_volume(manifest, arrays):
    manifest["cases"][0]["upper"][0] = manifest["cases"][0]["lower"][0]


def polytope_missing(manifest, arrays):
    manifest["cases"][0]["unsafe"].pop()


def row_not_strict(manifest, arrays):
    manifest["cases"][0]["unsafe"][0][0]["strict"] = False


def polytopes_of_a_theorem(manifest, arrays):
    """As if output 0 alone were raised."""
    del manifest["cases"][0]["unsafe"][2:]


REJECTED = [
    less_open,
    less_gap,
    less_gap_in_the_polytopes_too,
    no_exclusions,
    cut_outside,
    another_polytope,
    larger_box,
    no_volume,
    polytope_missing,
    row_not_strict,
    polytopes_of_a_theorem,
]


@pytest.mark.parametrize("change", REJECTED, ids=lambda f: f.__qualname__)
def test_what_was_tampered_with_is_rejected(made, tmp_path, change):
    assert tampered(made, tmp_path, lambda *_: None).accepted
    try:
        result = tampered(made, tmp_path, change)
    except Malformed:
        return
    assert not result.accepted and result.reason


def test_a_larger_claim_is_fine(made, tmp_path):
    assert tampered(made, tmp_path, lambda manifest, arrays: manifest.update(open="7/5")).accepted


def test_other_networks_are_rejected(made):
    certificate, original, changed = made["layer 1, seed 1"]
    assert "SHA-256" in check_band(certificate, original, original).reason
    assert "SHA-256" in check_band(certificate, changed, original).reason


def test_polytopes_of_another_pair_with_a_theorem(made, tmp_path):
    """The certificate of a shift, signed for networks without its theorem."""
    certificate, *_ = made["a shift"]
    other = [executable(net) for net in PAIRS["layers 1 and 2"]]
    files = [tmp_path / name for name in ("t.zip", "a.onnx", "b.onnx")]
    manifest, arrays = contents(certificate)
    for key, file, net in zip(("network", "changed"), files[1:], other):
        file.write_bytes(net.onnx_bytes)
        manifest[key]["sha256"] = net.sha256
    assert "polytopes" in check_band(packed(files[0], manifest, arrays), *files[1:]).reason


@pytest.mark.parametrize(
    "key, value",
    [
        ("kind", "change"),
        ("semantics", "float32"),
        ("version", 1),
        ("gap", "-1/10"),
        ("gap", 0.5),
        ("open", "x"),
        ("unequal", "1"),
        ("cases", []),
    ],
)
def test_malformed(made, tmp_path, key, value):
    manifest, arrays = contents(made["a shift"][0])
    manifest[key] = value
    with pytest.raises(Malformed):
        read_band(packed(tmp_path / "t.zip", manifest, arrays))


# Changed at random, and signed again


def changed_at_random(manifest: dict, arrays: dict, choose: random.Random) -> None:
    """One or two numbers of the arrays, and now and then the claim itself, with the polytopes that belong to it."""
    for _ in range(choose.choice([1, 1, 2])):
        name = choose.choice(sorted(name for name, array in arrays.items() if len(array)))
        i = choose.randrange(len(arrays[name]))
        by = choose.choice([-1, 1, 2, 100]) if name not in ("cut", "multiplier_value") else choose.gauss(0, 0.3)
        arrays[name][i] += by
    what = choose.random()
    if what < 0.3:
        manifest["open"] = str(Fraction(manifest["open"]) * choose.randrange(80, 100) / 100)
    elif what < 0.5:
        manifest["gap"] = str(gap := GAP * choose.randrange(20) / 20)
        for rows in manifest["cases"][0]["unsafe"]:
            for row in rows:
                row["constant"] = str(gap) if row["strict"] else "0"


def true_share(pair, gap: float, x: np.ndarray) -> float:
    before, after = (net.evaluate(x) for net in pair)
    best = np.sort(before, 1)
    return float(((best[:, 1] - best[:, 0] > gap) & (before.argmin(1) != after.argmin(1))).mean())


def test_no_mutant_is_accepted_wrongly(made, tmp_path):
    """What is accepted is true, by points; and most is not accepted."""
    choose, accepted = random.Random(0), 0
    x = np.random.default_rng(0).uniform(-1, 1, (5_000, 2))
    for number in range(MUTANTS):
        name = NAMES[number % len(NAMES)]
        certificate, *networks = made[name]
        manifest, arrays = contents(certificate)
        changed_at_random(manifest, arrays, choose)
        try:
            result = check_band(packed(tmp_path / "t.zip", manifest, arrays), *networks)
        except (Malformed, Rejected):
            continue
        if result.accepted:
            accepted += 1
            found = result.certificate
            share = float(found.open)
            assert true_share(PAIRS[name], float(found.gap), x) <= share + 3 * np.sqrt(share / len(x))
    assert 0 < accepted < MUTANTS / 2


# On the command line


def test_compare_proves_and_check_checks(tmp_path, capsys):
    net = random_network((5, 6, 5), seed=0)
    for name, each in (("a", net), ("b", nudged(net, 1, by=0.01))):
        (tmp_path / f"{name}.onnx").write_bytes(executable(each).onnx_bytes)
    networks = [str(tmp_path / "a.onnx"), str(tmp_path / "b.onnx")]
    quick = ["--points", "1000", "--grid", "3", "--prove", "--gap", "0.01", "--timeout", "1", "--domain", "acasxu"]
    certificate = str(tmp_path / "a.band.zip")
    assert main(["compare", *networks, *quick, "--certificate", certificate]) == 0
    captured = capsys.readouterr()
    assert "two lowest scores differ by more than 0.01 (3.739 in the tables' scores), the advisory" in captured.out
    assert "accepted by the independent checker" in captured.err
    assert main(["compare", *networks, *quick, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["outside_band"]
    assert found["gap"] == "1/100" and 0 <= Fraction(found["decision_may_differ_at_most"]) <= 1
    assert found["measured"]["points"] == 1000 >= found["measured"]["outside_the_band"]
    pair = ["--network", networks[0], "--changed", networks[1]]
    assert main(["check", certificate, *pair, "--json"]) == 0
    (content,) = json.loads(capsys.readouterr().out)
    assert (content["kind"], content["gap"], len(content["sha256"])) == ("band", "1/100", 3)
    assert main(["check", str(tmp_path), *pair, "--arithmetic", "exact"]) == 0
    assert "differ by more than 0.01, which output is lowest may differ on at most " in capsys.readouterr().out
    assert main(["check", certificate, "--network", networks[1], "--changed", networks[0]]) == 1
    assert main(["compare", *networks, "--gap", "0.01"]) == 2
    assert "it goes with --same-advisory or --prove" in capsys.readouterr().err


def test_where_the_weights_say_it_all(tmp_path, capsys):
    """Of a network and itself, and of one with a raised score."""
    net = random_network((5, 6, 5), seed=0)
    raised = with_layer(net, 1, bias=net.layers[1].bias + np.array([0, 0, 0.5, 0, 0], np.float32))
    for name, each in (("a", net), ("b", raised)):
        (tmp_path / f"{name}.onnx").write_bytes(executable(each).onnx_bytes)
    quick = ["--points", "1000", "--grid", "2", "--prove", "--gap", "0", "--timeout", "0.5", "--domain", "acasxu"]
    for other, said in (("a", "by the weights alone it changes nowhere"), ("b", "it may change only from weak right")):
        files = [str(tmp_path / f"{name}.onnx") for name in ("a", other)]
        assert main(["compare", *files, *quick, "--certificate", str(tmp_path / "c.zip")]) == 0
        assert said in " ".join(capsys.readouterr().out.split())
    assert main(["compare", str(tmp_path / "a.onnx"), str(tmp_path / "a.onnx"), *quick]) == 0
    assert "may differ on at most 0% of the domain (1 boxes" in " ".join(capsys.readouterr().out.split())


def test_the_progress_line_speaks_of_the_decision_alone():
    progress, meant = Progress(0.25, 0.25, 10, 4, 1.0), Meaning(None, None, Decision.LOWEST)
    text = _progress_text(progress, meant, ComparisonOptions(prove=True, gap=Fraction(0)))
    assert text == "which output is lowest may differ on at most 25.0000% of the domain; 10 boxes done, 4 open, 1 s"
    assert ", outputs on 25.0000%" in _progress_text(progress, meant, ComparisonOptions(prove=True))


def test_of_the_highest_output_there_is_no_certificate(tmp_path, capsys):
    """It is proved of the mirror images, and said so."""
    net = random_network((5, 6, 5), seed=0)
    for name, each in (("a", net), ("b", nudged(net, 1, by=0.01))):
        (tmp_path / f"{name}.onnx").write_bytes(executable(each).onnx_bytes)
    given = ["compare", str(tmp_path / "a.onnx"), str(tmp_path / "b.onnx"), "--points", "100", "--grid", "2"]
    given += ["--prove", "--gap", "0.01", "--timeout", "0.5", "--domain", "acasxu", "--decision", "highest"]
    assert main(given) == 0
    assert "two highest scores differ by more than 0.01" in " ".join(capsys.readouterr().out.split())
    assert main([*given, "--certificate", str(tmp_path / "c.zip")]) == 2


def test_the_writer_and_the_checker_mean_the_same_polytopes():
    rows = [len(polytope.rows) for polytope in outside([(0, 1), (2, 0)], GAP, 2, 3)]
    assert rows == [5, 5]
