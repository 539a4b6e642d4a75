"""Networks that scripts train: the tables they learn, and questions about them. Little is trained here."""

import sys
from fractions import Fraction

import numpy as np
import pytest
from command_line import ROOT

from engine.comparison.region import region_of
from engine.evaluation import scores
from engine.onnx_file import load_network
from engine.search.problem import Options
from engine.search.verify import verify
from engine.verdict import Violated
from engine.vnnlib import load_property


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")


class Walk:
    """A state in [0, 4]; stay, or step back by 1 for 0.1; the last state costs itself."""

    grid = (np.linspace(0, 4, 9),)
    names = ("stay", "back")
    seconds = 3

    def followers(self, states, advisory):
        return [(1.0, states - advisory)]

    def cost(self, states, advisory):
        return np.full(len(states), 0.1 * advisory)

    def collision(self, states):
        return states[:, 0]


def test_the_least_expected_costs_are_known():
    from value_iteration import solve

    table = solve(Walk())
    x = table.states[:, 0]
    assert np.allclose(table.costs[0], x[:, None])
    best = np.min([np.maximum(x - k, 0) + 0.1 * k for k in range(4)], axis=0)
    assert np.allclose(table.costs[3].min(1), best)


def test_tables_are_symmetric_and_advise_what_they_should():
    from encounters import Horizontal, Vertical
    from value_iteration import solve

    for model, mirror, swapped in (
        (Vertical(), lambda s: -s, [0, 2, 1, 4, 3, 6, 5]),
        (Horizontal(), lambda s: s * [1, -1, -1], [0, 2, 1, 4, 3]),
    ):
        table = solve(model)
        place = {tuple(np.round(s, 6)): i for i, s in enumerate(table.states)}
        inner = [i for i, s in enumerate(table.states) if tuple(np.round(mirror(s), 6)) in place]
        other = [place[tuple(np.round(mirror(table.states[i]), 6))] for i in inner]
        assert len(inner) > 1000 and np.allclose(table.costs[5][inner], table.costs[5][other][:, swapped])
    table, model = solve(Vertical()), Vertical()
    at = int(np.abs(table.states - [200, 0, 0]).sum(1).argmin())  # 200 ft above, in level flight
    assert model.names[table.costs[10, at].argmin()] in ("DES", "SDES", "DNC")
    far = int(np.abs(table.states - [3000, 0, 0]).sum(1).argmin())
    assert model.names[table.costs[10, far].argmin()] == "COC"


def test_known_values_of_formulas():
    import smooth_functions as smooth

    assert smooth.peaks(np.zeros((1, 2)))[0, 0] == pytest.approx(8 / 3 * np.exp(-1))
    assert np.allclose(smooth.arm(np.zeros((1, 3))), [[2.1, 0]])
    middle = np.array([[0.1, 3698, 89335, 1050, 89.55, 760, 1400, 10950.0]])
    assert smooth.borehole(middle)[0, 0] == pytest.approx(71, abs=2)
    for function, box in ((smooth.wing, smooth.WING), (smooth.piston, smooth.PISTON), (smooth.welch, smooth.WELCH)):
        assert np.isfinite(function(np.random.default_rng(0).uniform(*np.array(box, float).T, (50, len(box))))).all()


def test_questions_are_violated_and_the_same_again(tmp_path, monkeypatch):
    import trained
    from trained_files import written

    few = [each for each in trained.TRAINED if each[0].name in ("cart", "peaks")]
    monkeypatch.setattr("trained.TRAINED", few)
    for module in ("trained_files", "trained_questions"):
        monkeypatch.setattr(f"{module}.TRAINED", few)
    monkeypatch.setattr("trained_files.train", lambda *a, **k: trained.train(*a, **k, steps=60))
    monkeypatch.setattr("trained.POINTS", 2000)
    found = written(tmp_path / "a", seed=3)
    assert [each.question.name for each in found] == ["peaks-0-a", "peaks-0-b", "cart-1-a", "cart-1-b"]
    for each in found:
        network, prop = load_network(each.network), load_property(each.property)
        assert prop.cases == each.question.property.cases
        assert isinstance(verify(network, prop, Options(device="cpu")), Violated)
    again = written(tmp_path / "b", seed=3)
    assert [e.property.read_bytes() for e in found] == [e.property.read_bytes() for e in again]
    assert [e.network.read_bytes() for e in found] == [e.network.read_bytes() for e in again]
    assert len((tmp_path / "a" / "instances.csv").read_text().splitlines()) == 4


def test_raw_networks_take_and_give_the_units_of_their_subject():
    from trained import of_formula, train

    box = ((100.0, 300.0),)
    subject = of_formula("line", lambda x: 5 * x + 1000, box, raw=True)
    network = train(subject, (16,), seed=0, steps=400)
    y = scores(network, np.array([[100.0], [200], [300]], np.float32))
    assert np.allclose(y[:, 0], [1500, 2000, 2500], atol=100)
    assert np.array_equal(subject.domain, [[100], [300]])
    normalized = of_formula("line", lambda x: x, box)
    assert np.array_equal(normalized.domain, [[-0.5], [0.5]])


def test_never_and_always_are_about_the_decision():
    from trained import HORIZONTAL, VERTICAL
    from trained_questions import always, never

    from engine.property import Case

    random = np.random.default_rng(0)
    for subject in (VERTICAL, HORIZONTAL):
        y = random.normal(size=(500, len(subject.outputs)))
        x, decided = np.zeros((500, 4)), subject.decision.of(y)
        for unsafe, wanted in (
            (never(subject, "COC"), decided == 0),
            (never(subject, subject.outputs[1], subject.outputs[3]), np.isin(decided, (1, 3))),
            (always(subject, "COC"), decided != 0),
        ):
            zero = (Fraction(0),) * 4
            rows = [[type(r)(zero, r.outputs, r.constant) for r in p.rows] for p in unsafe]
            case = Case(zero, zero, tuple(type(p)(tuple(each)) for p, each in zip(unsafe, rows)))
            assert np.array_equal(region_of(case, y.shape[1]).unsafe.contains(x, y), wanted)


def test_bad_choices_have_one_line(monkeypatch, capsys):
    import trained_files

    monkeypatch.setattr(sys, "argv", ["trained_files.py", "--out", "x", "--only", "diagonal"])
    with pytest.raises(SystemExit, match="2"):
        trained_files.main()
    assert "invalid choice: 'diagonal'" in capsys.readouterr().err


def test_a_row_of_the_benchmark(tmp_path):
    import repair_generated as benchmark

    rows = [
        {"exit": 0, "good": True, "processor_seconds": "5.0", "agreement_outside": "0.9999"},
        {"exit": 1, "good": False, "processor_seconds": "50.0", "agreement_outside": ""},
        {"exit": 0, "good": False, "processor_seconds": "9.0", "agreement_outside": "0.99"},
    ]
    found = benchmark.summary(rows)
    assert (found["questions"], found["repaired_and_proved"], found["good"]) == (3, 2, 1)
    assert found["agreement_at_least_999"] == 1 and found["median_processor_seconds"] == 9.0
    benchmark.save(tmp_path / "rows.csv", rows)
    assert [row["good"] for row in benchmark.read(tmp_path / "rows.csv")] == ["True", "False", "False"]
