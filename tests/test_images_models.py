"""Classifiers from elsewhere and our own: executed as onnxruntime does, differentiated as finite differences say."""

import numpy as np
import onnxruntime
import pytest
import torch
from images_models import FLOAT, Graphs, grey_like, keras_like, pytorch_like, sklearn_like
from onnx import TensorProto, helper

from engine.errors import InputError
from engine.images import attacks
from engine.images.architectures import ARCHITECTURES, new_model
from engine.images.classifier import BATCH, classifier_of, load_classifier
from engine.images.fit_check import chance_warning, readings
from engine.images.foreign import ForeignGraph
from engine.images.imageset import ImageSet, Scaling
from engine.images.layers import layers_of
from engine.images.poison import Backdoor
from engine.images.recipes import FEW, recipe, training_images
from engine.images.training import TrainingOptions, fit
from engine.images.trigger import square


def made(model, scaling=Scaling.UNIT, layout=None):
    return classifier_of(model, name="made", scaling=scaling, layout=layout)


def reference(model, x, output=-1):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found = session.run(None, {session.get_inputs()[0].name: x})[output]
    return np.array([[one[i] for i in sorted(one)] for one in found]) if isinstance(found[0], dict) else found


FOREIGN = {
    "keras": keras_like,
    "keras grey": grey_like,
    "sklearn": lambda: sklearn_like(False),
    "sklearn zipmap": lambda: sklearn_like(True),
} | {f"pytorch {opset}": lambda opset=opset: pytorch_like(opset) for opset in (11, 13, 17, 20)}
SOFTMAX = {"keras", "sklearn", "sklearn zipmap"}  # the others end in a log-softmax, or in what they compute


@pytest.mark.parametrize("name", FOREIGN)
def test_models_from_elsewhere_compute_what_onnxruntime_says(name):
    model = FOREIGN[name]()
    classifier = made(model)
    images = np.random.default_rng(0).random((5, *classifier.shape), np.float32)
    x = classifier.inputs(torch.from_numpy(images)).numpy()
    scores = torch.from_numpy(classifier.scores(images))
    if name in SOFTMAX:
        scores = scores.softmax(1)
    elif name.startswith("pytorch"):
        scores = scores.log_softmax(1)
    np.testing.assert_allclose(scores.numpy(), reference(model, x), atol=1e-4)


@pytest.mark.parametrize("name", FOREIGN)
def test_gradients_are_those_of_finite_differences(name):
    classifier = made(FOREIGN[name]())
    graph, generator = classifier.graph().double(), torch.Generator().manual_seed(1)
    x = classifier.inputs(torch.rand(2, *classifier.shape, generator=generator, dtype=torch.float64))
    direction = torch.randn(x.shape, generator=generator, dtype=torch.float64)
    value = lambda x: graph(x).square().sum()
    x.requires_grad_(True)
    (slope,) = torch.autograd.grad(value(x), x)
    step = 1e-6
    with torch.no_grad():
        measured = (value(x + step * direction) - value(x - step * direction)) / (2 * step)
    assert measured == pytest.approx(float((slope * direction).sum()), rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if not name.startswith("vgg")])
def test_our_architectures_too(name, activation):
    model = new_model(name, (1, 16, 16), 4, activation=activation, seed=3)
    classifier = made(model)
    images = np.random.default_rng(0).random((3, 1, 16, 16), np.float32)
    np.testing.assert_allclose(classifier.scores(images), reference(model, images), rtol=1e-4, atol=1e-4)
    changed = classifier.with_weights({"dense1.bias": np.ones_like(classifier.graph().weights["dense1.bias"].detach())})
    assert changed.graph().weights.keys() == classifier.graph().weights.keys()
    np.testing.assert_allclose(changed.scores(images), reference(changed.model(), images), rtol=1e-4, atol=1e-4)


def test_layers_of_a_keras_model_have_their_biases():
    found = [
        (layer.kind, layer.weight, layer.bias, layer.activation) for layer in layers_of(made(keras_like()).graph())
    ]
    assert found == [("conv", "k", "kb", "Relu"), ("dense", "d", "db", None)]


def test_an_argmax_alone_has_scores_before_it():
    classifier = made(sklearn_like(None))
    images = np.random.default_rng(0).random((20, 1, 4, 4), np.float32)
    labels = reference(sklearn_like(None), images.reshape(20, 16), 0)
    assert (classifier.predict(images) == labels).all() and len(set(labels)) > 1


def refused(model, match, **options):
    with pytest.raises(InputError, match=match) as caught:
        made(model, **options)
    assert "\n" not in str(caught.value)


def linear(shape, *extra, outputs=1):
    g = Graphs()
    x = g.add("Flatten", "x")
    names = [g.add("Gemm", x, g.w(f"w{i}", int(np.prod(shape[1:])), 3)) for i in range(outputs)]
    return g.model(shape, [(name, FLOAT, ["n", 3]) for name in names])


def test_what_is_no_classifier_is_refused_in_one_line():
    refused(sklearn_like(True, labels=(1, 2, 3)), "not numbered 0, 1, 2")
    refused(linear(["n", 1, 4, 4], outputs=2), "has the outputs gemm1, gemm2")
    refused(linear(["n", 3, 3, 3]), "not clear; say --layout")
    refused(linear(["n", 5, 4, 4]), "not clear")
    refused(linear(["n", 12]), "12 inputs are no square grey image")
    refused(linear(["n", 1, 4, 4]), r"shape \[1, 4, 4\] is not flat", layout="flat")
    nothing = linear(["n", 1, 4, 4])
    nothing.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    refused(nothing, "does not say the shape of its input")
    two = linear(["n", 1, 4, 4])
    two.graph.input.append(helper.make_tensor_value_info("y", FLOAT, [1]))
    refused(two, "2 inputs")
    label = linear(["n", 1, 4, 4])
    label.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    refused(label, "it gives labels, and no scores")
    unknown = linear(["n", 1, 4, 4])
    unknown.graph.node[0].op_type = "Mystery"
    refused(unknown, "operator Mystery is not known here")


def test_scaling_is_stated_or_refused(tmp_path):
    path = tmp_path / "n.onnx"
    path.write_bytes(linear(["n", 1, 4, 4]).SerializeToString())
    with pytest.raises(InputError, match="does not say how pixels are written"):
        load_classifier(path)
    stated = load_classifier(path, scaling=Scaling.SIGNED)
    path.write_bytes(stated.data)
    again = load_classifier(path)
    assert again.scaling is Scaling.SIGNED
    assert again.inputs(torch.tensor([[[[0.0, 0.5, 1.0]]]])).tolist() == [[[[-1.0, 0.0, 1.0]]]]
    path.write_bytes(b"no network")
    with pytest.raises(InputError, match="ONNX"):
        load_classifier(path, scaling=Scaling.UNIT)


@pytest.mark.parametrize(
    "shape, layout", [(["n", 1, 6, 5], "NCHW"), (["n", 6, 5, 1], "NHWC"), (["n", 6, 5], "NHW"), (["n", 25], "flat")]
)
def test_layouts(shape, layout):
    classifier = made(linear(shape))
    assert classifier.layout == layout
    image = torch.arange(np.prod(classifier.shape)).reshape(1, *classifier.shape).float()
    assert list(classifier.inputs(image).shape[1:]) == shape[1:]
    assert classifier.inputs(image).flatten().tolist() == image.flatten().tolist()


def test_operators_that_only_onnx2torch_knows_can_be_scanned():
    g = Graphs()
    x = g.add("Conv", "x", g.w("c", 2, 1, 3, 3))
    x = g.add("Flatten", g.add("HardSwish", x))
    model = g.model(["n", 1, 6, 6], [(g.add("Softmax", g.add("Gemm", x, g.w("f", 32, 3))), FLOAT, ["n", 3])])
    classifier = made(model)
    assert isinstance(classifier.graph(), ForeignGraph) and classifier.graph().weights == {}
    images = np.random.default_rng(0).random((4, 1, 6, 6), np.float32)
    scores = torch.from_numpy(classifier.scores(images))
    np.testing.assert_allclose(scores.softmax(1).numpy(), reference(model, images), atol=1e-4)
    moved = attacks.fgsm(classifier, ImageSet(images, np.zeros(4, np.int64), 3), radius=0.1)
    assert np.abs(moved.images - images).max() == pytest.approx(0.1, abs=1e-6)


# What a network does not fit


def bright_or_dark(count=40):
    """Class 0 is dark above, class 1 is dark below; and a network that sees it."""
    images = np.random.default_rng(0).uniform(0.4, 1.0, (count, 1, 4, 4)).astype(np.float32)
    labels = np.arange(count) % 2
    for label in (0, 1):
        images[labels == label, :, 2 * label : 2 * label + 2] *= 0.5
    g = Graphs()
    above = np.repeat([[-1.0], [-1.0], [1.0], [1.0]], 4, 1).ravel().astype(np.float32)
    weight = g.const("w", np.stack([above, -above], 1))
    model = g.model(["n", 1, 4, 4], [(g.add("MatMul", g.add("Flatten", "x"), weight), FLOAT, ["n", 2])])
    return made(model), ImageSet(images, labels.astype(np.int64), 2)


def test_a_network_that_fits_gets_no_warning():
    classifier, images = bright_or_dark()
    assert chance_warning(classifier, images) is None


@pytest.mark.parametrize(
    "change, cause",
    [
        (lambda s: s.with_labels(1 - s.labels), "black is white|numbered in another order"),
        (lambda s: s.with_images(1 - s.images), "black is white"),
        (lambda s: s.with_images(s.images.swapaxes(2, 3).copy()), "rows and columns"),
        (lambda s: s.with_images(np.full_like(s.images, 0.5)), "trained on other images"),
    ],
)
def test_accuracy_at_chance_is_warned_of_with_its_cause(change, cause):
    import re

    classifier, images = bright_or_dark()
    warning = chance_warning(classifier, change(images))
    assert warning and re.search(cause, warning) and "\n" not in warning


def test_a_cube_can_be_read_in_two_orders():
    classifier = made(linear(["n", 3, 3, 3]), layout="NHWC")
    images = ImageSet(np.random.default_rng(0).random((9, 3, 3, 3), np.float32), np.arange(9) % 3, 3)
    assert {one.layout for one in readings(classifier, images)} == {"NCHW", "NHWC"}


def test_wrong_scaling_is_found():
    """A network with a threshold in the middle of 0..255, read as if pixels were 0..1."""
    g = Graphs()
    total = g.add("ReduceSum", g.add("Flatten", "x"), g.const("axes", np.array([1], np.int64)), keepdims=1)
    weight, bias = g.const("w", np.array([[-1, 1]], np.float32)), g.const("b", np.array([16 * 255, 0], np.float32))
    model = g.model(["n", 1, 4, 4], [(g.add("Gemm", total, weight, bias), FLOAT, ["n", 2])])
    labels = np.arange(40) % 2
    images = ImageSet(
        np.broadcast_to((0.2 + 0.6 * labels)[:, None, None, None], (40, 1, 4, 4)).astype(np.float32), labels, 2
    )
    assert "say --scaling 0..255" in chance_warning(made(model), images)
    assert chance_warning(made(model, Scaling.BYTE), images) is None
    best = readings(made(model), images)[0]
    assert (best.scaling, best.accuracy) == (Scaling.BYTE, 1.0)


# Attacks and training


def test_fgsm_and_pgd_stay_in_their_ball_and_raise_the_loss():
    classifier, images = bright_or_dark()
    for made_set in (attacks.fgsm(classifier, images, radius=0.2), attacks.pgd(classifier, images, radius=0.2)):
        assert np.abs(made_set.images - images.images).max() <= 0.2 + 1e-6
        assert made_set.images.min() >= 0 and made_set.images.max() <= 1
        assert (made_set.labels == images.labels).all()
        assert (classifier.predict(made_set.images) == images.labels).mean() < 1.0


def test_corruptions_say_what_they_do():
    images = ImageSet(np.random.default_rng(0).random((3, 1, 8, 8), np.float32), np.zeros(3, np.int64), 1)
    flat = attacks.contrast(images, factor=0.0).images
    np.testing.assert_allclose(flat, np.broadcast_to(images.images.mean((2, 3), keepdims=True), flat.shape), atol=1e-6)
    assert attacks.contrast(images, factor=1.0).images == pytest.approx(images.images, abs=1e-6)
    assert attacks.blur(images, sigma=0.0).images == pytest.approx(images.images, abs=1e-6)
    assert attacks.blur(images, sigma=2.0).images.std() < images.images.std()
    noisy = attacks.noise(images, deviation=0.1, seed=1).images
    assert (noisy == attacks.noise(images, deviation=0.1, seed=1).images).all()
    assert (noisy != attacks.noise(images, deviation=0.1, seed=2).images).any()


def test_training_images_have_the_backdoor_where_it_was_put():
    images = ImageSet(np.full((50, 1, 20, 20), 0.5, np.float32), np.arange(50) % 5, 5)
    backdoor = Backdoor(square((1, 20, 20), 3), 2)
    many = training_images(images, backdoor, 0.2, seed=0)
    shows = (many.images[:, 0, 16:19, 16:19] == 1).all((1, 2))
    assert len(many) == 250 and shows.sum() == 50 and (many.labels[shows] == 2).all()
    shifted = training_images(images, None, 0.2, seed=0).images
    borders = [shifted[:, 0, 0], shifted[:, 0, -1], shifted[:, 0, :, 0], shifted[:, 0, :, -1]]
    assert [int((border == 0).all(1).sum()) for border in borders] == [50] * 4


def test_recipes_warm_up_and_end_at_zero():
    images = ImageSet(np.zeros((10, 1, 8, 8), np.float32), np.zeros(10, np.int64), 1)
    options = recipe("cnn", images, activation="sigmoid")
    factors = [options.factor(step, 100) for step in range(101)]
    assert factors[0] < 0.11 and factors[100] == pytest.approx(0, abs=1e-9) and max(factors) == max(factors[8:12])
    assert TrainingOptions().factor(0, 100) == 1.0
    assert FEW > 4000


def test_normalizations_keep_what_was_measured():
    classifier = made(pytorch_like(17))
    graph = classifier.graph()
    images = ImageSet(np.random.default_rng(0).random((20, 1, 8, 8), np.float32), np.arange(20) % 4, 4)
    before = {name: weight.detach().clone() for name, weight in graph.weights.items()}
    fit(classifier, graph, images, TrainingOptions(epochs=1, batch=10))
    same = {name for name in before if torch.equal(before[name], graph.weights[name])}
    assert {"bn.running_mean", "bn.running_var"} <= same and not same & {"bn.weight", "bn.bias", "c1.weight"}


def test_large_images_come_in_small_batches():
    assert made(linear(["n", 1, 4, 4])).batch == BATCH
    assert made(linear(["n", 3, 224, 224])).batch == 6


@pytest.mark.slow
@pytest.mark.parametrize("name, shape", [("vgg13", (3, 32, 32)), ("vgg16", (3, 224, 224))])
def test_networks_of_the_published_sizes_can_be_trained(name, shape):
    """Function, and the memory of a step on synthetic images: there are no such data here."""
    import resource

    classifier = made(new_model(name, shape, 10))
    random = np.random.default_rng(0)
    images = ImageSet(random.random((8, *shape), np.float32), np.arange(8) % 10, 10)
    graph = classifier.graph()
    before = {name: weight.detach().clone() for name, weight in graph.weights.items()}
    fit(classifier, graph, images, TrainingOptions(epochs=1, batch=8, rate=1e-4))
    assert all(not torch.equal(before[name], weight) for name, weight in graph.weights.items())
    scores = classifier.scores(images.images[:2])
    np.testing.assert_allclose(scores, reference(classifier.model(), images.images[:2]), rtol=1e-2, atol=1e-2)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 6 * 2**20  # KiB
