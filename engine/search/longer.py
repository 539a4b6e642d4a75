"""Bounds that are optimized longer, on boxes where nothing else helps."""

from engine.bounds.slopes import Bound, Targets, ascend, bound_targets
from engine.search.batch import Batch
from engine.search.branching import many_inputs
from engine.search.costs import line_costs

STEPS, DECAY = 200, 0.98  # of boxes that lack little; 60 steps leave many of them open


def optimized_longer(batch: Batch, targets: Targets, found: Bound) -> Bound:
    """The bounds, or better ones after many more steps: of boxes with many inputs that lack more than all lines
    together cost that a sign could still replace.

    What is lost there is lost by the optimization, and to fix more signs would not win it back: every box below would
    stay open until all its signs are fixed.
    """
    stack, boxes = batch.stack, batch.boxes
    near = ((found.lower <= 0) & many_inputs(batch.nodes)[targets.box]).nonzero()[:, 0]
    if not len(near):
        return found
    some, free = targets.select(near), found.multipliers.select(near)
    _, chains = bound_targets(stack, boxes, batch.lines, some, free)
    cost = line_costs(stack, chains, free, boxes.l[some.box], boxes.u[some.box]).clamp(min=0).sum(1)
    lost = near[cost < -found.lower[near]]
    if not len(lost):
        return found
    some, free = targets.select(lost), found.multipliers.select(lost)
    return found.improved(lost, ascend(stack, boxes, batch.lines, some, free, steps=STEPS, decay=DECAY))
