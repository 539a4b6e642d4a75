"""Advice on a question that was not decided, from what is known of the search."""

from argparse import Namespace

from engine.verdict import Standing, Unknown


def helpful(verdict: Unknown, arguments: Namespace, *, weaker: str = "--semantics real") -> str:
    """A line on what to try, and on the state in which the search ended. weaker: how real semantics is asked for."""
    where = _where(verdict.standing) if verdict.standing else ""
    return f"what may help: {', or '.join(_advice(verdict, arguments, weaker))}{f' ({where})' if where else ''}"


def _where(standing: Standing) -> str:
    """The state in which the search ended, as far as it is known."""
    parts = []
    if standing.open:
        parts.append(
            f"{standing.open:,} boxes open, up to {standing.deepest} splits deep, the median one "
            f"{standing.width:.2g} of its case's box wide"
        )
    if standing.bound is not None and standing.nearest is not None:
        parts.append(f"the least margin of its rows lies between {standing.bound:.3g} and {standing.nearest:.3g}")
    elif standing.nearest is not None:
        parts.append(f"the worst point tried is {standing.nearest:.3g} from unsafe")
    return "; ".join(parts)


def _advice(verdict: Unknown, arguments: Namespace, weaker: str) -> list[str]:
    near, standing = verdict.near_miss, verdict.standing
    if near and near.exact:
        if verdict.semantics == "float32" and not near.executable:
            return [f"{weaker}, in which that point is a counterexample"]
        return ["another threshold: in exact arithmetic the property does not hold, so that it cannot be proved"]
    advice = []
    if standing and standing.ties:
        boxes = "1 box" if standing.ties == 1 else f"{standing.ties:,} boxes"
        advice.append(f"another threshold: on {boxes} the margin is zero, or less than rounding can change")
    if verdict.timed_out:
        advice.append(f"a longer --timeout than {arguments.timeout:g} s" if arguments.timeout else "a longer --timeout")
    if verdict.semantics == "float32":
        advice.append(f"{weaker}, which asks for less")
    return advice or ["another threshold, or smaller input boxes"]
