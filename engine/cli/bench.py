"""`acasxu bench`: decides many instances, and reports on them."""

import os
from argparse import Namespace
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.bench.instances import Instance, acasxu_instances, distinct, in_units, read_instances
from engine.bench.session import Differs, Session
from engine.bench.settings import RunSettings
from engine.cli.bench_options import FOLDER
from engine.cli.live import live_line
from engine.cli.options import search_settings
from engine.cli.output import BAD_INPUT, DONE, INTERRUPTED, MISMATCH, UNDECIDED, answer, note, show
from engine.cli.units import demand_certifiable, demand_repairable
from engine.errors import InputError
from engine.nnet import RAW
from engine.results.row import Row
from engine.results.summary import counts
from engine.results.words import CONFIRMED, TAKEN_OVER, one_line

if TYPE_CHECKING:
    from engine.bench.repair_jobs import RepairSettings


def run(arguments: Namespace) -> int:
    """Decides all instances, repairs if asked to, prints the summary and compares with what is expected."""
    _demand_sense(arguments)
    instances = _instances(arguments)
    session = Session(instances, _settings(arguments))
    try:
        with live_line("reading") as update:
            session.run((lambda: update(_progress_text(session))) if update else (lambda: None))
    except Differs as error:
        for line in error.lines:
            note(f"acasxu: {one_line(line)}")
        raise
    except KeyboardInterrupt:
        note(f"acasxu: interrupted; {_kept(session)}")
        return INTERRUPTED
    except Exception:
        if session.rows:
            note(f"acasxu: {_kept(session)}")
        raise
    _say(session, arguments)
    codes = _expectation_code(arguments, session.rows), _outcome_code(session)
    code = max(codes, key=[DONE, UNDECIDED, BAD_INPUT, MISMATCH].index)
    if arguments.report:
        from engine.report import write_report

        answer(f"report: {one_line(str(write_report(arguments.out)))}")
    return code


def _demand_sense(arguments: Namespace) -> None:
    """InputError for options that contradict each other; fills in the folder of certificates."""
    if arguments.expected and not os.path.isfile(arguments.expected):  # opened after the last verdict only
        raise InputError("no such file", where=f"--expected {arguments.expected}", advice="check the path")
    if arguments.resume and arguments.force:
        raise InputError("--resume goes on with results, --force replaces them", advice="choose one")
    if arguments.verify_resumed and not arguments.resume:
        raise InputError("there is nothing to be verified without --resume", where="--verify-resumed", advice="add it")
    if (arguments.domain or arguments.decision or arguments.keep_outputs) and not arguments.repair:
        what = "--domain, --decision and --keep-outputs say what repairs are compared by"
        raise InputError(what, advice="add --repair")
    if arguments.check and not arguments.certificates:
        arguments.certificates = FOLDER
    demand_certifiable(arguments.certificates, arguments.units, option="--certificates")
    if arguments.repair:
        demand_repairable(arguments.units, option="--repair")
    if arguments.certificates == FOLDER:
        arguments.certificates = arguments.out / FOLDER


def _instances(arguments: Namespace) -> list[Instance]:
    """The instances, each once, with the limit of the command line if there is one."""
    if arguments.instances:
        listed = read_instances(arguments.instances)
    else:
        listed = acasxu_instances(all_pairs=arguments.all_pairs, data=arguments.data)
    instances = distinct(in_units(listed, arguments.units) if arguments.units else listed)
    if len(instances) < len(listed):
        note(f"acasxu: {len(listed) - len(instances)} lines repeat an instance, which is decided once")
    return [replace(instance, limit=arguments.timeout or instance.limit) for instance in instances]


def _settings(arguments: Namespace) -> RunSettings:
    return RunSettings(
        arguments.out,
        search_settings(arguments),
        certificates=arguments.certificates,
        check=arguments.check,
        jobs=arguments.jobs,
        dask=arguments.dask,
        resume=arguments.resume,
        verify_resumed=arguments.verify_resumed,
        force=arguments.force,
        repair=_repair_settings(arguments) if arguments.repair else None,
        raw=arguments.units == RAW,
    )


def _repair_settings(arguments: Namespace) -> "RepairSettings":
    from engine.bench.repair_jobs import RepairSettings

    return RepairSettings(
        arguments.repair_method,
        arguments.repair_timeout,
        arguments.repair_samples,
        arguments.repair_grid,
        arguments.semantics,
        arguments.device,
        arguments.domain,
        arguments.decision,
        str(arguments.keep_outputs) if arguments.keep_outputs else None,
    )


def _progress_text(session: Session) -> str:
    """The run so far: done, holds, violated, open, and the time that is left if the rest is like what is done."""
    if session.sifting:
        return "{:,} of {:,} earlier results gone through again".format(*session.sifting)
    if session.repairs is not None:
        return f"{len(session.repairs)} of {session.repairing} networks seen to; {_duration(session.seconds)}"
    done, total, found = len(session.rows), len(session.instances), counts(session.rows)
    text = (
        f"{done:,} of {total:,} done: {found['unsat']:,} hold, {found['sat']:,} violated, "
        f"{found['unknown'] + found['timeout']:,} open"
    )
    text += f", {found['error']:,} errors" if found["error"] else ""
    text += f"; {_duration(session.seconds)}"
    if done > session.begun:
        text += f", about {_duration(session.seconds * (total - done) / (done - session.begun))} left"
    return text + (f"; {session.boxes:,} boxes open" if session.boxes else "")


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _kept(session: Session) -> str:
    done = f"{len(session.rows)} of {len(session.instances)} instances are decided"
    if not session.rows:
        return done
    return f"{done} and kept in {one_line(str(session.settings.out / 'results.csv'))}; go on with --resume"


def _say(session: Session, arguments: Namespace) -> None:
    """Notes on the rows of earlier sessions, and the tables."""
    from engine.results.tables import hardest, remarks, repairs, summary

    _say_of_earlier(session, arguments)
    tables = [summary(session.rows, seconds=session.seconds), hardest(session.rows), remarks(session.rows)]
    tables += [] if session.repairs is None else [repairs(session.repairs)]
    show(*(table for table in tables if table is not None))


def _say_of_earlier(session: Session, arguments: Namespace) -> None:
    """Notes on what has become of the rows of earlier sessions."""
    if session.dropped:
        note(f"acasxu: {session.dropped} lines of the interrupted run were cut off, or lacked their files: done again")
    refuted = {" and ".join(names): reason for names, reason in session.refuted.items()}
    for name, reason in (refuted | session.refuted_repairs).items():
        note(f"acasxu: {one_line(name)}: what the folder says is not borne out, and was done again: {one_line(reason)}")
    if arguments.resume and session.begun:
        rest, found = len(session.rows) - session.begun, Counter(row.origin for row in session.rows)
        told = ", ".join(f"{found[word]} {word}" for word in (CONFIRMED, TAKEN_OVER) if found[word])
        note(
            f"acasxu: {session.begun} instances were done already, "
            + (f"{rest} now" if rest else "nothing is left")
            + f"; of the earlier ones {told}"
            + ": --verify-resumed decides these again" * bool(found[TAKEN_OVER])
        )


def _expectation_code(arguments: Namespace, rows: list[Row]) -> int:
    """Says how far rows are as expected; the exit code that this, or an undecided row, asks for."""
    from engine.results.expected import agreement
    from engine.results.tables import differences

    undecided = [row for row in rows if row.verdict in ("unknown", "timeout")]
    if not arguments.expected:
        return UNDECIDED if undecided else DONE
    found = agreement(rows, arguments.expected)
    answer(f"{one_line(str(arguments.expected))}: {found}")
    if found.mismatches:
        show(differences(found.mismatches, title="mismatches"))
    if found.undecided:
        show(differences(found.undecided, title="undecided"))
    if found.mismatches:
        return MISMATCH
    return UNDECIDED if found.undecided else DONE


def _outcome_code(session: Session) -> int:
    """The exit code that certificates, errors and repairs ask for."""
    outcomes = {row["outcome"] for row in session.repairs or ()}
    if any(row.check == "rejected" for row in session.rows):
        return MISMATCH
    if "error" in outcomes or any(row.verdict == "error" for row in session.rows):
        return BAD_INPUT
    return UNDECIDED if "failed" in outcomes else DONE
