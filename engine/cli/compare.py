"""`acasxu compare`: what a change of a network's weights did."""

import json
from argparse import Namespace
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from engine.acasxu.raw_units import demand_raw
from engine.cli.band_words import band_in_words
from engine.cli.confirm import confirm_written
from engine.cli.fidelity import figures_table, regions_table
from engine.cli.live import live_line
from engine.cli.meaning import Meaning, demand_maps, meaning
from engine.cli.output import DONE, answer, note, show
from engine.cli.question_options import asks
from engine.cli.units import demand_certifiable
from engine.comparison.decision import Decision
from engine.comparison.measured import FidelityRecord, FiguresRecord
from engine.comparison.record import ComparisonRecord
from engine.digits import percent
from engine.errors import InputError
from engine.files import prepare, write_bytes
from engine.foreign import plain
from engine.network import Network
from engine.picture import advisory_maps, prepare_picture, write_picture
from engine.property import Property

if TYPE_CHECKING:  # a usage error is to be said before torch is loaded
    from engine.comparison.proving import Progress
    from engine.comparison.service import ComparisonOptions
    from engine.comparison.structure import Structure


def run(arguments: Namespace) -> int:
    """Prints how two networks of one shape differ, in weights, outputs and decisions, and what is proved of that.

    A statement that is to be proved or refuted is a question of its own (question.py).
    """
    if asks(arguments):
        from engine.cli import question

        return question.run(arguments)
    from engine.cli.asked import load_asking
    from engine.comparison.certificate import band_certificate_bytes, change_certificate_bytes
    from engine.comparison.fidelity import demand_fit
    from engine.comparison.structure import structure
    from engine.comparison.structure_words import structure_json
    from engine.network_file import load_networks

    certificate, picture = _outputs(arguments)
    if len(arguments.files) < 2:
        raise InputError("two networks are compared, one is given", advice="name both, or ask with --monotone")
    networks = arguments.files[:2]
    original, changed = load_networks(networks, units=arguments.units)
    properties = list(map(load_asking, arguments.files[2:]))
    for prop in properties:
        demand_raw(prop, arguments.units)
    demand_fit(original, properties)
    meant = meaning(original, arguments)
    _demand_comparable(meant, properties, arguments)
    found = structure(original, changed)
    if not arguments.json:
        _say_structure(found, meant)
    if certificate and not arguments.prove:
        _certify(certificate, _structure_certificate(original, changed, found, meant), networks)
    maps = advisory_maps(original, changed, properties) if picture else ()
    record = _compared(original, changed, properties, meant, arguments)
    if certificate and record.preservation:
        _certify(certificate, change_certificate_bytes(original, changed, record.preservation), networks)
    if certificate and record.band:
        _certify(certificate, band_certificate_bytes(original, changed, record.band.proved), networks)
    if picture:
        before, after = (path.name for path in networks)
        write_picture(picture, maps, names=(before, after))
        note(f"advisory maps in {plain(arguments.picture)}")
    if arguments.json:
        units = {"units": arguments.units} if arguments.units else {}
        content = (
            record.to_json()
            | {"structure": structure_json(found, meant.decision, names=meant.names, word=meant.word)}
            | units
        )
        answer(json.dumps(content, indent=2, allow_nan=False))
    else:
        _say(record, meant, arguments.units)
    return DONE


def _outputs(arguments: Namespace) -> tuple[Path | None, Path | None]:
    """The places of the certificate and of the picture, where these are asked for."""
    demand_certifiable(arguments.certificate, arguments.units)
    certificate = None
    if arguments.certificate:
        certificate = prepare(arguments.certificate, option="--certificate", given=arguments.files)
    return certificate, prepare_picture(arguments.picture) if arguments.picture else None


def _demand_comparable(meant: Meaning, properties: Sequence[Property], arguments: Namespace) -> None:
    """InputError, before anything is measured, where what is asked for needs what is not known of the network."""
    if arguments.picture:
        demand_maps(meant.identity)
    if meant.domain is None and not properties:
        raise InputError(
            "the inputs to compare on are not known",
            where=str(arguments.files[0]),
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


def _compared(
    original: Network, changed: Network, properties: Sequence[Property], meant: Meaning, arguments: Namespace
) -> ComparisonRecord:
    """The comparison that the options ask for; a line on stderr shows how far its proof is."""
    from engine.comparison.service import ComparisonOptions, compare_networks

    options = ComparisonOptions(
        points=arguments.points,
        grid=arguments.grid,
        seed=arguments.seed,
        prove=arguments.prove,
        timeout=arguments.timeout,
        gap=arguments.gap,
    )
    with live_line("comparing") if arguments.prove else nullcontext() as update:
        return compare_networks(
            original,
            changed,
            properties,
            domain=meant.domain,
            decision=meant.decision,
            options=options,
            word=meant.word,
            on_progress=update and (lambda progress: update(_progress_text(progress, meant, options))),
        )


def _progress_text(progress: "Progress", meant: Meaning, options: "ComparisonOptions") -> str:
    outputs = "" if options.gap is not None else f", outputs on {progress.unequal:.4%}"
    return (
        f"{_subject(meant)} may differ on at most {progress.open:.4%}{outputs} of the domain; "
        f"{progress.boxes:,} boxes done, {progress.open_boxes:,} open, {progress.seconds:.0f} s"
    )


def _say_structure(found: "Structure | None", meant: Meaning) -> None:
    """Says what the weights alone say of every input; nothing where that is nothing."""
    if found is None:
        return
    if found.all_equal:
        answer(f"proved {_structure_words(found, meant)}; nothing is left to be proved")
    elif found.says_something:
        answer(f"proved {_structure_words(found, meant)}")


def _structure_words(found: "Structure", meant: Meaning) -> str:
    from engine.comparison.structure_words import in_words

    return in_words(found, meant.decision, names=meant.names, word=meant.word)


def _structure_certificate(original: Network, changed: Network, found: "Structure | None", meant: Meaning) -> bytes:
    """The certificate of what the weights alone say; InputError where that is no theorem."""
    from engine.comparison.certificate import structure_certificate_bytes
    from engine.comparison.structure_words import NOT_OWN

    if found is None or not found.says_something:
        why = "every output may be smaller or larger" if found else NOT_OWN
        raise InputError(
            f"the weights alone prove nothing ({why})",
            where="--certificate",
            advice="add --prove, to search the domain box by box",
        )
    return structure_certificate_bytes(original, changed, found)


def _certify(path: Path, certificate: bytes, networks: Sequence[Path]) -> None:
    """Writes the certificate, and lets the independent checker check it."""
    from engine.audit.comparison.kinds import check_comparison

    try:
        write_bytes(path, certificate)
    except OSError as error:
        raise InputError(
            f"the certificate cannot be written there ({error.strerror})",
            where=str(path),
            advice="check the disk, and run again",
        ) from None
    confirm_written(
        path, lambda: check_comparison(path, networks[0], networks[1]), lost="nothing is proved; please report it"
    )


def _say(record: ComparisonRecord, meant: Meaning, units: str | None) -> None:
    """Prints the record in words and tables. units: as given, of .nnet files."""
    found, proved = record.fidelity, record.preservation
    answer(
        f"{found.weights} weights differ, in {found.neurons} neurons of {found.layers} layers\n"
        f"{meant.decision_in_words}\n{meant.domain_in_words}" + (f"\nunits: {units}, of .nnet files" if units else "")
    )
    regions = FidelityRecord.of(found).regions.items()
    figures = [FiguresRecord.of(one) for one in record.figures]
    show(regions_table(regions, meant), *([figures_table(figures, meant)] if figures else []))
    if proved:
        answer(
            f"proved: {_subject(meant)} may differ on at most {percent(proved.open, up=True)} of the "
            f"domain ({proved.boxes:,} boxes, {proved.seconds:.1f} s);\n"
            f"all outputs are exactly equal on at least {percent(1 - proved.unequal, up=False)} of it"
        )
    if record.band:
        answer(band_in_words(record.band, meant, _subject(meant)))


def _subject(meant: Meaning) -> str:
    """The decision as the subject of a sentence about the proof."""
    return f"the {meant.word}" if meant.identity else f"which output is {meant.decision.value}"
