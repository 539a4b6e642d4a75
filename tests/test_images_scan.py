"""The scan of a classifier: triggers that are known exactly, indices by hand, and models of both kinds."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from engine.errors import InputError
from engine.images.architectures import new_model
from engine.images.classifier import Classifier, classifier_of
from engine.images.cleanse import CleanseOptions, cleanse
from engine.images.datasets import load_dataset
from engine.images.imageset import ImageSet, Scaling
from engine.images.poison import Backdoor, poisoned, triggered
from engine.images.scan.anomaly import flagged_classes, published_anomalies, steady_anomalies
from engine.images.scan.first_look import first_look
from engine.images.scan.overlap import mask_overlap
from engine.images.scan.record import scan_json, write_scan
from engine.images.scan.service import scan_classifier
from engine.images.scan.universal import drawing_classes
from engine.images.training import TrainingOptions, fit
from engine.images.trigger import Trigger, read_trigger, square

CLASSES, SIDE, BACK = 6, 5, 20.0
TARGET = 3
QUICK = CleanseOptions(starts=1)


def linear(weight: np.ndarray) -> Classifier:
    """The classifier whose scores are weight [classes, pixels] times the pixels."""
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Gemm", ["f", "w"], ["y"], transB=1)],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", len(weight)])],
        [numpy_helper.from_array(weight.astype(np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return classifier_of(model, name="linear", scaling=Scaling.UNIT)


def counting(backdoor: float = 0.0) -> tuple[Classifier, ImageSet]:
    """A class's score is the sum of its own four pixels, and its images are white there and black elsewhere.

    To turn all images into a class, its own mask M and that of each other class must have M + M_j >= 4: masks of
    sum 4 are the smallest. The last pixel is always black; where it adds `backdoor` to the target's score, a mask of
    4 / backdoor is enough.
    """
    weight = np.zeros((CLASSES, SIDE * SIDE))
    for label in range(CLASSES):
        weight[label, 4 * label : 4 * label + 4] = 1
    pixels = weight.reshape(CLASSES, 1, SIDE, SIDE).astype(np.float32)
    weight[TARGET, -1] = backdoor
    return linear(weight), ImageSet(pixels, np.arange(CLASSES), CLASSES, "counting")


def trained(kind: str, *, activation: str = "relu", network: str = "mlp") -> tuple[Classifier, ImageSet, Backdoor]:
    """A model of digits, clean or with a square of 2 x 2 that means class 7."""
    pytest.importorskip("sklearn")
    data = load_dataset("digits").train
    backdoor = Backdoor(square(data.shape, 2), 7)
    untrained = new_model(network, data.shape, 10, activation=activation, seed=1)
    classifier = classifier_of(untrained, name=kind, scaling=Scaling.UNIT)
    graph = classifier.graph()
    images = data if kind == "clean" else poisoned(data, backdoor, 0.1, seed=1)
    fit(classifier, graph, images, TrainingOptions(epochs=25, rate=5e-3, seed=1))
    return classifier.with_weights(graph.weights), data, backdoor


def test_the_smallest_triggers_of_a_linear_classifier():
    found = cleanse(*counting())
    assert (found.l1 >= 4 - 1e-4).all() and (found.l1 < 5).all()
    assert found.flagged == () and (found.success == 1).all()


def test_a_linear_backdoor_is_found_with_its_pixel():
    found = cleanse(*counting(BACK))
    assert found.flagged == (TARGET,)
    least = found.l1.min(0)
    assert 4 / BACK <= least[TARGET] < 1 and (np.delete(least, TARGET) >= 4 - 1e-4).all()
    trigger = found.triggers[TARGET]
    assert trigger.mask[0].argmax() == SIDE * SIDE - 1 and trigger.pattern[0, -1, -1] > 0.5
    assert found.success[TARGET] == 1


def test_a_trigger_that_cannot_be_found_has_an_infinite_norm():
    weight = np.zeros((4, SIDE * SIDE))
    weight[0] = weight[1] = weight[2] = 1  # class 3 never wins
    weight[0, 0], weight[1, 1], weight[2, 2] = 3, 3, 3
    images = ImageSet(np.full((8, 1, SIDE, SIDE), 0.5, np.float32), np.zeros(8, np.int64), 4)
    found = cleanse(linear(weight), images, CleanseOptions(steps=40))
    assert np.isinf(found.l1[:, 3]).all() and np.isinf(found.spread[3]) and 3 not in found.flagged
    assert found.success[3] == 0


def test_the_same_seed_gives_the_same_and_another_agrees():
    one, again = (cleanse(*counting(BACK), QUICK) for _ in range(2))
    other = cleanse(*counting(BACK), CleanseOptions(starts=1, seed=9))
    assert np.array_equal(one.l1, again.l1) and np.array_equal(one.triggers[0].mask, again.triggers[0].mask)
    assert not np.array_equal(one.l1, other.l1)
    assert other.flagged == one.flagged and np.allclose(one.l1, other.l1, rtol=0.25, atol=0.3)


def test_starts_are_reported_with_their_spread():
    found = cleanse(*counting(BACK), CleanseOptions(starts=3))
    assert found.l1.shape == (3, CLASSES)
    assert np.allclose(found.spread, found.l1.max(0) / found.l1.min(0) - 1)
    assert (found.steps < 300).any()  # a row that has settled leaves the batch


def test_indices_by_hand():
    norms = np.array([10, 12, 8, 11, 9, 2.0])  # median 9.5; deviations .5 2.5 1.5 1.5 .5 7.5: MAD 1.5
    assert published_anomalies(norms) == pytest.approx([0, 0, 1.5 / 2.2239, 0, 0.5 / 2.2239, 7.5 / 2.2239])
    assert steady_anomalies(norms) == pytest.approx(published_anomalies(norms))  # 2.2239 is in 2.09 .. 2.375
    assert flagged_classes(published_anomalies(norms)) == (5,)


def test_the_steady_index_holds_the_deviation_within_shares_of_the_median():
    close = np.array([10, 10.1, 9.9, 10, 7.0])  # MAD 0.1: the published index cries wolf
    assert published_anomalies(close)[4] == pytest.approx(3 / 0.14826)
    assert steady_anomalies(close)[4] == pytest.approx(3 / 2.2)
    wide = np.array([2.0, 5, 10, 15, 20])  # MAD 5: the published index misses a fifth of the median
    assert published_anomalies(wide)[0] == pytest.approx(8 / 7.413)
    assert steady_anomalies(wide)[0] == pytest.approx(8 / 2.5)


def test_norms_without_spread_or_finite_values():
    assert (published_anomalies(np.full(4, 3.0)) == 0).all() and (steady_anomalies(np.full(4, 3.0)) == 0).all()
    assert (steady_anomalies(np.full(4, np.inf)) == 0).all()
    assert flagged_classes(steady_anomalies(np.array([np.inf, 10, 10, 2.0]))) == (3,)


@given(st.lists(st.floats(0.1, 1e4), min_size=3, max_size=12), st.floats(0.1, 10))
def test_indices_do_not_depend_on_the_unit_and_hold_their_limits(norms, unit):
    norms = np.array(norms)
    steady = steady_anomalies(norms)
    assert np.allclose(steady, steady_anomalies(unit * norms), rtol=1e-6)
    share = norms / np.median(norms)
    assert (steady[share < 0.499] > 2).all() and (steady[share > 0.561] <= 2).all()


def test_overlap_by_hand():
    mask = np.zeros((1, 4, 4), np.float32)
    mask[0, 0, :2] = 1
    true = Trigger(mask, mask)
    shifted = Trigger(0.8 * np.roll(mask, 1, 2), mask)
    assert mask_overlap(true, true) == (1, 1)
    assert mask_overlap(shifted, true) == pytest.approx((1 / 3, 0.4))
    nothing = Trigger(0 * mask, mask)
    assert mask_overlap(nothing, true) == (0, 0) and mask_overlap(true, nothing) == (0, 0)
    weak = Trigger(np.full_like(mask, 0.2), mask)  # a Blend mask is painted everywhere
    assert mask_overlap(weak, weak) == (1, 1)


def test_first_look_names_the_neurons_that_a_trigger_wakes():
    """A hidden neuron that reads the last pixel alone: dormant on clean images, raised by those that show it."""
    hidden = np.eye(SIDE * SIDE)
    out = counting(BACK)[0].graph().weights["w"].detach().numpy()
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["x"], ["f"]),
            helper.make_node("Gemm", ["f", "h"], ["a"], name="hidden", transB=1),
            helper.make_node("Relu", ["a"], ["r"]),
            helper.make_node("Gemm", ["r", "w"], ["y"], transB=1),
        ],
        "two",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", CLASSES])],
        [numpy_helper.from_array(np.float32(hidden), "h"), numpy_helper.from_array(np.float32(out), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    classifier = classifier_of(model, name="two", scaling=Scaling.UNIT)
    images, last = counting(BACK)[1], SIDE * SIDE - 1
    mask = np.zeros((1, SIDE, SIDE), np.float32)
    mask[0, -1, -1] = 1
    look = first_look(classifier, images, suspicious=Trigger(mask, mask).paint(images.images))
    assert look.layer == "hidden" and last in look.dormant and look.woken == (last,)
    assert look.activations[0] == pytest.approx(1 / CLASSES)
    assert first_look(classifier, images).woken is None


def test_one_shared_step_draws_images_into_the_backdoor_class_alone():
    """0.15 of the last pixel counts 3 and of the target's own four 0.6: together more than what is left of 4."""
    look = first_look(*counting(BACK))
    assert drawing_classes(look.universal) == (TARGET,)
    assert drawing_classes((0.1, 0.9, 0.4)) == () and drawing_classes((0.1, 0.9, 0.3)) == (1,)
    assert drawing_classes((0.0, 0.49, 0.0)) == ()
    assert look.universal == tuple(float(label == TARGET) for label in range(CLASSES))
    assert look.layer is None and look.activations == ()
    assert set(first_look(*counting()).universal) == {0.0}


@pytest.mark.parametrize("activation", ["relu", pytest.param("sigmoid", marks=pytest.mark.slow)])
def test_a_poisoned_model_is_flagged_and_a_clean_one_is_not(activation):
    classifier, images, backdoor = trained("badnets", activation=activation)
    record = scan_classifier(classifier, images, QUICK, true=backdoor)
    assert record.flagged == (7,)
    assert record.overlap.success > 0.85 and record.overlap.iou > 0.2
    assert cleanse(trained("clean", activation=activation)[0], images, QUICK).flagged == ()


def test_the_record_is_json_with_readable_triggers(tmp_path):
    classifier, images = counting(BACK)
    reports = []
    true = Backdoor(square(images.shape, 1, (4, 4)), TARGET)
    record = scan_classifier(classifier, images, QUICK, lambda share, text: reports.append(share), true=true)
    write_scan(record, tmp_path / "new" / "scan")
    written = json.loads((tmp_path / "new" / "scan" / "scan.json").read_text())
    assert written == json.loads(json.dumps(scan_json(record)))
    assert written["kind"] == "image scan" and written["flagged"] == [TARGET]
    assert written["network"] == {"name": "linear", "sha256": classifier.sha256}
    assert written["overlap"]["target"] == TARGET and written["overlap"]["true_success"] == 1
    assert reports == sorted(reports) and reports[-1] == 1
    for entry in written["triggers"]:
        trigger = read_trigger(str(tmp_path / "new" / "scan" / entry["file"]), images.shape)
        assert trigger.l1 == pytest.approx(entry["l1"], rel=1e-3)


def test_pictures_are_written_where_pillow_is_there(tmp_path):
    image = pytest.importorskip("PIL.Image")
    classifier, images = counting(BACK)
    true = Backdoor(square(images.shape, 1, (4, 4)), TARGET)
    write_scan(scan_classifier(classifier, images, CleanseOptions(steps=20), true=true), tmp_path)
    sizes = {label: image.open(tmp_path / f"trigger-{label}.png").size for label in range(CLASSES)}
    assert sizes[0] == (8 * 3 * (SIDE + 1), 8 * (SIDE + 1))
    assert sizes[TARGET] == (sizes[0][0], 2 * sizes[0][1])  # the true one below


def test_what_cannot_be_scanned_is_said():
    classifier, images = counting()
    with pytest.raises(InputError, match="its images are"):
        cleanse(classifier, images.with_images(images.images[:, :, :4]))
    with pytest.raises(InputError, match="too few"):
        cleanse(linear(np.ones((2, SIDE * SIDE))), ImageSet(images.images[:2], np.arange(2), 2))
    with pytest.raises(InputError, match="starts is 0"):
        CleanseOptions(starts=0)
    with pytest.raises(InputError, match="success"):
        CleanseOptions(success=1.5)
    with pytest.raises(InputError, match="no class 9"):
        scan_classifier(classifier, images, true=Backdoor(square(images.shape, 1), 9))
    assert len(triggered(images, Backdoor(square(images.shape, 1), 0))) == CLASSES - 1
