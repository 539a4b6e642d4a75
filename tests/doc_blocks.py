"""Documents whose Python is run: each ```python block, and the ```text block that says what it prints."""

import contextlib
import io
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(r"^```python\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.M | re.S)
_SECTION = re.compile(r"^## ", re.M)


def blocks(text: str) -> list[tuple[str, str]]:
    """Each block of Python with what it prints."""
    return [(code, printed or "") for code, printed in _BLOCK.findall(text)]


def sections(text: str) -> dict[str, str]:
    """The text under each heading of the second level; before the first it is under no name."""
    head, *others = _SECTION.split(text)
    return {"": head} | {part.partition("\n")[0]: part.partition("\n")[2] for part in others}


def run(text: str, namespace: dict) -> None:
    """Runs the blocks in order, in one namespace, and compares what they print."""
    for code, printed in blocks(text):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(code, "<document>", "exec"), namespace)
        assert out.getvalue() == printed, code


def place(folder: Path) -> Path:
    """A folder in which documents find the networks and properties, and may write."""
    for name in ("networks", "specs"):
        (folder / name).symlink_to(ROOT / name)
    return folder
