"""`acasxu images repair`: a repaired network of the same shape, and a record of what it gained and lost.

Exit codes: 0 repaired; 1 not repaired, or nothing was found to repair it for; 2 bad input; 3 out of time; 130
interrupted. It is repaired where at least half of the harm is gone (the attack's success on held-out images where a
trigger is known, else the wrong ones among the given images) and at most 2 points of clean accuracy. Otherwise nothing
is written.
"""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.images.goal import demand_goal, goal_of, proofs_of
from engine.cli.images.options import classifier_of, dataset_of, demand_free, warn_of_chance
from engine.cli.images.repair_options import add_repair, own_options
from engine.cli.output import UNDECIDED, answer
from engine.errors import InputError

if TYPE_CHECKING:
    from engine.images.classifier import Classifier
    from engine.images.datasets import Dataset
    from engine.images.imageset import ImageSet
    from engine.images.poison import Backdoor
    from engine.images.repair.service import ImageRepair

HELP = "repair a classifier, and say what it gained and lost"
USAGE = "acasxu images repair NETWORK.onnx --data NAME_OR_PATH --out REPAIRED.onnx [options]"

REPAIRED, NOT_REPAIRED = 0, 1
Say = Callable[[float, str], None]


def add(parser: ArgumentParser) -> None:
    """Adds the options."""
    add_repair(parser)


def run(arguments: Namespace) -> int:
    """Repairs, measures, writes; says what was done on stdout and by the exit code."""
    from engine.deadline import OutOfTime
    from engine.files import prepare

    paths = [arguments.out, arguments.out.with_suffix(".json")]
    paths += [_trigger_path(arguments)] if arguments.scan else []
    for path in paths:
        demand_free(path, arguments=arguments)
    _demand_one_cause(arguments)
    own = own_options(arguments)
    classifier, dataset = classifier_of(arguments, arguments.network), dataset_of(arguments)
    demand_goal(arguments, classifier)
    warn_of_chance(classifier, dataset.train)
    faults = _faults(arguments, classifier)
    with _progress() as say:
        backdoor = _backdoor(arguments, classifier, dataset, say)
        if backdoor is None and faults is None:
            answer("not repaired, nothing written: the scan flags no class")
            return NOT_REPAIRED
        targets = [prepare(path, option="--out") for path in paths]
        try:
            found = _repair(arguments, own, classifier, dataset, backdoor, faults, say)
        except OutOfTime:
            answer(f"out of time after {arguments.timeout:g} s, nothing written")
            return UNDECIDED
    exit_code = _tell(found, targets, backdoor, out=str(arguments.out))
    if exit_code == NOT_REPAIRED and arguments.certificates:
        answer(
            f"{arguments.certificates} tells of the network that is not written: what was proved, and what works on it"
        )
    return exit_code


def _demand_one_cause(arguments: Namespace) -> None:
    if (arguments.trigger is None) != (arguments.target is None):
        raise InputError("a trigger and its target belong together", where="--trigger, --target", advice="give both")
    if arguments.trigger and arguments.scan:
        raise InputError("the trigger is known already", where="--scan", advice="leave out --scan or --trigger")
    if arguments.poisoned and arguments.failing:
        raise InputError("only one of them is read", where="--poisoned, --failing", advice="join the files")
    if not (arguments.trigger or arguments.scan or arguments.poisoned or arguments.failing):
        raise InputError(
            "there is nothing to repair it for", advice="give --trigger and --target, --poisoned, --failing or --scan"
        )


def _faults(arguments: Namespace, classifier: "Classifier") -> "ImageSet | None":
    from engine.images.readers import read_images

    path = arguments.poisoned or arguments.failing
    return read_images(path, classes=classifier.classes, white=arguments.white) if path else None


def _backdoor(arguments: Namespace, classifier: "Classifier", dataset: "Dataset", say: Say) -> "Backdoor | None":
    """The backdoor that the options name, or the first that the scan flags."""
    from engine.images.cleanse import CleanseOptions, cleanse
    from engine.images.poison import Backdoor
    from engine.images.trigger import read_trigger

    if arguments.trigger:
        return Backdoor(read_trigger(arguments.trigger, classifier.shape), arguments.target)
    if not arguments.scan:
        return None
    options = CleanseOptions(seed=arguments.seed)
    found = cleanse(classifier, dataset.train, options, report=lambda share: say(share, "searching for a trigger"))
    if not found.flagged:
        return None
    label = found.flagged[0]
    answer(f"the scan flags class {label}, whose smallest trigger covers {found.l1.min(0)[label]:.1f} pixels")
    return Backdoor(replace(found.triggers[label], name=_trigger_path(arguments).name), label)


def _trigger_path(arguments: Namespace) -> Path:
    """The place of the trigger that --scan finds: beside the repaired network."""
    path: Path = arguments.out.with_suffix(".trigger.npz")
    return path


def _repair(
    arguments: Namespace,
    own: dict[str, dict[str, object]],
    classifier: "Classifier",
    dataset: "Dataset",
    backdoor: "Backdoor | None",
    faults: "ImageSet | None",
    say: Say,
) -> "ImageRepair":
    from engine.images.repair.service import repair_classifier
    from engine.images.repair.task import RepairOptions

    options = RepairOptions(
        method=arguments.method,
        timeout=arguments.timeout,
        seed=arguments.seed,
        device=arguments.device,
        by_method=own,
    )
    return repair_classifier(
        classifier,
        dataset,
        backdoor=backdoor,
        faults=faults,
        options=options,
        goal=goal_of(arguments, classifier, backdoor),
        proofs=proofs_of(arguments),
        name=arguments.out.name,
        report=say,
    )


def _tell(found: "ImageRepair", targets: list[Path], backdoor: "Backdoor | None", *, out: str) -> int:
    """Writes the files if it is repaired, and says what it gained and lost.

    targets: of the network, the record and, where a scan found it, the trigger.
    """
    from engine.cli.images.repair_words import say_repair
    from engine.files import write_bytes, write_text
    from engine.images.trigger import trigger_bytes

    record = found.record
    if record.is_repaired:
        write_bytes(targets[0], found.classifier.data)
        write_text(targets[1], json.dumps(record.as_json(), indent=1) + "\n")
        for path in targets[2:]:
            assert backdoor is not None  # the scan's
            write_bytes(path, trigger_bytes(backdoor.trigger))
    say_repair(record, out=out)
    return REPAIRED if record.is_repaired else NOT_REPAIRED


@contextmanager
def _progress() -> Iterator[Say]:
    """A bar on stderr; silent where that is no terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda share, text: bar.update(task, completed=share, description=text)
