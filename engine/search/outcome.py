"""What is said of a search that ended without a verdict: the reason, and where it stood."""

import torch

from engine.exact import unheld_text
from engine.search.frontier import Frontier
from engine.search.problem import Search
from engine.verdict import Standing


def reason(search: Search, full: str) -> str:
    """Why there is no verdict; `full`: what of the memory was full, if anything."""
    if search.late:
        words = f"out of time after {search.seconds:.1f} s with {len(search.open):,} boxes open"
        words += "; a point that looks unsafe could not be checked exactly in time" if search.unchecked else ""
    elif full:
        words = f"out of memory: {full}"
    elif search.refuted:
        words = "no proof can exist, and no point was found that is unsafe both exactly and as executed"
    elif search.tie:
        words = "on boxes that were left the margin is zero, or less than rounding can change"
    else:
        words = "boxes were left that can be split no further, and their bounds do not exclude what is unsafe"
    return words + _of_near_miss(search)


def _of_near_miss(search: Search) -> str:
    near = search.near_miss
    if not near:
        return ""
    if near.executable:
        return f"; a point was found that is unsafe in {'exact arithmetic' if near.exact else 'onnxruntime'} alone"
    number = search.problem.network.number.__name__
    return (
        f"; exact arithmetic violates it at a point that {number} cannot hold ({unheld_text(near.point, near.inputs)})"
    )


def standing(search: Search, frontier: Frontier) -> Standing:
    """From its boxes that are open still."""
    bound = min([search.bound, *(bound for _, bound in search.open.values())])
    deepest, width = 0, 0.0
    if search.open:
        root, lower, upper, depth = frontier.look(list(search.open), "root", "lower", "upper", "depth")
        whole = (frontier.roots.upper - frontier.roots.lower)[root]
        shares = torch.where(whole > 0, (upper - lower) / whole, 0.0)
        deepest, width = int(depth.max()), float(shares.amax(1).median())
    known = lambda value: value if abs(value) < torch.inf else None
    return Standing(len(search.open), deepest, width, known(bound), known(search.nearest), search.ties)
