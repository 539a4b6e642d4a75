"""A point where two networks differ much, by samples and descent: it refutes every eps below its difference."""

import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import torch

from engine.attack import descend, sample
from engine.bounds.blocks import AnyStack, make_stack
from engine.bounds.roots import Roots, make_roots
from engine.comparison.asking import NAME, Answer, Asked, posed
from engine.comparison.questions import Equivalent
from engine.joining import Question
from engine.search.confirm import Confirmer
from engine.search.problem import Options
from engine.verdict import Statistics, Violated

SAMPLES, STARTS, STEPS = 1 << 14, 256, 60  # of all boxes together; of each start
DECAY = 0.92  # of a step's length, from a tenth of the box
CLOSE = Fraction(99, 100)  # of the difference found: what is asked for, so that rounding decides nothing


def seek(asked: Asked, options: Options, *, path: Path = NAME) -> Answer | None:
    """The answer to the equivalence whose eps is just below the largest difference found; None where none is found.

    Its counterexample is unsafe in exact arithmetic and as executed.
    """
    start = time.monotonic()
    _, question = posed(asked, path)
    root, point = _farthest(question, options.seed)
    y = question.joint.evaluate(point.numpy())
    n = question.networks[0].n_outputs
    largest = Fraction(float(abs(y[n:] - y[:n]).max())) * CLOSE
    eps = Fraction(f"{float(largest):.3g}")
    if not eps:
        return None
    asked = replace(asked, statement=Equivalent(eps))
    text, question = posed(asked, path)
    found = Confirmer(question.joint, question.query.property.cases[root]).counterexample(point.numpy())
    if found is None or not found.stands:
        return None
    statistics = Statistics(0, time.monotonic() - start, "cpu")
    return Answer(asked, text, question, Violated(found, question.semantics, statistics))


def _farthest(question: Question, seed: int) -> tuple[int, torch.Tensor]:
    """The number of a case, and the point [inputs] of it where outputs differ most, of those that were tried."""
    cases = list(question.query.property.cases)
    stack = make_stack([question.joint], device="cpu", semantics="real")
    with torch.no_grad():
        roots = make_roots(stack, [0] * len(cases), cases)
        root, x, value = _tried(stack, roots, len(cases), torch.Generator().manual_seed(seed))
    best = int(value.argmin())
    return int(root[best]), x[best]


def _tried(
    stack: AnyStack, roots: Roots, n: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The ends of descents from the best samples: their roots, the points, and how far they are from refuting."""
    root = torch.arange(n).repeat_interleave(max(1, SAMPLES // n))
    x = sample(roots, root, generator)
    _, value = descend(stack, roots, root, x, torch.zeros_like(x), steps=0)
    best = value.topk(min(STARTS, len(value)), largest=False).indices.sort().values
    root, x = root[best], x[best]
    width = (roots.upper - roots.lower)[root] * 0.1
    return root, *descend(stack, roots, root, x, width, steps=STEPS, decay=DECAY)
