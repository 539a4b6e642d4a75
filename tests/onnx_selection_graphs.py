"""Steps of random chains that select, repeat, join and add up what the chain gives so far, as each opset spells them.

Batches of any size stay as they are: no step does anything along them.
"""

import numpy as np
from hypothesis import strategies as st
from onnx import helper


def _axis(draw, chain) -> int | None:
    """An axis that is no batch, if there is one."""
    axes = range(int(chain.batched), len(chain.shape))
    return draw(st.sampled_from(axes)) if axes else None


def _signed(draw, chain, axis: int) -> int:
    return axis - draw(st.sampled_from([0, len(chain.shape)]))


def _list(chain, *numbers: int) -> str:
    return chain.constant(np.array(numbers, np.int64))


def _with(shape: tuple, axis: int, size: int) -> tuple:
    return (*shape[:axis], size, *shape[axis + 1 :])


def gather(draw, chain) -> None:
    if (axis := _axis(draw, chain)) is None:
        return
    size = chain.shape[axis]
    shape = draw(st.sampled_from([(), (1,), (2,), (3,), (2, 1)]))
    kind = draw(st.sampled_from([np.int64, np.int32]))
    places = np.array(draw(st.lists(st.integers(-size, size - 1), min_size=3, max_size=3)), kind)
    places = places[: int(np.prod(shape))].reshape(shape)
    result = (*chain.shape[:axis], *shape, *chain.shape[axis + 1 :])
    chain.step("Gather", "@ " + chain.constant(places), result, axis=_signed(draw, chain, axis))


def slice_(draw, chain) -> None:
    if (axis := _axis(draw, chain)) is None:
        return
    start, end = draw(st.integers(-5, 5)), draw(st.sampled_from([-(2**63), -3, -1, 1, 2, 3, 2**63 - 1]))
    step = draw(st.sampled_from([1, 1, 2, -1, -2, 2**40]))
    size = len(range(chain.shape[axis])[start:end:step])
    if not size:
        return
    result, named = _with(chain.shape, axis, size), _signed(draw, chain, axis)
    lists = " ".join(_list(chain, number) for number in (start, end, named, step))
    chain.step("Slice", f"@ {lists}", result)


def split(draw, chain) -> None:
    """Of the parts one goes on. Of the others one has a ReLU, which nothing reads."""
    if (axis := _axis(draw, chain)) is None:
        return
    size, named = chain.shape[axis], _signed(draw, chain, axis)
    ends = sorted(draw(st.sets(st.integers(1, size - 1)))) if size > 1 else []
    sizes = [int(part) for part in np.diff([0, *ends, size])]
    inputs, attributes = [chain.name], {"axis": named}
    if chain.opset >= 18 and draw(st.booleans()):
        count = draw(st.sampled_from([n for n in range(1, size + 1) if -(-size // n) * (n - 1) < size]))
        sizes = [-(-size // count)] * (count - 1)
        sizes.append(size - sum(sizes))
        attributes["num_outputs"] = count
    elif chain.opset >= 13:
        inputs.append(_list(chain, *sizes))
    else:
        attributes["split"] = sizes
    names = [f"t{len(chain.nodes)}_{k}" for k in range(len(sizes))]
    chain.nodes.append(helper.make_node("Split", inputs, names, name=names[0], **attributes))
    chosen = draw(st.integers(0, len(sizes) - 1))
    for name in names[chosen + 1 :][: draw(st.integers(0, 1))]:
        chain.nodes.append(helper.make_node("Relu", [name], [f"{name}_unread"]))
    chain.name, chain.shape = names[chosen], _with(chain.shape, axis, sizes[chosen])


def expand(draw, chain) -> None:
    if chain.batched or not chain.shape:
        return
    ones = [axis for axis, size in enumerate(chain.shape) if size == 1]
    wanted = list(chain.shape)
    for axis in ones:
        wanted[axis] = draw(st.sampled_from([1, 1, 2]))
    front = draw(st.sampled_from([[], [], [2]]))
    result = (*front, *wanted)
    asked = [
        *front,
        *(draw(st.sampled_from([1, size])) if size == old else size for size, old in zip(wanted, chain.shape)),
    ]
    chain.step("Expand", "@ " + _list(chain, *asked), result)


def concat(draw, chain) -> None:
    if (axis := _axis(draw, chain)) is None or chain.batched:
        return
    sizes = draw(st.lists(st.integers(1, 2), max_size=2))
    place = draw(st.integers(0, len(sizes)))
    seed = draw(st.integers(0, 2**32 - 1))
    parts = [
        np.random.default_rng([seed, k]).integers(-2, 3, _with(chain.shape, axis, size)).astype(np.float32)
        for k, size in enumerate(sizes)
    ]
    names = [chain.constant(part, as_node=draw(st.booleans())) for part in parts]
    inputs = " ".join([*names[:place], "@", *names[place:]])
    result = _with(chain.shape, axis, chain.shape[axis] + sum(sizes))
    chain.step("Concat", inputs, result, axis=_signed(draw, chain, axis))


def filled(draw, chain) -> None:
    """Adds one number to all."""
    shape = _list(chain, *chain.shape) if chain.shape else _list(chain, 1)
    number = draw(st.sampled_from([None, 2.0]))
    value = {} if number is None else {"value": helper.make_tensor("value", 1, [1], [number])}
    name = f"c{len(chain.nodes)}_filled"
    chain.nodes.append(helper.make_node("ConstantOfShape", [shape], [name], name=name, **value))
    chain.step("Add", f"@ {name}", chain.shape or (1,))


def add_up(draw, chain) -> None:
    """A sum; or a mean of one, two or four numbers, which float32 holds."""
    axes = [axis for axis in range(int(chain.batched), len(chain.shape)) if draw(st.booleans())]
    count = int(np.prod([chain.shape[axis] for axis in axes], initial=1))
    operator = draw(st.sampled_from(["ReduceSum", "ReduceMean"])) if count in (1, 2, 4) else "ReduceSum"
    as_operand = chain.opset >= (13 if operator == "ReduceSum" else 18)
    keep = draw(st.booleans())
    if not axes:
        if as_operand:
            chain.step(operator, "@", chain.shape, noop_with_empty_axes=1)
        return
    named = [_signed(draw, chain, axis) for axis in axes]
    shape = tuple(1 if axis in axes else size for axis, size in enumerate(chain.shape) if keep or axis not in axes)
    attributes = {"keepdims": int(keep)} if not keep or draw(st.booleans()) else {}
    if as_operand:
        chain.step(operator, "@ " + _list(chain, *named), shape, **attributes)
    else:
        chain.step(operator, "@", shape, axes=named, **attributes)


STEPS = [gather, slice_, split, expand, concat, filled, add_up]
