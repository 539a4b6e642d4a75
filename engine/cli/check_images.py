"""`acasxu check` with --data: certificates of images."""

import json
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.live import live_line
from engine.cli.output import BAD_INPUT, answer
from engine.errors import InputError
from engine.foreign import plain

if TYPE_CHECKING:
    from engine.certificate.images import DataPair, ImagesOutcome

ACCEPTED, REJECTED = 0, 1


def run(arguments: Namespace) -> int:
    """Checks each certificate against the network and the images, and says what came of it."""
    if arguments.semantics or arguments.report:
        raise InputError(
            "--semantics and --report are for proofs of properties", where="--data", advice="leave them out"
        )
    from engine.certificate.batch import certificates_in
    from engine.certificate.images import check_images_all

    network = _network(arguments)
    files, data = certificates_in(arguments.files, kinds=("proof",)), _pairs(arguments.data)
    with live_line("reading") as update:
        outcomes = check_images_all(
            files,
            network=network,
            data=data,
            arithmetic=arguments.arithmetic,
            sample=arguments.sample,
            seed=arguments.seed,
            jobs=arguments.jobs,
            on_progress=(lambda nodes, total: update(f"{nodes:,} of {total:,} nodes checked")) if update else None,
        )
    _say(outcomes, arguments)
    words = {outcome.word for outcome in outcomes}
    return REJECTED if "rejected" in words else BAD_INPUT if "unreadable" in words else ACCEPTED


def _network(arguments: Namespace) -> Path:
    if len(arguments.network) > 1:
        raise InputError("a certificate of images is about one network", where="--network", advice="give one")
    path = Path(arguments.network[0])
    if not path.exists():
        raise InputError("there is no such file or folder", where=f"--network {path}", advice="check the path")
    return path


def _pairs(name: str) -> "list[DataPair]":
    """The files of a set, of images and of labels, one pair for each part."""
    from engine.images.datasets import load_parts

    origins = [part.origin for part in load_parts(name)]
    found: list[DataPair] = [
        (origin.images, None if origin.labels == origin.images else origin.labels) for origin in origins if origin
    ]
    if not found:
        raise InputError(
            "certificates are about images in one file of IDX or CSV, and these are not",
            where=f"--data {name}",
            advice="give the file that the certificate names",
        )
    return found


def _say(outcomes: "list[ImagesOutcome]", arguments: Namespace) -> None:
    if arguments.json:
        answer(json.dumps([_content(outcome) for outcome in outcomes], indent=2, allow_nan=False))
        return
    for outcome in outcomes:
        text = f"{outcome.file.name}: {outcome.text}"
        if outcome.results:
            seconds = max(result.seconds for result in outcome.results)
            text = f"{text}; {outcome.results[0].nodes:,} nodes, {arguments.arithmetic} arithmetic, {seconds:.2f} s"
        answer(f"{outcome.word}: {plain(text)}")


def _content(outcome: "ImagesOutcome") -> dict[str, object]:
    """The outcome as --json prints it."""
    content: dict[str, object] = {
        "file": str(outcome.file),
        "result": outcome.word,
        "text": outcome.text,
        "network": str(outcome.network),
        "images": str(outcome.images),
    }
    if outcome.results:
        first = outcome.results[0]
        content |= {
            "arithmetic": first.arithmetic,
            "nodes": first.nodes,
            **{name: outcome.total(name) for name in ("checked", "leaves", "exclusions")},
            "seconds": max(result.seconds for result in outcome.results),
        }
        if first.shown is not None:
            content |= {"counted": first.shown.counted, "safe": first.shown.safe}
    return content
