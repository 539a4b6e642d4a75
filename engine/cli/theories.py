"""The theories and element types of VNN-LIB 2.0 that are supported, found out by trial: a small query of each."""

from functools import cache

import numpy as np

from engine.errors import InputError
from engine.joining import join
from engine.network import Network
from engine.onnx_file import parse_network
from engine.onnx_file.fresh import chain_model
from engine.vnnlib import parse_query
from engine.vnnlib.networks.declarations import ELEMENTS

_NODE = "h1"  # the tensor behind the first ReLU of `_network`


def _declared(name: str, relation: str = "", hidden: str = "", inputs: int = 1, element: str = "real") -> str:
    given = "".join(f"(declare-input X{k}_{name} {element} [1,2])" for k in range(inputs))
    return f"(declare-network {name} {relation} {given} {hidden} (declare-output Y_{name} {element} [1,2]))"


def _query(networks: str, asserts: str = "") -> str:
    """A query whose inputs X0_f and X0_g are in a box."""
    names = [name for name in "fg" if f"X0_{name}" in networks]
    box = "".join(
        f"(assert (<= 0.0 X0_{name}[0,{k}]))(assert (<= X0_{name}[0,{k}] 1.0))" for name in names for k in (0, 1)
    )
    return f"(vnnlib-version <2.0>){networks}{box}{asserts}"


_F, _Y = _declared("f"), "(assert (<= Y_f[0,0] 0.5))"

#: By the standard's name of a set of theories: a query of each theory.
THEORIES = {
    "hidden-node-theories": {
        "NH": _query(_F, _Y),
        "H": _query(_declared("f", hidden=f'(declare-hidden H real [1,2] "{_NODE}")'), "(assert (<= H[0,1] 0.5))"),
    },
    "multiple-input-output-theories": {
        "SIO": _query(_F, _Y),
        "MIO": _query(_declared("f", inputs=2), "".join(f"(assert (== X1_f[0,{k}] 0.5))" for k in (0, 1)) + _Y),
    },
    "multiple-network-theories": {
        "SNET": _query(_F, _Y),
        "MENET": _query(_F + _declared("g", "(equal-to f)"), _Y),
        "MINET": _query(_F + _declared("g", "(isomorphic-to f)"), _Y),
        "MNET": _query(_F + _declared("g"), _Y),
    },
    "multiple-node-comparison-theories": {
        "SNC": _query(_F, _Y),
        "MNC": _query(_F, "(assert (<= X0_f[0,1] Y_f[0,0]))"),
    },
    "arithmetic-complexity-theories": {
        "BND": _query(_F, _Y),
        "OUTC": _query(_F, "(assert (<= Y_f[0,0] Y_f[0,1]))"),
        "LIN": _query(_F, "(assert (<= (+ Y_f[0,0] (* 2.0 X0_f[0,1])) 0.5))"),
        "POLY": _query(_F, "(assert (<= (* Y_f[0,0] X0_f[0,1]) 0.5))"),
    },
}


def supported(name: str) -> list[str]:
    """The supported theories of a set."""
    return [theory for theory, text in THEORIES[name].items() if _is_answered(text)]


def supported_elements() -> list[str]:
    """The element types of which a query is answered."""
    return [element for element in ELEMENTS if _is_answered(_query(_declared("f", element=element), _Y))]


def _is_answered(text: str) -> bool:
    """True iff the query is read, and joined about networks of two inputs and two outputs."""
    try:
        query = parse_query(text)
        join(query, {declared.name: _network() for declared in query.networks})
    except InputError:
        return False
    return True


@cache
def _network() -> Network:
    """Two layers of two neurons, the first with a ReLU; float32."""
    layer = np.eye(2, dtype=np.float32), np.zeros(2, np.float32)
    return parse_network(chain_model([(*layer, True), (*layer, False)]).SerializeToString(), name="trial")
