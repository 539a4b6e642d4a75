"""`acasxu verify` for queries in VNN-LIB 2.0: the standard's solver interface, with this program's options."""

from argparse import Namespace
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.confirm import confirm_written
from engine.cli.live import live_line, search_text
from engine.cli.options import search_settings
from engine.cli.output import note
from engine.cli.query_output import QueryOutput, prepare_output
from engine.cli.region_picture import write_regions
from engine.cli.told import OPTION
from engine.cli.verdict_files import EXIT_CODES, warn_of_limits
from engine.errors import InputError
from engine.files import prepare
from engine.foreign import plain
from engine.network import Network
from engine.picture import prepare_picture
from engine.query import Query
from engine.verdict import Unknown, Verdict

if TYPE_CHECKING:  # these take long
    from engine.joining import Question
    from engine.search.problem import Options


def decide_query(path: Path, arguments: Namespace, *, single: Path | None, named: Mapping[str, Path]) -> int:
    """Decides the query in a file; the verdict goes to stdout in the standard's form, and to the exit code.

    single: the file of its one network; where there is none, the files of all are `named`.
    """
    from engine.vnnlib import load_query

    query = load_query(path)
    files = _files(query, {_only_network(query): single} if single else named)
    output: QueryOutput = prepare_output(path, files, query, arguments)
    certificate = None
    if arguments.certificate:
        certificate = prepare(arguments.certificate, option="--certificate", given=(path, *files.values()))
    picture = prepare_picture(arguments.picture) if arguments.picture else None
    with live_line("loading") as update:
        question = _question(query, files, arguments.units)
        drawn = _drawn(question) if picture else None
        if certificate:
            warn_of_limits(certificate, query.property)
        options = _options(question, arguments)
        verdict = _decide(question, options, update)
    if certificate:
        _certify(certificate, question, verdict, options, files, path)
    if picture and drawn:
        write_regions(picture, drawn, query.property, verdict)
    output.tell(question, verdict)
    return EXIT_CODES[type(verdict)]


def _only_network(query: Query) -> str:
    """The name of the network that all others are equal to."""
    names = [declared.name for declared in query.networks if not declared.equal_to]
    if len(names) > 1:
        raise InputError(
            f"it declares {len(names)} networks, and one is given without a name",
            where=query.property.name,
            advice=f"give each as {OPTION} NAME=FILE: {', '.join(names)}",
        )
    return names[0]


def _files(query: Query, files: Mapping[str, Path]) -> dict[str, Path]:
    """The file of each declared network. InputError unless each has one, but for those equal to others."""
    from engine.joining import resolved

    for declared in query.networks:
        if declared.equal_to and declared.name in files:
            raise InputError(
                f"network {declared.name!r} is equal-to {declared.equal_to}, and has no file of its own",
                where=query.property.name,
                advice=f"leave out {OPTION} {declared.name}=..",
            )
    return resolved(query, files)


def _question(query: Query, files: Mapping[str, Path], units: str | None) -> "Question":
    from engine.joining import join
    from engine.network_file import load_networks

    return join(query, dict(zip(files, load_networks(list(files.values()), units=units))))


def _options(question: "Question", arguments: Namespace) -> "Options":
    """The search's options, in the semantics that the query's types demand, or in stronger ones that are asked for."""
    from engine.search.problem import Options

    if arguments.semantics == "real" and question.semantics != "real":
        raise InputError(
            f"the query is about {question.semantics} tensors, whose answer has to hold as executed",
            where="--semantics real",
            advice="leave it out, or declare all tensors real",
        )
    return Options(**search_settings(arguments) | {"semantics": arguments.semantics or question.semantics})


def _decide(question: "Question", options: "Options", update: Callable[[str], None] | None) -> Verdict:
    from engine.search.problem import Progress
    from engine.search.verify import verify

    def on_progress(progress: Progress) -> None:
        if update:
            update(search_text(progress))

    return verify(question.joint, question.query.property, options, on_progress=on_progress)


def _drawn(question: "Question") -> Network:
    """The network of a question about one network with two inputs. InputError for others."""
    prop, blocks = question.query.property, question.joint.blocks
    if prop.warning:
        what = f"nothing satisfies the asserts ({prop.emptiness}): no input can be looked at"
        raise InputError(what, where="--picture", advice="leave it out")
    if len(blocks) != 1 or blocks[0].inputs != (0, 1):
        what = "pictures are drawn of one network's outputs, over two inputs that are not tied"
        raise InputError(what, where="--picture", advice="leave it out")
    return blocks[0].network


def _certify(
    path: Path, question: "Question", verdict: Verdict, options: "Options", networks: Mapping[str, Path], query: Path
) -> None:
    """Writes the certificate, if there is a verdict to be certified, and has it checked."""
    from engine.audit.check import Result, check

    if isinstance(verdict, Unknown):
        note(f"acasxu: {plain(path)} is not written: nothing was decided")
        return
    write = import_module("engine.certificate").write_question_certificate
    try:
        write(path, question, verdict, options, force=True)
    except InputError as error:
        raise InputError(
            f"the verdict is {verdict.word}, but {error.what}", where=str(path), advice=error.advice
        ) from None
    again: Callable[..., Result] = check  # of networks by their names, too
    confirm_written(path, lambda: again(path, networks, query), lost="this is no verdict; please report it")
