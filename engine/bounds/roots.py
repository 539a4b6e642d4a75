"""The cases being decided, as tensors: one root for each (network, case)."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch

from engine.bounds.blocks import AnyStack
from engine.bounds.columns import Columns
from engine.bounds.propagation import hidden_intervals, output_magnitudes
from engine.bounds.rounding import UNDERFLOW, unit
from engine.bounds.slopes import Targets
from engine.deadline import NEVER, Deadline
from engine.errors import InputError
from engine.property import Case, Vector

UNREAD_REACH = 2.0**-200  # of an input that the network does not read


@dataclass(frozen=True, slots=True)
class Roots(Columns):
    """Unsafe rows and boxes of every case, padded to the largest.

    network: [roots]; rows: [roots, polytopes, rows, outputs + 1], the constant last; inputs: [roots,
    polytopes, rows, inputs]; absent: [roots, polytopes, rows], True for padding; missing: [roots, polytopes], True for
    padding and for polytopes that are empty; error: [roots, polytopes], a bound of the change by rounding the decimals
    and summing rows; lower, upper: [roots, inputs], the exact box rounded outward; reach: [roots, inputs], see
    Stack.reach; l, u: [roots, hidden].
    """

    network: torch.Tensor
    rows: torch.Tensor
    inputs: torch.Tensor
    absent: torch.Tensor
    missing: torch.Tensor
    error: torch.Tensor
    lower: torch.Tensor
    upper: torch.Tensor
    reach: torch.Tensor
    l: torch.Tensor
    u: torch.Tensor

    def targets(self, root: torch.Tensor, box: torch.Tensor, polytope: torch.Tensor, phases: torch.Tensor) -> Targets:
        """The given polytopes of the given boxes, as targets of the bounds."""
        rows, inputs, absent = (part[root, polytope] for part in (self.rows, self.inputs, self.absent))
        return Targets(box, rows, inputs, absent, phases[box].double())


def extent(cases: Iterable[Case]) -> tuple[int, int]:
    """The most polytopes of a case and the most rows of a polytope, each at least 1."""
    polytopes, rows = 1, 1
    for case in cases:
        polytopes = max(polytopes, len(case.unsafe))
        rows = max([rows, *(len(polytope.rows) for polytope in case.unsafe)])
    return polytopes, rows


def make_roots(
    stack: AnyStack,
    networks: list[int],
    cases: list[Case],
    *,
    padded: tuple[int, int] | None = None,
    deadline: Deadline = NEVER,
) -> Roots:
    """Roots for case i on network networks[i] of the stack; `networks` ascending.

    Rows without variables are decided here, exactly: a polytope with a false one is missing. padded: the `extent` to
    which all are padded, at least that of these cases.
    """
    shape = (len(cases), *(padded or extent(cases)))
    low = np.array([_ends(case.lower, -1, deadline) for case in cases])
    high = np.array([_ends(case.upper, +1, deadline) for case in cases])
    arrays: list[np.ndarray] = [*_unsafe_rows(stack, cases, shape, deadline), low, high]
    rows, inputs, absent, missing, lower, upper = (torch.from_numpy(array).to(stack.device) for array in arrays)
    network = torch.tensor(networks, device=stack.device)
    l, u = hidden_intervals(stack, network, lower, upper, deadline)
    error = _row_error(stack, network, rows, inputs, lower, upper, deadline)
    reach = _reach(stack, network, lower, upper)
    return Roots(network, rows, inputs, absent, missing, error, lower, upper, reach, l, u)


def _unsafe_rows(
    stack: AnyStack, cases: list[Case], shape: tuple[int, int, int], deadline: Deadline
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The fields rows, inputs, absent and missing of Roots; shape: of (cases, polytopes, rows), padding included."""
    rows = np.zeros((*shape, stack.n_outputs + 1))
    inputs = np.zeros((*shape, stack.n_inputs))
    absent = np.ones(shape, bool)
    missing = np.ones(shape[:2], bool)
    for g, case in enumerate(cases):
        for p, polytope in enumerate(case.unsafe):
            deadline.check()
            missing[g, p] = False
            for r, row in enumerate(polytope.rows):
                if any(row.inputs) or any(row.outputs):
                    rows[g, p, r] = _numbers((*row.outputs, row.constant))
                    inputs[g, p, r] = _numbers(row.inputs)
                    absent[g, p, r] = False
                elif not row.holds((), ()):
                    missing[g, p] = True
    return rows, inputs, absent, missing


def _ends(values: Vector, side: int, deadline: Deadline) -> list[float]:
    found = []
    for value in values:
        deadline.check()
        found.append(outward(value, side))
    return found


def _numbers(values: Iterable[Fraction]) -> list[float]:
    return [nearest(value) if value else 0.0 for value in values]


def outward(value: Fraction, side: int) -> float:
    """The float64 nearest to `value` that is not above it (side -1) or not below it (side +1)."""
    number = nearest(value)
    numerator, denominator = number.as_integer_ratio()
    beyond = numerator * value.denominator - value.numerator * denominator  # integers are compared soonest
    return number if side * beyond >= 0 else float(np.nextafter(number, side * np.inf))


def nearest(value: Fraction) -> float:
    """The float64 nearest to `value`."""
    try:
        return float(value)
    except OverflowError:
        raise InputError("a number of the property is beyond float64", advice="use smaller numbers") from None


def _reach(stack: AnyStack, network: torch.Tensor, lower: torch.Tensor, upper: torch.Tensor) -> torch.Tensor:
    """The change of the first hidden neurons by one unit of each input.

    Of inputs that the network does not read it is a tiny share of the box: any unit serves in which others of that kind
    are measured, too.
    """
    unread = UNREAD_REACH / (upper - lower).clamp(min=UNREAD_REACH)
    return torch.where(stack.reach[network] > 0, stack.reach[network], unread)


def _row_error(
    stack: AnyStack,
    network: torch.Tensor,
    rows: torch.Tensor,
    inputs: torch.Tensor,
    lower: torch.Tensor,
    upper: torch.Tensor,
    deadline: Deadline,
) -> torch.Tensor:
    """The distance that float64 rows can have from the exact ones, and from combinations of them with weights <= 1.

    The constant and the input terms are carried through every layer (rounding.py); the coefficients
    of the outputs only lose by their decimals and by the sum over rows.
    """
    h = torch.maximum(lower.abs(), upper.abs())
    carried = (inputs.abs() @ h[:, None, :, None])[..., 0] + rows[..., -1].abs()
    sizes = output_magnitudes(stack, network, h, deadline)
    outputs = (rows[..., :-1].abs() @ sizes[:, None, :, None])[..., 0]
    terms = 4 * (rows.shape[2] + 4)
    carried_unit = unit(terms + stack.width, stack.depth, "real")
    return (carried * carried_unit + outputs * (terms * 2.0**-53)).amax(2) + UNDERFLOW
