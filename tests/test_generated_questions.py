"""No wrong verdict on questions about small random networks, many of them with thin margins.

A violation must hold at its point in rationals, of the numbers that the question was made of; where the engine proves
that there is none, z3 must say so too. `unknown` is allowed for few.
"""

from collections import Counter
from fractions import Fraction as F

import numpy as np
import pytest
from cases import executable
from generated_questions import Linear, Question, answer, decimal, make

from engine.network import Affine, Network
from engine.search.problem import Options
from engine.search.verify import verify
from engine.vnnlib import parse_property

PART, PARTS = 500, 20  # the slow suite's 10,000 questions; they take about 20 minutes of processor time together
MOST_UNKNOWN = 0.05  # of a part: ties at thresholds, and searches that are not done after 20 s
Z3_SECONDS = 20.0


def decided(numbers) -> Counter[str]:
    """The engine's verdicts on these questions, each checked, and z3's answers where there is no violation."""
    words: Counter[str] = Counter()
    for number in numbers:
        question = make(number)
        network = executable(Network(tuple(Affine(*layer) for layer in question.layers)))
        verdict = verify(network, parse_property(question.vnnlib), Options(device="cpu", threads=1, timeout=20))
        words[verdict.word] += 1
        if verdict.word == "sat":
            assert question.holds_at(list(verdict.counterexample.point)), number
        if verdict.word == "unsat":
            word = answer(question, seconds=Z3_SECONDS)
            words[f"z3 {word}"] += 1
            assert word != "sat", number
    return words


def test_verdicts_on_a_few_questions():
    words = decided(range(10_000, 10_008))
    assert words["sat"] > 0 and words["z3 unsat"] == words["unsat"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_verdicts_on_ten_thousand_questions(part):
    words = decided(range(part * PART, (part + 1) * PART))
    assert words["sat"] + words["unsat"] >= (1 - MOST_UNKNOWN) * PART, words
    assert words["z3 unknown"] <= MOST_UNKNOWN * PART, words


# --- the questions themselves -------------------------------------------------------------------


def test_questions_are_many_kinds():
    """All that a question may have occurs, and no question is another one."""
    questions = [make(number) for number in range(80)]
    assert len({question.vnnlib for question in questions}) == 80
    assert {len(q.layers) - 1 for q in questions} == {1, 2, 3, 4}
    assert {q.layers[0][0].shape[1] for q in questions} == {1, 2, 3, 4, 5, 6}
    rows = [row for q in questions for rows in q.polytopes for row in rows]
    assert {row.strict for row in rows} == {True, False}
    assert any(any(row.of_inputs) for row in rows) and {len(q.boxes) for q in questions} == {1, 2, 3}
    assert any(low == high for q in questions for box in q.boxes for low, high in zip(*box, strict=True))


def test_a_question_is_read_as_it_was_made():
    for number in range(30):
        question = make(number)
        read = parse_property(question.vnnlib)
        boxes = {(tuple(low), tuple(high)) for low, high in question.boxes}
        found = {(case.lower, case.upper) for case in read.cases}
        # what contradicts itself is dropped
        assert found <= boxes and (found == boxes or all(len(rows) > 1 for rows in question.polytopes))
        assert all(len(case.unsafe) <= len(question.polytopes) for case in read.cases)


def test_z3_and_points_agree():
    """y = max(x, 0) - 1/4 on [-1, 1/2]: at most -1/4 at x = 0, never less."""
    layers = [(np.array([[1.0]]), np.array([0.0]), True), (np.array([[1.0]]), np.array([-0.25]), False)]
    for limit, strict, word in (("-1/4", False, "sat"), ("-1/4", True, "unsat"), ("-1/8", True, "sat")):
        question = Question(layers, [([F(-1)], [F(1, 2)])], [[Linear([F(0)], [F(1)], F(limit), strict)]])
        assert answer(question, seconds=20) == word
        assert question.holds_at([F(0)]) == (word == "sat")
    assert not question.holds_at([F(3, 4)]) and not question.holds_at([F(1, 4)])


def test_decimals():
    assert [decimal(F(v)) for v in ("0", "-3/8", "12", "1/1024", "-7/10")] == [
        "0.0",
        "-0.375",
        "12.0",
        "0.0009765625",
        "-0.7",
    ]
