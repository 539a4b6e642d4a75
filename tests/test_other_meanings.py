"""Networks of other shapes, units and meanings: nothing is said of them that is known of ACAS Xu's alone.

Every command is run on networks that fly nothing, one of them under the name of a published file, and what is printed
and written is searched for ACAS Xu's words. What is known of the stand-ins, and of what was made from them, is said.
"""

import json
import re
import zipfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
from bench_runs import Here
from cases import case, executable, prop, row
from conftest import random_network
from test_cli_repair import SMALL

from engine.acasxu.files import property_path
from engine.acasxu.identity import CONTENT, METADATA, OPTION, SHAPE, as_told, identify, identify_file, known_networks
from engine.acasxu.networks import NetworkIndex
from engine.cli import main
from engine.network import Affine, Network
from engine.onnx_file import load_network, made_from, save_network
from engine.repair.edit import edited
from engine.repair.methods import METHODS
from engine.repair.milp import settings as linear
from engine.repair.task import Candidate
from engine.vnnlib.writer import property_text

WORDS = re.compile(
    r"(?<![A-Za-z])(COC|advisor(y|ies)|scores?|ft|rad|feet|knots|(weak|strong) (left|right)|encounters?|"
    r"ownship|intruder|tau|ACAS)(?![A-Za-z])",
    re.I,
)
PUBLISHED = "ACASXU_run2a_1_1_batch_2000"
QUICK = ("--points", "500", "--grid", "3")
FEW = ("--method", "milp", "--samples", "500", "--grid", "3", "--device", "cpu")


def percent() -> Network:
    """Five costs of five shares between 0 and 100."""
    random, widths, layers = np.random.default_rng(4), [5, 20, 20, 5], []
    for i, (a, b) in enumerate(zip(widths, widths[1:])):
        weight, bias = random.normal(size=(b, a)) / np.sqrt(a), random.normal(size=b) * 0.3
        if i == 0:
            weight, bias = weight / 100, bias - weight @ np.full(5, 0.5)
        layers.append(Affine(*(part.astype(np.float32).astype(float) for part in (weight, bias)), i < 2))
    return executable(Network(tuple(layers)))


#: name -> (network, the ends of its inputs)
OTHERS = {
    "percent": (percent(), (0, 100)),
    "small": (executable(random_network((2, 6, 3), seed=0)), (-1, 1)),
    PUBLISHED: (executable(random_network((5, 6, 5), seed=0)), (-1, 1)),
}


def raised(net: Network, output: int, by: float) -> Network:
    last = len(net.layers) - 1
    weight, bias = net.layers[last].weight, net.layers[last].bias.copy()
    bias[output] += by
    return edited(net, {last: (weight, bias)})


def raising(task, evidence, say, **options):
    """A method that moves the first output to where no property here is unsafe; the task may be a mirror image."""
    sign = task.targets[0].cases[0].unsafe[0].rows[0].outputs[0]
    yield Candidate(raised(task.network, 0, 64.0 * int(sign)), "the first output moved")


#: For what takes long: the other network has neither a published name nor ACAS Xu's shape.
UNITS_AND_NAMES = pytest.mark.parametrize(
    "given", ["percent", PUBLISHED, pytest.param("small", marks=pytest.mark.slow)], indirect=True
)


@pytest.fixture(params=OTHERS)
def given(request, tmp_path, monkeypatch) -> tuple[Path, list[str]]:
    """A folder with a network, one with another output (changed.onnx), a property that it violates (p.vnnlib), its
    domain and points; and the files of the network and the property."""
    net, (low, high) = OTHERS[request.param]
    n = net.n_inputs
    box = case([low] * n, [(low + high) // 2 or 1] * n, [row([1] + [0] * (net.n_outputs - 1), -50, n_inputs=n)])
    (tmp_path / f"{request.param}.onnx").write_bytes(net.onnx_bytes)
    save_network(raised(net, 0, 0.125), tmp_path / "changed.onnx")
    (tmp_path / "p.vnnlib").write_text(property_text(prop(box, n_outputs=net.n_outputs)))
    declared = "".join(f"(declare-const {c}_{i} Real)\n" for c, k in (("X", n), ("Y", net.n_outputs)) for i in range(k))
    ends = "".join(f"(assert (>= X_{i} {low}))(assert (<= X_{i} {high}))\n" for i in range(n))
    (tmp_path / "domain.vnnlib").write_text(declared + ends)
    heads = ",".join(f"x{i}" for i in range(n))
    (tmp_path / "points.csv").write_text(f"{heads},forbidden\n{','.join(['0.25'] * n)},1\n")
    monkeypatch.setitem(METHODS, "milp", lambda: raising)
    monkeypatch.setattr("engine.bench.session.Workers", Here)
    return tmp_path, [str(tmp_path / f"{request.param}.onnx"), str(tmp_path / "p.vnnlib")]


def silent(text: str) -> None:
    """Nothing of ACAS Xu is in it, but for this program's name and the names of files."""
    found = WORDS.search(re.sub(rf"acasxu|{PUBLISHED}", "", text))
    assert not found, text[max(0, found.start() - 200) : found.end() + 50]


def said(capsys) -> str:
    text = "".join(capsys.readouterr())
    silent(text)
    return text


def written(folder: Path) -> list[str]:
    """The texts of all files that a command has written, certificates' manifests among them."""
    texts = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if path.suffix == ".zip":
            texts.append(zipfile.ZipFile(path).read("manifest.json").decode())
        elif path.suffix != ".onnx":
            texts.append(path.read_text(encoding="utf-8"))
    return texts


# Every command


def test_verify_info_and_check(given, capsys):
    folder, files = given
    certificate, report = str(folder / "c.zip"), str(folder / "audit")
    assert main(["verify", *files, "--certificate", certificate]) == 1
    assert "the property is violated" in said(capsys)
    assert main(["verify", *files, "--json"]) == 1
    content = json.loads(capsys.readouterr().out)
    assert content["label"] is None and "encounter" not in content["counterexample"]
    silent(json.dumps(content))
    about = ["--network", files[0], "--property", files[1]]
    for suffix in (".html", ".md"):
        assert main(["check", certificate, *about, "--report", report + suffix]) == 0
        silent(Path(report + suffix).read_text())
    for name in (files[0], str(folder / "changed.onnx")):
        assert main(["info", name]) == 0
        assert "label" not in said(capsys)
        assert main(["info", name, "--json"]) == 0
        found = json.loads(said(capsys))
        assert found["label"] is found["published"] is None
    assert found["made_from"] == load_network(files[0]).sha256, "of what is not known it is said, too"


def test_compare(given, capsys):
    """Nothing is measured outside the boxes, and of no decision, unless somebody says what they are."""
    folder, files = given
    pair = [files[0], str(folder / "changed.onnx")]
    assert main(["compare", *pair, files[1], *QUICK]) == 0
    text = said(capsys)
    assert "decision: not known" in text and "domain: not known; nothing outside the properties' boxes" in text
    assert "agreement" not in text and "%" not in text.split("VERE")[0] and "drawdown" not in text
    assert main(["compare", *pair, files[1], *QUICK, "--json"]) == 0
    content = json.loads(said(capsys))
    assert content["domain"] is content["decision"] is content["regions"]["grid of the domain"] is None
    assert "not known" in content["domain_reason"] and "not known" in content["decision_reason"]
    assert all(region["agreement"] is None for region in content["regions"].values() if region)
    domain = ["--domain", str(folder / "domain.vnnlib")]
    for wants, what in (
        ([], "the inputs to compare on are not known"),
        ([files[1], "--prove"], "the network's domain, which is not known; say --domain"),
        (["--prove", *domain], "the network's decision, which is not known; say --decision lowest"),
    ):
        assert main(["compare", *pair, *wants, *QUICK]) == 2
        assert what in said(capsys)


@pytest.mark.parametrize("decision", ["lowest", "highest"])
def test_compare_where_the_user_says_what_they_are(given, capsys, decision):
    """The share that agrees is that of an independent measurement on the domain, and the proof does not exceed it."""
    folder, files = given
    pair = [files[0], str(folder / "changed.onnx")]
    options = ["--points", "40000", "--grid", "2", "--domain", str(folder / "domain.vnnlib"), "--advisory", decision]
    certificate = ["--certificate", str(folder / "a.zip")] if decision == "lowest" else []
    assert main(["compare", *pair, *options, "--prove", "--timeout", "0.2", *certificate]) == 0
    text = said(capsys)
    assert f"decision: the {decision} output\ndomain: the box in domain.vnnlib" in text
    assert f"proved: which output is {decision} may differ on at most" in text
    assert main(["compare", *pair, *options, "--prove", "--timeout", "0.2", "--json"]) == 0
    content = json.loads(said(capsys))
    nets = [load_network(path) for path in pair]
    low, high = next(ends for net, ends in OTHERS.values() if net.sha256 == nets[0].sha256)
    points = np.random.default_rng(5).uniform(low, high, (100_000, nets[0].n_inputs))
    pick = {"lowest": np.argmin, "highest": np.argmax}[decision]
    share = float((pick(nets[0].evaluate(points), 1) == pick(nets[1].evaluate(points), 1)).mean())
    assert content["regions"]["domain outside the boxes"]["agreement"] == pytest.approx(share, abs=0.01)
    assert Fraction(content["proved"]["decision_may_differ_at_most"]) >= 1 - share - 0.01
    if decision == "lowest":
        assert main(["check", str(folder / "a.zip"), "--network", pair[0], "--changed", pair[1]]) == 0
        assert "which output is lowest" in said(capsys)
    else:
        assert main(["compare", *pair, *options, "--prove", "--certificate", str(folder / "b.zip")]) == 2
        assert "certificates of a change are about the lowest output alone" in said(capsys)


@UNITS_AND_NAMES
def test_repair(given, capsys):
    folder, files = given
    out = folder / "out" / "r.onnx"
    out.parent.mkdir()
    assert main(["repair", *files, "--out", str(out), *FEW, "--explain"]) == 0
    text = said(capsys)
    assert "domain: not known; nothing outside the properties' boxes was measured" in text
    assert "candidates were compared by which output is lowest on the hull of the properties' boxes" in text
    assert main(["repair", *files, "--out", str(out), *FEW, "--json", "--force"]) == 0
    content = json.loads(said(capsys))
    assert content["domain"] is None and content["attempts"][0]["decisions_changed"] is None
    assert made_from(out.read_bytes()) == load_network(files[0]).sha256
    meant = ["--domain", str(folder / "domain.vnnlib"), "--decision", "highest"]
    assert main(["repair", *files, "--out", str(out), *FEW, "--explain", "--force", *meant]) == 0
    text = said(capsys)
    assert "(of the negated outputs)" in text and "decision: the highest output" in text and "agreement" in text
    assert len(written(out.parent)) == 1
    for each in written(out.parent):
        silent(each)


def test_repair_of_points(given, capsys):
    """Any units are the network's own; which output is meant has to be said."""
    folder, (file, _) = given
    wish = ["repair", file, "--points", str(folder / "points.csv"), "--out", str(folder / "r.onnx"), *FEW]
    assert main(wish) == 2
    assert "say so with --decision lowest or --decision highest" in said(capsys)
    assert main([*wish, "--decision", "highest", "--timeout", "20"]) in (0, 1)
    said(capsys)
    (folder / "points.csv").write_text((folder / "points.csv").read_text().replace(",1\n", ",COC\n"))
    assert main([*wish, "--decision", "highest", "--force"]) == 2
    assert "no output; use 0.." in capsys.readouterr().err


@UNITS_AND_NAMES
def test_bench_and_report(given, capsys):
    folder, files = given
    (folder / "list.csv").write_text(f"{Path(files[0]).name},p.vnnlib,60\nchanged.onnx,p.vnnlib,60\n")
    out = folder / "out"
    options = [
        "--certificates",
        "--check",
        "--report",
        "--device",
        "cpu",
        "--repair",
        "--repair-method",
        "milp",
        "--repair-samples",
        "500",
        "--repair-grid",
        "3",
    ]
    assert main(["bench", str(folder / "list.csv"), "--out", str(out), *options]) == 0
    said(capsys)
    assert main(["report", str(out)]) == 0
    said(capsys)
    texts = written(out)
    assert len(texts) > 10 and any("decides the same" in text for text in texts)
    for text in texts:
        silent(text)


def test_the_demo_shows_published_networks_alone(tmp_path, capsys):
    """A folder of files that have their names alone is refused before anything is decided."""
    (tmp_path / f"{PUBLISHED}.onnx").write_bytes(OTHERS[PUBLISHED][0].onnx_bytes)
    assert main(["demo", "--data", str(tmp_path)]) == 2
    assert "its content is not that of the published network; run `acasxu fetch`" in capsys.readouterr().err


# Units


def scaled(net: Network, scale: list[float]) -> Network:
    """The same function of inputs that are given multiplied by `scale`, powers of two."""
    first, *rest = net.layers
    return executable(Network((Affine(first.weight / np.array(scale), first.bias, first.relu), *rest)))


def test_units_do_not_matter(tmp_path, capsys):
    """The same function in other units, its domain in these: the same counts."""
    scale, found = [2.0**16, 8.0, 0.25], []
    for name, factors in (("unit", [1.0] * 3), ("other", scale)):
        net, ends = scaled(random_network((3, 8, 3), seed=1), factors), [[f * s for f in factors] for s in (-1, 1)]
        for each, file in ((net, "a"), (raised(net, 1, 0.25), "b")):
            (tmp_path / f"{name}_{file}.onnx").write_bytes(each.onnx_bytes)
        unsafe = [row([0, 1, 0], -1, n_inputs=3)]
        half = [[v / 2 for v in end] for end in ends]
        for file, box in (("domain", ends), ("box", half)):
            (tmp_path / f"{name}_{file}.vnnlib").write_text(property_text(prop(case(*box, unsafe), n_outputs=3)))
        names = [str(tmp_path / f"{name}_{file}") for file in ("a.onnx", "b.onnx", "box.vnnlib", "domain.vnnlib")]
        assert (
            main(
                [
                    "compare",
                    *names[:3],
                    "--domain",
                    names[3],
                    "--decision",
                    "highest",
                    "--json",
                    "--points",
                    "3000",
                    "--grid",
                    "9",
                ]
            )
            == 0
        )
        found.append(
            {where.split(",")[-1]: region for where, region in json.loads(capsys.readouterr().out)["regions"].items()}
        )
    assert found[0] == found[1] and 0 < found[0]["domain outside the boxes"]["changed"] < 3000


def test_a_repair_in_other_units_is_the_same_repair(tmp_path, monkeypatch, capsys):
    """As long as its domain is given in these: the same weights, and the same figures."""
    for name, number in {"DOMAIN": 1000, "TARGET": 500, "KEEP": 300, "FRESH": 1000, "MARGINS": (0.03,)}.items():
        monkeypatch.setattr(linear, name, number)
    found, layers = [], []
    for name, factor in (("unit", 1), ("other", 2**14)):
        unsafe = [row([0, 1, 0, 0], Fraction(-3, 5), n_inputs=1)]
        for file, ends in (("box", (-factor, Fraction(-3 * factor, 4))), ("domain", (-factor, factor))):
            box = prop(case([ends[0]], [ends[1]], unsafe), n_outputs=4)
            (tmp_path / f"{name}_{file}.vnnlib").write_text(property_text(box))
        (tmp_path / f"{name}.onnx").write_bytes(scaled(SMALL, [factor]).onnx_bytes)
        files = [str(tmp_path / f"{name}{end}") for end in (".onnx", "_box.vnnlib", "_domain.vnnlib", "_out.onnx")]
        assert (
            main(
                ["repair", *files[:2], "--domain", files[2], "--out", files[3], "--decision", "lowest", *FEW, "--json"]
            )
            == 0
        )
        regions = json.loads(capsys.readouterr().out)["fidelity"]["regions"]
        found.append({where.split(",")[-1]: region for where, region in regions.items()})
        layers.append(load_network(files[3]).layers)
    assert found[0] == found[1] and found[0]["domain outside the boxes"]["points"] > 300
    for a, b, factor in zip(*layers, (2**14, 1)):
        assert (a.weight == b.weight * factor).all() and (a.bias == b.bias).all()


# What is known, and how


def test_a_name_proves_nothing_and_content_does(standin_paths, tmp_path, capsys):
    real = standin_paths["standin_tau_0"].read_bytes()
    (tmp_path / "a.onnx").write_bytes(real)
    (tmp_path / "standin_tau_0.onnx").write_bytes(OTHERS[PUBLISHED][0].onnx_bytes)
    assert identify_file(tmp_path / "standin_tau_0.onnx") is None
    known = identify_file(tmp_path / "a.onnx")
    assert known.is_standin and known.source == CONTENT and "standin_tau_0: stand-in network made by" in known.label
    assert main(["info", str(tmp_path / "a.onnx")]) == 0
    assert "NOT an ACAS Xu network" in capsys.readouterr().out
    assert main(["verify", str(tmp_path / "a.onnx"), str(property_path(2))]) == 1
    assert "ft away" in capsys.readouterr().err


def test_all_known_networks_have_the_shape(standin_networks):
    assert len(known_networks()) == 48 and {net.shape for net in standin_networks.values()} == {SHAPE}


def test_published_files_are_known_by_content(acasxu_networks, tmp_path):
    source = acasxu_networks / "ACASXU_run2a_3_3_batch_2000.onnx"
    net = load_network(source)
    (tmp_path / "x.onnx").write_bytes(net.onnx_bytes)
    found = identify_file(tmp_path / "x.onnx")
    assert (found.name, found.is_published, net.shape) == ("N(3,3)", True, SHAPE)
    assert found.label == "N(3,3): previous advisory weak right, tau 5 s"
    repaired = identify(raised(raised(net, 0, 0.5), 1, 0.5))
    assert repaired.index == (3, 3) and not repaired.is_published
    assert repaired.label.startswith("made from N(3,3) by its own metadata: previous advisory weak right")


def test_a_repaired_file_says_what_it_was_made_from(standin_networks, tmp_path, capsys):
    """Through a chain of changes the first original, and only where a number changed."""
    original = standin_networks["standin_tau_80"]
    once = raised(original, 0, 0.5)
    twice = raised(once, 1, 0.5)
    assert made_from(once.onnx_bytes) == made_from(twice.onnx_bytes) == original.sha256
    assert save_network(original, tmp_path / "same.onnx").sha256 == original.sha256
    assert raised(original, 0, 0.5).sha256 == once.sha256, "the same change gives the same file"
    found = identify(twice)
    assert (found.name, found.source, found.is_standin) == ("standin_tau_80", METADATA, True)
    save_network(twice, tmp_path / "t.onnx.gz")
    assert main(["info", str(tmp_path / "t.onnx.gz")]) == 0
    text = capsys.readouterr().out
    assert "made from standin_tau_80 by its own metadata: stand-in" in text and f"SHA-256 {original.sha256}, by" in text
    save_network(original, tmp_path / "o.onnx")
    assert main(["compare", str(tmp_path / "t.onnx.gz"), str(tmp_path / "o.onnx"), *QUICK]) == 0
    assert "advisory: the lowest score\ndomain: ACAS Xu's" in capsys.readouterr().out


def claiming(net: Network, *claims: str) -> bytes:
    model = onnx.load_model_from_string(net.onnx_bytes)
    for claim in claims:
        model.metadata_props.add(key="acasxu.made_from", value=claim)
    return model.SerializeToString()


def test_claims_that_count_for_nothing(standin_networks, tmp_path):
    """Of another shape, of an unknown original, no hash, or two different ones."""
    standin, other = standin_networks["standin_tau_0"], OTHERS[PUBLISHED][0]
    twin, unknown = standin_networks["standin_tau_80"].sha256, "0" * 64
    changed = raised(standin, 0, 0.5)
    bare = onnx.load_model_from_string(changed.onnx_bytes)
    del bare.metadata_props[:]
    bare = Network(changed.layers, onnx_bytes=bare.SerializeToString())
    for net, claims in (
        (other, [standin.sha256]),
        (bare, [unknown]),
        (bare, ["N(1,1)"]),
        (bare, []),
        (bare, [standin.sha256, twin]),
    ):
        (tmp_path / "x.onnx").write_bytes(claiming(net, *claims))
        assert identify_file(tmp_path / "x.onnx") is None
    (tmp_path / "x.onnx").write_bytes(claiming(bare, standin.sha256))
    assert identify_file(tmp_path / "x.onnx").source == METADATA


def test_the_user_s_word_is_called_so(standin_networks):
    net = executable(random_network((5, 6, 5), seed=0))
    found = as_told(net, NetworkIndex(3, 3))
    assert (found.source, found.is_published) == (OPTION, False) and "by your option, not by its content" in found.label
    assert as_told(standin_networks["standin_tau_0"], NetworkIndex(3, 3)).name == "standin_tau_0", "content says more"
    assert as_told(net).label == "taken as one of ACAS Xu's kind by your option, not by its content"
