"""The options of `acasxu supports`. Nothing heavy is imported here."""

from argparse import ArgumentParser

USAGE = "acasxu supports --CAPABILITY"

#: By capability of VNN-LIB's standard: what is printed.
CAPABILITIES = {
    "onnx-opset-versions": "the least and the greatest ONNX opset",
    "onnx-element-types": "the types that a query may declare",
    "onnx-operators": "the operators, each with types where not all are supported",
    "vnnlib-versions": "the least and the greatest version of VNN-LIB",
    "hidden-node-theories": "NH, H",
    "multiple-input-output-theories": "SIO, MIO",
    "multiple-network-theories": "SNET, MENET, MINET, MNET",
    "multiple-node-comparison-theories": "SNC, MNC",
    "arithmetic-complexity-theories": "BND, OUTC, LIN, POLY",
    "optimised-disjunctive-reasoning": "true, or false where `or` becomes a list of cases",
    "serialise-assignments": "true or false",
    "unsat-proofs": "true or false: proofs in the standard's own format (see --certificate of verify)",
}


def add_supports(parser: ArgumentParser) -> None:
    """Adds them."""
    group = parser.add_mutually_exclusive_group(required=True)
    for name, help in CAPABILITIES.items():
        group.add_argument(f"--{name}", dest="capability", action="store_const", const=name, help=help)
