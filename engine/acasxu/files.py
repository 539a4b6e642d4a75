"""The files of the networks and of the properties, and where they are looked for."""

import csv
import hashlib
import os
import sysconfig
from pathlib import Path

from engine.acasxu.networks import file_name, recognize
from engine.acasxu.properties import PROPERTIES, specification
from engine.errors import InputError

_CHECKOUT = Path(__file__).resolve().parents[2]


def find_networks(data: str | Path | None = None) -> Path | None:
    """The folder with the published networks, or None where there is none.

    Looked for in `data` (the option --data), the environment's ACASXU_DATA, `download_folder()`: the
    first of them that is given decides, and is an InputError if neither it nor its `onnx/` holds any.
    """
    for where, folder in (("--data", data), ("ACASXU_DATA", os.environ.get("ACASXU_DATA"))):
        if folder:
            found = _holder(Path(folder))
            if found is None:
                raise InputError(
                    f"neither {folder} nor its onnx/ holds ACAS Xu networks",
                    where=where,
                    advice="name the folder of the ACASXU_run2a_*.onnx files",
                )
            return found
    return _holder(download_folder())


def network_path(a: int, t: int, *, data: str | Path | None = None) -> Path:
    """The file of N(a, t), possibly gzipped; InputError where it is missing."""
    folder, name = find_networks(data), file_name(a, t)
    for path in (folder / name, folder / f"{name}.gz") if folder else ():
        if path.is_file():
            return path
    raise InputError(
        f"{name} is missing",
        where=str(folder or "networks"),
        advice="run `acasxu fetch`, or name the networks' folder with --data or ACASXU_DATA",
    )


def property_path(number: int) -> Path:
    """The VNN-LIB file of property 1..10."""
    return shipped("specs", f"{specification(number).name}.vnnlib")


def property_hashes() -> list[tuple[str, int]]:
    """(SHA-256, number) of each file that is known to hold property 1..10: this project's, and VNN-COMP's."""
    own = [(hashlib.sha256(property_path(spec.number).read_bytes()).hexdigest(), spec.number) for spec in PROPERTIES]
    with shipped("specs", "published.csv").open(newline="", encoding="ascii") as file:
        return own + [(row["sha256"], int(row["number"])) for row in csv.DictReader(file)]


def standins() -> tuple[Path, ...]:
    """The stand-in networks that the project made itself. They are not ACAS Xu networks: say so."""
    return tuple(sorted(shipped("networks", "standin").glob("standin_*.onnx")))


def download_folder() -> Path:
    """The folder where `fetch` puts the networks: `networks/acasxu` of a checkout, else in the user's cache."""
    if _in_checkout():
        return _CHECKOUT / "networks" / "acasxu"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "acasxu"


def shipped(*parts: str) -> Path:
    """A file of the project: in the checkout, or where pip puts `data_files`."""
    root = _CHECKOUT if _in_checkout() else Path(sysconfig.get_path("data"), "share", "acasxu")
    return root.joinpath(*parts)


def _in_checkout() -> bool:
    return (_CHECKOUT / "networks" / "manifest.csv").is_file()


def _holder(folder: Path) -> Path | None:
    candidates = (folder, folder / "onnx")
    return next((c for c in candidates if any(map(recognize, c.glob("ACASXU_run2a_*")))), None)
