"""The options of `acasxu compare` that ask for a proof or a counterexample. Nothing heavy is imported here."""

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path

from engine.cli.options import add_search, seconds
from engine.errors import InputError

MAX_DIGITS = 100  # before and behind the point
SECONDS = 60.0  # for a proof, unless --timeout says another
STEPS = 10  # of --largest: so many may take all of their time

#: The options that make a question, and the options that each of some others goes with, as attributes.
QUESTIONS = ("equivalent", "same_advisory", "monotone")
DETAILS = {
    "gap": ("same_advisory", "prove"),
    "output": ("monotone",),
    "tolerance": ("monotone",),
    "largest": ("equivalent",),
    "step_timeout": ("equivalent",),
    "property": QUESTIONS,
    "box": QUESTIONS,
    "whole_domain": QUESTIONS,
    "write": QUESTIONS,
    "report": QUESTIONS,
}


def add_questions(parser: ArgumentParser) -> None:
    """Adds them, and those of a search."""
    group = parser.add_argument_group("a statement to be proved or refuted, instead of a comparison")
    asked = group.add_mutually_exclusive_group()
    asked.add_argument(
        "--equivalent",
        type=positive_decimal,
        metavar="EPS",
        help="all outputs of both networks are within EPS of each other",
    )
    asked.add_argument(
        "--same-advisory",
        action="store_true",
        help="both networks' decision (--decision) is the same, but where the first one's two best\n"
        "outputs are within --gap",
    )
    asked.add_argument(
        "--monotone",
        type=direction,
        metavar="INPUT+|-",
        help="of one network, as in 0+: raising that input, all others equal, never lowers (+) or\n"
        "never raises (-) an output",
    )
    group.add_argument(
        "--gap",
        type=decimal,
        metavar="G",
        help="of outputs that are as good as equal, in their own unit (default: 0, exact ties);\n"
        "of --prove: the proof is about points alone where the first network's two best outputs\n"
        "differ by more",
    )
    group.add_argument("--output", type=int, metavar="J", help="of --monotone: that output alone (default: all)")
    group.add_argument(
        "--tolerance", type=decimal, metavar="T", help="of --monotone: by T an output may go wrong (default: 0)"
    )
    group.add_argument(
        "--largest",
        action="store_true",
        help="narrow EPS down to the smallest that is proved and the largest that is refuted",
    )
    group.add_argument(
        "--step-timeout", type=seconds, metavar="S", help="of --largest: seconds for each EPS (default: --timeout / 10)"
    )
    where = group.add_mutually_exclusive_group()
    where.add_argument("--property", metavar="P", help="on its input boxes alone: 1..10 of ACAS Xu, or a VNN-LIB file")
    where.add_argument("--box", type=Path, metavar="FILE", help="on the input boxes in a VNN-LIB file")
    where.add_argument("--whole-domain", action="store_true", help="on all of the domain (default)")
    group.add_argument(
        "--write",
        type=Path,
        metavar="FILE",
        help="write the question as VNN-LIB 2.0 (default: beside the certificate, as .vnnlib)",
    )
    group.add_argument("--report", type=Path, metavar="FILE", help="write the answer as a page, FILE.html or FILE.md")
    add_search(group, timeout="seconds for a proof, and for --largest in all (default: 60)")
    parser.set_defaults(timeout=SECONDS)


def asks(arguments: Namespace) -> bool:
    """True where a statement is to be proved or refuted. InputError for options that do not belong together."""
    asked = next((name for name in QUESTIONS if getattr(arguments, name)), "")
    for name, owners in DETAILS.items():
        value = getattr(arguments, name)
        if value is not None and value is not False and not any(getattr(arguments, owner) for owner in owners):
            needed = " or ".join(f"--{owner.replace('_', '-')}" for owner in owners)
            raise InputError(f"it goes with {needed}", where=f"--{name.replace('_', '-')}", advice="leave it out")
    if not asked and arguments.semantics != "real":
        raise InputError(
            "a comparison is measured in float32, and proved in exact arithmetic",
            where="--semantics",
            advice="leave it out",
        )
    for name in ("prove", "picture") if asked else ():
        if getattr(arguments, name):
            raise InputError(f"it does not go with --{asked.replace('_', '-')}", where=f"--{name}", advice="choose one")
    return bool(asked)


# Their values


def decimal(text: str) -> Fraction:
    """A decimal number of at least 0, exactly."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0 or abs(number.adjusted()) > MAX_DIGITS or len(text) > MAX_DIGITS:
        raise ArgumentTypeError(f"{text!r} is no decimal number of at least 0, of at most {MAX_DIGITS} digits")
    return Fraction(number)


def positive_decimal(text: str) -> Fraction:
    """A decimal number above 0, exactly."""
    try:
        number = decimal(text)
    except ArgumentTypeError:
        number = Fraction(0)
    if not number:
        raise ArgumentTypeError(f"{text!r} is no decimal number above 0, of at most {MAX_DIGITS} digits")
    return number


def direction(text: str) -> tuple[int, bool]:
    """An input and True for +, False for -."""
    if not re.fullmatch(r"[0-9]{1,9}[+-]", text, re.ASCII):
        raise ArgumentTypeError(f"{text!r} is no input with + or - behind it, such as 0+")
    return int(text[:-1]), text[-1] == "+"
