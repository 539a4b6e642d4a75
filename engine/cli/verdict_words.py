"""A verdict in words."""

from argparse import Namespace

from engine.acasxu.identity import Identity
from engine.cli.helpful import helpful
from engine.cli.labels import explain
from engine.exact import unheld_text
from engine.network import Network
from engine.verdict import Counterexample, Unknown, Verdict, Verified, Violated

MAX_OUTPUTS = 5  # of a point in a line


def explanation(identity: Identity | None, network: Network, verdict: Verdict, arguments: Namespace) -> str:
    """Some lines on a verdict: its meaning and cost, its counterexample, and advice where it is Unknown."""
    statistics = verdict.statistics
    lines = [identity.label] if identity else []
    boxes = f"{statistics.boxes:,} box{'es' if statistics.boxes != 1 else ''}"
    lines.append(
        f"{_meaning(verdict, network)}; semantics {verdict.semantics}, {_units(arguments)}{boxes}, "
        f"{statistics.seconds:.2f} s, {statistics.device}"
    )
    if isinstance(verdict, Violated):
        lines.append(explain(identity, verdict.counterexample))
    elif verdict.near_miss:
        lines.append(_near_miss(verdict.near_miss, network))
    if isinstance(verdict, Unknown):
        lines.append(helpful(verdict, arguments))
    return "\n".join(filter(None, lines))


def _units(arguments: Namespace) -> str:
    return "raw units, " if getattr(arguments, "units", None) == "raw" else ""


def _meaning(verdict: Verdict, network: Network) -> str:
    match verdict:
        case Verified():
            return f"warning: {verdict.warning}" if verdict.warning else "the property holds"
        case Violated(counterexample) if counterexample.executable:
            return "the property is violated, in exact arithmetic and in onnxruntime"
        case Violated(counterexample):
            return f"the property is violated in exact arithmetic, {_beyond(counterexample, network)}"
        case Unknown():
            return f"not decided: {verdict.reason}; proved on {verdict.proved:.4%} of the volume"


def _beyond(found: Counterexample, network: Network) -> str:
    """The place of a point that the network cannot be given, and its outputs nearby."""
    name, outputs = network.number.__name__, found.outputs
    values = ", ".join(f"Y_{i} = {value!r}" for i, value in enumerate(outputs[:MAX_OUTPUTS]))
    more = f" and {len(outputs) - MAX_OUTPUTS} more outputs" if len(outputs) > MAX_OUTPUTS else ""
    point, nearest = unheld_text(found.point, found.inputs), unheld_text(found.inputs, found.point)
    return (
        f"at a point that {name} cannot hold ({point}); at the nearest {name} point ({nearest}) onnxruntime gives "
        f"{values}{more}"
    )


def _near_miss(found: Counterexample, network: Network) -> str:
    if not found.executable:
        return f"near miss: a point is unsafe in exact arithmetic, {_beyond(found, network)}"
    where, other = ("exact arithmetic", "onnxruntime") if found.exact else ("onnxruntime", "exact arithmetic")
    return f"near miss: a point is unsafe in {where} only, not in {other}: {list(found.inputs)}"
