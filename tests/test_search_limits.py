"""What a search costs does not depend on units, and its limits of time and memory hold."""

import subprocess
import sys
import time
from fractions import Fraction
from itertools import count
from math import inf

import numpy as np
import pytest
from cases import case, check_counterexample, exact_trace, executable, prop, row
from conftest import random_network

from engine import deadline as deadline_module
from engine import exact
from engine.bounds.crown import MAX_PRODUCTS, rows_at_once
from engine.bounds.roots import extent, make_roots
from engine.bounds.stack import Stack
from engine.cli import main
from engine.cli.parser import make_parser
from engine.deadline import Deadline, OutOfTime
from engine.errors import InputError
from engine.exact import evaluate
from engine.memory import size_text
from engine.network import Affine, Network
from engine.property import Row
from engine.search import branch_and_bound, open_boxes
from engine.search.frontier import node_bytes, root_bytes
from engine.search.plan import make_plan, stack_bytes
from engine.search.problem import Options, Problem
from engine.search.shares import make_shares
from engine.search.state import Known, ProblemState
from engine.search.verify import verify, verify_all
from engine.vnnlib import load_property

# --- units --------------------------------------------------------------------------------------


def in_other_units(net: Network, one, scale) -> tuple[Network, object]:
    """The same function, and the same case, of inputs that are given multiplied by `scale`."""
    first, *rest = net.layers
    weight = (first.weight / np.array(scale, float)).astype(np.float32).astype(float)
    ends = [[v * Fraction(s) for v, s in zip(side, scale)] for side in (one.lower, one.upper)]
    rows = [[row(r.outputs, r.constant, n_inputs=len(scale)) for r in p.rows] for p in one.unsafe]
    return executable(Network((Affine(weight, first.bias, first.relu), *rest))), prop(case(*ends, *rows), n_outputs=5)


def searched(scale, *, level: float = 0.12):
    """A question that takes some hundred boxes, in these units; with its proof."""
    net = executable(random_network((5, 20, 20, 5), seed=0))
    y = net.evaluate(np.random.default_rng(0).uniform(-1, 1, (20000, 5)))[:, 0]
    one = case([-1] * 5, [1] * 5, [row([1, 0, 0, 0, 0], -round(float(y.min() - level * np.ptp(y)), 3), n_inputs=5)])
    return verify(*in_other_units(net, one, scale), Options(device="cpu", threads=2, proofs=True, timeout=100))


@pytest.fixture(scope="module")
def in_unit():
    found = searched([1] * 5)
    assert found.word == "unsat" and found.statistics.boxes > 200
    return found


@pytest.mark.parametrize("powers", [(16, 3, 3, 10, 10), (-16, 0, 0, 0, 0), (-30, 30, -7, 1, 20)], ids=str)
def test_powers_of_two_in_the_inputs_give_the_same_tree(powers, in_unit):
    """Same verdict, boxes and splits; cuts are scaled exactly."""
    scale = [Fraction(2) ** p for p in powers]
    found = searched(scale)
    assert (found.word, found.statistics.boxes) == (in_unit.word, in_unit.statistics.boxes)
    assert np.array_equal(found.proof.split, in_unit.proof.split)
    axis = found.proof.split[(0 <= found.proof.split) & (found.proof.split < 5)]
    assert np.array_equal(found.proof.cut, in_unit.proof.cut * np.array(scale, float)[axis])
    for name in ("node", "polytope", "row_weight", "slope", "slope_value"):
        assert np.array_equal(getattr(found.proof, name), getattr(in_unit.proof, name))


@pytest.mark.parametrize("scale", [(60261, 6, 6, 1100, 1200), (Fraction(1, 3), 1, 1, 7, Fraction(1, 1000))], ids=str)
def test_other_units_take_nearly_the_same_boxes(scale, in_unit):
    found = searched(scale)
    assert found.word == "unsat"
    assert in_unit.statistics.boxes / 1.3 < found.statistics.boxes < in_unit.statistics.boxes * 1.3


def test_reach_sees_through_layers_without_relu():
    """Of x -> relu(W B x) it is that of W B, and of a network without any ReLU that of all of it."""
    before, weight = np.diag([2.0, 0.5, 0.0]), np.array([[1.0, -2.0, 3.0], [0.5, 1.0, 1.0]])
    layers = [
        Affine(before, np.zeros(3), False),
        Affine(weight, np.zeros(2), True),
        Affine(np.ones((1, 2)), np.zeros(1), False),
    ]
    assert Stack([Network(tuple(layers))]).reach.tolist() == [[3.0, 1.5, 0.0]]
    assert Stack([Network((layers[0],))]).reach.tolist() == [[2.0, 0.5, 0.0]]


def test_an_input_that_only_rows_read_can_still_be_split():
    """y = |x0|, and unsafe where |x0| <= x1 - 1/2 and x1 <= 1/4: no input is."""
    net = executable(
        Network(
            (
                Affine(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.zeros(2), True),
                Affine(np.array([[1.0, 1.0]]), np.zeros(1), False),
            )
        )
    )
    rows = [row([1], Fraction(1, 2), inputs=[0, -1]), row([0], Fraction(-1, 4), inputs=[0, 1])]
    assert verify(net, prop(case([-1, -1], [1, 1], rows)), Options(device="cpu", timeout=20)).word == "unsat"


@pytest.mark.slow  # a stand-in's tree is compared above
def test_published_boxes_in_feet_take_as_many_boxes(acasxu_networks):
    """N(2,9) against property 1, as in the files and in powers of two near feet, radians and ft/s."""
    from engine.acasxu.files import property_path
    from engine.onnx_file import load_network
    from engine.vnnlib import load_property

    net = load_network(next(acasxu_networks.glob("*_2_9_batch_2000.onnx*")))
    (one,) = load_property(property_path(1)).cases
    layers = tuple(layer for layer in net.layers if layer.relu or layer is net.layers[-1])
    boxes = []
    for scale in ([1] * 5, [2**16, 2**3, 2**3, 2**10, 2**10]):
        found = verify(*in_other_units(Network(layers), one, scale), Options(device="cpu", threads=2, timeout=60))
        boxes.append((found.word, found.statistics.boxes))
    assert boxes[0] == boxes[1] and boxes[0][0] == "unsat"


# --- time ---------------------------------------------------------------------------------------


def question(n: int = 1, widths=(3, 16, 16, 2), seed: int = 0):
    net = executable(random_network(widths, seed=seed))
    y = net.evaluate(np.random.default_rng(0).uniform(-1, 1, (5000, widths[0])))[:, 0]
    one = row([1, 0], -round(float(y.min()) - 0.01, 4), n_inputs=widths[0])
    ends = np.linspace(-1, 1, n + 1)
    cases = [case([a, *[-1] * (widths[0] - 1)], [b, *[1] * (widths[0] - 1)], [one]) for a, b in zip(ends, ends[1:])]
    return net, prop(*cases, n_outputs=2)


def endless():
    """A tie on a whole face, which no number of boxes decides soon: of networks like those of question()."""
    layers = question()[0].layers
    net = executable(Network((*layers[:-1], Affine(np.zeros((2, 16)), np.zeros(2), False))))
    return net, prop(case([-1] * 3, [1] * 3, [row([1, 0], inputs=[1, 0, 0], constant=1, strict=True)]), n_outputs=2)


@pytest.mark.parametrize("looks", [0, 1, 2, 3, 5, 8, 13, 30, 60, 120, 300])
def test_time_may_run_out_at_any_look_at_the_clock(looks, monkeypatch):
    """Nothing escapes, nothing is lost: the verdict is right or a timeout, with a share that can be."""
    asked = question(3)
    seen, start = count(), time.monotonic()
    late = lambda: start if next(seen) < looks else start + 100
    monkeypatch.setattr(deadline_module.time, "monotonic", late)
    verdict = verify(*asked, Options(timeout=50, device="cpu", threads=1, proofs=True))
    assert verdict.word in ("unsat", "timeout")
    if verdict.word == "timeout":
        assert "out of time" in verdict.reason and 0 <= verdict.proved < 1


def test_one_problem_out_of_time_leaves_the_others_theirs():
    others = Problem(*question(3), timeout=60)
    problems = [others, Problem(*endless(), timeout=0.1), others, Problem(*endless(), timeout=1e-9), others]
    words = [verdict.word for verdict in verify_all(problems, Options(device="cpu"))]
    assert words == ["unsat", "timeout", "unsat", "timeout", "unsat"]


def test_boxes_do_not_depend_on_the_limit():
    """Batches follow from shapes, never from the clock."""
    boxes = {verify(*question(3), Options(timeout=limit, device="cpu")).statistics.boxes for limit in (None, 50, 1000)}
    assert len(boxes) == 1


def plan_of(net: Network, **options):
    stack = Stack([net])
    return make_plan(stack, (1, 4), node_bytes(stack, 1), root_bytes(stack, (1, 4)), Options(**options), 2)


def test_batches_follow_the_cost_of_a_box():
    """Those of the 45 networks are as large as asked for; a box of a wide or deep network is a batch by itself."""
    acas = random_network((5, *[50] * 6, 5), seed=0)
    assert plan_of(acas).batch == 4096 and plan_of(acas).open > 250_000 and not plan_of(acas).attack_first
    assert plan_of(random_network((20, *[512] * 10, 2), seed=0)).batch == 1
    assert plan_of(acas, memory=1 << 28).batch < 1000


def test_only_large_batches_are_divided_among_threads():
    small, wide = plan_of(random_network((5, *[50] * 6, 5), seed=0)), plan_of(random_network((20, 512, 512, 2), seed=0))
    assert small.parts(500, 2) == 1 and small.parts(4096, 2) == 2 and small.parts(4096, 4) == 4
    assert wide.parts(500, 2) == 2 and wide.parts(1, 2) == 1 and wide.parts(500, 1) == 1


def test_chunks_follow_the_cost_of_a_row():
    assert rows_at_once(Stack([random_network((5, 50, 50, 5), seed=0)])) == 1024
    wide = Stack([random_network((4, 4096, 4096, 2), seed=0)])
    assert 1 <= rows_at_once(wide) <= MAX_PRODUCTS // (2 * 4096**2)


@pytest.mark.parametrize(
    "widths",
    [(30, 2048, 2048, 2), pytest.param((20, *[512] * 8, 2), marks=pytest.mark.slow), (2000, 16, 2)],
    ids=str,
)
def test_a_timeout_holds_on_big_networks(widths):
    """It may be a second late on two cores; more is allowed here, for machines that are busy."""
    net = random_network(widths, seed=0)
    net = executable(Network(tuple(Affine(a.weight * 3, a.bias, a.relu) for a in net.layers)))
    asked = prop(case([-1] * widths[0], [1] * widths[0], [row([-1, 0], 10**9, n_inputs=widths[0])]), n_outputs=2)
    start = time.monotonic()
    verdict = verify(net, asked, Options(timeout=1.5, device="cpu"))
    assert time.monotonic() - start < 6 and verdict.word in ("timeout", "unsat")


def test_exact_arithmetic_stops_at_its_deadline(monkeypatch):
    net, x = random_network((3, 9, 9, 2), seed=1), [Fraction(1, 3), 0.25, -1]
    monkeypatch.setattr(exact, "MAX_WEIGHTS", 7)
    assert list(evaluate(net, x)) == exact_trace(net, [Fraction(1, 3), Fraction(1, 4), Fraction(-1)]).y
    with pytest.raises(OutOfTime):
        evaluate(net, x, Deadline(time.monotonic() - 1))
    assert Deadline().left == inf and Deadline(0).left == 0


# --- memory -------------------------------------------------------------------------------------

MANY = """
import resource, sys
sys.path.insert(0, "tests")
from fractions import Fraction
import numpy as np
from cases import case, executable, prop, row
from conftest import random_network
from engine.search.problem import Options
from engine.search.verify import verify
n, widths, memory = int(sys.argv[1]), eval(sys.argv[2]), int(sys.argv[3])
net = executable(random_network(widths, seed=0))
middle = np.random.default_rng(0).integers(-400, 400, (n, 5))
y = net.evaluate(middle / 512)[:, 0]
unsafe = [row([1, *[0] * (widths[-1] - 1)], -round(float(y.min()) - 0.01, 4), n_inputs=5)]
ends = lambda shift: [[Fraction(int(v) + shift, 512) for v in x] for x in middle]
question = prop(*(case(a, b, unsafe) for a, b in zip(ends(-4), ends(4))), n_outputs=widths[-1])
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
verify(net, prop(question.cases[0], n_outputs=widths[-1]), Options(device="cpu"))
before = peak()
verdict = verify(net, question, Options(device="cpu", threads=2, memory=memory))
print(verdict.word, verdict.statistics.boxes, peak() - before)
"""


def peak_of(boxes: int, widths: tuple, memory: int) -> tuple[str, int, int]:
    command = [sys.executable, "-c", MANY, str(boxes), str(widths), str(memory)]
    word, count, peak = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return word, int(count), int(peak)


def test_many_boxes_stay_within_the_memory():
    """Each is bounded, few are attacked, and no more is held at once than the limit."""
    word, count, peak = peak_of(4000, (5, 20, 20, 5), 96 << 20)
    assert word == "unsat" and count >= 4000 and peak < 96 << 20


@pytest.mark.slow
def test_very_many_boxes_stay_within_the_memory():
    word, count, peak = peak_of(20_000, (5, *[50] * 6, 5), 1 << 29)
    assert word == "unsat" and count >= 20_000 and peak < 1 << 29


@pytest.mark.slow
def test_a_hundred_thousand_boxes_stay_within_the_memory():
    word, count, peak = peak_of(100_000, (5, 20, 20, 5), 256 << 20)
    assert word == "unsat" and count >= 100_000 and peak < 256 << 20


@pytest.mark.slow
def test_a_file_of_many_alternatives_is_read(tmp_path):
    """120,000 boxes, each a case of its own."""
    box = "(and " + " ".join(f"(>= X_{i} {{0}}.25) (<= X_{i} {{0}}.5)" for i in range(2)) + ")"
    names = "".join(f"(declare-const {name} Real)\n" for name in ("X_0", "X_1", "Y_0"))
    boxes = "\n".join(box.format(k) for k in range(120_000))
    path = tmp_path / "many.vnnlib"
    path.write_text(f"{names}(assert (or {boxes}))\n(assert (>= Y_0 1))\n")
    found = load_property(path).cases
    assert len(found) == 120_000 and found[-1].lower == (Fraction(479_997, 4),) * 2


def test_roots_take_no_more_than_their_part_of_the_memory():
    """As many as there is room for are begun; of a problem without an open box, one at least."""
    states = [ProblemState(i, Problem(*question(8))) for i in range(3)]
    assert [len(share.cases) for share in make_shares(states, 100, roomy=True, roots=100)] == [8] * 3
    assert [len(share.cases) for share in make_shares(states, 100, roomy=True, roots=9)] == [3] * 3
    assert [len(share.cases) for share in make_shares(states, 100, roomy=True, roots=0)] == [1] * 3
    states[0].open = {7: Known(0.0, 0.0)}
    states[0].begun = 1
    shares = {share.state.index: share for share in make_shares(states, 100, roomy=True, roots=0)}
    assert not shares[0].cases and shares[0].size == 1 and len(shares[1].cases) == 1


def test_roots_of_many_rows_are_counted():
    """A question of 64 alternatives of 64 rows each, a thousand times, beside a memory for few of them."""
    net = random_network((3, 8, 8, 20), seed=0)
    stack = Stack([net])
    sizes = node_bytes(stack, 64), root_bytes(stack, (64, 64))
    roots = make_roots(stack, [0], [case([0] * 3, [1] * 3, *[[row([1] * 20, 1, n_inputs=3)] * 64] * 64)])
    assert sizes[1] == pytest.approx(sum(column.nbytes for column in roots.columns()), rel=0.01)
    plan = make_plan(stack, (64, 64), *sizes, Options(memory=64 << 20), 1)
    assert 1 <= plan.roots and 2 * plan.roots * sizes[1] <= plan.rest


def test_many_roots_are_bounded_before_any_is_attacked(monkeypatch):
    """One bound proves all of them: nothing is left to attack, though that costs less than to bound."""
    net, asked = question(40, widths=(3, 128, 128, 128, 128, 128, 128, 2))
    assert plan_of(net).attack_first
    attacked = []
    monkeypatch.setattr(branch_and_bound, "first_attack", lambda *given: attacked.append(given))
    monkeypatch.setattr(open_boxes, "first_attack", lambda *given: attacked.append(given))
    far = prop(*(case(c.lower, c.upper, [row([1, 0], 10**6, n_inputs=3)]) for c in asked.cases), n_outputs=2)
    assert verify(net, far, Options(device="cpu", timeout=60)).word == "unsat" and not attacked


def test_roots_are_attacked_in_chunks_until_a_point_is_found(monkeypatch):
    """Of 30 boxes, all of them violated, no more than the first chunk of each batch is attacked."""
    net, asked = question(30)
    attacked = []
    attack = open_boxes.first_attack
    monkeypatch.setattr(open_boxes, "ROOTS_AT_ONCE", 4)
    counted = lambda stack, roots, root, *rest: attacked.append(len(root)) or attack(stack, roots, root, *rest)
    monkeypatch.setattr(open_boxes, "first_attack", counted)
    near = prop(*(case(c.lower, c.upper, [row([1, 0], -(10**6), n_inputs=3)]) for c in asked.cases), n_outputs=2)
    assert verify(net, near, Options(device="cpu", timeout=60, threads=1)).word == "sat" and attacked == [4]


def test_a_counterexample_in_one_of_many_boxes_is_found():
    net, _ = question()
    low = np.random.default_rng(1).integers(-250, 250, (1000, 3))
    y = net.evaluate(low / 256)[:, 0]
    unsafe = [row([1, 0], -float(np.float32(y.min())) - 1e-3, n_inputs=3)]
    cases = [case(*([Fraction(int(v) + d, 256) for v in x] for d in (0, 2)), unsafe) for x in low]
    verdict = verify(net, prop(*cases, n_outputs=2), Options(device="cpu", timeout=60, batch=64))
    assert verdict.word in ("sat", "unsat")
    unsafe = [row([1, 0], -float(np.float32(np.partition(y, 1)[:2].mean())), n_inputs=3)]  # the worst box alone
    asked = prop(*(type(c)(c.lower, c.upper, prop(case([0], [1], unsafe)).cases[0].unsafe) for c in cases), n_outputs=2)
    verdict = verify(net, asked, Options(device="cpu", timeout=60, batch=64))
    assert verdict.word == "sat"
    check_counterexample(verdict.counterexample, net, asked)


def test_full_memory_is_unknown_and_names_the_option():
    net = executable(random_network((5, 20, 20, 5), seed=0))
    y = net.evaluate(np.random.default_rng(0).uniform(-1, 1, (20000, 5)))[:, 0]
    level = round(float(y.min() - 0.05 * np.ptp(y)), 3)
    asked = prop(case([-1] * 5, [1] * 5, [row([1, 0, 0, 0, 0], -level, n_inputs=5)]), n_outputs=5)
    for memory, proofs, what in (19_500, False, "boxes are open"), (1 << 18, True, "the proof"):
        verdict = verify(net, asked, Options(memory=memory, proofs=proofs, timeout=60, device="cpu"))
        assert verdict.word == "unknown" and "out of memory" in verdict.reason and what in verdict.reason
        assert f"--memory, {size_text(memory)}" in verdict.reason and 0 <= verdict.proved < 1


@pytest.mark.parametrize("max_open", [32, 48, None])
def test_few_boxes_are_open_where_there_is_room_for_few(max_open):
    """Depth first, a tree of hundreds of boxes needs no more room than its depth."""
    net = executable(random_network((5, 20, 20, 5), seed=0))
    y = net.evaluate(np.random.default_rng(0).uniform(-1, 1, (20000, 5)))[:, 0]
    level = round(float(y.min() - 0.12 * np.ptp(y)), 3)
    asked = prop(case([-1] * 5, [1] * 5, [row([1, 0, 0, 0, 0], -level, n_inputs=5)]), n_outputs=5)
    verdict = verify(net, asked, Options(max_open=max_open, device="cpu", timeout=60))
    assert verdict.word == "unsat" and verdict.statistics.boxes > 200


def test_a_network_that_fills_the_memory_is_unknown_at_once():
    net, asked = question(widths=(3, 400, 400, 2))
    verdict = verify(net, asked, Options(memory=stack_bytes(net), device="cpu"))
    assert verdict.word == "unknown" and "--memory" in verdict.reason and verdict.statistics.boxes == 0


def test_rows_are_not_compared_with_each_other(monkeypatch):
    """That would take quadratic time: a million pairs of a thousand rows."""

    def never(self, other):
        raise AssertionError("compared")

    rows = [row([i % 3], i, n_inputs=1) for i in range(1, 1001)]
    cases = [case([0], [1], rows)]
    monkeypatch.setattr(Row, "__eq__", never)
    roots = make_roots(Stack([random_network((1, 2, 1), seed=0)]), [0], cases)
    assert extent(cases) == (1, 1000) and int((~roots.absent).sum()) == sum(i % 3 > 0 for i in range(1, 1001))
    assert roots.missing.all()  # 3 <= 0 does not hold


def test_cases_of_other_sizes_are_padded_among_their_like():
    """A question of a thousand alternatives beside small ones: all are decided, one after the other."""
    net = executable(random_network((2, 4, 1), seed=0))
    never = row([1], 1000)
    large = prop(case([0, 0], [1, 1], *[[never]] * 1000))
    problems = [Problem(net, asked) for asked in (prop(case([0, 0], [1, 1], [never])), large) * 2]
    assert [verdict.word for verdict in verify_all(problems, Options(device="cpu", timeout=60))] == ["unsat"] * 4


@pytest.mark.parametrize("text, size", [("1M", 1 << 20), ("4G", 4 << 30), ("512m", 512 << 20), ("2097152", 1 << 21)])
def test_sizes_are_read(text, size):
    assert make_parser().parse_args(["verify", "a", "b", "--memory", text]).memory == size


@pytest.mark.parametrize("text", ["", "G", "1.5G", "4X", "0", "12", "²G", "4GiB"])
def test_other_sizes_are_refused(text, capsys):
    assert main(["verify", "a", "b", "--memory", text]) == 2
    assert "no size of at least 1M" in capsys.readouterr().err


def test_sizes_are_said():
    assert [size_text(n) for n in (12, 1 << 18, 4 << 30, 3 << 29)] == ["12 bytes", "256 KiB", "4 GiB", "1.5 GiB"]
    with pytest.raises(InputError, match="memory is 0"):
        Options(memory=0)


def late_after(looks: int, start: float):
    """A clock that stands at the start for so many looks, and is 100 s later from then on."""
    seen = count()
    return lambda: start if next(seen) < looks else start + 100


def test_a_proof_of_preservation_stops_in_the_middle_of_a_batch(monkeypatch):
    """What was not done counts as open: at any look at the clock the shares and the proof are sound."""
    from engine.comparison.preservation import preservation

    original = random_network((2, 12, 12, 3), seed=0)
    *before, last = original.layers
    changed = Network((*before, Affine(last.weight, last.bias + 0.01, False)))
    ends = (Fraction(-1),) * 2, (Fraction(1),) * 2
    for looks in (2, 5, 9, 20, 40):
        monkeypatch.setattr(deadline_module.time, "monotonic", late_after(looks, time.monotonic()))
        found = preservation(original, changed, lower=ends[0], upper=ends[1], timeout=50, threads=1)
        volume = float((found.open_boxes[:, 1] - found.open_boxes[:, 0]).prod(1).sum()) / 4
        assert volume == pytest.approx(float(found.open), abs=1e-6) and found.open <= found.unequal <= 1
