"""Networks with factors that float64 does not hold: verdicts are about the exact ones."""

from fractions import Fraction

import numpy as np
import pytest
from cases import case, prop, proved_whole, row
from onnx_graphs import f32, model, node
from second_checker import accepts

from engine import Options, Problem, verify_all
from engine.audit.check import check
from engine.audit.comparison.pair import Pair
from engine.audit.failures import Rejected
from engine.audit.onnx_reader import read_network
from engine.certificate import certificate_bytes
from engine.comparison.preservation import preservation
from engine.errors import InputError
from engine.exact import evaluate
from engine.onnx_file import parse_network
from engine.repair.loop import repair
from engine.solvers.smt import solve
from engine.vnnlib import load_property
from engine.vnnlib.writer import property_text

OPTIONS = Options(proofs=True, device="cpu", threads=1, max_open=200, timeout=2)


def third() -> bytes:
    return model([node("Div", "x d", "y")], {"d": f32(3)}, shape=(1, 1)).SerializeToString()


def divided(seed: int) -> bytes:
    """Inputs are divided, normalized after a layer, and divided again."""
    random = np.random.default_rng(seed)
    single = lambda *shape: random.normal(size=shape).astype(np.float32)
    constants = {
        "d": single(3),
        "W": single(3, 4),
        "b": single(4),
        "s": single(4),
        "m": single(4),
        "e": single(2),
        "v": np.abs(single(4)),
        "V": single(4, 2),
        "c": single(4),
    }
    nodes = [
        node("Div", "x d", "a"),
        node("Gemm", "a W b", "z"),
        node("BatchNormalization", "z s c m v", "n"),
        node("Relu", "n", "h"),
        node("MatMul", "h V", "k"),
        node("Div", "k e", "y"),
    ]
    return model(nodes, constants, shape=(1, 3)).SerializeToString()


def verdict_on(data: bytes, question):
    network = parse_network(data, name="net")
    (verdict,) = verify_all([Problem(network, question)], OPTIONS)
    return verdict


def certified(data: bytes, question, folder, *, word: str) -> None:
    """The verdict is this word; its certificate is accepted by both arithmetics of the checker."""
    (folder / "p.vnnlib").write_text(property_text(question))
    (folder / "n.onnx").write_bytes(data)
    network, read = parse_network(data, name="net"), load_property(folder / "p.vnnlib")
    (verdict,) = verify_all([Problem(network, read)], OPTIONS)
    assert verdict.word == word
    (folder / "c.zip").write_bytes(certificate_bytes(network, read, verdict, OPTIONS))
    paths = folder / "c.zip", folder / "n.onnx", folder / "p.vnnlib"
    for arithmetic in ("float64", "exact"):
        result = check(*paths, arithmetic=arithmetic)
        assert result.accepted, result.reason


def one(factor, constant, **options):
    return prop(case([1], [1], [row([factor], constant, n_inputs=1, **options)]))


def test_what_the_exact_quotient_reaches_is_not_proved():
    """3 y >= 1 is reached at 1, though not by the float64 number nearest to 1/3."""
    network, question = parse_network(third()), one(-3, 1)
    assert evaluate(network, [1])[0] * 3 < 1
    assert not proved_whole(network, question) and verdict_on(third(), question).word != "unsat"


def test_what_only_the_stored_number_reaches_is_no_counterexample():
    """3 y < 1 holds of the float64 number nearest to 1/3, and not of 1/3."""
    assert verdict_on(third(), one(3, -1, strict=True)).word != "sat"


@pytest.mark.parametrize("sign", [1, -1])
def test_small_margins_around_a_quotient(sign):
    for power in (20, 40, 50, 56, 80):
        word = verdict_on(third(), one(-3, 1 + Fraction(sign, 2**power))).word
        assert word != ("sat" if sign > 0 else "unsat")
        assert power > 40 or sign < 0 or word == "unsat"


@pytest.mark.parametrize("seed", range(3))
def test_certificates(seed, tmp_path):
    data = divided(seed)
    network = parse_network(data)
    assert network.rounded
    random = np.random.default_rng(seed)
    points = np.float32(random.uniform(0.25, 0.5, (200, 3)))
    y = network.evaluate(points)[:, 0]
    margin = float(np.float32(np.ptp(y) + 1))
    for word, limit in (("unsat", y.max() + margin), ("sat", y.max() - margin)):
        unsafe = row([-1, 0], Fraction(float(np.float32(limit))), n_inputs=3)
        question = prop(case([Fraction(1, 4)] * 3, [Fraction(1, 2)] * 3, [unsafe]), n_outputs=2)
        certified(data, question, tmp_path, word=word)


def test_the_second_checker_accepts_a_witness(tmp_path):
    question = prop(case([0], [1], [row([-1], Fraction(3, 10), n_inputs=1)]))
    certified(third(), question, tmp_path, word="sat")
    assert accepts(tmp_path / "c.zip", tmp_path / "n.onnx", tmp_path / "p.vnnlib")


def test_what_needs_the_networks_own_numbers_is_refused(tmp_path):
    network, question = parse_network(third(), name="net"), one(-1, 1)
    box = {"lower": (Fraction(0),), "upper": (Fraction(1),)}
    for attempt in (
        lambda: solve(network, question),
        lambda: repair(network, [question], **box),
        lambda: preservation(network, network, **box),
    ):
        with pytest.raises(InputError, match="^net: .* is not possible: float64 does not hold some factors"):
            attempt()
    (tmp_path / "n.onnx").write_bytes(third())
    with pytest.raises(Rejected, match="not its own"):
        Pair(*[read_network(tmp_path / "n.onnx")] * 2)
