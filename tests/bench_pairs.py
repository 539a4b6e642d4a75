"""What the tests of lists with several networks share: pairs made by hand, whose answers are known."""

from pathlib import Path

import numpy as np
from cases import executable
from conftest import random_network

from engine.network import Affine, Network

QUERY = """(vnnlib-version <2.0>)
(declare-network f (declare-input X_f {element} [1,2]) (declare-output Y_f {element} [1,2]))
(declare-network g (declare-input X_g {element} [1,2]) (declare-output Y_g {element} [1,2]))
(assert (and (>= X_f[0,0] -1.0) (<= X_f[0,0] 1.0) (>= X_f[0,1] -1.0) (<= X_f[0,1] 1.0)))
(assert (== X_f[0,0] X_g[0,0]))
(assert (== X_f[0,1] X_g[0,1]))
(assert (or (> Y_g[0,0] (+ Y_f[0,0] {eps})) (< Y_g[0,0] (- Y_f[0,0] {eps}))))
"""
#: About one network; the second input is a number that no float is.
ALONE = """(vnnlib-version <2.0>)
(declare-network f (declare-input X real [1,2]) (declare-output Y real [1,2]))
(assert (and (>= X[0,0] -1.0) (<= X[0,0] 1.0) (== X[0,1] 0.227272727)))
(assert (>= Y[0,0] {least}))
"""
SAME = "\"[('f', 'f.onnx'), ('g', 'near.onnx')]\",q.vnnlib,60"
OTHER = "\"[('f', 'f.onnx'), ('g', 'far.onnx')]\",q.vnnlib,60"


def moved(network: Network, shift: float) -> Network:
    """The network whose first output is larger by `shift`."""
    *layers, last = network.layers
    bias = (last.bias + np.array([shift, 0.0])).astype(np.float32)
    return Network((*layers, Affine(last.weight, bias.astype(np.float64), last.relu)))


def write_pairs(folder: Path, *rows: str) -> Path:
    """Networks f, near (its first output is larger by 1/16) and far (by 1/2), questions about them, and a list.

    q.vnnlib asks whether outputs differ by 1/8: SAME is unsat and OTHER sat. alone.vnnlib, about one, is sat.
    """
    folder.mkdir(parents=True, exist_ok=True)
    base = random_network((2, 6, 2), seed=1)
    for name, shift in (("f", 0.0), ("near", 0.0625), ("far", 0.5)):
        (folder / f"{name}.onnx").write_bytes(executable(moved(base, shift)).onnx_bytes)
    (folder / "q.vnnlib").write_text(QUERY.format(element="real", eps="0.125"))
    (folder / "float32.vnnlib").write_text(QUERY.format(element="float32", eps="0.125"))
    (folder / "alone.vnnlib").write_text(ALONE.format(least="-100.0"))
    path = folder / "instances.csv"
    path.write_text("".join(f"{row}\n" for row in rows or (SAME, OTHER)))
    return path
