"""Bounds of two blocks that are nearly the same: those of their neurons' differences are carried along.

In each stage, which is a layer with a ReLU in either block, d = z_g - z_f is bounded by the rows z_g - z_f and
z_f - z_g over both. Where |d| is less than the chords lose in f and in g, the output of g is taken as that of f and
the difference of both, which lies between min(0, d) and max(0, d): docs/certificate-format.md, section 11. Of a row
that subtracts f from g, what the lines of f lose cancels thereby. Paulsen, Wang and Wang carry differences along, too,
by forward intervals and symbols (ReluDiff, ICSE 2020).
"""

from collections.abc import Sequence
from functools import partial

import torch

from engine.bounds.blocks import Group, JointStack
from engine.bounds.crown import Boxes, chunks, concretize, is_open, noise_of, rows_at_once, tighten_layer
from engine.bounds.descent import Descent
from engine.bounds.interval import magnitudes
from engine.bounds.relaxation import (
    Lines,
    coupled_lines,
    difference_lines,
    identity_lines,
    relu_lines,
    round_down,
    round_up,
)

#: Lower lines have slope 1 where u > -RATIO l. With 1, which is best for one neuron by itself, questions 1, 5 and 12 of
#: benchmarks/two_networks.py took two to five times as many boxes; with 1.5 or 3, questions 5, 17 and 30 took up to 1.7
#: times.
RATIO = 2.0
#: Neurons are coupled for no smaller a gain than this share of their ranges: a checker, which allows for rounding a
#: little otherwise, is to decide likewise.
SHARE = 2.0**-20


def relax(lines: Sequence[Lines], rows: Sequence[torch.Tensor]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The rows that the lines of one step meet, and what they make of them: rows over z, nowhere larger.

    rows: [sides, n, neurons + 1] over the outputs h of each layer of the step. Where neurons are coupled, A h_f + B h_g
    is taken as (A + B) h_f + B (h_g - h_f).
    """
    coupled = lines[-1].coupled
    if coupled is None:
        return list(rows), [line.relax(row) for line, row in zip(lines, rows)]
    met = [torch.addcmul(rows[0], rows[1], coupled), rows[1]]
    first, second = (line.relax(row) for line, row in zip(lines, met))
    return met, [first.addcmul_(second, coupled, value=-1), second]


def image(lines: Sequence[Lines], rows: Sequence[torch.Tensor], z: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The values of h that relax() assumes at z [n, neurons] of one step; rows: [n, neurons], as the lines met them."""
    coupled = lines[-1].coupled
    if coupled is None:
        return [line.image(row, value) for line, row, value in zip(lines, rows, z)]
    coupled = coupled[:, :-1]
    first = lines[0].image(rows[0], z[0])
    second = lines[1].image(rows[1], torch.addcmul(z[1], z[0], coupled, value=-1))
    return [first, second.addcmul_(first, coupled)]


def substitute(
    group: Group,
    boxes: Sequence[Boxes],
    lines: Sequence[list[Lines]],
    rows: Sequence[torch.Tensor],
    box: torch.Tensor,
    *,
    steps: int | None = None,
) -> list[torch.Tensor]:
    """The parts over the inputs of each block, whose sum is nowhere larger than the rows' (crown.substitute).

    rows: over the outputs of each block after the first `steps` steps of the group, all of them if None.
    """
    rows = list(rows)
    network = boxes[0].network[box]
    runs = group.blocks[0].stack.segments(network)
    for step in reversed(group.steps[:steps]):
        boxes[0].deadline.check()
        _, relaxed = relax([lines[i][k].at(box) for i, k in step], [rows[i] for i, _ in step])
        for (i, k), row in zip(step, relaxed):
            rows[i] = group.blocks[i].stack.layers[k].products.before(row, network, runs)
    return rows


def tighten(stack: JointStack, group: Group, boxes: Boxes) -> list[list[Lines]]:
    """Bounds every neuron of open sign, and the differences, in place; the lines of each block's layers."""
    return _Pass(stack, group, boxes).run()


class _Pass:
    """The bounds of one batch of boxes, made from stage to stage."""

    def __init__(self, stack: JointStack, group: Group, boxes: Boxes):
        self._stack, self._group, self._boxes = stack, group, boxes
        self._stacks = [block.stack for block in group.blocks]
        self._own = [block.boxes(boxes) for block in group.blocks]
        self._runs = stack.segments(boxes.network)
        #: the largest sizes of what each block's next layer is given
        self._h = [torch.maximum(own.lower.abs(), own.upper.abs()) for own in self._own]
        self._descents = [
            Descent(f, boxes.network, own.lower, own.upper, self._runs, boxes.deadline)
            for f, own in zip(self._stacks, self._own)
        ]
        #: of each block as its rows are relaxed together with the other one's, and of the second alone
        self._lines: list[list[Lines]] = [[], []]
        self._alone: list[Lines] = []

    def run(self) -> list[list[Lines]]:
        for number, step in enumerate(self._group.steps):
            sizes = [self._magnitudes(i, k) for i, k in step]
            if len(step) == 1:
                self._pass_affine(*step[0], sizes[0])
            else:
                self._pass_stage(number, sizes)
        return self._lines

    def _magnitudes(self, i: int, k: int) -> torch.Tensor:
        return magnitudes(self._stacks[i], k, self._h[i], self._boxes.network, self._runs, self._boxes.deadline)

    def _radii(self, i: int, k: int) -> torch.Tensor | None:
        return self._stacks[i].layers[k].radii(self._boxes.network)

    def _pass_affine(self, i: int, k: int, size: torch.Tensor) -> None:
        """Passes layer k of block i, which has no ReLU."""
        noise = self._stacks[i].noise(size, self._radii(i, k))
        self._h[i] = size + noise
        for lines in (self._lines[i], self._alone)[: i + 1]:
            lines.append(identity_lines(noise))

    def _pass_stage(self, number: int, sizes: Sequence[torch.Tensor]) -> None:
        """Passes the layers with a ReLU of both blocks (section 11)."""
        (_, kf), (_, kg) = self._group.steps[number]
        f, g = self._stacks
        rho_f, rho_g = self._radii(0, kf), self._radii(1, kg)
        noise_f, noise_g = f.noise(sizes[0], rho_f), g.noise(sizes[1], rho_g)
        lf, uf, lg, ug, dl, du = self._bounds(number)
        tighten_layer(f, self._own[0], self._descents[0], self._lines[0], is_open(lf, uf), noise_f)
        tighten_layer(g, self._own[1], self._descents[1], self._alone, is_open(lg, ug), noise_g)
        self._tighten_differences(number, is_open(lf, uf) | is_open(lg, ug), noise_f + noise_g)
        _agree(lf, uf, lg, ug, dl, du)
        coupled = _coupled(lf, uf, lg, ug, dl, du)
        self._lines[0].append(relu_lines(lf, uf, partial(noise_of, f, sizes[0], rho_f), ratio=RATIO))
        self._alone.append(relu_lines(lg, ug, partial(noise_of, g, sizes[1], rho_g), ratio=RATIO))
        difference = difference_lines(dl, du, lambda intercept: noise_f + noise_of(g, sizes[1], rho_g, intercept))
        self._lines[1].append(coupled_lines(self._alone[-1], difference, coupled))
        self._h = [uf.double().clamp(min=0), ug.double().clamp(min=0)]

    def _bounds(self, number: int) -> list[torch.Tensor]:
        """Views of l and u of a stage's neurons in f and in g, and of their differences."""
        found = []
        for own, stack, (_, k) in zip(self._own, self._stacks, self._group.steps[number]):
            found += [own.l[:, stack.slices[k]], own.u[:, stack.slices[k]]]
        part = self._stacks[0].slices[self._group.steps[number][0][1]]
        for bound in (self._boxes.l, self._boxes.u):
            found.append(bound[:, self._group.differences][:, part])
        return found

    def _tighten_differences(self, number: int, chosen: torch.Tensor, noise: torch.Tensor) -> None:
        """Bounds the chosen differences [boxes, neurons] of a stage from both sides: the rows d and -d."""
        *_, dl, du = self._bounds(number)
        layers = [stack.layers[k] for stack, (_, k) in zip(self._stacks, self._group.steps[number])]
        for box, neuron in chunks(chosen, rows_at_once(self._stack)):
            first, second = (layer.products.rows(self._boxes.network[box], neuron) for layer in layers)
            rows = [torch.stack([-first, first]), torch.stack([second, -second])]
            parts = substitute(self._group, self._own, self._lines, rows, box, steps=number)
            planes = self._group.add(parts, None, self._stack.n_inputs)
            bound = concretize(self._stack, self._boxes, planes, box) - noise[box, neuron]
            dl[box, neuron] = torch.maximum(dl[box, neuron], round_down(bound[0]))
            du[box, neuron] = torch.minimum(du[box, neuron], round_up(-bound[1]))


def _agree(*bounds: torch.Tensor) -> None:
    """Tightens each of z_f, z_g and d = z_g - z_f by the bounds of the others, in place."""
    lf, uf, lg, ug, dl, du = bounds
    _raise(dl, du, lg.double() - uf.double(), ug.double() - lf.double())
    _raise(lg, ug, lf.double() + dl.double(), uf.double() + du.double())
    _raise(lf, uf, lg.double() - du.double(), ug.double() - dl.double())


def _raise(l: torch.Tensor, u: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> None:
    """l and u become at least and at most these, rounded outward."""
    torch.maximum(l, round_down(low), out=l)
    torch.minimum(u, round_up(high), out=u)


def _coupled(*bounds: torch.Tensor) -> torch.Tensor:
    """True for neurons of open sign in either block whose difference is less than their chords lose, by SHARE."""
    lf, uf, lg, ug, dl, du = (bound.double() for bound in bounds)
    limit = torch.maximum(-dl, du) + SHARE * ((uf - lf) + (ug - lg))
    return (is_open(lf, uf) | is_open(lg, ug)) & (limit < _gap(lf, uf) + _gap(lg, ug))


def _gap(l: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    """The largest distance of a ReLU's chord from it; 0 where the sign is known."""
    return torch.where(is_open(l, u), (-l * u) / (u - l), 0.0)
