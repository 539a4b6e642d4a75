"""`--largest`: the smallest eps that is proved and the largest that is refuted."""

import json
from argparse import Namespace
from dataclasses import replace
from fractions import Fraction

from engine.cli.live import live_line
from engine.cli.options import search_options
from engine.cli.output import HOLDS, UNDECIDED, answer, show
from engine.cli.question_answer import say
from engine.cli.question_files import Places, keep, write_report
from engine.cli.question_json import ends_in_words, narrowed_json
from engine.cli.question_options import STEPS
from engine.cli.question_words import Words
from engine.comparison.asking import Answer, Asked, ask
from engine.comparison.narrowing import Narrowed, Step, narrow
from engine.comparison.questions import Equivalent
from engine.comparison.seeking import seek
from engine.exact import number_text


def narrowed(asked: Asked, words: Words, places: Places, arguments: Namespace) -> int:
    """Narrows eps down, prints both ends, keeps a question and a certificate of each. Exit code 0 if one is proved."""
    options = search_options(arguments)

    def ask_for(eps: Fraction, seconds: float) -> Answer:
        statement, limited = Equivalent(eps), replace(options, timeout=seconds)
        return ask(replace(asked, statement=statement), limited, path=places.text)

    with live_line("narrowing") as update:

        def on_step(step: Step) -> None:
            if update:
                update(f"{_tried(step)}")

        first = asked.statement
        assert isinstance(first, Equivalent)
        step_seconds = arguments.step_timeout or arguments.timeout / STEPS
        known = seek(asked, options, path=places.text)
        limits = {"step_seconds": step_seconds, "seconds": arguments.timeout}
        found = narrow(ask_for, first.eps, known=known, **limits, on_step=on_step)
    if found.proved:
        keep(found.proved, places, options)
    if found.refuted:
        keep(found.refuted, places.called("refuted"), options)
    content = narrowed_json(found, words)
    write_report(arguments.report, content)
    if arguments.json:
        answer(json.dumps(content, indent=2, allow_nan=False))
    else:
        _say(found, words)
    return HOLDS if found.proved else UNDECIDED


def _say(found: Narrowed, words: Words) -> None:
    """Prints both ends in a line, what was given up, each of them in words, and the steps."""
    from rich import box
    from rich.table import Table

    answer(ends_in_words(found.bracket))
    answer(f"{len(found.steps)} questions, {found.seconds:.1f} s")
    for end in filter(None, (found.proved, found.refuted)):
        answer("")
        say(end, words)
    table = Table("eps", "verdict", box=box.SIMPLE)
    for name in ("boxes", "seconds"):
        table.add_column(name, justify="right")
    for step in found.steps:
        table.add_row(number_text(step.eps), step.word, f"{step.boxes:,}", f"{step.seconds:.2f}")
    show(table)


def _tried(step: Step) -> str:
    return f"{number_text(step.eps)}: {step.word}, {step.boxes:,} boxes, {step.seconds:.1f} s"
