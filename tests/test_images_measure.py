"""Figures of classifiers, against counts by hand; painters and neighbours keep images valid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_models import corner_backdoor, halves, linear_backdoor

from engine.images.measure import accuracy, attack_success, confusion, right
from engine.images.neighbours import neighbours
from engine.images.painters import anything_painter, exact_painter, shifted, varied_painter
from engine.images.trigger import blend, square

SHAPES = st.sampled_from([(1, 8, 8), (3, 12, 10)])


def test_figures_by_hand():
    classifier, images = linear_backdoor(), halves(10)
    wrong = images.with_labels(np.array([0, 1, 0, 1, 0, 1, 0, 1, 1, 0], np.int64))
    assert right(classifier, wrong).tolist() == [True] * 8 + [False] * 2
    assert accuracy(classifier, wrong) == 0.8
    assert confusion(classifier, wrong).tolist() == [[4, 1], [1, 4]]
    assert attack_success(classifier, images, corner_backdoor()) == 1


def triggers(shape):
    return [square(shape, 2), square(shape, 3, (0, 0)), square(shape, 1, (2, 2)), blend(shape, strength=0.3)]


@settings(max_examples=20, deadline=None)
@given(SHAPES, st.integers(0, 2**16), st.integers(0, 3))
def test_what_is_painted_is_an_image(shape, seed, which):
    """Finite, in 0 to 1, of the same shape and type; the images given are left as they were."""
    images = np.random.default_rng(seed).random((6, *shape), np.float32)
    before, trigger = images.copy(), triggers(shape)[which]
    for paint in (varied_painter(trigger), exact_painter(trigger), anything_painter(), shifted):
        found = paint(images, np.random.default_rng(seed))
        assert found.shape == images.shape and found.dtype == np.float32
        assert found.min() >= 0 and found.max() <= 1 and np.isfinite(found).all()
        assert np.array_equal(found, paint(images, np.random.default_rng(seed)))
    assert np.array_equal(images, before)


@settings(max_examples=20, deadline=None)
@given(SHAPES, st.integers(1, 4), st.integers(0, 6), st.integers(0, 6))
def test_neighbours_of_squares_are_whole_squares(shape, size, row, column):
    if row + size > shape[1] or column + size > shape[2]:
        return
    for trigger in neighbours(square(shape, size, (row, column))):
        assert trigger.mask.sum() == shape[0] * round((trigger.mask.sum() / shape[0]) ** 0.5) ** 2


def test_variations_contain_the_trigger_itself():
    trigger, images = square((1, 8, 8), 2), np.zeros((200, 1, 8, 8), np.float32)
    found = varied_painter(trigger)(images, np.random.default_rng(0))
    same = (found == trigger.paint(images)).all((1, 2, 3)).mean()
    assert same == pytest.approx(0.25, abs=0.1)
