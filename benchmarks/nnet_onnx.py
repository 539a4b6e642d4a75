"""The two forms in which ACAS Xu's 45 networks are published, proved to give nearly the same outputs everywhere.

    python benchmarks/nnet_onnx.py [--networks 1,1 2,4] [--step 10] [--seconds 60]

For each network: the smallest EPS for which all outputs of the `.nnet` file, its decimals exact, and of the ONNX file
are proved to be within EPS on the whole domain (the hull of the ten properties' boxes), found by bisection in SECONDS
at most, STEP for each question; the largest difference at random points, in float64; and the certificate of that EPS,
checked from both files. A line is added to FILE as soon as it is known; networks that are there already are not
measured again, so that a run can be interrupted. Outputs are the files' own: one unit is 373.9 of the tables' scores.
"""

import argparse
import os
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
from machine import machine
from methods import append, read
from two_networks import box_of

from engine import certificate
from engine.acasxu.files import network_path
from engine.audit.check import check
from engine.comparison.asking import Answer, Asked, ask
from engine.comparison.narrowing import Narrowed, narrow
from engine.comparison.questions import ONE, OTHER, Equivalent
from engine.network import Network
from engine.network_file import load_network
from engine.search.problem import Options

DATA = os.environ.get("ACASXU_NNET")  # the folder of the .nnet files
FIRST = Fraction(1, 100)
POINTS = 200_000
COLUMNS = (
    *("network", "largest_difference_of_a_number", "proved_eps", "sampled_difference", "boxes", "search_seconds"),
    *("narrowing_seconds", "certificate_bytes", "check", "check_seconds", "step", "seconds", "commit", "machine"),
)


def narrowed(networks: tuple[Network, Network], step: float, seconds: float) -> Narrowed:
    """The ends between which the smallest EPS lies, on the whole domain."""
    domain = box_of("domain")

    def asked(eps: Fraction, limit: float) -> Answer:
        statement = Asked(Equivalent(eps), networks, ((domain.lower, domain.upper),))
        return ask(statement, Options(timeout=limit, proofs=True, device="cpu"))

    return narrow(asked, FIRST, step_seconds=step, seconds=seconds)


def certified(proved: Answer, files: tuple[Path, Path], scratch: Path) -> dict[str, object]:
    """Writes the certificate of a proof and has it checked from both files."""
    query, proof = scratch / "question.vnnlib", scratch / "proof.zip"
    query.write_bytes(proved.text)
    data = certificate.question_certificate_bytes(proved.question, proved.verdict, Options(proofs=True))
    assert data is not None, "it is a proof"
    proof.write_bytes(data)
    start = time.process_time()
    result = check(proof, dict(zip((ONE, OTHER), files)), query)
    word = "accepted" if result.accepted and not result.reason else "rejected"
    return {"certificate_bytes": len(data), "check": word, "check_seconds": f"{time.process_time() - start:.2f}"}


def measured(files: tuple[Path, Path], step: float, seconds: float, scratch: Path) -> dict[str, object]:
    networks = (load_network(files[0]), load_network(files[1]))
    found = narrowed(networks, step, seconds)
    cells: dict[str, object] = {
        "largest_difference_of_a_number": f"{_apart(*networks):.3g}",
        "sampled_difference": f"{_sampled(*networks):.3g}",
        "narrowing_seconds": f"{found.seconds:.1f}",
        "step": f"{step:g}",
        "seconds": f"{seconds:g}",
    }
    if found.proved:
        statistics = found.proved.verdict.statistics
        cells |= {"proved_eps": f"{float(found.bracket.proved or 0):g}", "boxes": statistics.boxes}
        cells |= {"search_seconds": f"{statistics.seconds:.2f}"} | certified(found.proved, files, scratch)
    return cells


def _apart(nnet: Network, onnx: Network) -> float:
    """The largest difference of two weights or biases, the decimals as their nearest float64 numbers."""
    layers = zip(reversed(nnet.layers), reversed(onnx.layers))  # one file may have a layer more before the first
    pairs = [
        pair for a, b in layers for pair in ((a.weight, b.weight), (a.bias, b.bias)) if pair[0].shape == pair[1].shape
    ]
    return max(float(np.abs(one - other).max()) for one, other in pairs)


def _sampled(nnet: Network, onnx: Network) -> float:
    """The largest difference of two outputs at random points of the domain."""
    domain, random = box_of("domain"), np.random.default_rng(0)
    low, high = (np.array([float(end) for end in ends]) for ends in (domain.lower, domain.upper))
    points = low + (high - low) * random.random((POINTS, len(low)))
    return float(np.abs(nnet.evaluate(points) - onnx.evaluate(points)).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--networks", nargs="*", metavar="A,B", help="such as 3,3 (default: all 45)")
    parser.add_argument("--step", type=float, default=10.0, metavar="S", help="seconds for each EPS (default: 10)")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S", help="for each network (default: 60)")
    where = "the folder of the .nnet files (or ACASXU_NNET)"
    parser.add_argument("--data", type=Path, default=DATA, required=not DATA, metavar="DIR", help=where)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/nnet_onnx.csv"), metavar="FILE")
    arguments = parser.parse_args()
    about, scratch = machine(calibrated=False), Path("build/benchmarks/nnet_onnx")
    scratch.mkdir(parents=True, exist_ok=True)
    known = {line["network"] for line in read(arguments.out) or []}
    for name in arguments.networks or [f"{a},{b}" for a in range(1, 6) for b in range(1, 10)]:
        if name in known:
            continue
        first, second = map(int, name.split(","))
        onnx = network_path(first, second)
        nnet = arguments.data / f"{onnx.name.split('.')[0]}.nnet"
        cells = {"network": name} | measured((nnet, onnx), arguments.step, arguments.seconds, scratch)
        cells |= {"commit": about["commit"], "machine": about["processor"]}
        append(arguments.out, COLUMNS, cells)
        print(*(cells.get(name, "") for name in COLUMNS[:-2]), sep="\t", flush=True)


if __name__ == "__main__":
    main()
