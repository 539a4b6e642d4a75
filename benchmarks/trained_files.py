"""The files of trained networks and of questions about them, as any user would have them.

    python benchmarks/trained_files.py --out DIR [--only vertical ...] [--seed N]

Writes, of each network, NAME.onnx and NAME-domain.vnnlib; of each of its two questions NAME-a.vnnlib, NAME-b.vnnlib;
and instances.csv, which `acasxu bench` takes. A network that is there already is not trained again. The names vertical,
horizontal, peaks, ... choose: see trained.py. Networks are the same for a seed, if machine and torch are.
"""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
from trained import TRAINED, Subject, train
from trained_questions import Question, exact, questions

from engine.network import Network
from engine.onnx_file import load_network
from engine.property import Case, Polytope, Property, Row
from engine.vnnlib.writer import property_text


@dataclass(frozen=True, slots=True)
class Files:
    """One question's files."""

    question: Question
    network: Path
    property: Path
    domain: Path


def written(folder: Path, *, only: Iterable[str] = (), seed: int = 0) -> list[Files]:
    """All questions, or those about some subjects, with their files, which are written where they are not there."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # sums are added up in one order
    found = []
    for place, (subject, _) in enumerate(TRAINED):
        if not only or subject.name in only:
            found += _of_network(folder, place, seed)
    rows = [f"{each.network.name},{each.property.name},60\n" for each in found]
    (folder / "instances.csv").write_text("".join(rows))
    return found


def _of_network(folder: Path, place: int, seed: int) -> list[Files]:
    (subject, hidden), name = TRAINED[place], f"{TRAINED[place][0].name}-{place}"
    path, domain = folder / f"{name}.onnx", folder / f"{name}-domain.vnnlib"
    network = load_network(path) if path.exists() else train(subject, hidden, seed=1000 * seed + place)
    path.write_bytes(network.onnx_bytes)
    domain.write_text(_comment(f"all inputs of {name}") + property_text(_domain(subject, network)))
    found = []
    for question in questions(place, network, seed=seed):
        text = _comment(f"{question.name}: {question.words}", *_units(subject)) + property_text(question.property)
        found.append(Files(question, path, folder / f"{question.name}.vnnlib", domain))
        found[-1].property.write_text(text)
    return found


def _domain(subject: Subject, network: Network) -> Property:
    """Without outputs that matter: the box of all inputs."""
    lower, upper = (tuple(map(exact, side)) for side in subject.domain)
    zero, none = (Fraction(0),) * len(lower), (Fraction(0),) * network.n_outputs
    always = Polytope((Row(zero, none, Fraction(0)),))
    return Property((Case(lower, upper, (always,)),), len(lower), network.n_outputs)


def _units(subject: Subject) -> list[str]:
    """How inputs are to be read."""
    units = "as they are" if subject.raw else "less the middle of the range, divided by it"
    ranges = (f"{name} {a:g} to {b:g}" for name, a, b in zip(subject.inputs, *subject.box))
    names = (
        f"outputs: {', '.join(subject.outputs)}; {subject.decision.value} is the decision" if subject.outputs else ""
    )
    return [f"inputs {units}: {', '.join(ranges)}", *([names] if names else [])]


def _comment(*lines: str) -> str:
    return "".join(f"; {line}\n" for line in lines)


def names() -> list[str]:
    """What --only takes."""
    return list(dict.fromkeys(subject.name for subject, _ in TRAINED))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--only", nargs="+", choices=names(), default=(), metavar="NAME")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of networks and questions (default: 0)")
    arguments = parser.parse_args()
    for each in written(arguments.out, only=arguments.only, seed=arguments.seed):
        print(f"{each.network} {each.property}: {each.question.words}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
