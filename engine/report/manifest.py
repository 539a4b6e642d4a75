"""manifest.json -> Manifest."""

import json
from dataclasses import dataclass
from pathlib import Path

from engine.bench.manifest import demand_amounts, demand_format
from engine.errors import InputError
from engine.report.csv_file import read_text

MAX_BYTES = 64 * 2**20
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A session that worked on the folder: a run that was resumed has several. None where the file does not say."""

    started: str
    ended: str
    decided: int | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Manifest:
    """The origin of the results, as far as the file says: names and values as text, for reading.

    `inputs`: files' SHA-256 by name. `made_from`: the SHA-256 of what networks' own metadata say that they were made
    from, likewise. `several`: what results call networks together, and (name in the question, file) of each.
    """

    engine: str = ""
    commit: str = ""
    started: str = ""
    command: str = ""
    versions: Pairs = ()
    machine: Pairs = ()
    options: Pairs = ()
    inputs: Pairs = ()
    made_from: Pairs = ()
    instances: tuple[tuple[str, str], ...] = ()
    several: tuple[tuple[str, Pairs], ...] = ()
    sessions: tuple[SessionRecord, ...] = ()

    @property
    def wall_seconds(self) -> float | None:
        """The seconds of all sessions that say so; None where none does."""
        known = [session.seconds for session in self.sessions if session.seconds is not None]
        return sum(known) if known else None


class Unreadable(InputError):
    """A file without which a report can do."""


def read_manifest(path: Path) -> Manifest:
    """The manifest in the file; entries of an unexpected kind are left out.

    Unreadable for what is no JSON object; InputError for a folder of another version, and for numbers that no run
    can have.
    """
    try:
        content = json.loads(read_text(path, limit=MAX_BYTES))
        demand_amounts(content, path)
    except ValueError as error:
        place = f"{path}:{error.lineno}" if isinstance(error, json.JSONDecodeError) else str(path)
        raise Unreadable("this is no JSON", where=place, advice="run the benchmark again") from None
    except RecursionError:
        raise Unreadable("this is nested too deeply", where=str(path), advice="run the benchmark again") from None
    if not isinstance(content, dict):
        raise Unreadable("this is no JSON object", where=str(path), advice="run the benchmark again")
    if "format" in content:
        demand_format(content, path)
    return Manifest(
        engine=word(content.get("engine")),
        commit=word(content.get("commit")),
        started=word(content.get("started")),
        command=word(content.get("command")),
        versions=_pairs(content.get("versions")),
        machine=_pairs(content.get("machine")),
        options=_pairs(content.get("options")),
        inputs=_pairs(content.get("inputs")),
        made_from=_pairs(content.get("made_from")),
        instances=_instances(content.get("instances")),
        several=tuple(dict(filter(None, map(_networks, _list(content.get("instances"))))).items()),
        sessions=tuple(_session(s) for s in _list(content.get("sessions")) if isinstance(s, dict)),
    )


def word(value: object) -> str:
    """The JSON value in a few words; nothing for null and for what has parts."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(part, (str, int, float)) for part in value):
        return " ".join(map(str, value))
    return str(value) if isinstance(value, (str, int, float)) else ""


def number(value: object) -> float | None:
    """The JSON value if it is a finite number, else None."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300:
        return value
    return None


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _pairs(value: object) -> Pairs:
    """The entries of a JSON object, sorted by name; null is "none"."""
    known = value if isinstance(value, dict) else {}
    return tuple((name, "none" if entry is None else word(entry)) for name, entry in sorted(known.items()))


def _instances(value: object) -> tuple[tuple[str, str], ...]:
    return tuple(
        (i[0], i[1])
        for i in _list(value)
        if isinstance(i, list) and len(i) >= 2 and isinstance(i[0], str) and isinstance(i[1], str)
    )


def _networks(entry: object) -> tuple[str, Pairs] | None:
    """What results call the networks of an instance that has several, and each of them; None for others."""
    match entry:
        case [str(name), str(), _, [_, _, *_] as networks]:
            pairs = tuple((one[0], one[1]) for one in networks if isinstance(one, list) and len(one) == 2)
            good = len(pairs) == len(networks) and all(isinstance(text, str) for pair in pairs for text in pair)
            return (name, pairs) if good else None
    return None


def _session(entry: dict[str, object]) -> SessionRecord:
    decided, seconds = number(entry.get("decided")), number(entry.get("wall_seconds"))
    whole = None if decided is None else int(decided)
    return SessionRecord(word(entry.get("started")), word(entry.get("ended")), whole, seconds)
