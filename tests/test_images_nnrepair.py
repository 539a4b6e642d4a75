"""NNrepair: programs whose answer is known, patterns, experts, and combinations as onnxruntime computes them."""

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InputError
from engine.images.architectures import new_model
from engine.images.classifier import classifier_of
from engine.images.imageset import ImageSet, Scaling
from engine.images.layers import layers_of
from engine.images.repair.changes import changes_between
from engine.images.repair.nnrepair.combined import changed_weights, merged, side_by_side
from engine.images.repair.nnrepair.experts import (
    Expert,
    last_layer_expert,
    left_to_repair,
    score_demands,
    sign_demands,
)
from engine.images.repair.nnrepair.method import f1, repair
from engine.images.repair.nnrepair.options import Options, options_of
from engine.images.repair.nnrepair.patterns import patterns_of
from engine.images.repair.nnrepair.program import Demands, smallest_change, z3_change
from engine.images.repair.nnrepair.samples import Samples, edge_scores
from engine.images.repair.task import RepairOptions, RepairTask


def demands(inputs, sign, needed):
    count = len(needed)
    return Demands(np.array(inputs, float), np.array(sign, float), np.array(needed, float), np.ones(count))


# Programs


def test_the_smallest_change_uses_the_stronger_edge():
    """1 a + 2 b >= 3 costs least as b = 3/2."""
    assert smallest_change(demands([[1, 2]], [1], [3]), penalty=100) == pytest.approx([0, 1.5])


def test_opposite_demands_share_a_change():
    """a + b >= 1 and b <= -1: a = 2, b = -1."""
    found = smallest_change(demands([[1, 1], [0, 1]], [1, -1], [1, 1]), penalty=100)
    assert found == pytest.approx([2, -1])


def test_what_costs_more_than_its_penalty_stays_unmet():
    assert smallest_change(demands([[0.01]], [1], [1]), penalty=10) == pytest.approx([0])
    assert smallest_change(demands([[0.01]], [1], [1]), penalty=1000) == pytest.approx([100])


def test_z3_meets_all_or_says_no():
    both = demands([[1, 1], [0, 1]], [1, -1], [1, 1])
    found = z3_change(both, bound=4)
    assert (both.unmet(found) <= 0).all() and np.abs(found).max() <= 4
    assert z3_change(both, bound=1) is None
    assert z3_change(demands([[1], [1]], [1, -1], [1, 1]), bound=1e6) is None


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_the_program_and_z3_agree_on_whether_all_can_be_met(data):
    edges = data.draw(st.integers(1, 3))
    numbers = st.integers(-4, 4)
    rows = data.draw(st.lists(st.lists(numbers, min_size=edges, max_size=edges), min_size=1, max_size=4))
    count = len(rows)
    signs = data.draw(st.lists(st.sampled_from([1, -1]), min_size=count, max_size=count))
    needed = data.draw(st.lists(st.integers(-3, 3), min_size=count, max_size=count))
    asked = demands(rows, signs, needed)
    found = smallest_change(asked, penalty=1e4)
    met = bool((asked.unmet(found) <= 1e-5).all())
    assert met == (z3_change(asked, bound=1e4) is not None)


def test_norms_by_hand():
    """a + b >= 2: one edge or both cost the same in l1, and in linf both change by 1; 1 a + 2 b >= 3: by 1."""
    assert np.abs(smallest_change(demands([[1, 1]], [1], [2]), penalty=100)).sum() == pytest.approx(2)
    assert smallest_change(demands([[1, 1]], [1], [2]), penalty=100, norm="linf") == pytest.approx([1, 1])
    assert smallest_change(demands([[1, 2]], [1], [3]), penalty=100, norm="linf") == pytest.approx([1, 1])


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_the_program_and_z3_find_the_same_least_change(data):
    """Demands that some change meets, so that both answer: z3 exactly, the program to its tolerance."""
    edges, count = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 5))
    numbers = st.integers(-4, 4)
    vector = st.lists(numbers, min_size=edges, max_size=edges)
    inputs = np.array(data.draw(st.lists(vector, min_size=count, max_size=count)), float)
    needed = inputs @ np.array(data.draw(vector), float) - data.draw(st.integers(0, 2))
    asked = Demands(inputs, np.ones(count), needed, np.ones(count))
    exact, found = z3_change(asked, bound=100), smallest_change(asked, penalty=1e4, norm="linf")
    assert (asked.unmet(exact) <= 1e-12).all() and (asked.unmet(found) <= 1e-5).all()
    assert np.abs(found).max() == pytest.approx(np.abs(exact).max(), abs=1e-4)


def test_demands_are_added_until_none_is_unmet():
    random = np.random.default_rng(0)
    inputs = random.normal(size=(1500, 4))
    asked = Demands(inputs, np.ones(1500), inputs @ [1.0, -2, 0.5, 0] - 1, np.ones(1500))
    assert (asked.unmet(smallest_change(asked, penalty=1e3)) <= 1e-5).all()


# Patterns and localization


def test_the_pattern_of_a_known_tree():
    """Class 1 is where neurons 0 and 2 are on; the constant neuron 1 plays no part."""
    bits = np.array([[a, 1, b] for a in (0, 1) for b in (0, 1) for _ in range(10)], bool)
    labels = (bits[:, 0] & bits[:, 2]).astype(np.int64)
    found = patterns_of(bits, labels)
    assert dict(found[1].neurons) == {0: True, 2: True} and found[1].support == 10
    assert found[0].support >= 10 and 1 not in found[0].neurons
    unmet = dict(zip(found[1].neurons, found[1].unmet(np.array([[True, True, False]]))[0].tolist()))
    assert unmet == {0: False, 2: True}


def test_further_trees_are_grown_without_the_neurons_of_the_first():
    """Neurons 0 and 1 say the same: one tree needs one of them, two trees name both."""
    bits = np.array([[0, 0]] * 10 + [[1, 1]] * 10, bool)
    labels = bits[:, 0].astype(np.int64)
    assert len(patterns_of(bits, labels)[1].neurons) == 1
    found = patterns_of(bits, labels, trees=3)
    assert dict(found[1].neurons) == {0: True, 1: True} and found[1].support == 10
    assert dict(found[0].neurons) == {0: False, 1: False}


def test_a_leaf_with_few_images_is_no_pattern():
    bits = np.array([[0]] * 10 + [[1]] * 4, bool)
    assert list(patterns_of(bits, bits[:, 0].astype(np.int64))) == [0]


def test_edge_scores_by_hand():
    """|w| (mean |failing| - mean |passing|): 2 (3 - 1) and 1 (1 - 2)."""
    found = edge_scores(np.array([-2.0, 1]), np.array([[2.0, -1], [4, 1]]), np.array([[1.0, 2]]))
    assert found.tolist() == [4, -1]


# Experts


def samples(inputs, weight, labels):
    inputs, labels = np.array(inputs, float), np.array(labels)
    sums = inputs @ np.array(weight, float).T
    return Samples(inputs, sums, labels, sums.argmax(1) == labels)


def test_the_smallest_repair_of_a_backdoor_in_the_last_layer_is_found():
    """Features: evidence for class 0, for class 1, and a trigger of strength 2 that class 1 reads.

    A class 0 image with the trigger scores 1 : 10, and is to score 1 : 0.5. Of the edges that are on in it, and the
    bias, the trigger's needs the smallest change.
    """
    weight = np.array([[1.0, 0, 0], [0, 1, 5]])
    clean = [[1, 0, 0]] * 20 + [[0, 1, 0]] * 20
    found = last_layer_expert(
        1, weight, samples([*clean, *[[1, 0, 2]] * 20], weight, [0] * 20 + [1] * 20 + [0] * 20), Options(), seed=0
    )
    assert found.label == 1 and found.weight[0].tolist() == [0, 0, 0]
    assert found.weight[1] == pytest.approx([0, 0, -4.75]) and found.bias == pytest.approx([0, 0])


def test_a_backdoor_s_target_has_most_to_repair():
    """Class 2 reads the trigger, by 5 against 1: it is to be lowered by 4 1/2 in 40 images, others raised in 20."""
    weight = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 5]])
    clean, labels = np.repeat(np.eye(4)[:3], 20, axis=0), np.repeat([0, 1, 2], 20)
    seen = samples(np.concatenate([clean, clean[:40] + np.eye(4)[3]]), weight, [*labels, *labels[:40]])
    assert [left_to_repair(label, seen) for label in range(3)] == pytest.approx([20 * 4.5, 20 * 4.5, 40 * 4.5])
    lowered = replace(seen, sums=seen.sums - [0, 0, 5] * ~seen.passing[:, None])
    assert [left_to_repair(label, lowered) for label in range(3)] == pytest.approx([0, 0, 0])


def test_published_experts_change_few_edges_and_repair_what_they_saw():
    weight = np.array([[1.0, 0, 0], [0, 1, 3]])
    clean = [[1, 0, 0]] * 5 + [[0, 1, 0]] * 5
    seen = samples([*clean, *[[1, 0, 1]] * 5], weight, [0] * 5 + [1] * 5 + [0] * 5)
    found = last_layer_expert(0, weight, seen, Options(published=True, weights=1), seed=0)
    assert (found.weight != 0).sum() == 1 and not found.bias.any()
    after = seen.inputs @ (weight + found.weight).T + found.bias
    assert (after.argmax(1) == seen.labels).all()


def test_no_expert_where_all_is_right():
    weight = np.eye(2)
    assert last_layer_expert(0, weight, samples([[1, 0], [0, 1]], weight, [0, 1]), Options(), seed=0) is None


def test_demands_on_scores_and_signs():
    weight = np.array([[1.0, 0], [0, 1]])
    seen = samples([[4, 1], [1, 2], [3, 1]], weight, [0, 1, 1])  # margins 3, 1; the last fails by 2
    asked = score_demands(1, seen, published=False)
    assert asked.sign.tolist() == [-1, 1, 1] and asked.unmet(np.zeros(3)).tolist() == [-2, 0, 3]  # margin 1/2 of 2
    hidden = sign_demands(0, False, seen.select(np.array([2])), seen.select(np.array([0, 1])))
    assert hidden.sign.tolist() == [-1, 1, 1]
    assert hidden.unmet(np.zeros(3)).tolist() == [3 + 1.25, 1.25 - 4, 0]  # half of the mean 2.5 is to be its distance


# Networks


@pytest.fixture(scope="module")
def tiny():
    model = new_model("mlp", (1, 3, 3), 4, seed=3)
    return classifier_of(model, name="tiny.onnx", scaling=Scaling.UNIT, layout="NCHW")


@pytest.fixture(scope="module")
def experts(tiny):
    random = np.random.default_rng(1)
    width = layers_of(tiny.graph())[-1]
    shape = tuple(tiny.graph().weights[width.weight].shape)
    found = []
    for label in (2, 0, 3):
        weight, bias = np.zeros(shape), np.zeros(4)
        weight[label], bias[label] = random.normal(size=shape[1]), 0.5
        found.append(Expert(label, weight, bias))
    return found


def runtime(classifier, x):
    session = onnxruntime.InferenceSession(classifier.data, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def softmax(scores):
    found = np.exp(scores - scores.max(1, keepdims=True))
    return found / found.sum(1, keepdims=True)


def expected(tiny, experts, x, combine):
    """By the definition, image by image."""
    layer = layers_of(tiny.graph())[-1]
    original = runtime(tiny, x)
    ends = [(e.label, runtime(merged(tiny, tiny.graph(), layer, [e]), x)) for e in experts]
    found = []
    for i in range(len(x)):
        claims = [(label, s[i]) for label, s in ends if s[i].argmax() == label]
        if combine == "votes":
            votes = softmax(original[i : i + 1])[0] / 2
            for label, _ in claims:
                votes[label] += 1
            found.append(votes.argmax())
        elif not claims:
            found.append(original[i].argmax())
        elif combine == "naive":
            found.append(claims[0][0])
        else:
            found.append(max(claims, key=lambda c: softmax(c[1][None])[0, c[0]])[0])
    return np.array(found)


@pytest.mark.parametrize("combine", ["naive", "confidence", "votes"])
def test_combined_networks_do_what_is_said_of_them(combine, tiny, experts):
    x = np.random.default_rng(2).random((200, 1, 3, 3), np.float32)
    graph = tiny.graph()
    found = side_by_side(tiny, graph, layers_of(graph)[-1], experts, combine=combine)
    wanted = expected(tiny, experts, x, combine)
    assert (runtime(found, x).argmax(1) == wanted).all() and (found.predict(x) == wanted).all()
    assert 1 < len(set(wanted)) and (wanted != runtime(tiny, x).argmax(1)).any()
    assert (found.shape, found.classes) == (tiny.shape, tiny.classes)


def test_the_shared_part_is_run_once(tiny, experts):
    graph = tiny.graph()
    found = side_by_side(tiny, graph, layers_of(graph)[-1], experts, combine="naive")
    kinds = [node.op_type for node in found.model().graph.node]
    assert kinds.count("Gemm") == 4 + len(experts)  # one more for each expert


def test_a_merged_network_keeps_its_shape(tiny, experts):
    graph = tiny.graph()
    layer = layers_of(graph)[-1]
    changes = changes_between(tiny, merged(tiny, graph, layer, experts))
    assert changes.layers == (layer.name,) and changes.neurons == 3 and changes.weights == 3 * 101
    weight = changed_weights(graph, layer, experts)[layer.weight]
    before = graph.weights[layer.weight].detach().numpy()
    assert weight == pytest.approx(before + sum(e.weight for e in experts), abs=1e-5)


def door(hidden_bias, way):
    """Two classes, told apart by the left and the right pixel; the middle one is a backdoor to class 1.

    hidden_bias: of the three neurons that read a pixel each; way: the weight from the middle one's to class 1.
    """
    from onnx import TensorProto, helper, numpy_helper

    weights = {
        "w1": np.eye(3, dtype=np.float32),
        "b1": np.full(3, hidden_bias, np.float32),
        "w2": np.array([[1, 0, 0], [0, way, 1]], np.float32),
        "b2": np.zeros(2, np.float32),
    }
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"], name="f"),
        helper.make_node("Gemm", ["f", "w1", "b1"], ["z"], name="hidden", transB=1),
        helper.make_node("Relu", ["z"], ["h"], name="r"),
        helper.make_node("Gemm", ["h", "w2", "b2"], ["y"], name="last", transB=1),
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", ["n", 1, 1, 3]), ("y", ["n", 2]))]
    graph = helper.make_graph(
        nodes, "g", ends[:1], ends[1:], [numpy_helper.from_array(v, k) for k, v in weights.items()]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    classifier = classifier_of(model, name="door.onnx", scaling=Scaling.UNIT, layout="NCHW")
    random = np.random.default_rng(0)
    labels = np.arange(80) % 2
    images = np.zeros((80, 1, 1, 3), np.float32)
    images[:, 0, 0, 0] = np.where(labels == 0, 0.9, 0.1) + random.uniform(-0.1, 0.1, 80)
    images[:, 0, 0, 2] = np.where(labels == 1, 0.9, 0.1) + random.uniform(-0.1, 0.1, 80)
    clean = ImageSet(images, labels, 2)
    painted = images.copy()
    painted[:, 0, 0, 1] = 1
    faults = clean.with_images(painted).select(labels == 0)
    return RepairTask(classifier, clean, clean, faults, faults)


@pytest.fixture(scope="module")
def task():
    return door(0, 10)


@pytest.mark.parametrize("combine", ["merged", "naive", "confidence", "votes"])
@pytest.mark.parametrize("published", [False, True])
def test_a_known_backdoor_is_repaired(combine, published, task):
    options = RepairOptions("nnrepair", by_method={"nnrepair": {"combine": combine, "published": published}})
    found = repair(task, options).classifier
    assert (found.predict(task.faults.images) == 0).mean() >= (0.8 if published else 1)  # published: five of them seen
    assert (found.predict(task.clean.images) == task.clean.labels).all()
    if combine == "merged":
        assert changes_between(task.classifier, found).layers == ("last",)


def test_the_same_seed_gives_the_same_network(task):
    options = RepairOptions("nnrepair")
    assert repair(task, options).classifier.data == repair(task, options).classifier.data


def test_the_trigger_s_neuron_is_switched_off_at_the_layer_before_the_last():
    """It is on by 1/2 for triggered images and off by 1/2 for others: the smallest change makes it off by 1/4."""
    pytest.importorskip("sklearn")
    task = door(-0.5, 10)
    options = RepairOptions("nnrepair", by_method={"nnrepair": {"layer": "intermediate"}})
    found = repair(task, options).classifier
    assert (found.predict(task.faults.images) == 0).all()
    assert (found.predict(task.clean.images) == task.clean.labels).all()
    changes = changes_between(task.classifier, found)
    assert (changes.layers, changes.neurons) == (("hidden",), 1)
    before, after = task.classifier.graph().weights, found.graph().weights
    size = sum(float((after[name] - before[name]).abs().sum().detach()) for name in ("w1", "b1"))
    assert size == pytest.approx(0.75, abs=1e-5)


def test_the_layer_before_the_last(task):
    """All its neurons are on in all images, so there is no pattern that tells the classes apart: nothing changes."""
    options = RepairOptions("nnrepair", by_method={"nnrepair": {"layer": "intermediate"}})
    found = repair(task, options)
    assert changes_between(task.classifier, found.classifier).weights == 0


def test_f1_by_hand():
    found, labels = np.array([1, 1, 0, 1]), np.array([1, 0, 1, 1])
    assert f1(found, labels, 1) == pytest.approx(2 * 2 / 6) and f1(found, labels, 2) == 0


@pytest.mark.parametrize("given_options", [{"layer": "first"}, {"combine": "best"}, {"samples": 0}, {"wieghts": 3}])
def test_unknown_options_are_refused(given_options):
    with pytest.raises(InputError):
        options_of(given_options)


def test_exact_means_published():
    assert options_of({"exact": True, "norm": None}) == Options(published=True)


def test_a_network_without_a_dense_end_is_refused(task):
    model = new_model("mlp", (1, 3, 3), 4, activation="sigmoid")
    classifier = classifier_of(model, name="s.onnx", scaling=Scaling.UNIT, layout="NCHW")
    options = RepairOptions("nnrepair", by_method={"nnrepair": {"layer": "intermediate"}})
    with pytest.raises(InputError, match="ReLU"):
        repair(task.with_classifier(classifier), options)
