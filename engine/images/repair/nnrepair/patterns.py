"""Activation patterns: which neurons of a layer are on and off where a network classifies rightly.

A decision tree over the neurons' on/off signatures separates the classes; the path to a leaf in which one class alone
is found is a pattern of that class. It serves as the oracle of the layer, which has no labels of its own (Gopinath et
al., ASE 2019, as used by NNrepair, CAV 2021).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from engine.errors import InputError
from engine.images.imageset import Integers

MIN_SUPPORT = 5  # images of a leaf whose path is believed
Signatures = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class Pattern:
    """Neurons that are on (True) or off (False) in `support` images of the class, and so in no image of another."""

    label: int
    neurons: Mapping[int, bool]
    support: int

    def unmet(self, signatures: Signatures) -> Signatures:
        """True where a neuron of the pattern is not as it says: [n, neurons of the pattern], in its order."""
        found: Signatures = signatures[:, list(self.neurons)] != np.array(list(self.neurons.values()), bool)
        return found


def patterns_of(signatures: Signatures, labels: Integers, *, trees: int = 1, seed: int = 0) -> dict[int, Pattern]:
    """The pattern with the most support of each class that has one.

    signatures: [n, neurons], True where a neuron is on; labels: [n]. trees: each is grown without the neurons of
    those before it, and a class's pattern joins those that the trees have for it. InputError without scikit-learn.
    """
    found: dict[int, Pattern] = {}
    free = signatures.copy()
    for _ in range(trees):
        fresh = _patterns_of_tree(free, labels, seed)
        for label, pattern in fresh.items():
            known = found.get(label)
            if known is not None:
                joint = {**known.neurons, **pattern.neurons}
                follows = ~Pattern(label, joint, 0).unmet(signatures).any(1)
                pattern = Pattern(label, joint, int(follows.sum()))
            found[label] = pattern
        free[:, sorted({neuron for pattern in fresh.values() for neuron in pattern.neurons})] = False
    return dict(sorted(found.items()))


def _patterns_of_tree(signatures: Signatures, labels: Integers, seed: int) -> dict[int, Pattern]:
    try:
        from sklearn.tree import DecisionTreeClassifier
    except ModuleNotFoundError:
        raise InputError(
            "decision trees need scikit-learn",
            where="--layer intermediate",
            advice="pip install 'acasxu-engine[images]'",
        ) from None
    tree = DecisionTreeClassifier(random_state=seed).fit(signatures, labels).tree_
    found: dict[int, Pattern] = {}
    stack: list[tuple[int, dict[int, bool]]] = [(0, {})]
    while stack:
        node, path = stack.pop()
        if tree.children_left[node] < 0:
            pattern = _leaf(signatures, labels, path)
            known = None if pattern is None else found.get(pattern.label)
            if pattern and pattern.support >= (MIN_SUPPORT if known is None else known.support + 1):
                found[pattern.label] = pattern
            continue
        neuron = int(tree.feature[node])
        stack.append((int(tree.children_left[node]), path | {neuron: False}))
        stack.append((int(tree.children_right[node]), path | {neuron: True}))
    return found


def _leaf(signatures: Signatures, labels: Integers, path: dict[int, bool]) -> Pattern | None:
    """The path as a pattern, where the images that follow it are of one class."""
    follows = (signatures[:, list(path)] == np.array(list(path.values()), bool)).all(1)
    classes = np.unique(labels[follows])
    return Pattern(int(classes[0]), path, int(follows.sum())) if len(classes) == 1 else None
