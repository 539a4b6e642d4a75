"""`acasxu images certify`: a bound on the success of every trigger of a family, proved.

Exit codes: 0 all images that count are proved; 1 some image is refuted, or wrong as it is; 2 bad input; 3 none is, but
some are open; 130 interrupted.
"""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.images.bar import share_bar
from engine.cli.images.certify_options import add_certify
from engine.cli.images.options import classifier_of, warn_of_chance
from engine.cli.output import HOLDS, UNDECIDED, VIOLATED, answer, note
from engine.errors import InputError

if TYPE_CHECKING:
    from engine.images.certify.questions import Questions
    from engine.images.certify.record import CertifyRecord
    from engine.images.certify.service import Output
    from engine.images.imageset import ImageSet
    from engine.search.problem import Options

HELP = "prove that no trigger of a family works, or find the one that does"
USAGE = (
    "acasxu images certify NETWORK.onnx --data NAME_OR_PATH (--patch PATCH | --contents CONTENTS) [--target CLASS] "
    "[options]"
)


def add(parser: ArgumentParser) -> None:
    """Adds the options."""
    add_certify(parser)


def run(arguments: Namespace) -> int:
    """Decides each image; says the bound, and by the exit code whether all are proved."""
    from engine.images.certify.service import certify
    from engine.images.datasets import set_name

    questions, output = _questions(arguments), _output(arguments)
    warn_of_chance(questions.classifier, questions.images)
    try:
        with share_bar("certifying") as report:
            record = certify(
                questions, _options(arguments), data=set_name(arguments.data), output=output, report=report
            )
    except KeyboardInterrupt:
        if output:
            note(f"acasxu: what was decided is kept in {output.folder}; the same command goes on from there")
        raise
    _say(record, arguments, output)
    if record.counts["refuted"] or record.counts["wrong"]:
        return VIOLATED
    return UNDECIDED if record.counts["open"] else HOLDS


def _questions(arguments: Namespace) -> "Questions":
    from engine.images.certify.family import read_contents, read_patch
    from engine.images.certify.mixture import is_mixture, read_mixture
    from engine.images.certify.mixture_questions import mixture_questions
    from engine.images.certify.questions import Questions
    from engine.network_file import load_network

    mixed = is_mixture(arguments.contents)
    if mixed and arguments.patch is not None:
        what = "these contents are of the whole image, and not of a patch"
        raise InputError(what, where=f"--contents {arguments.contents}", advice="leave --patch out")
    classifier = classifier_of(arguments, arguments.network)
    images = _images(arguments)
    if mixed:
        mixture = read_mixture(arguments.contents, classifier.shape, classifier.scaling)
        return mixture_questions(classifier, load_network(arguments.network), images, mixture, arguments.target)
    contents = read_contents(arguments.contents, classifier.scaling)
    if arguments.patch is None:
        advice = "say --patch, or --contents blend:MAX, brightness:EPS or contrast:EPS"
        raise InputError("there is no --patch", where=f"--contents {arguments.contents}", advice=advice)
    patch = read_patch(arguments.patch, classifier.shape)
    network = load_network(arguments.network)
    return Questions(classifier, network, images, patch, contents, arguments.target)


def _images(arguments: Namespace) -> "ImageSet":
    """So many images of the part that is asked for, or all of them where they are fewer."""
    from engine.images.datasets import load_dataset, load_parts

    if arguments.part == "all":
        parts = load_parts(arguments.data, white=arguments.white)
        if len(parts) > 1:
            what = "this set comes in two parts, each in a file of its own"
            raise InputError(what, where=f"--data {arguments.data}", advice="say --part train or held-out")
        return parts[0].sample(arguments.images)
    dataset = load_dataset(arguments.data, white=arguments.white)
    return (dataset.train if arguments.part == "train" else dataset.held_out).sample(arguments.images)


def _output(arguments: Namespace) -> "Output | None":
    from engine.images.certify.service import Output

    folder: Path | None = arguments.certificates or arguments.out
    if folder is None:
        return None
    if folder.exists() and not folder.is_dir():
        raise InputError("this is no folder", where=str(folder), advice="name a folder")
    return Output(folder=folder, certificates=arguments.certificates is not None, force=arguments.force)


def _options(arguments: Namespace) -> "Options":
    from engine.search.problem import Options

    given = {name: getattr(arguments, name) for name in ("threads", "memory") if getattr(arguments, name)}
    return Options(timeout=arguments.timeout, device=arguments.device, **given)


def _say(record: "CertifyRecord", arguments: Namespace, output: "Output | None") -> None:
    from engine.cli.images.certify_words import lines, positions_table
    from engine.cli.output import show

    if arguments.json:
        answer(json.dumps(record.as_json(), indent=1, allow_nan=False))
        return
    table = positions_table(record)
    if table:
        show(table)
    answer("\n".join(lines(record)))
    if output:
        answer(f"written: {', '.join(str(output.folder / name) for name in (*record.files, 'images.json'))}")
        if output.certificates and not record.files:
            answer("no certificate: nothing is proved")
