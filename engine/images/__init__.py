"""Image classifiers: data, models, attacks on them, and the search for and repair of backdoors.

imageset.py      labelled images, and the values that a network expects of them
readers.py       IDX, CSV, PNG folders and .npz -> ImageSet
datasets.py      named sets: where they lie, their checksums
trigger.py       what a backdoor paints into an image
architectures.py ONNX models with random weights, in the shapes of the published work
graph.py         an ONNX model as a differentiable torch module, weight by weight under its own name
lines.py         linear bounds in one variable; relaxation.py: of what a graph computes
classifier.py    an ONNX classifier: execution, scaling, changed weights
training.py      weights fitted to images
attacks.py       poisoned, adversarial and corrupted images
measure.py       accuracy, attack success, confusion
"""
