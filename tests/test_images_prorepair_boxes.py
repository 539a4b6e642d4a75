"""Proxy boxes, distances, intervals and regions: by hand, by sampling and by finite differences."""

import numpy as np
import pytest
import torch
from test_images_prorepair_head import random_boxes, random_head

from engine.errors import InputError
from engine.images.architectures import Builder, new_model
from engine.images.classifier import classifier_of
from engine.images.graph import Graph
from engine.images.head import Head, HeadLayer
from engine.images.imageset import ImageSet, Scaling
from engine.images.repair.prorepair.bounds import HeadBounds
from engine.images.repair.prorepair.boxes import FeatureSpace, nearest_right, proxy_boxes
from engine.images.repair.prorepair.distance import distance, sums_of
from engine.images.repair.prorepair.intervals import interval_of
from engine.images.repair.prorepair.regions import balls, proved, refined, repeated, single
from engine.images.repair.prorepair.split import split_at

IDENTITY = Head("h", (HeadLayer(np.eye(2), np.zeros(2), None),))  # scores are the features themselves
UNIT = FeatureSpace(torch.ones(2, dtype=torch.float64))


def doubles(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def test_features_move_straight_to_the_half_space():
    """The margin h1 - h2 of (0, 2) is -2, and is to be 2: the way there is (2, -2), two hundredths more in a step."""
    place = nearest_right(HeadBounds(IDENTITY), UNIT, doubles([0, 2]), torch.tensor([0]), doubles(2)[0:1])
    assert place[0].tolist() == pytest.approx([2.04, -0.04])


def test_features_that_are_right_stay():
    h = doubles([5, 1])
    assert torch.equal(nearest_right(HeadBounds(IDENTITY), UNIT, h, torch.tensor([0]), doubles(2)[0:1]), h)


def test_a_feature_at_the_end_of_its_range_stays_there():
    space = FeatureSpace(torch.ones(2, dtype=torch.float64), least=0.0)
    place = nearest_right(HeadBounds(IDENTITY), space, doubles([0, 0]), torch.tensor([0]), doubles(2)[0:1])
    assert place[0].tolist() == pytest.approx([2.04, 0])


def test_a_box_by_hand():
    """Around (3, 1) the margin is 2: the box keeps at least 1 of it, and only h1's fall and h2's rise cost any."""
    boxes = proxy_boxes(HeadBounds(IDENTITY), UNIT, doubles([3, 1]), torch.tensor([0]), doubles(2)[0:1])
    (low,), (high,) = boxes.low.tolist(), boxes.high.tolist()
    assert boxes.certified.all() and boxes.margin.tolist() == [1]
    assert 1 <= low[0] - high[1] < 1.05  # the worst corner's margin
    assert 3 - low[0] == pytest.approx(high[1] - 1)  # both sides that matter move alike
    assert high[0] - 3 > 2 * (3 - low[0])  # a side that does not matter moves further


@pytest.mark.parametrize("activation", ["Relu", "Sigmoid"])
def test_all_of_a_box_has_its_margin(activation):
    bounds = HeadBounds(random_head(4, (3, 6, 3), activation))
    h, labels = torch.randn(20, 3, generator=torch.Generator().manual_seed(0)).double(), torch.arange(20) % 3
    space = FeatureSpace(torch.ones(3, dtype=torch.float64))
    boxes = proxy_boxes(bounds, space, h, labels, torch.full((20,), 0.1, dtype=torch.float64))
    assert boxes.certified.sum() >= 15
    assert ((boxes.high - boxes.low)[boxes.certified].amin(1) > 0).all()
    for k in range(50):
        place = torch.rand(20, 3, generator=torch.Generator().manual_seed(k)).double()
        margins = bounds.margins(boxes.low + place * (boxes.high - boxes.low), labels).amin(1)
        assert bool((margins >= 0.05 - 1e-9)[boxes.certified].all())


def test_what_cannot_be_certified_is_a_point():
    flat = Head("h", (HeadLayer(np.zeros((2, 2)), np.zeros(2), None),))  # all margins are 0
    boxes = proxy_boxes(HeadBounds(flat), UNIT, doubles([3, 1]), torch.tensor([0]), doubles(2)[0:1])
    assert not boxes.certified.any() and torch.equal(boxes.low, boxes.high)


def test_distance_by_hand():
    found = distance(doubles([0, 5]), doubles([1, 9]), doubles([0.5, 2]), doubles([3, 6]), doubles(2, 10))
    assert found.tolist() == [2 * 0.5 + 10 * 3]


@pytest.mark.parametrize("activation", ["Relu", "Sigmoid"])
def test_activations_are_in_the_box_where_sums_are(activation):
    space = {"Relu": torch.relu, "Sigmoid": torch.sigmoid}[activation]
    low, high = doubles([0.0, 0.2, 0.5]), doubles([0.4, 0.9, 1.0])
    ends = sums_of(low, high, activation)
    z = torch.linspace(-20, 20, 4001, dtype=torch.float64)[:, None]
    inside = (z >= ends[0]) & (z <= ends[1])
    assert torch.equal(inside, (space(z) >= low) & (space(z) <= high))


@pytest.mark.parametrize("seed", range(3))
def test_margins_fall_by_no_more_than_the_distance(seed):
    bounds, (low, high) = HeadBounds(random_head(seed, (3, 4, 3))), random_boxes(seed, 6, 3)
    labels, h = torch.arange(6) % 3, random_boxes(seed + 9, 6, 3)[0]
    missed = distance(h, h, low, high, bounds.sensitivity())
    assert bool((bounds.margins(h, labels).amin(1) >= bounds.lower(low, high, labels).amin(1) - missed - 1e-9).all())


def mlp(activation="relu", name="mlp"):
    return classifier_of(new_model(name, (1, 8, 8), 10, activation=activation, seed=2), name=name, scaling=Scaling.UNIT)


def images(count=4, seed=0):
    random = np.random.default_rng(seed)
    return ImageSet(random.random((count, 1, 8, 8)).astype(np.float32), np.arange(count) % 10, 10)


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize("radius", [0.0, 0.05])
def test_the_distances_gradient_is_that_of_finite_differences(activation, radius):
    split = split_at(mlp(activation), None)
    split.graph.double()
    x = torch.from_numpy(images().images).double()
    features = split.activate(split.read(x)).detach()
    low, high = sums_of(features * 0.9 + 0.01, features * 0.95 + 0.01, split.activation)

    def loss():
        return distance(*split.interval(x - radius, x + radius), low, high, split.weight().double()).sum()

    weight = split.graph.weights["dense2.weight"]
    weight.requires_grad_(True)
    (slope,) = torch.autograd.grad(loss(), weight)
    step = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0)).double()
    with torch.no_grad():
        weight += 1e-7 * step
        above = loss()
        weight -= 2e-7 * step
        below = loss()
    assert float((above - below) / 2e-7) == pytest.approx(float((slope * step).sum()), rel=1e-4)


@pytest.mark.parametrize("name", ["mlp", "cnn", "deepid"])
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_no_image_of_a_region_leaves_the_intervals(name, activation):
    graph = Graph(new_model(name, (1, 8, 8), 10, activation=activation, seed=2), where=name)
    low = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    high = low + 0.1
    least, most = interval_of(graph, low, high, graph.scores)
    for k in range(20):
        place = torch.rand(low.shape, generator=torch.Generator().manual_seed(k)).round() if k % 2 else torch.rand(1)
        scores = graph(low + place * (high - low))
        assert bool((scores >= least - 1e-3).all()) and bool((scores <= most + 1e-3).all())


def test_an_interval_by_hand():
    """One dense layer of weights 1 and -2 and bias 3 on [0, 1] x [0, 1]."""
    builder = Builder((2, 1, 1), activation="relu", seed=0)
    graph = Graph(builder.model(builder.dense(builder.flatten("image"), 1), "one"), where="one")
    with torch.no_grad():
        graph.weights["dense1.weight"].copy_(torch.tensor([[1.0, -2.0]]))
        graph.weights["dense1.bias"].fill_(3.0)
    ends = interval_of(graph, torch.zeros(1, 2, 1, 1), torch.ones(1, 2, 1, 1), graph.scores)
    assert [end.item() for end in ends] == [1, 4]


def line_of_two_pixels():
    """Scores a and b of an image (a, b) after ReLUs: class 0 wherever a > b."""
    builder = Builder((2, 1, 1), activation="relu", seed=0)
    model = builder.model(builder.dense(builder.act(builder.dense(builder.flatten("image"), 2)), 2), "two")
    two = classifier_of(model, name="two", scaling=Scaling.UNIT, layout="NCHW")
    eye, none = torch.eye(2), torch.zeros(2)
    return two.with_weights({"dense1.weight": eye, "dense2.weight": eye, "dense1.bias": none, "dense2.bias": none})


def test_a_region_is_proved_exactly_where_all_its_images_are_right():
    split = split_at(line_of_two_pixels(), None)
    centre = ImageSet(np.float32([[[[0.75]], [[0.25]]]]), np.array([0]), 2)
    assert proved(split, balls(centre, 0.24)).tolist() == [True]
    assert proved(split, balls(centre, 0.26)).tolist() == [False]
    assert proved(split, balls(centre.with_labels(np.array([1])), 0.1)).tolist() == [False]


def test_undecided_regions_are_halved_so_often_and_cover_the_ball():
    split = split_at(line_of_two_pixels(), None)
    centre = ImageSet(np.float32([[[[0.75]], [[0.25]]]]), np.array([0]), 2)
    once = refined(split, balls(centre, 0.26), splits=2)
    assert len(once) == 2 and set(once.depth) == {1}
    twice = refined(split, once, splits=2)
    assert len(refined(split, twice, splits=2)) == len(twice)
    area = (twice.high - twice.low).prod((1, 2, 3)).sum()
    assert area == pytest.approx((0.5 + 0.01) ** 2, abs=1e-5)  # of two clipped pixels: 0.49 .. 1 and 0 .. 0.51
    assert refined(split, balls(centre, 0.1), splits=2).depth.tolist() == [0]


def test_regions_that_are_repeated():
    regions = repeated(single(images(3)), np.array([False, True, False]), 2)
    assert regions.centres.labels.tolist() == [0, 1, 1, 1, 2]
    assert regions.low is regions.high


def test_the_extractors_weights_are_those_before_the_head():
    assert split_at(mlp(), "dense1_relu").names == ("dense1.weight", "dense1.bias")
    last = split_at(mlp(), None)
    assert last.head.tensor == "dense3_relu"
    assert set(last.graph.weights) - set(last.names) == {"dense4.weight", "dense4.bias"}


def test_a_head_without_an_extractor_is_refused():
    with pytest.raises(InputError, match="no weights lie before"):
        split_at(mlp(), "image_flat")
