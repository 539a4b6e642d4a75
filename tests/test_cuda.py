"""CUDA, where there is a device: products and bounds that are sound, the CPU's verdicts, proofs the checker accepts.

The code is that of every device. What differs is the order of sums, which the bounds allow for, and what torch does
where tensors lie on two devices, where indices repeat, or where a batch is empty.
"""

import csv
import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from cases import (
    FLOAT32,
    MIXED,
    NETWORKS,
    SEMANTICS,
    batch,
    case,
    check_hidden,
    check_rows,
    check_verdict,
    executable,
    output_rows,
    prop,
    row,
    traces,
)
from conftest import random_network
from test_repair_loop import ENDS, HELD, LEFT, QUICK, RIGHT, SMALL, exactly_holds
from test_search import random_question
from test_slopes import check_targets, multipliers, prepared

from engine import Options, Problem, load_network, load_property, verify_all
from engine.acasxu.domain import acasxu_domain
from engine.acasxu.files import property_path, shipped
from engine.audit.check import check
from engine.bounds.crown import Boxes, concretize, substitute, tighten
from engine.bounds.interval import hidden_intervals
from engine.bounds.slopes import ascend
from engine.bounds.stack import Stack
from engine.certificate import certificate_bytes
from engine.cli import main
from engine.comparison.fidelity import compare
from engine.repair.edit import edited
from engine.repair.loop import Repaired, repair
from engine.search.verify import choose_device
from engine.solvers.smt import solve
from engine.vnnlib.writer import property_text

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")

NAMED = [(name, s) for name in [*NETWORKS, *MIXED] for s in SEMANTICS if s == "real" or name in FLOAT32]
REAL = [((4, 9), 1), ((3, 3), 9), ((1, 9), 7), ((2, 9), 8), ((2, 1), 3)]


def there(stack: Stack) -> Stack:
    """The same networks on the GPU."""
    return Stack(stack.networks, device="cuda", semantics=stack.semantics)


def moved(parts):
    """A dataclass of tensors, on the GPU."""
    return type(parts)(*(getattr(parts, name).cuda() for name in type(parts).__slots__))


def rows_below(stack: Stack, boxes: Boxes, lines, rows) -> torch.Tensor:
    """CROWN's bounds of each row on each box, wherever these lie: [boxes, rows]."""
    device = boxes.network.device
    box = torch.arange(len(boxes), device=device).repeat_interleave(len(rows))
    given = torch.tensor(rows, dtype=torch.float64, device=device).repeat(len(boxes), 1)
    planes = substitute(stack, boxes, lines, given, box, len(stack.layers))
    return concretize(stack, boxes, planes, box).view(len(boxes), len(rows))


# Bounds


@pytest.mark.parametrize("rows, inner, outer", [(1024, 51, 51), (100_000, 51, 6), (4096, 6, 51), (513, 300, 257)])
@pytest.mark.parametrize("sides", [1, 2])
def test_no_product_errs_by_more_than_its_own_terms(rows, inner, outer, sides):
    """What rounding.py takes for granted: entries err relative to their own terms, however large their neighbours.

    Fast products that split numbers at a row's or a matrix's largest would fail here.
    """
    random = np.random.default_rng(rows + sides)
    scale = 2.0 ** random.integers(-150, 150, inner)
    a, b = random.normal(size=(sides, rows, inner)) * scale, random.normal(size=(inner, outer)) / scale[:, None]
    found = (torch.tensor(a, device="cuda") @ torch.tensor(b, device="cuda")).cpu().numpy()
    for _ in range(50):
        i, j, k = (int(random.integers(n)) for n in (sides, rows, outer))
        terms = [Fraction(v) * Fraction(w) for v, w in zip(a[i, j].tolist(), b[:, k].tolist())]
        error = abs(Fraction(float(found[i, j, k])) - sum(terms))
        assert error <= (inner + 2) * Fraction(1, 2**53) * sum(map(abs, terms))


@pytest.mark.parametrize("name, semantics", NAMED)
def test_bounds_are_sound(name, semantics):
    stack, boxes = batch(name, semantics=semantics)
    evidence, rows = traces(stack, boxes), output_rows(stack.n_outputs)
    stack, network, lower, upper = there(stack), boxes.network.cuda(), boxes.lower.cuda(), boxes.upper.cuda()
    boxes = Boxes(network, lower, upper, *hidden_intervals(stack, network, lower, upper))
    check_hidden(boxes, evidence)
    lines = tighten(stack, boxes)
    check_hidden(boxes, evidence)
    check_rows(rows_below(stack, boxes, lines, rows).cpu(), rows, evidence)


@pytest.mark.parametrize("name, semantics", NAMED)
def test_optimized_bounds_are_sound(name, semantics):
    stack, boxes, _, targets, evidence = prepared(name, semantics, 0)
    start = multipliers(targets, stack.n_hidden, 1)
    stack, boxes = there(stack), moved(boxes)
    bound = ascend(stack, boxes, [tighten(stack, boxes)], moved(targets), moved(start), steps=8)
    check_targets(bound.lower, targets, bound.multipliers.weights, evidence)


@pytest.mark.parametrize("depth", [0, 3, 6])
def test_bounds_of_stand_ins_are_those_of_the_cpu(depth, standin_networks):
    """But for rounding, and for the rare neuron whose lines depend on it; 3,000 neurons are open, of all stand-ins."""
    networks = list(standin_networks.values())
    lower, upper = (np.array([float(v) for v in side]) for side in acasxu_domain().ends)
    random = np.random.default_rng(depth)
    low = torch.tensor(lower + (upper - lower) * (1 - 2.0**-depth) * random.random((48, 5)))
    high = low + torch.tensor(upper - lower) * 2.0**-depth
    network = torch.arange(48) * len(networks) // 48
    rows, found = output_rows(5), []
    for device in ("cpu", "cuda"):
        stack = Stack(networks, device=device)
        ends = [part.to(device) for part in (network, low, high)]
        boxes = Boxes(*ends, *hidden_intervals(stack, *ends))
        bounds = rows_below(stack, boxes, tighten(stack, boxes), rows)
        found.append([part.cpu().double() for part in (boxes.l, boxes.u, bounds)])
    for here, other in zip(*found):
        near = torch.isclose(here, other, rtol=1e-5, atol=1e-7)
        assert near.double().mean() > 0.999


# Searches


@pytest.mark.parametrize("semantics", SEMANTICS)
def test_verdicts_are_those_of_z3(semantics):
    """All in one run: problems of many shapes share the device."""
    problems = [Problem(*random_question(seed)) for seed in range(30)]
    verdicts = verify_all(problems, Options(timeout=10, device="cuda", semantics=semantics))
    for problem, verdict in zip(problems, verdicts):
        truth = solve(problem.network, problem.property, timeout=20).status
        check_verdict(verdict, problem.network, problem.property, truth if semantics == "real" else None)
        assert verdict.statistics.device == "cuda"
    assert sum(verdict.word in ("sat", "unsat") for verdict in verdicts) >= 24


def certified(folder, net, question, **options):
    """The verdict on the GPU, and what the checker says of its certificate: all from files."""
    onnx, text, file = folder / "n.onnx", folder / "p.vnnlib", folder / "c.zip"
    onnx.write_bytes(net.onnx_bytes)
    text.write_text(property_text(question))
    problem = Problem(load_network(onnx), load_property(text))
    options = Options(proofs=True, device="cuda", **{"timeout": 20, **options})
    (verdict,) = verify_all([problem], options)
    file.write_bytes(certificate_bytes(problem.network, problem.property, verdict, options))
    return verdict, check(file, onnx, text)


def near_the_minimum(seed: int):
    """A question that takes many boxes: what is unsafe lies just below all values."""
    net = executable(random_network((2, 6, 6, 1), seed=seed))
    points = np.stack(np.meshgrid(*[np.linspace(-1, 1, 101)] * 2), -1).reshape(-1, 2)
    values = net.evaluate(points)[:, 0]
    level = round(float(values.min() - 0.01 * np.ptp(values)) * 2**20) / 2**20
    return net, prop(case([-1, -1], [1, 1], [row([1], -level)]))


@pytest.mark.parametrize(
    "options",
    [{}, {"stalled": 1, "steps": 1}, {"semantics": "float32"}, {"batch": 7}],
    ids=lambda options: " ".join(options) or "default",
)
def test_proofs_are_accepted(options, tmp_path):
    """Also where signs are split, which leaves multipliers."""
    multipliers = 0
    for seed in range(6):
        verdict, result = certified(tmp_path, *near_the_minimum(seed), **options)
        assert verdict.word == "unsat" and result.accepted, (seed, verdict.word, result and result.reason)
        multipliers += len(verdict.proof.multiplier)
    assert (multipliers > 10) == ("stalled" in options)


def test_stand_ins(standin_paths, tmp_path):
    """Verdicts as expected and as on the CPU, certificates accepted."""
    with shipped("networks", "standin", "expected.csv").open() as file:
        expected = {(line["network"], line["property"]): line["verdict"] for line in csv.DictReader(file)}
    paths = [(path, property_path(number)) for path in standin_paths.values() for number in range(1, 11)]
    problems = [Problem(load_network(net), load_property(spec)) for net, spec in paths]
    options = Options(timeout=60, device="cuda", proofs=True)
    for (net, spec), problem, verdict in zip(paths, problems, verify_all(problems, options)):
        assert verdict.word == expected[net.name, spec.name], (net.name, spec.name)
        file = tmp_path / f"{net.stem}_{spec.stem}.zip"
        file.write_bytes(certificate_bytes(problem.network, problem.property, verdict, options))
        result = check(file, net, spec)
        assert result.accepted, (net.name, spec.name, result.reason)


@pytest.mark.parametrize("semantics", SEMANTICS)
def test_published_networks(semantics, acasxu_data, tmp_path):
    files = [
        (
            acasxu_data / "onnx" / f"ACASXU_run2a_{a}_{t}_batch_2000.onnx",
            acasxu_data / "vnnlib" / f"prop_{number}.vnnlib",
        )
        for (a, t), number in REAL
    ]
    problems = [Problem(load_network(net), load_property(spec)) for net, spec in files]
    found = {}
    for device in ("cpu", "cuda"):
        options = Options(timeout=60, device=device, semantics=semantics, proofs=True)
        found[device] = verify_all(problems, options)
    assert (
        [v.word for v in found["cuda"]] == [v.word for v in found["cpu"]] == ["unsat", "unsat", "sat", "sat", "unsat"]
    )
    for (net, spec), problem, verdict in zip(files, problems, found["cuda"]):
        check_verdict(verdict, problem.network, problem.property)
        (tmp_path / "c.zip").write_bytes(certificate_bytes(problem.network, problem.property, verdict, options))
        result = check(tmp_path / "c.zip", net, spec)
        assert result.accepted, (net.name, spec.name, result.reason)


# What is built on searches


def test_differences_are_those_of_the_cpu():
    """Counts may differ where float32 sums of another order decide."""
    net = random_network((2, 20, 20, 4), seed=1)
    last = net.layers[-1]
    other = edited(executable(net), {2: (last.weight * 1.02, last.bias)})
    y = net.evaluate(np.random.default_rng(0).uniform([0, 0], [0.5, 1], (1000, 2)))
    level = round(float(np.median(y[:, 0] - y[:, 1])) * 64) / 64  # some points are safe, and some are not
    asked = [prop(case([0, 0], [0.5, 1], [row([1, -1, 0, 0], -level)]), n_outputs=4)]
    how = {"lower": (-1, -1), "upper": (1, 1), "points": 50_000, "grid": 60}
    here, on_gpu = (compare(net, other, asked, **how, device=device) for device in ("cpu", "cuda"))
    assert on_gpu.weights == here.weights > 0
    pairs = [(here.outside, on_gpu.outside), (here.grid, on_gpu.grid)]
    pairs += [(getattr(here.inside[0], part), getattr(on_gpu.inside[0], part)) for part in ("safe", "unsafe")]
    for one, two in pairs:
        assert abs(one.points - two.points) <= 20 and abs(one.changed - two.changed) <= 20 and one.points > 0
        assert (two.largest, two.mean) == pytest.approx((one.largest, one.mean), rel=1e-3)


@pytest.mark.parametrize("method", ["milp", "gradient", "auto"])
def test_a_repair_is_proved_on_the_gpu(method):
    """Only proofs run there; the methods themselves do not."""
    settings = replace(QUICK, method=method, device="cuda", by_method={"milp": {"backend": "highs"}})
    found = repair(SMALL, [LEFT, RIGHT], preserve=[HELD], **ENDS, options=settings)
    assert isinstance(found, Repaired), found.reason
    assert {verdict.statistics.device for _, verdict in found.proved} == {"cuda"}
    assert exactly_holds(found.network, LEFT, RIGHT, HELD)


def test_auto_takes_the_gpu():
    assert choose_device("auto").type == choose_device("cuda").type == "cuda"
    assert choose_device("cpu").type == "cpu"


@pytest.mark.parametrize("options", [[], ["--device", "cuda"], ["--device", "cuda", "--batch", "64"]])
def test_verify_says_where(options, standin_paths, capsys):
    files = [str(standin_paths["standin_tau_0"]), str(property_path(10))]
    assert main(["verify", *files, *options]) == 0
    out, err = capsys.readouterr()
    assert out == "unsat\n" and "cuda" in err
    assert main(["verify", *files, *options, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["statistics"]["device"] == "cuda"


def test_bench_decides_certifies_and_checks(standin_paths, tmp_path, capsys):
    """In a process of its own, where CUDA is set up anew."""
    listing, out = tmp_path / "instances.csv", tmp_path / "out"
    path = standin_paths["standin_tau_80"]
    listing.write_text("".join(f"{path},{property_path(number)},60\n" for number in (1, 3, 4, 10)))
    assert main(["bench", str(listing), "--out", str(out), "--device", "cuda", "--check"]) == 0
    with (out / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [line["verdict"] for line in rows] == ["unsat", "sat", "sat", "unsat"]
    assert {line["device"] for line in rows} == {"cuda"} and {line["check"] for line in rows} == {"accepted"}
    assert json.loads((out / "manifest.json").read_text())["machine"]["gpu"] == torch.cuda.get_device_name()
