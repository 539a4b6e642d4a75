"""The second checker's endings: section 3 of docs/certificate-format.md; uses no engine."""

import math

from second_checker_file import names
from second_checker_layers import must

ENDINGS = "Softmax", "LogSoftmax"
MOVES = "Identity", "Dropout", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Cast"


def must_be_one_distribution(shape, options, opset):
    """Whether a Softmax or LogSoftmax with these attributes makes one of all elements."""
    must(set(options) <= {"axis"}, ValueError)
    axis = options.get("axis", -1 if opset >= 13 else 1)
    must(-len(shape) * (opset >= 11) <= axis < len(shape), ValueError)
    axis %= len(shape)
    has_all = shape[axis : axis + 1] if opset >= 13 else shape[axis:]
    must(math.prod(has_all) == math.prod(shape), ValueError)


def must_be_about_scores(net, cases):
    """All rows of the cases' polytopes; else the certificate is rejected."""
    must(all(is_about_scores(net, row) for case in cases for polytope in case.unsafe for row in polytope))


def is_about_scores(net, row):
    """Whether the row says the same of what the files give, as of scores."""
    named, outputs = {name for name, a in row.form.items() if a}, names("Y", net.outputs)
    for block in net.blocks:
        own, outputs = named & set(outputs[: block.outputs]), outputs[block.outputs :]
        if block.ending and own:
            has_more = len(own) != 2 or named != own or row.constant
            if sum(row.form[name] for name in own) or block.ending == "Softmax" and has_more:
                return False
    return True
