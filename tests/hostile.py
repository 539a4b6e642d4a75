"""Certificates of hostile sizes, and a check of one in a process of its own, whose memory is measured."""

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np
from cases import executable
from make_certificates import NAMES, TYPES

MARKS = b"{[,:"
TESTS = Path(__file__).parent

#: What a child runs: its memory may grow by argv[1] bytes; prints its verdict, and what it needed at most in KiB.
CHILD = """
import resource, sys
import engine.audit.onnx_reader
from engine.audit.__main__ import main
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + int(sys.argv[1]),) * 2)
code = main(sys.argv[2:])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
sys.exit(code)
"""


@dataclass
class Files:
    """A network, a property of it, and certificates about them, in a folder."""

    folder: Path
    net: object
    unsafe: str  # of the property: a VNN-LIB row
    paths: list[Path] = field(default_factory=list)

    def __post_init__(self):
        n, m = self.net.n_inputs, self.net.n_outputs
        names = [f"X_{i}" for i in range(n)] + [f"Y_{j}" for j in range(m)]
        text = "\n".join(
            [
                *(f"(declare-const {name} Real)" for name in names),
                *(f"(assert (>= X_{i} -1))(assert (<= X_{i} 1))" for i in range(n)),
                f"(assert {self.unsafe})",
            ]
        )
        self.paths = [self.folder / name for name in ("c.zip", "n.onnx", "p.vnnlib")]
        self.contents = [executable(self.net).onnx_bytes, text.encode()]
        for path, data in zip(self.paths[1:], self.contents):
            path.write_bytes(data)

    def write(self, cases: list[str], options: str = "{}", **arrays) -> "Files":
        """A proof with these cases, JSON each, and these arrays; the others are empty."""
        data = {name: np.asarray(arrays.get(name, [])).astype(TYPES[name]) for name in NAMES}
        members = {f"{name}.{'f64' if TYPES[name] == '<f8' else 'i32'}": part.tobytes() for name, part in data.items()}
        about = [{"name": "", "sha256": sha256(content).hexdigest()} for content in self.contents]
        manifest = {
            "format": "acasxu-certificate",
            "version": 1,
            "kind": "proof",
            "semantics": "real",
            "network": about[0],
            "property": about[1],
            "engine": {"name": "", "version": "", "options": "OPTIONS"},
            "cases": "CASES",
            "arrays": {
                name: {"count": len(data[name]), "sha256": sha256(part).hexdigest()}
                for name, part in zip(NAMES, members.values())
            },
        }
        text = json.dumps(manifest, separators=(",", ":")).replace('"OPTIONS"', options)
        text = text.replace('"CASES"', f"[{','.join(cases)}]")
        with zipfile.ZipFile(self.paths[0], "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, part in {"manifest.json": text.encode(), **members}.items():
                archive.writestr(name, part)
        return self

    def check(self, *arithmetic: str, room: int = 4 << 30) -> tuple[int, str, int]:
        """Exit code, the line that it says, and what memory it took, in bytes."""
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(TESTS.parent)}
        run = subprocess.run(
            [sys.executable, "-c", CHILD, str(room), *map(str, self.paths), *arithmetic],
            capture_output=True,
            text=True,
            env=environment,
            timeout=600,
        )
        line, most = run.stdout.splitlines()
        return run.returncode, line, int(most) * 1024


def box(n: int, unsafe: str = "", ends=("-1", "1")) -> str:
    """A case as JSON."""
    lower, upper = (",".join([f'"{end}"'] * n) for end in ends)
    return f'{{"lower":[{lower}],"upper":[{upper}],"unsafe":[{unsafe}]}}'


def row(outputs: str = '"0":"1"', constant: str = "0", inputs: str = "") -> str:
    return f'{{"inputs":{{{inputs}}},"outputs":{{{outputs}}},"constant":"{constant}","strict":false}}'


def marks(text: str) -> int:
    """How many of its characters count towards the limit of a manifest."""
    return sum(map(text.encode().count, MARKS))


def as_many(text, room: int = (1 << 20) - 1000) -> list[str]:
    """text(0), text(1), ...: as many as a manifest may hold."""
    return [text(i) for i in range(room // (marks(text(0)) + 1))]
