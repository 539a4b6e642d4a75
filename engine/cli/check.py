"""`acasxu check`: checks certificates, by a program that shares nothing with the engine that wrote them."""

import json
import os
import re
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cli.live import live_line
from engine.cli.output import BAD_INPUT, answer, note
from engine.digits import decimal, percent
from engine.errors import InputError
from engine.files import prepare, write_bytes
from engine.foreign import plain

if TYPE_CHECKING:  # numpy is loaded after the number of its threads is set
    from engine.audit.check import Result
    from engine.audit.data import Band, Change
    from engine.certificate.batch import Networks, Outcome

ACCEPTED, REJECTED = 0, 1
NOTHING = "nothing satisfies the property's asserts, so that this says nothing about the network"
_NAMED = re.compile(r"([A-Za-z][A-Za-z0-9_]*)=(.+)", re.DOTALL)
_THREADS = "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"


def run(arguments: Namespace) -> int:
    """Checks each certificate and says what came of it: one line each, or one JSON object."""
    for name in _THREADS:  # read when numpy is loaded: processes divide the work, not threads
        os.environ.setdefault(name, "1")
    if arguments.data:
        from engine.cli.check_images import run as run_images

        return run_images(arguments)
    if arguments.changed and (arguments.sample or arguments.semantics or arguments.report):
        raise InputError(
            "--sample, --semantics and --report are for proofs of properties",
            where="--changed",
            advice="leave them out",
        )
    report = _report_path(arguments.report)
    outcomes = _checked(arguments)
    _say(outcomes, arguments)
    if report:
        _write(report, outcomes)
    words = {outcome.word for outcome in outcomes}
    return REJECTED if "rejected" in words else BAD_INPUT if "unreadable" in words else ACCEPTED


def _checked(arguments: Namespace) -> list["Outcome"]:
    """The outcome of each certificate, with a progress line meanwhile."""
    from engine.audit.comparison.kinds import KINDS
    from engine.certificate.batch import certificates_in, check_all

    network = networks_of(arguments.network)

    files = certificates_in(arguments.files, kinds=KINDS if arguments.changed else ("proof", "witness"))
    how: dict[str, Any] = {"arithmetic": arguments.arithmetic}
    if not arguments.changed:
        how |= {"sample": arguments.sample, "seed": arguments.seed, "semantics": arguments.semantics}
    done = 0
    with live_line("reading") as update:

        def on_outcome(outcome: "Outcome") -> None:
            nonlocal done
            done += 1
            if update and len(files) > 1:
                update(f"{done} of {len(files)} checked")

        def on_progress(nodes: int, total: int) -> None:
            if update:
                update(f"{nodes:,} of {total:,} nodes checked")

        return check_all(
            files,
            network=network,
            property=arguments.property,
            changed=arguments.changed,
            jobs=arguments.jobs,
            on_outcome=on_outcome,
            on_progress=on_progress if update and len(files) == 1 else None,
            **how,
        )


def networks_of(told: list[str]) -> "Networks":
    """The file or folder that is told, or the files by name where each is NAME=FILE."""
    named = [match.groups() for text in told if not Path(text).exists() and (match := _NAMED.fullmatch(text))]
    found = {name: Path(path) for name, path in named}
    if len(told) == 1 and not named:
        return Path(told[0])
    if len(found) < len(told):
        raise InputError(
            "several networks are told apart by names, each given once",
            where=f"--network {told[-1]}",
            advice="give each as NAME=FILE, by its name in the query",
        )
    return found


def _report_path(path: Path | None) -> Path | None:
    """The report's file, after a trial that it can be written."""
    if path is None:
        return None
    if path.suffix not in (".html", ".md"):
        raise InputError(
            f"reports are written as .html or .md, not as {path.suffix or 'a file without suffix'}",
            where=f"--report {path}",
            advice="name it so",
        )
    return prepare(path, option="--report")


def _write(path: Path, outcomes: list["Outcome"]) -> None:
    from engine.certificate.report import report_text

    try:
        write_bytes(path, report_text(outcomes, suffix=path.suffix).encode("utf-8"))
    except OSError as error:
        raise InputError(
            f"the report cannot be written there ({error.strerror})",
            where=str(path),
            advice="check the disk, and run again",
        ) from None


def _say(outcomes: list["Outcome"], arguments: Namespace) -> None:
    if arguments.json:
        answer(json.dumps([_content(outcome) for outcome in outcomes], indent=2, allow_nan=False))
    else:
        for outcome in outcomes:
            answer(f"{outcome.word}: {plain(f'{outcome.file.name}: {_meaning(outcome)}')}")
    if len(outcomes) > 1:
        words = [outcome.word for outcome in outcomes]
        note(
            ", ".join(
                f"{words.count(word)} {word}"
                for word in ("accepted", "sampled", "rejected", "unreadable")
                if word != "sampled" or word in words
            )
        )


def _meaning(outcome: "Outcome") -> str:
    """The outcome in words."""
    result = outcome.result
    if outcome.word in ("rejected", "unreadable"):
        return outcome.reason
    assert result and outcome.network and outcome.property  # of what is accepted all is known
    networks = ", ".join(f"{name}={path.name}" for name, path in outcome.networks)
    names = f"{outcome.property.name} and {networks or outcome.network.name}"
    if result.kind == "witness":
        return f"{names}: violated at the point, exactly; margins as stated"
    instead = f"{outcome.property.name} instead of {outcome.network.name}"
    if result.kind == "structure":
        return f"{instead}: {_shown(result)}; {result.seconds:.2f} s"
    share = _share(result)
    if share:
        return (
            f"{instead}: {_bounded(share)} of the box; {result.nodes:,} nodes, {result.leaves:,} leaves, "
            f"{result.arithmetic} arithmetic, {result.seconds:.2f} s"
        )
    how = f"semantics {result.semantics}, {result.arithmetic} arithmetic, {result.seconds:.2f} s"
    if outcome.word == "accepted":
        meaning = NOTHING if result.empty else "the property holds"
        return f"{names}: {meaning}; {result.nodes:,} nodes, {result.leaves:,} leaves, {how}"
    return (
        f"{names}: no error found, but only {result.checked:,} of {result.nodes:,} nodes "
        f"were checked, for {result.leaves:,} leaves; {how}"
    )


def _shown(result: "Result") -> str:
    """What a certificate of kind "structure" shows, in words."""
    from engine.audit.comparison.structure import CLAIMS, conclusion

    claims = _structure(result)
    groups = {claim: [str(j) for j, each in enumerate(claims) if each == claim] for claim in CLAIMS}
    shown = "; ".join(f"{claim}: {', '.join(outputs)}" for claim, outputs in groups.items() if outputs)
    return f"outputs at every input: {shown}; {conclusion(claims)}"


def _structure(result: "Result | None") -> tuple[str, ...]:
    """The claims of a certificate of kind "structure"; none of another."""
    from engine.audit.comparison.structure import Structure

    certificate: object = result.certificate if result else None
    return certificate.claims if isinstance(certificate, Structure) else ()


def _share(result: "Result | None") -> "Change | Band | None":
    """The certificate that a result is about, if it is one of two networks on a share of a box."""
    from engine.audit.data import Band, Change

    certificate: object = result.certificate if result else None
    return certificate if isinstance(certificate, (Change, Band)) else None


def _bounded(share: "Change | Band") -> str:
    """The share that it claims, in words."""
    from engine.audit.data import Change

    open_share = f"which output is lowest may differ on at most {percent(share.open, up=True)}"
    if isinstance(share, Change):
        return f"{open_share}, outputs on at most {percent(share.unequal, up=True)}"
    return f"where the original's two lowest outputs differ by more than {decimal(share.gap)}, {open_share}"


def _content(outcome: "Outcome") -> dict[str, object]:
    """The outcome as --json prints it."""
    result, share = outcome.result, _share(outcome.result)
    content: dict[str, object] = {
        "file": str(outcome.file),
        "result": outcome.word,
        "reason": outcome.reason or None,
        "warning": NOTHING if result is not None and result.empty else None,
        "network": outcome.network and str(outcome.network),
    }
    if outcome.networks:
        content["networks"] = {name: str(path) for name, path in outcome.networks}
    claims = _structure(outcome.result)
    about = "changed" if share or claims else "property"
    content[about] = outcome.property and str(outcome.property)
    if result is not None:
        content |= {
            name: getattr(result, name)
            for name in ("kind", "semantics", "arithmetic", "nodes", "checked", "leaves", "exclusions", "seconds")
        }
        certificate = result.certificate
        assert certificate is not None  # outcomes have no result without
        content["sha256"] = {
            "certificate": certificate.sha256,
            "network": certificate.network_sha256,
            about: getattr(certificate, f"{about}_sha256"),
            **({"networks": dict(getattr(certificate, "networks", ()))} if outcome.networks else {}),
        }
    if claims:
        from engine.audit.comparison.structure import conclusion

        content |= {"outputs": list(claims), "conclusion": conclusion(claims)}
    if share:
        content["decision_may_differ_at_most"] = str(share.open)
        key, name = ("gap", "gap") if result and result.kind == "band" else ("outputs_may_differ_at_most", "unequal")
        content[key] = str(getattr(share, name))
    return content
