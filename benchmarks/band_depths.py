"""How many boxes a proof outside a tie band would take, estimated from paths to random points.

    python benchmarks/band_depths.py REPAIRED.onnx ... [--gap 0.1 1 5] [--points 64]

REPAIRED.onnx: a network that repair.py left under build/, by whose name the original is known. From the whole domain a
box is halved as the proof halves it, and of the halves the one with the point is kept, until it is closed. Of a share
P(k) of the points no box above depth k is closed. So about the sum of P(k) 2^k over k < d boxes are bounded, breadth
first, until the share P(d) of the volume is open. Boxes are those of `engine.comparison.band`; a point whose box is
never closed has depth 45.
"""

import argparse
import json
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from machine import command, machine
from preserve_band import in_network_units

from engine.acasxu.domain import acasxu_domain
from engine.acasxu.files import network_path
from engine.comparison.band import BandBounds, outside
from engine.comparison.decision import Decision
from engine.comparison.pair_bounds import OPEN
from engine.comparison.structure import structure
from engine.deadline import NEVER
from engine.network_file import load_networks
from engine.property import Case
from engine.search.branching import input_to_split, middles
from engine.search.frontier import root_nodes

DEEPEST = 45


def depths(original, changed, gap: Fraction, points: int) -> np.ndarray:
    """The depth at which each point's box is closed."""
    domain, random = acasxu_domain(), np.random.default_rng(0)
    pairs = structure(original, changed).changes(Decision.LOWEST)
    polytopes = outside(pairs, gap, original.n_inputs, original.n_outputs)
    bounds = BandBounds(original, changed, pairs, Case(domain.lower, domain.upper, polytopes), NEVER)
    ends = [[float(value) for value in end] for end in (domain.lower, domain.upper)]
    x = torch.from_numpy(random.uniform(*ends, (points, original.n_inputs)))
    nodes, found = root_nodes(bounds.roots, torch.zeros(points, dtype=torch.long)), np.full(points, DEEPEST)
    left = torch.arange(points)
    for depth in range(DEEPEST):
        (pairs_here,) = bounds.bound(nodes)
        is_open = pairs_here.state == OPEN
        found[left[~is_open].numpy()] = depth
        kept, left = pairs_here.select(is_open), left[is_open]
        nodes = kept.nodes
        if not len(left):
            break
        at = torch.arange(len(left))
        dimension = input_to_split(nodes, kept.plane, bounds.roots.reach[nodes.root])
        cut = middles(nodes)[at, dimension]
        above = x[left, dimension] > cut
        nodes.lower[at[above], dimension[above]] = cut[above]
        nodes.upper[at[~above], dimension[~above]] = cut[~above]
    return found


def boxes_until(found: np.ndarray, share: float) -> int | None:
    """About how many boxes are bounded until at most this share is open; None where that is deeper than all depths."""
    open_at = [float((found > depth - 1).mean()) for depth in range(DEEPEST + 1)]
    depth = next((depth for depth, value in enumerate(open_at) if value <= share), None)
    return None if depth is None else round(sum(open_at[k] * 2.0**k for k in range(depth)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("networks", nargs="+", type=Path)
    parser.add_argument("--gap", nargs="+", default=["0.1", "1", "5"])
    parser.add_argument("--points", type=int, default=64)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/band-depths.json"))
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    rows = []
    for file in arguments.networks:
        a, t = map(int, file.stem.split("-")[:2])
        original, changed = load_networks([network_path(a, t), file])
        for gap in arguments.gap:
            found = depths(original, changed, Fraction(in_network_units(gap)), arguments.points)
            rows.append(
                {
                    "network": f"{file.parent.name}/{file.name}",
                    "sha256": changed.sha256,
                    "gap": gap,
                    "quartiles": np.percentile(found, [25, 50, 75]).tolist(),
                    **{f"boxes_until_{share}": boxes_until(found, share) for share in (0.5, 0.1, 0.02)},
                }
            )
            print(rows[-1], flush=True)
            summary = {"command": command(), "machine": machine(), "points": arguments.points, "rows": rows}
            arguments.out.write_text(json.dumps(summary, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
