"""Image classifiers: data, models, attacks on them, and the search for and repair of backdoors.

imageset.py      labelled images, and the values that a network expects of them
readers.py       IDX, CSV, PNG folders and .npz -> ImageSet; each format in formats/
published.py     Fashion-MNIST and MNIST-5k: checksums, and where they are fetched from
datasets.py      named sets: where they lie, and their parts
trigger.py       what a backdoor paints into an image
architectures.py ONNX models with random weights, in the shapes of the published work
graph.py         an ONNX model as a differentiable torch module, weight by weight under its own name
lines.py         linear bounds in one variable; relaxation.py: of what a graph computes
classifier.py    an ONNX classifier: execution, scaling, changed weights
training.py      weights fitted to images
recipes.py       how each architecture is trained, so that it also learns a backdoor
attacks.py       poisoned, adversarial and corrupted images
neighbours.py    the same trigger elsewhere, larger, in another grey
guard.py         a deployed classifier beside its repair: where they differ, an image is flagged
detection.py     how well a guard tells images with a trigger from clean ones
unlabelled.py    files of images that need no labels
measure.py       accuracy, attack success, confusion
fit_check.py     whether a network reads these images as it was made to
"""
