"""Significance: bounds by lines against brute force, by hand, and on every operator."""

import resource

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from engine.errors import InputError
from engine.images.architectures import Builder, new_model
from engine.images.classifier import Classifier, classifier_of
from engine.images.datasets import load_dataset
from engine.images.graph import Graph
from engine.images.imageset import ImageSet, Scaling
from engine.images.layers import layers_of
from engine.images.lines import Lines
from engine.images.measure import accuracy, attack_success
from engine.images.operators import execute
from engine.images.poison import Backdoor, poisoned
from engine.images.relaxation import lines_after
from engine.images.repair.changes import changes_between
from engine.images.repair.task import RepairOptions, task_of
from engine.images.repair.vere import repair
from engine.images.repair.vere.first_look import per_class_significance
from engine.images.repair.vere.optimize import interval_loss
from engine.images.repair.vere.options import vere_options
from engine.images.repair.vere.significance import range_edges, shrinkage, values, violations
from engine.images.repair.vere.targets import targets
from engine.images.training import TrainingOptions, fit
from engine.images.trigger import square


def small(activation: str, seed: int, *, shape=(1, 6, 6)) -> Classifier:
    b = Builder(shape, activation=activation, seed=seed)
    x = b.pool(b.act(b.conv("image", 3, 3)))
    x = b.act(b.conv(x, 4, 2, pad=1))
    x = b.act(b.dense(b.flatten(b.pool(x)), 5))
    return classifier_of(b.model(b.dense(b.act(b.dense(x, 4)), 3), "small"), name="small", scaling=Scaling.UNIT)


def merged(activation: str, seed: int) -> Classifier:
    """Two ways to the same sum, as in DeepID: each is the other's constant."""
    b = Builder((1, 6, 6), activation=activation, seed=seed)
    x = b.pool(b.act(b.conv("image", 3, 3)))
    y = b.act(b.conv(x, 2, 2))
    scores = b.dense(b.act(b.add(b.dense(b.flatten(x), 4), b.dense(b.flatten(y), 4))), 3)
    return classifier_of(b.model(scores, "merged"), name="merged", scaling=Scaling.UNIT)


def images_of(shape, count: int, seed: int, classes: int = 3) -> ImageSet:
    random = np.random.default_rng(seed)
    return ImageSet(random.random((count, *shape), np.float32), random.integers(0, classes, count), classes)


def least_violation(graph, classifier, layer, images, neuron, ends, steps=31):
    """The smallest violation on a fine grid of the neuron's values, everything computed anew: [images]."""
    x = classifier.inputs(torch.from_numpy(images.images))
    sides = graph.sides(layer.activated, (graph.scores,))
    known = graph.tensors(x, (layer.activated, *sides))
    own, found = known[layer.activated], []
    for value in torch.linspace(float(ends[0]), float(ends[-1]), steps):
        moved = own.clone()
        mean = values(own)[:, neuron].reshape(-1, *[1] * (own.ndim - 2))
        moved[:, neuron] = torch.where(mean.abs() > 1e-6, own[:, neuron] * (value / mean), value)
        given = {layer.activated: moved, **{side: known[side] for side in sides}}
        scores = graph.evaluate(given, (graph.scores,), execute)[graph.scores]
        found.append(violations(scores.flatten(1), torch.from_numpy(images.labels)))
    return torch.stack(found).amin(0)


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize("make", [small, merged])
@pytest.mark.parametrize("seed", range(1))
@torch.no_grad()
def test_significance_is_never_below_the_true_shrinkage(make, activation, seed):
    classifier = make(activation, seed)
    graph, images = classifier.graph(), images_of((1, 6, 6), 4, seed)
    gaps = []
    for layer in layers_of(graph)[:-1]:
        if layer.activation is None:
            continue
        edges = range_edges(classifier, graph, layer, [images], 5, widen=0.5)
        found = shrinkage(classifier, graph, layer, images, edges)
        for neuron in range(len(edges)):
            true = found.violations - least_violation(graph, classifier, layer, images, neuron, edges[neuron])
            assert (found.possible[:, neuron] >= true - 1e-5).all()
            assert (found.certain[:, neuron] <= true.clamp(min=0) + 1e-2).all()  # the grid misses a little
            gaps.append((found.possible[:, neuron] - true.clamp(min=0)).mean().item())
    assert np.mean(gaps) < 0.02  # and hardly above it


def two_neurons() -> Classifier:
    """Scores (h0, 2 h1) of h = relu(x) for an image of two pixels: all can be computed by hand."""
    weights = {"w1": np.eye(2), "b1": np.zeros(2), "w2": np.diag([1.0, 2.0]), "b2": np.zeros(2)}
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"]),
        helper.make_node("Gemm", ["f", "w1", "b1"], ["z"], name="first", transB=1),
        helper.make_node("Relu", ["z"], ["h"]),
        helper.make_node("Gemm", ["h", "w2", "b2"], ["y"], name="second", transB=1),
    ]
    tensors = [numpy_helper.from_array(a.astype(np.float32), name) for name, a in weights.items()]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", ["n", 1, 1, 2]), ("y", ["n", 2]))]
    graph = helper.make_graph(nodes, "two", ends[:1], ends[1:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return classifier_of(model, name="two", scaling=Scaling.UNIT)


def test_significance_by_hand():
    """x = (0.2, 0.5), class 0: the violation is 1 - 0.2. Moving h0 in [0, 0.6] leaves 0.4, h1 in [0.1, 0.5] 0."""
    classifier = two_neurons()
    graph = classifier.graph()
    images = ImageSet(np.array([0.2, 0.5], np.float32).reshape(1, 1, 1, 2), np.array([0]), 2)
    edges = torch.tensor([[0.0, 0.3, 0.6], [0.1, 0.3, 0.5]])
    found = shrinkage(classifier, graph, layers_of(graph)[0], images, edges)
    assert found.violations.tolist() == pytest.approx([0.8])
    assert found.possible[0].tolist() == pytest.approx([0.4, 0.8])
    assert found.certain[0].tolist() == pytest.approx([0.4, 0.8])
    ends = [[[-0.2, 0.1], [0.1, 0.4]], [[0.8, 0.4], [0.4, 0.0]]]
    assert found.at_ends[0].tolist() == [[pytest.approx(pair) for pair in neuron] for neuron in ends]
    chosen = targets(found, torch.tensor([[0.2, 0.5]]))
    assert chosen[0, 0].tolist() == pytest.approx([0.6, 0.6])  # nothing suffices: the best end
    assert chosen[0, 1].tolist() == pytest.approx([0.1, 0.1])  # 0 is no more than reached: the best end


def test_a_target_is_the_nearest_interval_that_suffices():
    classifier = two_neurons()
    graph = classifier.graph()
    images = ImageSet(np.array([0.7, 0.9], np.float32).reshape(1, 1, 1, 2), np.array([0]), 2)
    edges = torch.tensor([[0.0, 0.5, 1.0], [0.0, 0.3, 0.6]])
    found = shrinkage(classifier, graph, layers_of(graph)[0], images, edges)
    chosen = targets(found, torch.tensor([[0.7, 0.9]]))
    assert chosen[0, 1].tolist() == pytest.approx([0.0, 0.3])  # 2 h1 < 0.7 on all of it
    assert interval_loss(torch.tensor([[0.7, 0.9]]), chosen, torch.tensor([1.0, 0.6]))[None].tolist() == [
        pytest.approx(((1.0 - 0.7) ** 2 + (0.6 / 0.6) ** 2) / 2)
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-9, 9), min_size=4, max_size=4))
def test_lines_hold_everywhere_between_their_ends(numbers):
    a, b, c, d = numbers
    lines = Lines(torch.tensor([[[min(a, c)], [min(b, d)]], [[max(a, c)], [max(b, d)]]], dtype=torch.float64))
    share = torch.linspace(0, 1, 201, dtype=torch.float64)
    at = lambda ends: ends[0] + (ends[1] - ends[0]) * share
    cases = [
        (lambda x: x.leaky(0.1), lambda z: torch.maximum(z, 0.1 * z)),
        (lambda x: x.at_least(torch.tensor(0.5)), lambda z: z.clamp(min=0.5)),
        (Lines.sigmoid, torch.sigmoid),
        (Lines.tanh, torch.tanh),
        (Lines.negative, torch.neg),
    ]
    for bound, function in cases:
        found = bound(lines)
        images = torch.stack([function(at(lines.below)), function(at(lines.above))])
        assert (images.amin(0) >= at(found.below) - 1e-9).all()
        assert (images.amax(0) <= at(found.above) + 1e-9).all()


def test_lines_of_many_operators_bound_what_the_graph_computes():
    """Normalization, pads, both poolings, clip, concatenation, products, on random values of the variable."""
    random = np.random.default_rng(0)
    f = lambda *shape: random.normal(size=shape).astype(np.float32)
    weights = {
        "w": f(3, 2, 2, 2), "scale": f(3), "shift": f(3), "mean": f(3), "var": np.abs(f(3)) + 0.1, "k": f(3, 1, 1),
        "low": np.float32(-0.5), "high": np.float32(0.7), "d": f(30, 2), "e": f(2),
    }  # fmt: skip
    make = helper.make_node
    nodes = [
        make("Conv", ["x", "w"], ["a"], kernel_shape=[2, 2], pads=[1, 1, 1, 1]),
        make("BatchNormalization", ["a", "scale", "shift", "mean", "var"], ["b"]),
        make("MaxPool", ["b"], ["c"], kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 1, 1]),
        make("AveragePool", ["b"], ["c2"], kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 1, 1]),
        make("Mul", ["c", "k"], ["m"]),
        make("Sub", ["m", "c2"], ["s"]),
        make("Clip", ["s", "low", "high"], ["cl"]),
        make("Tanh", ["c2"], ["th"]),
        make("GlobalAveragePool", ["b"], ["ga"]),
        make("LeakyRelu", ["ga"], ["lr"], alpha=0.2),
        make("Flatten", ["cl"], ["f1"]),
        make("Flatten", ["th"], ["f2"]),
        make("Flatten", ["lr"], ["f3"]),
        make("Concat", ["f1", "f2", "f3"], ["fl"], axis=1),
        make("Gather", ["fl", "pick"], ["g"], axis=1),
        make("MatMul", ["g", "d"], ["mm"]),
        make("Add", ["mm", "e"], ["y"]),
    ]
    tensors = [numpy_helper.from_array(np.asarray(a), name) for name, a in weights.items()]
    tensors.append(numpy_helper.from_array(np.arange(30), "pick"))
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", [1, 2, 4, 4]), ("y", [1, 2]))]
    model = helper.make_model(helper.make_graph(nodes, "many", ends[:1], ends[1:], tensors))
    graph = Graph(model, where="many")
    start, end = (torch.from_numpy(f(5, 2, 4, 4)) for _ in range(2))
    both = torch.stack([start, end])
    found = lines_after(graph, "x", Lines(torch.stack([both, both])), {}, "y")
    for share in torch.linspace(0, 1, 21):
        true = graph.tensors(start + (end - start) * share, ("y",))["y"]
        below, above = (side[0] + (side[1] - side[0]) * share for side in found.ends)
        assert (below <= true + 1e-4).all() and (true <= above + 1e-4).all()
    assert (found.above - found.below).mean() < 50


def test_an_operator_without_bounds_is_named():
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("Mul", ["x", "x"], ["y"], name="square")],
            "square",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])],
        )
    )
    with pytest.raises(InputError, match="Mul"):
        lines_after(Graph(model, where="square"), "x", Lines(torch.zeros(2, 2, 1, 2)), {}, "y")


@pytest.mark.parametrize(
    "given", [{"intervals": 3}, {"interval": 0}, {"localize": "care"}, {"edit": 3}, {"inputs": 2.0}, {"n": True}]
)
def test_options_that_make_no_sense_are_one_line(given):
    with pytest.raises(InputError):
        vere_options(given)


def digits_task():
    """A network that learned a white square's backdoor, and the task of its repair."""
    pytest.importorskip("sklearn")
    data = load_dataset("digits")
    backdoor = Backdoor(square(data.train.shape, 2), 7)
    classifier = classifier_of(new_model("mlp", data.train.shape, 10, seed=0), name="mlp", scaling=Scaling.UNIT)
    graph = classifier.graph()
    fit(classifier, graph, poisoned(data.train, backdoor, 0.15, seed=0), TrainingOptions(epochs=10))
    classifier = classifier.with_weights(graph.weights)
    return data, backdoor, task_of(classifier, data.train, backdoor=backdoor)


@pytest.fixture(scope="module")
def digits():
    return digits_task()


def vere(task, **options) -> Classifier:
    return repair(task, RepairOptions(method="vere", by_method={"vere": options})).classifier


def test_a_backdoor_is_gone_and_few_weights_changed(digits):
    data, backdoor, task = digits
    assert attack_success(task.classifier, data.held_out, backdoor) > 0.9
    repaired = vere(task, steps=120, layer_round=2)
    assert attack_success(repaired, data.held_out, backdoor) < 0.03
    assert accuracy(repaired, data.held_out) > accuracy(task.classifier, data.held_out) - 0.01
    changes = changes_between(task.classifier, repaired)
    assert changes.layers == ("dense3",) and changes.weights < changes.total / 5


@pytest.mark.parametrize(
    "options", [{"localize": "none"}, {"localize": "nnrepair"}, {"edit": "finetune"}, {"edit": "published"}]
)
def test_every_localization_and_edit_helps(digits, options):
    data, backdoor, task = digits
    repaired = vere(task, steps=40, layer_round=1, n=300, n_clean=300, **options)
    assert attack_success(repaired, data.held_out, backdoor) < attack_success(task.classifier, data.held_out, backdoor)


def test_only_localized_neurons_change(digits):
    _, _, task = digits
    few = {"steps": 20, "layer_round": 1, "neurons": 5, "n": 200, "n_clean": 200}
    repaired = vere(task, **few)
    assert 0 < changes_between(task.classifier, repaired).neurons <= 5
    assert vere(task, **few).data == repaired.data


def test_first_look_gives_each_class_a_share(digits):
    data, _, task = digits
    found = per_class_significance(task.classifier, data.held_out, most=32)
    assert found.values.shape == (10,) and (found.values > 0).all() and (found.values <= 1).all()


@pytest.mark.slow
def test_vgg13_within_memory_and_time():
    """One localization of the last convolution and one of the last hidden layer, on synthetic images."""
    shape = (3, 32, 32)
    classifier = classifier_of(new_model("vgg13", shape, 10), name="vgg13", scaling=Scaling.UNIT)
    task = task_of(classifier, images_of(shape, 60, 0, 10), faults=images_of(shape, 30, 1, 10))
    found = vere(task, steps=3, layer_round=1, layers=3, localized=4, screened=32)
    assert found.shape == shape
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 8 * 2**20  # KiB
