"""`acasxu compare`: what a change of a network's weights did."""

import json
from argparse import Namespace
from pathlib import Path

from engine.cli.fidelity import fidelity_content, fidelity_table, figures_content, figures_table
from engine.cli.judged import judge_written
from engine.cli.live import live_line
from engine.cli.output import DONE, answer, note, show
from engine.cli.picture import prepare_picture, write_picture
from engine.digits import percent
from engine.errors import InputError
from engine.files import prepare, write_bytes


def run(arguments: Namespace) -> int:
    """Prints how two networks of one shape differ, in weights, scores and advisories, and what is proved of that."""
    from engine.cli.asked import load_asking
    from engine.onnx_file import load_network
    from engine.repair.fidelity import compare, region
    from engine.repair.figures import MOST, measure
    from engine.repair.maps import advisory_maps

    if arguments.certificate and not arguments.prove:
        raise InputError("only a proof can have a certificate", where="--certificate", advice="add --prove")
    certificate = prepare(arguments.certificate, option="--certificate") if arguments.certificate else None
    picture = prepare_picture(arguments.picture) if arguments.picture else None
    original, changed = load_network(arguments.networks[0]), load_network(arguments.networks[1])
    properties = list(map(load_asking, arguments.properties))
    maps = advisory_maps(original, changed, properties) if picture else ()  # first: it may refuse the networks
    lower, upper, name = region(original, properties)
    found = compare(original, changed, properties, lower=lower, upper=upper, points=arguments.points,
                    grid=arguments.grid, seed=arguments.seed)
    figures = [measure(original, changed, prop, points=min(arguments.points, MOST), seed=arguments.seed)
               for prop in properties]
    proved = _prove(original, changed, properties, lower, upper, arguments) if arguments.prove else None
    if certificate:
        _certify(certificate, original, changed, proved, arguments.networks)
    if picture:
        write_picture(picture, maps, names=tuple(path.name for path in arguments.networks))
        note(f"advisory maps in {arguments.picture}")
    if arguments.json:
        content = fidelity_content(found) | {"domain": name, "vere": figures_content(figures)}
        content |= {"proved": _proved(proved)} if proved else {}
        answer(json.dumps(content, indent=2, allow_nan=False))
    else:
        answer(f"{found.weights} weights differ, in {found.neurons} neurons of {found.layers} layers; "
               f"advisory: the lowest score; domain: {name}")
        show(fidelity_table(found), *([figures_table(figures)] if figures else []))
        if proved:
            answer(f"proved: the advisory may differ on at most {percent(proved.open, up=True)} of the domain "
                   f"({proved.boxes:,} boxes, {proved.seconds:.1f} s);\n"
                   f"all outputs are exactly equal on at least {percent(1 - proved.unequal, up=False)} of it")
    return DONE


def _prove(original, changed, properties: list, lower, upper, arguments: Namespace):
    from engine.repair.preserve import preservation

    boxes = [(case.lower, case.upper) for prop in properties for case in prop.cases]
    with live_line("proving") as update:

        def say(progress) -> None:
            update(f"the advisory may differ on at most {progress.open:.4%}, outputs on {progress.unequal:.4%} of the "
                   f"domain; {progress.boxes:,} boxes done, {progress.left:,} open, {progress.seconds:.0f} s")

        return preservation(original, changed, lower=lower, upper=upper, timeout=arguments.timeout, first=boxes,
                            on_progress=update and say)


def _certify(path: Path, original, changed, proved, networks: list[Path]) -> None:
    """Writes the certificate, and lets the independent checker judge it."""
    from engine.audit.change.check import check_change
    from engine.certificate.change import change_certificate_bytes

    try:
        write_bytes(path, change_certificate_bytes(original, changed, proved))
    except OSError as error:
        raise InputError(f"the certificate cannot be written there ({error.strerror})", where=str(path),
                         advice="check the disk, and run again") from None
    judge_written(path, lambda: check_change(path, *networks), lost="nothing is proved; please report it")


def _proved(found) -> dict:
    return {"advisory_may_differ_at_most": str(found.open), "outputs_may_differ_at_most": str(found.unequal),
            "boxes": found.boxes, "seconds": found.seconds}
