"""Certificates that others might send: both checkers agree on them, and no file costs much memory or time.

For $ACASXU_FUZZ_SECONDS. A failure names its seed: $ACASXU_FUZZ_SEED begins there.
"""

import copy
import json
import os
import struct
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from conftest import network
from fuzzing import seeds
from hostile import Files, box, row
from make_certificates import packed
from second_checker import accepts
from test_certificate_mutations import MUTATORS, Skip, bases

from engine.audit.check import check
from engine.audit.failures import Malformed

ROOM, SECONDS = 1 << 30, 20.0


# --- two checkers ---------------------------------------------------------------------------------

#: What leaves network and property as they are: the second checker reads few forms of these.
CHANGES = [name for name, (kind, _) in MUTATORS.items() if kind in ("claim", "tree", "arrays", "file")]
WORDS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "-1e-400",
    '"\\ud800"',
    '"\\u0000"',
    "true",
    "null",
    "-0",
    "0.0",
    "1.",
    "01",
    "[]",
    "{}",
    '{"a":1,"a":1}',
    "[" * 101 + "]" * 101,
    "[" * 90 + "]" * 90,
    "9" * 1000,
    "9" * 1001,
    '"' + "9" * 1000 + '"',
    '"' + "9" * 1001 + '"',
    "\ufeff",
    "\t",
    "/**/",
    "'a'",
    '"\x7f"',
    "\x00",
    "0x1",
    "1_0",
]
NUMBERS = [
    "{}",
    "{}/1",
    "{}.0",
    "0{}",
    "{}/01",
    "-{}",
    "+{}",
    " {}",
    "{}\n",
    "{}e0",
    "{}/0",
    "{}.",
    ".{}",
    "{}/2/2",
    "{}\u0660",
    "\uff11{}",
    "{}" + "0" * 1000,
    "{}." + "0" * 990,
    "{}/1" + "0" * 400,
    "0",
]


def reworded(m, members):
    """A token of the manifest is another word, or a number is written in another way."""
    text = members["manifest.json"].decode()
    if m.number(0, 2):
        manifest = json.loads(text)
        rows = [one for part in manifest.get("cases", [manifest.get("case")]) for p in part["unsafe"] for one in p]
        of, key = m.pick(
            [
                (manifest.get("cases", [manifest.get("case")])[0]["lower"], 0),
                *((one, "constant") for one in rows),
                *((one["outputs"], j) for one in rows for j in one["outputs"]),
                *((one["outputs"], j) for one in rows for j in ("0", "7", "00", "1000000000", "-0", "")),
            ]
        )
        of[key] = m.pick(NUMBERS).format(of[key] if isinstance(of, list) or key in of else "0")
        text = json.dumps(manifest)
    else:
        places = [i for i, c in enumerate(text) if c in ":,[{}]"]
        at = m.pick(places) + m.number(0, 2)
        options = text.index('"options":{') + len('"options":{')
        word = m.pick(WORDS)
        empty = text[options] == "}"
        text = m.pick(
            (f"{text[:at]}{word}{text[at:]}", f'{text[:options]}"new":{word}{"" if empty else ","}{text[options:]}')
        )
    return members | {"manifest.json": text.encode("utf-8", "surrogatepass")}


def changed(mutant, *, reword: bool) -> bytes:
    """Up to two changes; the last one may be of the manifest's text."""
    for name in sorted(set(mutant.random.choice(CHANGES, mutant.number(0, 3))), key=CHANGES.index):
        kind, change = MUTATORS[name]
        if (mutant.draft.roots is not None or kind not in ("tree", "arrays")) and not (reword and kind == "file"):
            change(mutant)
    mutant.follow = False
    if reword:
        mutant.late = [lambda members: reworded(mutant, members)]
    return mutant.bytes()


def verdict(judge, malformed) -> str:
    try:
        return "accepted" if judge() else "rejected"
    except malformed:  # OSError: a place before the file begins
        return "malformed"


def test_two_checkers_agree():
    """In exact arithmetic, on changes of the smallest valid certificates."""
    small = [
        base
        for base in bases()
        if len(base.network) < 1500 and (base.draft.roots is None or len(base.draft.nodes()) < 12)
    ]
    assert len(small) >= 5
    with TemporaryDirectory() as folder:
        for seed in seeds():
            random = np.random.default_rng(seed)
            base = small[seed % len(small)]
            mutant = replace(base, draft=copy.deepcopy(base.draft), random=random, late=[])
            try:
                data = changed(mutant, reword=bool(random.integers(0, 2)))
            except Skip:
                continue
            paths = [Path(folder, name) for name in ("c.zip", "n.onnx", "p.vnnlib")]
            for path, content in zip(paths, (data, mutant.network, mutant.property.encode())):
                path.write_bytes(content)
            first = verdict(lambda paths=paths: check(*paths, arithmetic="exact").accepted, Malformed)
            assert first == verdict(lambda paths=paths: accepts(*paths), (ValueError, OSError)), seed


# --- hostile sizes --------------------------------------------------------------------------------

CHILD = """
import resource, sys
from pathlib import Path
from test_fuzz_certificates import survive
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + int(sys.argv[1]),) * 2)
survive(Path(sys.argv[2]))
"""


def test_hostile_files_cost_little(tmp_path):
    """In a process that may grow by 1 GiB."""
    environment = os.environ | {
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path]),
    }
    run = subprocess.run(
        [sys.executable, "-c", CHILD, str(ROOM), str(tmp_path)], env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0 and int(run.stdout) > 0, run.stdout + run.stderr


def survive(folder: Path) -> None:
    """Checks hostile files; prints how many. What is Malformed is so within seconds, and nothing else is raised."""
    net = network([[[1.0], [-1.0]], [[1.0, 1.0]]], [[0.0, 0.0], [0.0]])
    files, count = Files(folder, net, "(<= Y_0 -1.0)"), 0
    for seed in seeds():
        random = np.random.default_rng(seed)
        hostile(files, random)
        start = time.process_time()
        try:
            check(*files.paths)
        except Malformed as error:
            assert len(str(error).splitlines()) == 1 and str(error).isprintable(), seed
        assert time.process_time() - start < SECONDS, seed
        count += 1
    print(count)


def hostile(files: Files, random: np.random.Generator) -> None:
    """Writes a certificate of many of something."""
    size = int(2 ** random.uniform(0, 17))
    cases, arrays = [box(1, f"[{row(constant='1')}]")], {"split": [-1]}
    options = "{}"
    match random.integers(0, 9):
        case 0:
            cases += [box(1)] * size
            arrays["split"] = [-1] * len(cases)
        case 1:
            cases = [box(1, ",".join([f"[{row(constant='1')}]"] + ["[]"] * size))]
        case 2:
            cases = [box(1, f"[{','.join(row(constant=f'1/{10**9 + i}') for i in range(size // 16 + 1))}]")]
        case 3:
            options = '{"a":' + random.choice(["[", '{"a":']) * size + "}"
        case 4:
            options = f'{{"a":[{",".join(random.choice(["[]", "{}", "1e999", chr(34) * 2]) for _ in range(size))}]}}'
        case 5:
            arrays |= {"split": np.repeat([0, -1], [size, size + 1]), "cut": random.normal(size=size)}
        case 6:
            arrays |= {
                "node": [0],
                "polytope": [0],
                "rows": [size],
                "slopes": [size],
                "multipliers": [0],
                "row": np.arange(size),
                "row_weight": np.ones(size),
                "slope": np.arange(size),
                "slope_value": np.zeros(size),
            }
        case 7:
            name = random.choice(list(arrays) + ["slopes", "rows", "node", "multiplier_value"])
            arrays[name] = random.integers(-3, 2**31, size)
        case 8:
            cases = [box(size // 8 + 1, f"[{row(constant='1')}]")]
    files.write(cases, options, **arrays)
    data = files.paths[0].read_bytes()
    if random.integers(0, 3) == 0:
        data = lying(data, random)
    elif random.integers(0, 10) == 0:
        data = strangers(size % 3000, random)
    files.paths[0].write_bytes(data)


def lying(data: bytes, random: np.random.Generator) -> bytes:
    """Numbers of the archive's end or of its directory are others."""
    data, start = bytearray(data), int.from_bytes(data[-6:-2], "little")
    number = int(random.choice([0, 1, 14, 65535, 2**31, 2**32 - 1, int(random.integers(2**32))]))
    if random.integers(0, 2):
        place, form = [(-12, "<H"), (-14, "<H"), (-10, "<I"), (-6, "<I"), (-2, "<H")][random.integers(5)]
        place += len(data)
    else:
        places = [(8, "<H"), (10, "<H"), (20, "<I"), (24, "<I"), (28, "<H"), (30, "<H"), (42, "<I")]
        place, form = places[random.integers(7)]
        place += start
    struct.pack_into(form, data, place, number % 2 ** (8 * struct.calcsize(form)))
    return bytes(data)


def strangers(count: int, random: np.random.Generator) -> bytes:
    """A ZIP file of so many members with odd names."""
    names = {
        "".join(map(chr, random.choice([0x2E, 0x2F, 0x5C, 0x1B, 0x0A, 0x202E, 0x61, 0x1F600], 8))) + str(i)
        for i in range(count)
    }
    return packed(dict.fromkeys(names, b"x"))
