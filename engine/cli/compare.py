"""`acasxu compare`: what a change of a network's weights did."""

import json
from argparse import Namespace
from pathlib import Path

from engine.cli.fidelity import fidelity_content, fidelity_table, figures_content, figures_table
from engine.cli.judged import judge_written
from engine.cli.live import live_line
from engine.cli.meaning import Meaning, demand_maps, meaning
from engine.cli.output import DONE, answer, note, show
from engine.cli.picture import prepare_picture, write_picture
from engine.comparison.decision import Decision
from engine.digits import percent
from engine.errors import InputError
from engine.files import prepare, write_bytes
from engine.foreign import plain


def run(arguments: Namespace) -> int:
    """Prints how two networks of one shape differ, in weights, outputs and decisions, and what is proved of that."""
    from engine.cli.asked import load_asking
    from engine.comparison.fidelity import compare, demand_fit
    from engine.comparison.maps import advisory_maps
    from engine.comparison.vere import MOST, measure
    from engine.onnx_file import load_network

    certificate, picture = _outputs(arguments)
    original, changed = load_network(arguments.networks[0]), load_network(arguments.networks[1])
    properties = list(map(load_asking, arguments.properties))
    demand_fit(original, properties)
    meant = meaning(original, arguments)
    _demand_comparable(meant, properties, arguments)
    maps = advisory_maps(original, changed, properties) if picture else ()
    lower, upper = (meant.domain.lower, meant.domain.upper) if meant.domain else (None, None)
    found = compare(
        original,
        changed,
        properties,
        lower=lower,
        upper=upper,
        decision=meant.decision,
        points=arguments.points,
        grid=arguments.grid,
        seed=arguments.seed,
    )
    figures = [
        measure(
            original, changed, prop, decision=meant.decision, points=min(arguments.points, MOST), seed=arguments.seed
        )
        for prop in properties
    ]
    proved = _prove(original, changed, properties, meant, arguments) if arguments.prove else None
    if certificate:
        _certify(certificate, original, changed, proved, arguments.networks)
    if picture:
        write_picture(picture, maps, names=tuple(path.name for path in arguments.networks))
        note(f"advisory maps in {plain(arguments.picture)}")
    if arguments.json:
        content = fidelity_content(found) | meant.content | {"vere": figures_content(figures, meant)}
        content |= {"proved": _proved(proved)} if proved else {}
        answer(json.dumps(content, indent=2, allow_nan=False))
    else:
        answer(
            f"{found.weights} weights differ, in {found.neurons} neurons of {found.layers} layers\n"
            f"{meant.decision_in_words}\n{meant.domain_in_words}"
        )
        show(fidelity_table(found, meant), *([figures_table(figures, meant)] if figures else []))
        if proved:
            answer(
                f"proved: {_subject(meant)} may differ on at most {percent(proved.open, up=True)} of the "
                f"domain ({proved.boxes:,} boxes, {proved.seconds:.1f} s);\n"
                f"all outputs are exactly equal on at least {percent(1 - proved.unequal, up=False)} of it"
            )
    return DONE


def _outputs(arguments: Namespace) -> tuple[Path | None, Path | None]:
    """Where the certificate and the picture go."""
    if arguments.certificate and not arguments.prove:
        raise InputError("only a proof can have a certificate", where="--certificate", advice="add --prove")
    certificate = prepare(arguments.certificate, option="--certificate") if arguments.certificate else None
    return certificate, prepare_picture(arguments.picture) if arguments.picture else None


def _demand_comparable(meant: Meaning, properties: list, arguments: Namespace) -> None:
    """InputError, before anything is measured, where what is asked for needs what is not known of the network."""
    if arguments.picture:
        demand_maps(meant.identity)
    if meant.domain is None and not properties:
        raise InputError(
            "the inputs to compare on are not known",
            where=str(arguments.networks[0]),
            advice="name a property, or the network's domain with --domain FILE.vnnlib",
        )
    if not arguments.prove:
        return
    if meant.domain is None:
        raise InputError(
            "a proof is about the network's domain, which is not known",
            where="--prove",
            advice="say --domain FILE.vnnlib; a property's own file stands for its boxes",
        )
    if not meant.decision.is_known:
        raise InputError(
            "a proof is about the network's decision, which is not known",
            where="--prove",
            advice="say --decision lowest or --decision highest",
        )
    if arguments.certificate and meant.decision is not Decision.LOWEST:
        raise InputError(
            "certificates of a change are about the lowest output alone",
            where="--certificate",
            advice="leave it out: --prove alone proves it of the highest",
        )


def _prove(original, changed, properties: list, meant: Meaning, arguments: Namespace):
    from engine.comparison.mirror import mirrored
    from engine.comparison.preservation import preservation

    if meant.decision is Decision.HIGHEST:
        original, changed = mirrored(original), mirrored(changed)
    boxes = [(case.lower, case.upper) for prop in properties for case in prop.cases]
    with live_line("proving") as update:

        def say(progress) -> None:
            update(
                f"{_subject(meant)} may differ on at most {progress.open:.4%}, outputs on {progress.unequal:.4%} of "
                f"the domain; {progress.boxes:,} boxes done, {progress.open_boxes:,} open, {progress.seconds:.0f} s"
            )

        return preservation(
            original,
            changed,
            lower=meant.domain.lower,
            upper=meant.domain.upper,
            timeout=arguments.timeout,
            first=boxes,
            on_progress=update and say,
        )


def _certify(path: Path, original, changed, proved, networks: list[Path]) -> None:
    """Writes the certificate, and lets the independent checker judge it."""
    from engine.audit.comparison.check import check_change
    from engine.comparison.certificate import change_certificate_bytes

    try:
        write_bytes(path, change_certificate_bytes(original, changed, proved))
    except OSError as error:
        raise InputError(
            f"the certificate cannot be written there ({error.strerror})",
            where=str(path),
            advice="check the disk, and run again",
        ) from None
    judge_written(path, lambda: check_change(path, *networks), lost="nothing is proved; please report it")


def _subject(meant: Meaning) -> str:
    return f"the {meant.word}" if meant.identity else f"which output is {meant.decision.value}"


def _proved(found) -> dict:
    return {
        "decision_may_differ_at_most": str(found.open),
        "outputs_may_differ_at_most": str(found.unequal),
        "boxes": found.boxes,
        "seconds": found.seconds,
    }
