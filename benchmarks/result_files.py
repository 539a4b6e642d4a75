"""Result files of verifiers: the competition's, as of any year, and those of `acasxu bench`.

VNN-COMP's results.csv has no header and six columns: category, network, property, seconds to prepare, result,
seconds to run. In 2021 the results were `holds` and `violated`, since then `unsat` and `sat`; what else is found there
(`run_instance_timeout`, `error_exit_code_1`, `no_result_in_file`, nothing at all, ...) is no decision. Paths begin
differently every year. (github.com/VNN-COMP/vnncomp2025_results and its predecessors.)
"""

import csv
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from engine.errors import InputError

#: what a result begins with, in order -> what it says
WORDS = {
    "unsat": "unsat",
    "holds": "unsat",
    "sat": "sat",
    "violated": "sat",
    "timeout": "timeout",
    "run_instance_timeout": "timeout",
    "prepare_instance_timeout": "timeout",
    "error_nonmaximal": "unknown",
    "error": "error",
    "prepare_instance_error": "error",
}
DECIDED = ("unsat", "sat")
FORM = "give a results.csv of VNN-COMP (category,network,property,prepare,result,seconds) or of `acasxu bench`"

Key = tuple[str, str]  # network and property, as paths below the benchmark's folders


@dataclass(frozen=True, slots=True)
class Result:
    """verdict: unsat, sat, timeout, unknown or error; seconds: to run, preparation excluded."""

    verdict: str
    seconds: float

    @property
    def decided(self) -> bool:
        return self.verdict in DECIDED


def read_results(path: Path, *, category: str | None = None) -> dict[Key, Result]:
    """The results in a file; of a category alone if one is named. InputError names the line that is wrong."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [(number, row) for number, row in enumerate(csv.reader(file), 1) if any(map(str.strip, row))]
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path), advice="check the path") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"is no csv file ({error})", where=str(path), advice=FORM) from None
    if rows and {"network", "property", "verdict", "seconds"} <= set(rows[0][1]):
        named = [(number, dict(zip(rows[0][1], row))) for number, row in rows[1:]]
        cells = [
            (number, r.get("network"), r.get("property"), r.get("verdict"), r.get("seconds")) for number, r in named
        ]
    else:
        cells = [_competition(path, number, row) for number, row in rows if category in (None, row[0].strip())]
    found: dict[Key, Result] = {}
    for number, network, prop, word, seconds in cells:
        key = _below(network, path, number), _below(prop, path, number)
        if key in found:
            raise InputError(
                f"{key[0]} and {key[1]} are listed twice",
                where=f"{path}:{number}",
                advice="name one category, or remove one of the two",
            )
        found[key] = Result(meaning(word or ""), _seconds(seconds, path, number))
    if not found:
        raise InputError("holds no result", where=str(path), advice=FORM)
    return found


def meaning(word: str) -> str:
    """The verdict that a tool's word stands for; a word that is not known decides nothing."""
    word = word.strip().lower()
    return next((said for start, said in WORDS.items() if word.startswith(start)), "unknown")


def matched(ours: dict[Key, Result], theirs: dict[Key, Result]) -> dict[Key, Result]:
    """Their results under our names: the same paths, or the same file names where these are unique in both."""
    short = {}
    for side in (ours, theirs):
        for key in side:
            short.setdefault(_names(key), set()).add(key)
    by_name = {_names(key): result for key, result in theirs.items()}
    unique = {
        name for name, keys in short.items() if all(sum(key in side for key in keys) <= 1 for side in (ours, theirs))
    }
    return {
        key: theirs.get(key) or by_name[_names(key)]
        for key in ours
        if key in theirs or (_names(key) in unique and _names(key) in by_name)
    }


def _competition(path: Path, number: int, row: list[str]) -> tuple:
    if len(row) < 6:
        raise InputError(f"has {len(row)} columns, not 6", where=f"{path}:{number}", advice=FORM)
    _, network, prop, _, word, seconds = (cell.strip() for cell in row[:6])
    return number, network, prop, word, seconds


def _below(text: str | None, path: Path, number: int) -> str:
    """A path without what stands before the benchmark's folders, and without .gz."""
    if not text:
        raise InputError("names no network or no property", where=f"{path}:{number}", advice=FORM)
    parts = PurePosixPath(text.replace("\\", "/").removesuffix(".gz")).parts
    starts = [i + 1 for i, part in enumerate(parts[:-1]) if part in ("onnx", "nnet", "vnnlib", "specs")]
    if not starts and ("benchmarks" in parts or parts[0] == "."):
        return parts[-1]
    return "/".join(parts[starts[-1] if starts else 0 :])


def _names(key: Key) -> Key:
    return tuple(PurePosixPath(part).name for part in key)


def _seconds(text: str | None, path: Path, number: int) -> float:
    try:
        seconds = float(text or "")
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise InputError(f"{text!r} is no number of seconds", where=f"{path}:{number}", advice=FORM)
    return seconds
