"""The files of an answer: the question as VNN-LIB 2.0, and beside it the certificate."""

from argparse import Namespace
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.confirm import confirm_written
from engine.cli.output import note
from engine.cli.verdict_files import write_result
from engine.errors import InputError
from engine.files import prepare
from engine.foreign import plain
from engine.verdict import Unknown

if TYPE_CHECKING:  # a usage error is to be said before torch is loaded
    from engine.comparison.asking import Answer
    from engine.search.problem import Options


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are: the networks' files, the question's and the certificate's.

    text: also a name, where `writes` says that no file is wanted; certificate: None where none is wanted.
    """

    networks: tuple[Path, ...]
    text: Path = Path("question.vnnlib")
    writes: bool = False
    certificate: Path | None = None

    def called(self, word: str) -> "Places":
        """The same places with a word in the names of what is written, as in same.refuted.zip."""
        text, certificate = (path and path.with_name(f"{path.stem}.{word}{path.suffix}") for path in self._written)
        assert text is not None
        return replace(self, text=text, certificate=certificate)

    @property
    def _written(self) -> tuple[Path, Path | None]:
        return self.text, self.certificate


def prepared(arguments: Namespace, networks: list[Path]) -> Places:
    """The places of what is asked for, after a trial that files can be written there."""
    given = [*networks, *filter(None, (arguments.box, arguments.property and Path(arguments.property)))]
    if arguments.report:
        if arguments.report.suffix not in (".html", ".md"):
            raise InputError("reports are .html or .md", where=f"--report {arguments.report}", advice="name it so")
        prepare(arguments.report, option="--report", given=given)
    places = Places(tuple(networks))
    if arguments.certificate:
        certificate = arguments.certificate
        text = certificate.with_name(f"{certificate.stem}.question.vnnlib")
        places = replace(places, certificate=certificate, text=text, writes=True)
    if arguments.write:
        places = replace(places, text=arguments.write, writes=True)
    if not places.writes:
        return places
    certificate = places.certificate
    if certificate:
        certificate = prepare(certificate, option="--certificate", given=[*given, places.text])
    text = prepare(places.text, option="--write" if arguments.write else "--certificate", given=given)
    return replace(places, text=text, certificate=certificate)


def write_report(path: Path | None, content: dict[str, object]) -> None:
    """Writes the page of an answer, given as JSON, if one is wanted."""
    if path:
        from engine.report.statements import statement_page

        write_result(path, statement_page(content, suffix=path.suffix).encode("utf-8"), "the report")


def keep(found: "Answer", places: Places, options: "Options") -> None:
    """Writes the question, and the certificate of what was decided, which the independent checker then checks."""
    if places.writes:
        write_result(places.text, found.text, "the question")
    if places.certificate is None:
        return
    if isinstance(found.verdict, Unknown):
        note(f"acasxu: {plain(str(places.certificate))} is not written: nothing was decided")
        return
    from engine.audit.check import check
    from engine.certificate import write_question_certificate
    from engine.comparison.questions import ONE, OTHER

    certificate, networks = places.certificate, places.networks
    write_question_certificate(certificate, found.question, found.verdict, options, force=True)
    named = dict(zip((ONE, OTHER), networks))
    confirm_written(
        certificate,
        lambda: check(certificate, named, places.text),
        lost="this is no verdict; please report it",
    )
