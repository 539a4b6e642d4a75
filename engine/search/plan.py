"""Limits of what is computed and kept at once: from shapes and the memory allowed alone, so that trees do not depend on
the clock."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.bounds.blocks import AnyStack, blocks
from engine.joint import Model, blocks_of
from engine.search.problem import Options

MAX_PRODUCTS, MAX_PRODUCTS_ON_CUDA = 1 << 34, 1 << 40  # of a batch: about a second
#: Multiplications of a part of a batch, at least. Threads wait for the interpreter's lock between tensor operations: on
#: smaller parts that takes longer than it saves. (On 2 cores, ACAS Xu: 2,592 boxes in batches of 4 to 244 take 1.1 s
#: undivided, 1.7 s in halves; of batches of 4,096 undivided 3,400 boxes are bounded a second, in halves 5,200.)
PART_PRODUCTS = 1 << 31
ATTACK_PASSES = 448  # of a first attack through the network, forward and back (suspects.py)
MIN_DESCENTS = 16
NUMBER_BYTES = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """Limits of a run.

    batch: boxes bounded at once; targets: polytopes of one part of it that are bounded together; descents: points of
    one part from which an attack descends; open: boxes that may be open; rest: bytes for roots and for the record that
    proofs are made of; roots: that may have open boxes, for a third of these bytes; attack_first: True where it costs
    less to attack a box than to bound it; part: boxes of a part of a batch, at least, where it is divided.
    """

    batch: int
    targets: int
    descents: int
    open: int
    rest: int
    roots: int
    attack_first: bool
    part: int

    def parts(self, boxes: int, threads: int) -> int:
        """The number of parts that a batch of so many boxes is divided into, for so many threads."""
        return max(1, min(threads, boxes // self.part))


def stack_bytes(model: Model, count: int = 1) -> int:
    """The bytes of the bounds' copies of so many models of one shape, and of the largest step with them."""
    layers = [layer for block in blocks_of(model) for layer in block.network.layers]
    dense = layers_bytes([layer.shape for layer in layers if not layer.is_sparse], count)
    return dense + sum(sparse_bytes(layer.count, count * len(layer.bias)) for layer in layers if layer.is_sparse)


def sparse_bytes(numbers: int, biases: int) -> int:
    """The same for sparse layers of so many numbers: each is held three times, with its column, beside the biases."""
    return NUMBER_BYTES * (6 * numbers + 3 * biases)


def layers_bytes(shapes: Sequence[tuple[int, ...]], count: int = 1) -> int:
    """The same for layers with weights of these shapes."""
    sizes = [(out + 1) * (inputs + 1) for out, inputs in shapes]
    return NUMBER_BYTES * (2 * count * sum(sizes) + max(sizes, default=0))


def make_plan(
    stack: AnyStack, extent: tuple[int, int], node_bytes: int, root_bytes: int, options: Options, parts: int
) -> Plan:
    """The plan for boxes and roots with at most `extent` = (polytopes, rows of each), of so many bytes.

    Of the memory that the networks leave, half is for open boxes, a quarter for a batch and an eighth for targets.
    """
    left = max(0, options.memory - stack_bytes(stack.networks[0], len(stack.networks)))
    work = _work(stack, extent, options.steps)
    products = MAX_PRODUCTS_ON_CUDA if stack.device.type == "cuda" else MAX_PRODUCTS
    boxes = min(options.batch, products // sum(work), left // 4 // _box_bytes(stack, extent, node_bytes))
    batch = max(1, boxes)
    most = left // 2 // node_bytes
    return Plan(
        batch=batch,
        targets=max(1, left // 8 // parts // _target_bytes(stack, extent)),
        descents=max(MIN_DESCENTS, batch // (32 * parts)),
        open=min(most, options.max_open) if options.max_open else most,
        rest=left // 8,
        roots=max(1, left // 8 // (3 * root_bytes)),
        attack_first=ATTACK_PASSES * sum(layer.products.count for layer in stack.layers) < work[0],
        part=max(1, PART_PRODUCTS // max(1, sum(work))),
    )


def _work(stack: AnyStack, extent: tuple[int, int], steps: int) -> tuple[int, int]:
    """The most multiplications for a box: to bound its neurons, and to exclude its polytopes."""
    neurons, products = 0, 0
    for block in blocks(stack):
        passed = 0
        for layer in block.stack.layers:
            neurons += 2 * layer.n_hidden * passed
            passed += layer.products.count
        products += passed
    polytopes, rows = extent
    return neurons + products, polytopes * (rows + 2 * steps) * products


def _box_bytes(stack: AnyStack, extent: tuple[int, int], node_bytes: int) -> int:
    """The bytes of a box, its copies and children, with the lines of its neurons."""
    return 5 * node_bytes + 3 * NUMBER_BYTES * (
        8 * (stack.n_hidden + stack.n_differences) + 6 * stack.n_inputs + extent[0]
    )


def _target_bytes(stack: AnyStack, extent: tuple[int, int]) -> int:
    """The bytes of a polytope on a box while its slopes are optimized: multipliers, moments, gradients and lines."""
    return NUMBER_BYTES * (40 * stack.n_hidden + 4 * (extent[1] + 1) * (stack.n_inputs + stack.n_outputs + 2))
