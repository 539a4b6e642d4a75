"""Heads as exact data, and the bounds of their margins: against execution, enumeration and the engine's own bounds."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bounds.crown import Boxes, concretize, substitute, tighten
from engine.bounds.interval import hidden_intervals
from engine.bounds.stack import Stack
from engine.errors import InputError
from engine.images.architectures import new_model
from engine.images.classifier import classifier_of
from engine.images.graph import Graph
from engine.images.head import Head, HeadLayer, head_of, last_features
from engine.images.imageset import Scaling
from engine.images.repair.prorepair.bounds import HeadBounds, relu_lines, sigmoid_lines

SHAPE = (1, 8, 8)


def graph_of(name="cnn", activation="relu"):
    return Graph(new_model(name, SHAPE, 10, activation=activation, seed=3), where=name)


def random_head(seed, widths=(3, 4, 3), activation="Relu"):
    random = np.random.default_rng(seed)
    layers = [
        HeadLayer(random.normal(size=(b, a)), random.normal(size=b), activation) for a, b in zip(widths, widths[1:])
    ]
    last = layers[-1]
    return Head("h", (*layers[:-1], HeadLayer(last.weight, last.bias, None)))


def random_boxes(seed, count, features):
    random = torch.Generator().manual_seed(seed)
    centre = 2 * torch.randn(count, features, generator=random, dtype=torch.float64)
    radius = torch.rand(count, features, generator=random, dtype=torch.float64)
    return centre - radius, centre + radius


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize(("name", "tensor"), [("mlp", "dense1_{}"), ("cnn", "conv2_{}_pool"), ("deepid", None)])
def test_a_head_computes_the_scores_from_its_tensor(name, tensor, activation):
    graph = graph_of(name, activation)
    tensor = last_features(graph) if tensor is None else tensor.format(activation)
    images = torch.rand(5, *SHAPE)
    found = graph.tensors(images, (tensor, graph.scores))
    scores = HeadBounds(head_of(graph, tensor)).scores(found[tensor].flatten(1).double())
    assert torch.allclose(scores, found[graph.scores].double(), atol=1e-5)


def test_a_relu_head_is_a_network_of_the_files_own_numbers():
    graph = graph_of()
    network = head_of(graph, "conv2_relu_pool").network()
    assert [layer.relu for layer in network.layers] == [True, False]
    assert np.array_equal(network.layers[0].weight, graph.weights["dense1.weight"].detach().numpy().astype(float))
    assert not network.rounded


def test_a_sigmoid_head_is_no_network():
    graph = graph_of("cnn", "sigmoid")
    with pytest.raises(InputError, match="activation Sigmoid"):
        head_of(graph, "conv2_sigmoid_pool").network()
    assert len(head_of(graph, last_features(graph)).network().layers) == 1


@pytest.mark.parametrize(
    ("tensor", "message"),
    [("conv1_relu", "not dense"), ("nowhere", "not dense|does not follow|do not follow"), ("dense1", "no dense layer")],
)
def test_a_tensor_that_begins_no_head_is_refused(tensor, message):
    with pytest.raises(InputError, match=message):
        head_of(graph_of(), tensor)


def test_bounds_of_a_head_by_hand():
    """Scores h1 + 1 and 2 relu(h1 - h2): on [1, 2] x [0, 1] the second lies in 0 .. 4, the margin at -2 .. 3."""
    hidden = HeadLayer(np.array([[1.0, 0.0], [1.0, -1.0]]), np.zeros(2), "Relu")
    last = HeadLayer(np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([1.0, 0.0]), None)
    bounds = HeadBounds(Head("h", (hidden, last)))
    low, high = torch.tensor([[1.0, 0.0]]).double(), torch.tensor([[2.0, 1.0]]).double()
    # both ReLUs are on: the margin h1 + 1 - 2 h1 + 2 h2 = 1 - h1 + 2 h2 is least at (2, 0)
    assert bounds.lower(low, high, torch.tensor([0])).tolist() == [[np.inf, -1.0]]
    # the other way round h1 - 2 h2 - 1 is least at (1, 1)
    assert bounds.lower(low, high, torch.tensor([1])).tolist() == [[-2.0, np.inf]]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), activation=st.sampled_from(["Relu", "Sigmoid"]), depth=st.integers(1, 3))
def test_no_sample_falls_below_the_bounds(seed, activation, depth):
    head = random_head(seed, (3, *[4] * (depth - 1), 3), activation)
    bounds, (low, high) = HeadBounds(head), random_boxes(seed, 6, 3)
    labels = torch.arange(6) % 3
    least = bounds.lower(low, high, labels)
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 3)
    places = torch.cat([corners, torch.rand(50, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)])
    for place in places:
        margins = bounds.margins(low + place * (high - low), labels)
        assert bool((margins >= least - 1e-9).all())


@pytest.mark.parametrize("seed", range(5))
def test_a_single_layers_bounds_are_its_least_margins(seed):
    bounds, (low, high) = HeadBounds(random_head(seed, (3, 3))), random_boxes(seed, 4, 3)
    labels = torch.arange(4) % 3
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 3)
    exact = torch.stack([bounds.margins(low + c * (high - low), labels) for c in corners]).amin(0)
    assert torch.allclose(bounds.lower(low, high, labels), exact)


@pytest.mark.parametrize("seed", range(5))
def test_small_boxes_of_relu_heads_are_bounded_exactly(seed):
    """Where no ReLU changes sign the head is linear: the least margin is at a corner."""
    bounds, (low, high) = HeadBounds(random_head(seed, (3, 5, 3))), random_boxes(seed, 4, 3)
    high = low + 1e-7
    labels = torch.arange(4) % 3
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 3)
    exact = torch.stack([bounds.margins(low + c * (high - low), labels) for c in corners]).amin(0)
    assert torch.allclose(bounds.lower(low, high, labels), exact, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_engines_rigorous_bounds_agree(seed):
    head = random_head(seed, (3, 6, 3))
    low, high = random_boxes(seed, 5, 3)
    stack, network = Stack([head.network()]), torch.zeros(5, dtype=torch.long)
    boxes = Boxes(network, low, high, *hidden_intervals(stack, network, low, high))
    lines = tighten(stack, boxes)
    row = torch.tensor([[1.0, -1.0, 0.0, 0.0]], dtype=torch.float64).expand(5, -1)
    planes = substitute(stack, boxes, lines, row, torch.arange(5), 2)
    theirs = concretize(stack, boxes, planes, torch.arange(5))
    ours = HeadBounds(head).lower(low, high, torch.zeros(5, dtype=torch.long))[:, 1]
    assert torch.allclose(ours, theirs, atol=0.02, rtol=0.01)  # their slopes are multiples of 2^-10


@settings(max_examples=30, deadline=None)
@given(low=st.floats(-30, 30), width=st.floats(0, 30), lines=st.sampled_from([relu_lines, sigmoid_lines]))
def test_lines_hold_between_their_ends(low, width, lines):
    z = torch.linspace(low, low + width, 101, dtype=torch.float64)
    below, below_at_0, above, above_at_0 = lines(z[:1], z[-1:])
    h = z.clamp(min=0) if lines is relu_lines else torch.sigmoid(z)
    assert bool((below * z + below_at_0 <= h + 1e-9).all())
    assert bool((h <= above * z + above_at_0 + 1e-9).all())


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), activation=st.sampled_from(["Relu", "Sigmoid"]))
def test_sensitivity_bounds_every_change(seed, activation):
    bounds = HeadBounds(random_head(seed, (3, 4, 3), activation))
    (low, high), labels = random_boxes(seed, 6, 3), torch.arange(6) % 3
    change = (bounds.scores(high) - bounds.scores(low)).double()
    changes = (change.gather(1, labels[:, None]) - change).abs().amax(1)
    assert bool((changes <= ((high - low) * bounds.sensitivity()).sum(1) + 1e-9).all())


def test_the_whole_mlp_is_a_head_of_its_image():
    model = classifier_of(new_model("mlp", SHAPE, 10, seed=1), name="mlp", scaling=Scaling.UNIT)
    graph = model.graph()
    images = np.random.default_rng(0).random((4, *SHAPE)).astype(np.float32)
    network = head_of(graph, graph.input).network()
    assert np.allclose(network.evaluate(images.reshape(4, -1)), model.scores(images), atol=1e-4)
