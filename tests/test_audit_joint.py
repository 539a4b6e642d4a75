"""The checker's verdicts on certificates about several networks, made by hand; exact brute force knows the truth."""

from collections import Counter
from fractions import Fraction
from itertools import product
from random import Random

import numpy as np
import pytest
from cases import exact_trace
from conftest import network, random_network
from joint_questions import EMPTY, HEAD, JointQuestion, declared, inside, own, same_inputs, tie
from onnx_graphs import f32, model, node
from test_audit_check import Exclusion, Node, case, row, written

from engine.audit.failures import Malformed

LEAF = Node(-1, 0.0, {0: Exclusion({0: 1024}), 1: Exclusion({0: 1024})})
IDENTITY = network([[[1.0]], [[1.0]]], [[2.0], [-2.0]])  # y = x from x = -2 on
BELOW = network([[[1.0]], [[1.0]]], [[1.0], [-1.25]])  # y = x - 1/4 from x = -1 on
ABSOLUTE = network([[[1.0], [-1.0]], [[1.0, 1.0]]], [[0.0, 0.0], [0.0]])  # y = |x|
DEEPER = network([[[1.0]], [[1.0]], [[1.0]]], [[2.0], [0.0], [-2.0]])  # y = x from x = -2 on


def apart(gap, size=1):
    """Some output of g and f differs by at least `gap`: text, and polytopes."""
    texts, polytopes = [], []
    for j in range(size):
        texts += [f"(>= (- Y_g[{j}] Y_f[{j}]) {gap})", f"(>= (- Y_f[{j}] Y_g[{j}]) {gap})"]
        terms = np.eye(2 * size)[size + j] - np.eye(2 * size)[j]
        polytopes += [[row(list(-terms), Fraction(gap))], [row(list(terms), Fraction(gap))]]
    return f"(assert (or {' '.join(texts)}))\n", polytopes


def pair(folder, f, g, gap, lower=(-1,), upper=(1,), *, change=str):
    """|g - f| < gap on a box of shared inputs."""
    text, polytopes = apart(gap, f.n_outputs)
    head = declared("f", f) + declared("g", g)
    text = change(head + inside("f", lower, upper) + same_inputs(f.n_inputs) + text)
    ties = [own(f.n_inputs), own(f.n_inputs)]
    return JointQuestion(folder, {"f": f, "g": g}, text, [case(lower, upper, *polytopes)], ties)


# --- accepted, and what is said of it -------------------------------------------------------------


def test_a_pair_that_is_alike(tmp_path):
    """Both are stable on the box, so that what they share cancels: the gap is 1/4."""
    question = pair(tmp_path, IDENTITY, BELOW, "0.2501").write(LEAF)
    result = question.accepted()
    assert (result.kind, result.nodes, result.exclusions, result.semantics) == ("proof", 1, 2, "real")
    assert result.margin == pytest.approx(0.0001, abs=1e-6)
    assert [one.name for one in result.certificate.networks] == ["f", "g"]
    assert question.run(semantics="float32").accepted
    pair(tmp_path, IDENTITY, BELOW, "0.2499").write(LEAF).rejected("node 0: an exclusion is not shown")


def test_what_is_claimed_holds(tmp_path):
    """Random pairs: the least gap that is proved is above, and near, the largest at exact points."""
    for seed in range(3):
        f, g = random_network((2, 4, 2), seed=seed), random_network((2, 4, 2), seed=seed + 9)
        points = product([Fraction(i, 4) for i in range(-4, 5)], repeat=2)
        values = [(exact_trace(f, point).y, exact_trace(g, point).y) for point in points]
        largest = max(abs(a - b) for ys in values for a, b in zip(*ys))
        question = pair(tmp_path, f, g, f"{float(largest) * 1.1:.3f}", (-1, -1), (1, 1))
        result = question.prove(signs=seed).accepted()
        assert result.nodes > 1 and result.margin > 0
        wrong = pair(tmp_path, f, g, f"{float(largest) * 0.99:.3f}", (-1, -1), (1, 1))
        wrong.write(LEAF).rejected("node 0: ")


def test_float32(tmp_path):
    f, g = random_network((2, 3, 1), seed=1), random_network((2, 4, 3, 1), seed=2)
    question = pair(tmp_path, f, g, "3.0", (-1, -1), (1, 1), change=lambda text: text.replace("real", "float32"))
    question.prove(semantics="float32")
    assert question.accepted().semantics == "float32"
    question.rejected("about what is executed", semantics="real")
    question.prove().rejected("about what is executed")


def test_networks_of_different_depth(tmp_path):
    pair(tmp_path, IDENTITY, DEEPER, "0.0001").write(LEAF).accepted()


def test_a_split(tmp_path):
    """x - |x| <= 0: by the sign of z = x in the second block, a multiplier, and the slope 1 of relu(-x) there.

    Hidden neurons are numbered through the blocks in order: the same numbers counted otherwise show nothing.
    """
    text = declared("f", IDENTITY) + declared("g", ABSOLUTE) + inside("f", [-1], [1]) + same_inputs(1)
    text += "(assert (>= (- Y_f[0] Y_g[0]) 0.001))"
    cases = [case([-1], [1], [row([-1, 1], Fraction(1, 1000))])]
    question = JointQuestion(tmp_path, {"f": IDENTITY, "g": ABSOLUTE}, text, cases, [own(1), own(1)])
    for first, shown in ((1, True), (0, False)):
        below = Exclusion({0: 1024}, {first + 1: 1024}, {first: 2.0})
        split = Node(1 + first, 0.0, {}, (Node(-1, 0.0, {0: below}), Node(-1, 0.0, {0: Exclusion({0: 1024})})))
        question.write(split)
        if shown:
            assert question.accepted().nodes == 3
        else:
            question.rejected("an exclusion is not shown")
    halves = (Node(-1, 0.0, {0: Exclusion({0: 1024}, {2: 1024})}), Node(-1, 0.0, {0: Exclusion({0: 1024}, {1: 1024})}))
    question.write(Node(0, 0.0, {}, halves)).accepted()


def test_a_network_at_two_inputs(tmp_path):
    """Monotonicity: y at x is not above y at x' where x <= x'. Two inputs, and a file for both."""
    text = declared("f", IDENTITY) + declared("g", IDENTITY, relation="(equal-to f)")
    text += inside("f", [-1], [1]) + inside("g", [-1], [1])
    text += "(assert (<= X_f[0,0] X_g[0,0]))\n(assert (> Y_f[0] (+ Y_g[0] 0.001)))\n"
    polytope = [row([0, 0], inputs=[1, -1]), row([-1, 1], Fraction(1, 1000), strict=True)]
    ties = [own(1), own(1, first=1)]
    cases = [case([-1, -1], [1, 1], polytope)]
    question = JointQuestion(tmp_path, {"f": IDENTITY, "g": IDENTITY}, text, cases, ties)
    question.write(Node(-1, 0.0, {0: Exclusion({0: 1000, 1: 1000})}))
    question.accepted()
    question.accepted(files={"f": question.files["f"]})
    question.accepted(files=question.files["f"])
    question.nets["g"] = BELOW
    question.__post_init__()
    question.write(EMPTY).rejected("network g is not equal-to f")


@pytest.mark.parametrize(
    "relation, own_tie, rounded",
    [
        ("(assert (== X_g[0,0] (+ X_f[0,0] 0.1)))", tie((0, 1), constant=Fraction(1, 10)), True),
        ("(assert (== (* 0.5 X_g[0,0]) X_f[0,0]))", tie((0, 2)), False),
        ("(assert (<= (* 3 X_g[0,0]) X_f[0,0])) (assert (>= (* 6 X_g[0,0]) (* 2 X_f[0,0])))", tie((0, "1/3")), True),
        ("(assert (and (== X_g[0,0] X_f[0,0]) (or (>= X_f[0,0] 0.5) (<= X_f[0,0] 0.5))))", tie((0, 1)), False),
    ],
)
def test_ties_with_numbers(tmp_path, relation, own_tie, rounded):
    """y = x, so that outputs differ as much as inputs do."""
    scale, shift = Fraction(own_tie["inputs"][0]), own_tie["constant"]
    largest = max(abs((scale - 1) * x + shift) for x in (0, 1))
    for more in (Fraction(1, 1000), -Fraction(1, 1000)):
        gap = f"{max(0, float(largest + more)):.6f}"
        text = declared("f", IDENTITY) + declared("g", IDENTITY) + inside("f", [0], [1]) + relation
        words, polytopes = apart(gap)
        question = JointQuestion(
            tmp_path, {"f": IDENTITY, "g": IDENTITY}, text + words, [case([0], [1], *polytopes)], [own(1), [own_tie]]
        )
        question.write(LEAF)
        if more < 0:
            question.rejected("node 0: an exclusion is not shown")
            continue
        question.accepted()
        if rounded:
            question.rejected("only the nearest ones", semantics="float32")
        else:
            assert question.run(semantics="float32").accepted


def test_pins_are_no_ties(tmp_path):
    """An equation of one input is an end of the box."""
    change = lambda text: text + "(assert (== X_g[0,0] 0.227272727))"
    question = pair(tmp_path, IDENTITY, ABSOLUTE, "0.0001", change=change)
    question.cases[0]["lower"] = question.cases[0]["upper"] = [Fraction("0.227272727")]
    question.write(LEAF).accepted()


def test_hidden_tensors(tmp_path):
    """H = x + 2 and R = relu(H) in the first layer, where y = x: outputs of the query, in order of declaration."""
    limit, gap = Fraction(3001, 1000), Fraction(2001, 1000)
    polytopes = [[row([-1, 0, 1], gap)], [row([1, -1, 0], Fraction(1, 1000))], [row([0, -1, 0], limit)]]
    words = "(assert (or (>= H_f[0] (+ Y_f[0] 2.001)) (>= R_f[0] (+ H_f[0] 0.001)) (>= R_f[0] 3.001)))"
    leaf = Node(-1, 0.0, {i: Exclusion({0: 1024}) for i in range(3)})

    def asked(node, size=1):
        text = declared("f", IDENTITY, hidden=[("H_f", node, size), ("R_f", "h0", 1)]) + inside("f", [-1], [1]) + words
        return JointQuestion(tmp_path, {"f": IDENTITY}, text, [case([-1], [1], *polytopes)], [own(1)]).write(leaf)

    asked("z0").accepted()
    asked("z1").rejected("node 0: an exclusion is not shown")  # y itself
    asked("z0", size=2).rejected("H_f of network f is declared as [2], not [1, 1]")
    for tensor in ("nothing", "x", "b0"):
        with pytest.raises(Malformed, match=f"tensor '{tensor}' is not the end of one chain of layers"):
            asked(tensor).run()


def test_equations_without_a_solution(tmp_path):
    text = declared("f", IDENTITY) + declared("g", IDENTITY) + inside("f", [0], [1])
    text += "(assert (== X_f[0,0] X_g[0,0])) (assert (== (+ X_f[0,0] 1) X_g[0,0])) (assert (<= Y_f[0] 0))"
    cases = [case([0, 0], [1, 1])]
    nets = {"f": IDENTITY, "g": IDENTITY}
    result = JointQuestion(tmp_path, nets, text, cases, [own(1), own(1, first=1)]).write(EMPTY).accepted()
    assert result.empty


def test_inputs_that_equations_determine(tmp_path):
    """A network all of whose inputs are numbers reads no input; without a free one there is no certificate."""
    text = declared("f", IDENTITY) + declared("g", ABSOLUTE) + declared("h", IDENTITY)
    text += "(assert (== (+ X_f[0,0] X_g[0,0]) 1)) (assert (== (- X_f[0,0] X_g[0,0]) 0.5))"
    nets = {"f": IDENTITY, "g": ABSOLUTE, "h": IDENTITY}
    more = inside("h", [0], [1]) + "(assert (>= (+ Y_f[0] Y_g[0] Y_h[0]) 2.001))"
    ties = [[tie(constant=Fraction(3, 4))], [tie(constant=Fraction(1, 4))], own(1)]
    cases = [case([0], [1], [row([-1, -1, -1], Fraction(2001, 1000))])]
    leaf = Node(-1, 0.0, {0: Exclusion({0: 1024})})
    JointQuestion(tmp_path, nets, text + more, cases, ties).write(leaf).accepted()
    text = text.replace(declared("h", IDENTITY), "") + "(assert (>= Y_f[0] 3))"
    del nets["h"]
    ties = [[tie(constant=Fraction(3, 4))], [tie(constant=Fraction(1, 4))]]
    cases = [case([0], [1], [row([-1, 0], 3)])]
    JointQuestion(tmp_path, nets, text, cases, ties).write(leaf).rejected("do not have the same inputs")


def test_one_network_at_one_input_twice(tmp_path):
    """Both inputs of a network are the same free one: its ties are a layer."""
    f = network([[[1.0, 1.0]], [[1.0]]], [[0.0], [0.0]])
    text = declared("f", f) + inside("f", [0, 0], [1, 1]) + "(assert (== X_f[0,0] X_f[0,1]))"
    text += "(assert (>= Y_f[0] (+ (* 2 X_f[0,1]) 0.001)))"
    cases = [case([0], [1], [row([-1], Fraction(1, 1000), inputs=[2])])]
    question = JointQuestion(tmp_path, {"f": f}, text, cases, [[tie((0, 1)), tie((0, 1))]])
    question.write(Node(-1, 0.0, {0: Exclusion({0: 1024})})).accepted()
    assert [len(block.layers) for block in question.joint().blocks] == [3]


# --- rejected -------------------------------------------------------------------------------------


def change_hash(manifest):
    f, g = manifest["networks"]
    g["sha256"] = f["sha256"]


def swap_hashes(manifest):
    f, g = manifest["networks"]
    f["sha256"], g["sha256"] = g["sha256"], f["sha256"]


def drop_tie(manifest):
    manifest["ties"][1] = written(own(1, first=1))
    manifest["cases"][0]["lower"].append("-1")
    manifest["cases"][0]["upper"].append("1")


def pair_otherwise(manifest):
    manifest["ties"][1][0]["inputs"] = {"0": "-1"}


def shift_tie(manifest):
    manifest["ties"][1][0]["constant"] = "1/1000000000"


def negate_outputs(manifest):
    """As if the blocks came in another order."""
    for polytope in manifest["cases"][0]["unsafe"][:1]:
        polytope[0]["outputs"] = {"0": "-1", "1": "1"}


@pytest.mark.parametrize(
    "change, match",
    [
        (change_hash, "it is about a network g with SHA-256"),
        (swap_hashes, "it is about a network f with SHA-256"),
        (lambda manifest: manifest["networks"].reverse(), "not those that the query declares, in order"),
        (lambda manifest: manifest["networks"].pop(), "not those that the query declares, in order"),
        (drop_tie, "its ties are not those of the query"),
        (pair_otherwise, "its ties are not those of the query"),
        (shift_tie, "its ties are not those of the query"),
        (lambda manifest: manifest["ties"].reverse() or manifest["ties"].pop(), "its ties are not those of the query"),
        (negate_outputs, "no case covers disjunct 1 of the property"),
        (lambda manifest: manifest["cases"][0]["upper"].__setitem__(0, "1/2"), "no case covers disjunct 1"),
        (lambda manifest: manifest["property"].update(sha256="0" * 64), "it is about a property with SHA-256"),
    ],
)
def test_signed_again(tmp_path, change, match):
    question = pair(tmp_path, IDENTITY, BELOW, "0.2501")
    question.write(LEAF, change=change).rejected(match)


def test_files_swapped(tmp_path):
    question = pair(tmp_path, IDENTITY, BELOW, "0.2501").write(LEAF)
    f, g = question.files.values()
    question.rejected("it is about a network f with SHA-256", files={"f": g, "g": f})
    question.rejected("it is about a network g with SHA-256", files={"f": f, "g": f})
    for files, match in (
        ({"f": f}, "no file is given for its network g"),
        ({"f": f, "g": g, "h": g}, "declares no network 'h'"),
    ):
        with pytest.raises(Malformed, match=match):
            question.run(files)


def test_an_exclusion_is_missing(tmp_path):
    question = pair(tmp_path, IDENTITY, BELOW, "0.2501")
    question.write(Node(-1, 0.0, {0: Exclusion({0: 1024})})).rejected("a leaf with a polytope that is not excluded")


def random_tree(random, hidden, assumed=()):
    """A tree of one input and so many neurons, with exclusions of both polytopes by any slopes and multipliers."""
    numbers = lambda places, values: {j: random.choice(values) for j in places if random.random() < 0.5}

    def exclude():
        slopes, multipliers = numbers(range(hidden), [0, 300, 1024]), numbers(assumed, [0.0, 1.0, 2.0, 1e9])
        return Exclusion({0: random.choice([1, 1024])}, slopes, multipliers)

    free = [j for j in range(hidden) if j not in assumed]
    if not free or random.random() < 0.5:
        return Node(-1, 0.0, {0: exclude(), 1: exclude()})
    neuron = random.choice(free)
    below = [random_tree(random, hidden, (*assumed, neuron)) for _ in range(2)]
    signs = Node(1 + neuron, 0.0, {}, tuple(below))
    rest = Node(-1, 0.0, {0: exclude(), 1: exclude()})
    return signs if random.random() < 0.5 else Node(0, random.choice([-0.5, 0.0, 0.5]), {}, (signs, rest))


@pytest.mark.parametrize("count", [100, pytest.param(250, marks=pytest.mark.slow)])
def test_nothing_shows_what_is_false(tmp_path, count):
    """Random trees, with other ties, polytopes, hashes and semantics: |g - f| < gap is false, if only just."""
    random, reasons = Random(3), Counter()
    changes = [
        shift_tie,
        pair_otherwise,
        change_hash,
        swap_hashes,
        negate_outputs,
        *[lambda manifest: None] * 6,
    ]
    for g, hidden, gap in ((BELOW, 2, "0.2499"), (ABSOLUTE, 3, "1.9999")):
        question = pair(tmp_path, IDENTITY, g, gap)
        for _ in range(count):
            semantics = random.choice(["real", "float32"])
            question.write(random_tree(random, hidden), semantics=semantics, change=random.choice(changes))
            result = question.run(arithmetic=random.choice(["float64", "float64", "exact"]))
            assert not result.accepted
            reasons[result.reason.split(": ")[-1]] += 1
    assert len(reasons) > 5 and reasons["an exclusion is not shown"] > 0.4 * count


@pytest.mark.parametrize(
    "change, match",
    [
        (lambda m: m.update(version=1), "should have, and has not, an object of just"),
        (lambda m: m.update(version=3), "should have, and has not, an object of just"),
        (lambda m: m.update(version=2.0), "should have, and has not, an object of just"),
        (lambda m: m.update(networks=[]), "it is about no network"),
        (lambda m: m.update(ties=[{}]), "the ties of a network are no list"),
        (lambda m: m["ties"][0][0]["inputs"].update({"7": "0"}), "a tie's index is not a plain number, or that of no"),
        (lambda m: m["ties"][0][0].update(constant=0), "an object of just inputs, constant"),
        (lambda m: m["networks"][0].update(declared=1), "an object of just declared, name, sha256"),
        (lambda m: m["networks"][0].update(sha256="F" * 64), "a hash is not one of SHA-256"),
        (lambda m: m.update(kind="change"), "should have, and has not, an object of just"),
    ],
)  # fmt: skip
def test_malformed(tmp_path, change, match):
    question = pair(tmp_path, IDENTITY, BELOW, "0.2501").write(LEAF, change=change)
    with pytest.raises(Malformed, match=match):
        question.run()


@pytest.mark.parametrize(
    "change, match",
    [
        (lambda t: t.replace("X_g real [1,1]", "X_g real [1,2]"), "ties are not|is declared as"),
        (lambda t: t.replace("Y_g real [1]", "Y_g real [2]"), "Y_g of network g is declared as"),
        (lambda t: t.replace("Y_g real [1]", 'Y_g real [1] "other"'), "'other' is not its name"),
        (lambda t: t.replace("network g ", "network g (isomorphic-to f)"), ""),
    ],
)  # fmt: skip
def test_files_that_do_not_fit(tmp_path, change, match):
    question = pair(tmp_path, IDENTITY, BELOW, "0.2501", change=change).write(LEAF)
    result = question.run()
    assert result.accepted != bool(match) and any(part in result.reason for part in match.split("|"))


def test_isomorphic(tmp_path):
    """By layers, or by operators and shapes: zeros that are added first are no layer."""
    change = lambda t: t.replace("network g ", "network g (isomorphic-to f)")
    pair(tmp_path, IDENTITY, DEEPER, "0.1", change=change).write(LEAF).rejected("network g is not isomorphic-to f")
    pair(tmp_path, IDENTITY, BELOW, "0.2501", change=change).write(LEAF).accepted()
    nodes = [node("Sub", "x c", "s"), node("MatMul", "s w", "m"), node("Relu", "m", "y")]
    numbers = lambda mean: {"c": f32([mean]), "w": f32([1.0])}
    f, g = (model(nodes, numbers(mean), shape=(1, 1)).SerializeToString() for mean in (0.0, 0.5))
    question = pair(tmp_path, IDENTITY, IDENTITY, "0.5001", [1], [2], change=change)
    question.nets = {"f": f, "g": g}
    question.text = question.property.read_text().removeprefix(HEAD)
    question.__post_init__()
    question.write(LEAF).accepted()
    assert [len(block.layers) for block in question.joint().blocks] == [1, 2]


# --- witnesses ------------------------------------------------------------------------------------


def witness(folder, relation, ties, point, outputs, *, element="real", change=None, gap="0.1"):
    text = declared("f", IDENTITY, element=element) + declared("g", ABSOLUTE, element=element)
    text += inside("f", [-1], [1]) + relation + f"(assert (>= (- Y_g[0] Y_f[0]) {gap}))"
    cases = [case([-1], [1], [row([1, -1], Fraction(gap))])]
    question = JointQuestion(folder, {"f": IDENTITY, "g": ABSOLUTE}, text, cases, ties)
    margin = outputs[0] - outputs[1] + Fraction(gap)
    return question.write_witness([point], outputs, [margin], change)


def test_witnesses(tmp_path):
    third = -Fraction(1, 3)
    question = witness(tmp_path, same_inputs(1), [own(1), own(1)], third, [third, -third])
    assert question.run().accepted
    witness(tmp_path, same_inputs(1), [own(1), own(1)], third, [third, third]).rejected("outputs are not")
    witness(tmp_path, same_inputs(1), [own(1), own(1)], -third, [-third, -third]).rejected("not in the property")
    question.rejected("a witness says nothing about float32", semantics="float32")


def test_witness_of_a_rounded_block(tmp_path):
    """x_g = x_f + 1/10 is a layer with the nearest float64 number, so that outputs are near the truth alone."""
    relation, ties = "(assert (== X_g[0,0] (+ X_f[0,0] 0.1)))", [own(1), [tie((0, 1), constant=Fraction(1, 10))]]
    outputs = [-Fraction(1), Fraction(1) - Fraction(0.1)]
    witness(tmp_path, relation, ties, -Fraction(1), outputs).accepted()
    # 1.9 exactly, but not by all that rounding may have changed
    witness(tmp_path, relation, ties, -Fraction(1), outputs, gap="1.9").rejected("not in the property's unsafe set")


def test_witness_of_float32(tmp_path):
    for point, good in ((-Fraction(1, 2), True), (-Fraction(1, 3), False)):
        question = witness(tmp_path, same_inputs(1), [own(1), own(1)], point, [point, -point], element="float32")
        if good:
            question.accepted()
        else:
            question.rejected("an input is no number of float32")


def test_float64_is_near_exact_arithmetic(tmp_path):
    """The least margin in float64 is below the exact one, by no more than section 8 takes off."""
    f, g = random_network((2, 4, 4, 2), seed=5), random_network((2, 3, 2), seed=6)
    relation = "(assert (== X_g[0,0] (+ (* 0.3 X_f[0,0]) 0.1)))(assert (== X_f[0,1] X_g[0,1]))"
    text = declared("f", f) + declared("g", g) + inside("f", [-1, -1], [1, 1]) + relation
    words, polytopes = apart("1.0", 2)
    ties = [own(2), [tie((0, Fraction(3, 10)), constant=Fraction(1, 10)), tie((1, 1))]]
    question = JointQuestion(tmp_path, {"f": f, "g": g}, text + words, [case([-1, -1], [1, 1], *polytopes)], ties)
    question.prove(signs=2)
    floating, exact = (float(question.run(arithmetic=arithmetic).margin) for arithmetic in ("float64", "exact"))
    assert question.accepted().nodes >= 3
    assert exact - 1e-10 < floating < exact
