"""The answer to one statement: printed, and kept as files."""

import json
from argparse import Namespace
from collections.abc import Callable

from engine.cli.helpful import helpful
from engine.cli.live import live_line, search_text
from engine.cli.options import search_options
from engine.cli.output import answer, show
from engine.cli.question_files import Places, keep, write_report
from engine.cli.question_json import answer_json
from engine.cli.question_words import Words
from engine.cli.verdict_files import EXIT_CODES
from engine.comparison.asking import Answer, Asked, ask, refutation
from engine.comparison.questions import Monotone
from engine.search.problem import Progress
from engine.verdict import Unknown, Verified


def decide(asked: Asked, words: Words, places: Places, arguments: Namespace) -> int:
    """Asks, prints the answer, keeps question and certificate, and returns the exit code of `verify`."""
    options = search_options(arguments)
    with live_line("searching") as update:
        found = ask(asked, options, path=places.text, on_progress=_told(update))
    keep(found, places, options)
    content = answer_json(found, words)
    write_report(arguments.report, content)
    if arguments.json:
        answer(json.dumps(content, indent=2, allow_nan=False))
    else:
        say(found, words)
        if isinstance(found.verdict, Unknown):
            answer(_advice(found.verdict, asked, arguments))
    return EXIT_CODES[type(found.verdict)]


def _told(update: Callable[[str], None] | None) -> Callable[[Progress], None] | None:
    return update and (lambda progress: update(search_text(progress)))


def say(found: Answer, words: Words) -> None:
    """Prints the verdict in a line, what it means, what it took, and the point that refutes the statement."""
    statement, verdict, point = found.asked.statement, found.verdict, refutation(found)
    answer(words.verdict(found, point))
    answer(f"{'that is' if isinstance(verdict, Verified) else 'asked'}: {words.meaning(statement)}")
    answer(cost(found))
    if point:
        answer(words.point(statement, point))
        show(
            words.outputs(point, at=("before", "after") if isinstance(statement, Monotone) else ("original", "changed"))
        )


def cost(found: Answer) -> str:
    """The semantics of a verdict, and what it took."""
    statistics = found.verdict.statistics
    boxes = f"{statistics.boxes:,} box{'es' if statistics.boxes != 1 else ''}"
    return f"semantics {found.verdict.semantics}, {boxes}, {statistics.seconds:.2f} s, {statistics.device}"


def _advice(verdict: Unknown, asked: Asked, arguments: Namespace) -> str:
    if isinstance(asked.statement, Monotone) and not asked.statement.tolerance:
        return "what may help: a --tolerance; where x' is x both outputs are equal, so nothing is left for rounding"
    return helpful(verdict, arguments)
