"""Steps of random chains that bend what the chain gives so far, as each opset spells them.

Slopes and factors are halves or small integers, so that float32 execution stays exact.
"""

import numpy as np
from hypothesis import strategies as st

SLOPES = [0.0, 0.5, 1.0, -1.0, 2.0]


def _one(chain, number: float, **options) -> str:
    return chain.constant(np.array(number, np.float32), **options)


def _spread(draw, chain, numbers: list[float]) -> np.ndarray:
    """Some of the numbers, in a shape that fits the chain's."""
    shape = draw(st.sampled_from([chain.shape, (1,)[: len(chain.shape)], ()]))
    if len(chain.shape) > 1 and not chain.batched:
        shape = draw(st.sampled_from([shape, chain.shape[-1:]]))
    count = int(np.prod(shape))
    return np.array(draw(st.lists(st.sampled_from(numbers), min_size=count, max_size=count)), np.float32).reshape(shape)


def leak(draw, chain) -> None:
    alpha = draw(st.sampled_from(SLOPES))
    chain.step("LeakyRelu", "@", chain.shape, alpha=alpha)


def leak_each(draw, chain) -> None:
    slopes = chain.constant(_spread(draw, chain, SLOPES), as_node=draw(st.booleans()))
    chain.step("PRelu", f"@ {slopes}", chain.shape)


def absolute(draw, chain) -> None:
    chain.step("Abs", "@", chain.shape)


def clip(draw, chain) -> None:
    low, high = draw(st.sampled_from([(None, 2.0), (-1.0, None), (0.0, 6.0), (-1.0, 1.0), (1.0, 1.0), (None, None)]))
    if chain.opset < 11:
        limits = {name: limit for name, limit in (("min", low), ("max", high)) if limit is not None}
        chain.step("Clip", "@", chain.shape, **limits)
        return
    limits = [low, high] if high is not None else [low] if low is not None else []
    names = ["" if limit is None else _one(chain, limit, as_node=draw(st.booleans())) for limit in limits]
    chain.step_of("Clip", ["@", *names], chain.shape)


def limit(draw, chain) -> None:
    numbers = chain.constant(_spread(draw, chain, [-2.0, -1.0, 0.0, 0.5, 3.0]), as_node=draw(st.booleans()))
    operator, inputs = draw(st.sampled_from(["Max", "Min"])), draw(st.sampled_from([f"@ {numbers}", f"{numbers} @"]))
    chain.step(operator, inputs, chain.shape)


def hard_sigmoid(draw, chain) -> None:
    chain.step(
        "HardSigmoid",
        "@",
        chain.shape,
        alpha=draw(st.sampled_from([0.5, 1.0, -1.0])),
        beta=draw(st.sampled_from([0.5, 0.0, 1.0])),
    )


def threshold(draw, chain) -> None:
    chain.step("ThresholdedRelu", "@", chain.shape, alpha=0.0)


STEPS = [leak, leak_each, absolute, clip, limit, hard_sigmoid, threshold]
