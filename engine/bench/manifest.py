"""The manifest of a run: what it is about. By this a later run can tell whether it continues the same."""

import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from os.path import abspath
from pathlib import Path
from typing import Any

from engine import __version__
from engine.bench.durable import read_plain, sync_folder, write_durably
from engine.bench.inputs import origins
from engine.bench.instances import Instance
from engine.bench.machine import commit, machine, versions
from engine.errors import InputError
from engine.results.row import Impossible
from engine.results.words import one_line

Content = dict[str, Any]  # JSON, as it is written and read
FORMAT = 2
MAX_BYTES = 64 * 2**20
LARGEST = 1e18  # of any number in it
#: These may differ when a run is resumed: they say how fast, or where, but not what.
FREE = ("jobs", "threads", "dask")
SESSION = {"started", "ended", "decided", "wall_seconds"}
SAVE_EVERY = 10.0  # seconds
MAX_FILES = 5  # files of one kind of difference that are named


def make_manifest(
    instances: list[Instance],
    *,
    files: dict[str, Path],
    hashes: dict[str, str | None],
    options: Mapping[str, object],
    gpu: str | None,
) -> Content:
    """All of a manifest but its sessions."""
    return {
        "format": FORMAT,
        "engine": __version__,
        "versions": versions(),
        "machine": machine(gpu),
        "started": _now(),
        "options": dict(options),
        "commit": commit(),
        "inputs": hashes,
        "made_from": origins(instances, hashes),
        "instances": [_entry(instance) for instance in instances],
        "files": {name: abspath(path) for name, path in files.items()},
    }


def read_manifest(path: Path) -> Content | None:
    """The manifest that an earlier run left, None where there is none; InputError where it cannot be understood."""
    try:
        content: Content = json.loads(read_plain(path, limit=MAX_BYTES).decode("utf-8"))
        demand_format(content, path)
        demand_amounts(content, path)
        whole = (
            content["sessions"]
            and content["started"]
            and all(s.keys() >= SESSION and isinstance(s["decided"], int) for s in content["sessions"])
        )
        if not (whole and set(_files(content["instances"])) <= content["inputs"].keys()):
            raise ValueError
        differences(content, content)  # it can be compared
        return content
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):  # it may be damaged anywhere
        raise InputError(
            "this is no manifest of this version",
            where=str(path),
            advice="name another folder, or replace the results with --force",
        ) from None


def _entry(instance: Instance) -> list[object]:
    """The instance: its names and its limit, and where its networks have names of their own, [name, file] of each."""
    plain = len(instance.networks) == 1 and not instance.is_named
    networks = [] if plain else [[each.declared, each.name] for each in instance.networks]
    return [*instance.names, instance.limit, *([networks] if networks else [])]


def _files(instances: list[list[Any]]) -> Iterator[str]:
    """The names of the files of such entries."""
    for network, prop, _, *networks in instances:
        yield prop
        yield from (file for _, file in networks[0]) if networks else (network,)


def demand_format(content: Content, path: Path) -> None:
    """InputError where the folder is of another format: its files have other names and columns."""
    if content["format"] != FORMAT:
        raise InputError(
            f"the folder is of format {one_line(str(content['format']))[:20]}, this version's is {FORMAT}",
            where=str(path),
            advice="name another folder, or replace the results with --force",
        )


def demand_amounts(content: object, path: Path, place: str = "") -> None:
    """Impossible where a number in it is negative, no number, or larger than any that a run can have."""
    if isinstance(content, (dict, list)):
        for name, part in content.items() if isinstance(content, dict) else enumerate(content, 1):
            demand_amounts(part, path, f"{place}, {name}" if place else str(name))
    elif isinstance(content, (int, float)) and not 0 <= content <= LARGEST:
        raise Impossible(
            f"{one_line(place)[:80]} is {str(content)[:40]}, which no run can have",
            where=str(path),
            advice="mend or remove it",
        )


def differences(old: Content, new: Content) -> list[str]:
    """A line for each point in which a run differs from the one that it is to continue; none where it may continue."""
    found = _changed("engine", {"version": old["engine"]}, {"version": new["engine"]})
    found += _changed("version of", old["versions"], new["versions"])
    found += _changed("engine", {"commit": old["commit"]}, {"commit": new["commit"]})
    parts = ({name: of["machine"][name] for name in ("cpu", "gpu")} for of in (old, new))
    found += _changed("machine", *parts)
    found += _changed("option", *(_options(of, old, new) for of in (old, new)))
    return found + _inputs(old["inputs"], new["inputs"]) + _lists(old["instances"], new["instances"])


class ManifestFile:
    """manifest.json, kept up to date while the run goes on."""

    def __init__(self, path: Path, content: Content, sessions: list[Content]):
        self._path, self._content, self._start = path, content, time.monotonic()
        self._session: Content = {"started": _now(), "ended": None, "decided": 0, "wall_seconds": 0.0}
        content["sessions"] = [*sessions, self._session]
        self._save()

    def update(self, decided: int, *, ended: bool = False) -> None:
        """Notes how many rows this session has added; saved now and then, and at the end."""
        seconds = time.monotonic() - self._start
        late = seconds - self._session["wall_seconds"] > SAVE_EVERY
        if ended or late:
            self._session |= {"decided": decided, "wall_seconds": round(seconds, 3), "ended": _now() if ended else None}
            self._save()

    def _save(self) -> None:
        write_durably(self._path, json.dumps(self._content, indent=1, allow_nan=False).encode())
        sync_folder(self._path.parent)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _options(of: Content, *both: Content) -> Content:
    """The options that matter; those of repairs only where both runs repair."""
    repairs = all(content["options"].get("repair") for content in both)
    return {
        name: value
        for name, value in of["options"].items()
        if name not in FREE and name != "repair" and (repairs or not name.startswith("repair_"))
    }


def _changed(kind: str, old: Content, new: Content) -> list[str]:
    return [
        f"{kind} {one_line(name)}: {_shown(old.get(name))} then, {_shown(new.get(name))} now"
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    ]


def _shown(value: object) -> str:
    return "none" if value is None else one_line(str(value))


def _inputs(old: Content, new: Content) -> list[str]:
    """The inputs that have changed, of those that both lists name: `_lists` tells of others."""
    names = [name for name in old if name in new and old[name] != new[name]]
    lines = [
        f"input {one_line(name)}: SHA-256 {_short(old[name])} then, {_short(new[name])} now"
        for name in names[:MAX_FILES]
    ]
    return lines + [f"{len(names) - MAX_FILES} more inputs have changed"] * (len(names) > MAX_FILES)


def _short(digest: str | None) -> str:
    return f"{one_line(str(digest))[:12]}..." if digest else "unreadable"


def _lists(old: list[list[Any]], new: list[list[Any]]) -> list[str]:
    before, after = ({(row[0], row[1]): row[2:] for row in rows} for rows in (old, new))
    gone, added = (sum(key not in other for key in of) for of, other in ((before, after), (after, before)))
    limits, networks = (
        sum(key in before and before[key][part] != rest[part] for key, rest in after.items())
        for part in (slice(0, 1), slice(1, None))
    )
    lines = [f"list of instances: {gone} of {len(before)} then are gone, {added} are new"] * bool(gone or added)
    lines += [f"list of instances: {limits} have another time limit"] * bool(limits)
    return lines + [f"list of instances: {networks} name their networks otherwise"] * bool(networks)
