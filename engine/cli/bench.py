"""`acasxu bench`: many instances."""

import time
from argparse import Namespace
from collections import Counter

from engine.bench.instances import Instance, acasxu_instances, read_instances
from engine.cli.live import live_line
from engine.cli.options import search_options
from engine.cli.output import DONE, INTERRUPTED, MISMATCH, UNDECIDED, answer, note, show
from engine.errors import InputError


def run(arguments: Namespace) -> int:
    """Decides all instances, then prints the summary and compares with what is expected."""
    if arguments.expected and not arguments.expected.is_file():  # opened after the last verdict only
        raise InputError("no such file", where=f"--expected {arguments.expected}", advice="check the path")
    instances = _instances(arguments)
    outcomes = []
    try:
        seconds = _decide(instances, arguments, outcomes)
    except KeyboardInterrupt:
        kept = f" and kept in {arguments.out / 'results.csv'}" if outcomes else ""
        note(f"acasxu: interrupted; {len(outcomes)} of {len(instances)} instances are decided{kept}")
        return INTERRUPTED
    _summarize(outcomes, seconds)
    return _compare(arguments, outcomes)


def _instances(arguments: Namespace) -> list[Instance]:
    if arguments.instances:
        return read_instances(arguments.instances)
    return acasxu_instances(all_pairs=arguments.all_pairs, data=arguments.data)


def _decide(instances: list[Instance], arguments: Namespace, outcomes: list) -> float:
    """Appends each outcome as soon as it is known, and returns the seconds of the search."""
    from engine.bench.certificates import CertificatesFolder
    from engine.bench.folder import ResultsFolder
    from engine.bench.runner import decide, load
    from engine.search.verify import choose_device

    with live_line("loading") as update:
        problems = load(instances, limit=arguments.timeout)
        options = search_options(arguments)
        choose_device(options.device)  # its error comes before a folder is touched
        on_progress = update and (lambda progress: update(_progress_text(progress, outcomes)))
        start = time.perf_counter()
        certificates = arguments.certificates and CertificatesFolder(arguments.certificates, force=arguments.force)
        with ResultsFolder(arguments.out, force=arguments.force) as folder:
            decide(instances, problems, options, folder=folder, certificates=certificates,
                   on_outcome=outcomes.append, on_progress=on_progress)
        return time.perf_counter() - start


def _progress_text(progress, outcomes: list) -> str:
    counts = Counter(outcome.verdict.word for outcome in outcomes)
    undecided = counts["unknown"] + counts["timeout"]
    return (f"{progress.decided} of {progress.problems} done: {counts['unsat']} hold, "
            f"{counts['sat']} violated, {undecided} undecided; "
            f"{progress.open:,} boxes open, {progress.seconds:.0f} s")


def _summarize(outcomes: list, seconds: float) -> None:
    from engine.bench.report import hardest, summary

    show(summary(outcomes, seconds=seconds), hardest(outcomes))


def _compare(arguments: Namespace, outcomes: list) -> int:
    """The exit code; contradictions count more than what is undecided."""
    from engine.bench.report import compare, differences

    undecided = [outcome for outcome in outcomes if outcome.verdict.word in ("unknown", "timeout")]
    if not arguments.expected:
        return UNDECIDED if undecided else DONE
    comparison = compare(outcomes, arguments.expected)
    answer(f"{arguments.expected}: {comparison}")
    if comparison.mismatches:
        show(differences(comparison.mismatches, title="mismatches"))
    if comparison.undecided:
        show(differences(comparison.undecided, title="undecided"))
    if comparison.mismatches:
        return MISMATCH
    return UNDECIDED if comparison.undecided else DONE
