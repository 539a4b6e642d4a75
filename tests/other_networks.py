"""Questions about networks unlike ACAS Xu, in VNN-COMP's files, whose answers are known beforehand.

Everything is made from a seed. A question is raw numbers first (`Raw`), from which a network and a property are
built twice: as files, in one of many styles, for the engine; and directly, for the solver that knows the answer.
So a reader that misreads a file is found out. The answer is known by construction: a MILP (engine/solvers/milp.py
on interval bounds made here, which share nothing with the search) says how deep the deepest point lies in the
unsafe set, and every constant of a row is then moved so that this depth becomes `margin` or its negative.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from onnx import TensorProto
from onnx_graphs import model, node

from engine.network import Affine, Network
from engine.property import Case, Polytope, Property, Row
from engine.solvers.milp import BoxResult, solve_box

SOLVER_SECONDS = 20


@dataclass(frozen=True)
class Raw:
    """layers: (weight [out, in], bias [out], relu); boxes: (lower, upper) of the inputs; polytopes: lists of rows
    (inputs, outputs, constant, strict), each row inputs . x + outputs . y + constant <= 0 (or < 0). All polytopes
    are unsafe on all boxes. Weights are float32 values; all other numbers have few bits.
    """

    layers: tuple
    boxes: tuple
    polytopes: tuple

    @property
    def n_inputs(self) -> int:
        return self.layers[0][0].shape[1]

    @property
    def n_outputs(self) -> int:
        return len(self.layers[-1][1])


# --- making questions ---------------------------------------------------------------------------


def weights(random: np.random.Generator, widths, *, size: float = 1.0, last_relu: bool = False) -> tuple:
    """Layers whose values keep their size from one to the next; the first takes inputs of about `size`."""
    layers = []
    for k, (n, m) in enumerate(zip(widths, widths[1:])):
        scale = np.sqrt(2 / n) / (size if k == 0 else 1.0)
        weight, bias = random.normal(size=(m, n)) * scale, random.normal(size=m) * 0.25
        layers.append((weight.astype(np.float32), bias.astype(np.float32), k < len(widths) - 2 or last_relu))
    return tuple(layers)


def short(values, bits: int = 12) -> np.ndarray:
    """Values rounded to few significant bits, so that their decimals are short and float32 holds them."""
    mantissa, exponent = np.frexp(np.asarray(values, float))
    return np.ldexp(np.round(mantissa * 2**bits) / 2**bits, exponent)


def box(random: np.random.Generator, n: int, *, size: float = 1.0, radius: float = 0.5, flat: int = 0):
    """A box of about this size; `flat` of its inputs have no width."""
    centre = short(random.uniform(-0.5, 0.5, n) * size, 8)
    half = short(np.full(n, radius * size), 8)
    half[random.permutation(n)[:flat]] = 0
    return short(centre - half, 20), short(centre + half, 20)


def row(random: np.random.Generator, n_inputs: int, n_outputs: int, *, mixed: bool = False):
    """A random linear row, of outputs only unless `mixed`; its constant is to be moved."""
    outputs = random.integers(-2, 3, n_outputs) / 2
    outputs[random.integers(n_outputs)] = random.choice([-1.0, 1.0])
    inputs = random.integers(-2, 3, n_inputs) / 4 if mixed else np.zeros(n_inputs)
    return inputs, outputs, 0.0, bool(random.integers(2))


def input_row(random: np.random.Generator, lower, upper):
    """A half-space that cuts the box near its middle."""
    inputs = random.integers(-2, 3, len(lower)) / 2
    inputs[random.integers(len(lower))] = 1.0
    middle = float(inputs @ (lower + upper) / 2)
    return inputs, None, -float(short(middle + 0.1 * np.abs(inputs) @ (upper - lower) / 2, 10)), False


# --- knowing the answer -------------------------------------------------------------------------


def raw_network(raw: Raw) -> Network:
    return Network(tuple(Affine(w.astype(float), b.astype(float), relu) for w, b, relu in raw.layers))


def raw_property(raw: Raw) -> Property:
    exact = lambda values: tuple(Fraction(float(v)) for v in values)
    zero = np.zeros(raw.n_outputs)
    unsafe = tuple(
        Polytope(tuple(Row(exact(a), exact(zero if c is None else c), Fraction(d), s) for a, c, d, s in rows))
        for rows in raw.polytopes
    )
    cases = tuple(Case(exact(low), exact(high), unsafe) for low, high in raw.boxes)
    return Property(cases, raw.n_inputs, raw.n_outputs)


def intervals(raw: Raw, lower, upper):
    """Bounds of every ReLU's input by interval arithmetic with room for rounding."""
    found = [], []
    for weight, bias, relu in raw.layers:
        middle, radius = (lower + upper) / 2, (upper - lower) / 2
        z, r = weight.astype(float) @ middle + bias, np.abs(weight.astype(float)) @ radius
        r = r * (1 + 1e-9) + 1e-9 * np.abs(z)
        lower, upper = z - r, z + r
        if relu:
            found[0].append(lower)
            found[1].append(upper)
            lower, upper = np.maximum(lower, 0), np.maximum(upper, 0)
    return [np.concatenate([*part, np.zeros(0)]) for part in found]


def solved(raw: Raw) -> list[BoxResult]:
    """What the solver says of each box, in units of the inputs' size: a solver's tolerances are absolute."""
    raw = in_unit_size(raw)
    network, found = raw_network(raw), []
    for case, (lower, upper) in zip(raw_property(raw).cases, raw.boxes):
        l, u = intervals(raw, lower, upper)
        found.append(
            solve_box(network, case, lower=lower, upper=upper, l=l, u=u, backend="highs", timeout=SOLVER_SECONDS)
        )
    return found


def depth(raw: Raw) -> float:
    """How deep the deepest point found in any box lies in the unsafe set."""
    return max(result.margin for result in solved(raw))


def in_unit_size(raw: Raw) -> Raw:
    """The same question about inputs / size."""
    size = 2.0 ** np.round(np.log2(max(np.abs(side).max() for ends in raw.boxes for side in ends)))
    (weight, bias, relu), *others = raw.layers
    boxes = tuple((low / size, high / size) for low, high in raw.boxes)
    polytopes = tuple(tuple((a * size, c, d, s) for a, c, d, s in rows) for rows in raw.polytopes)
    return Raw(((weight * np.float32(size), bias, relu), *others), boxes, polytopes)


def answered(raw: Raw, truth: str, *, margin: float) -> Raw:
    """The question with every row moved so that `truth` is the answer, by this margin; the solver confirms it."""
    by = float(short((margin if truth == "sat" else -margin) - depth(raw), 20))
    polytopes = tuple(tuple((a, c, d - by, s) for a, c, d, s in rows) for rows in raw.polytopes)
    raw = replace(raw, polytopes=polytopes)
    statuses = {result.status for result in solved(raw)}
    assert "feasible" in statuses if truth == "sat" else statuses == {"infeasible"}
    return raw


# --- writing files ------------------------------------------------------------------------------

STYLES = ("gemm", "scaled", "matmul", "constants", "image", "column", "shifted")


def onnx_bytes(raw: Raw, style: str = "gemm") -> bytes:
    """The network as an ONNX file: the same function, up to nothing, in each style."""
    shape = {"image": (1, 1, 1, raw.n_inputs), "column": (raw.n_inputs, 1)}.get(style, (1, raw.n_inputs))
    nodes, constants, name = [], {}, "x"
    if style == "image":
        nodes.append(node("Flatten", "x", "flat", axis=1))
        name = "flat"
    if style == "shifted":  # as if a mean of zero were taken off first
        constants["mean"] = np.zeros((1, raw.n_inputs), np.float32)
        nodes.append(node("Sub", "x mean", "centred"))
        name = "centred"
    for k, (weight, bias, relu) in enumerate(raw.layers):
        write = {"gemm": _gemm, "scaled": _scaled, "column": _column}.get(style, _matmul)
        name = write(nodes, constants, name, k, weight, bias)
        if style == "constants":
            nodes[:0] = [node("Constant", "", key, value=_tensor(constants.pop(key))) for key in list(constants)]
        if relu:
            nodes.append(node("Relu", name, f"h{k}"))
            name = f"h{k}"
    return model(nodes, constants, shape=shape, output=name, kind=TensorProto.FLOAT).SerializeToString()


def _gemm(nodes, constants, name, k, weight, bias) -> str:
    constants |= {f"W{k}": weight, f"b{k}": bias}
    nodes.append(node("Gemm", f"{name} W{k} b{k}", f"z{k}", transB=1))
    return f"z{k}"


def _scaled(nodes, constants, name, k, weight, bias) -> str:
    """Gemm's factors, undone by a sign and a power of two: as executed in float32, too."""
    constants |= {f"W{k}": np.ascontiguousarray(-weight.T), f"b{k}": bias * np.float32(-0.5)}
    nodes.append(node("Gemm", f"{name} W{k} b{k}", f"z{k}", alpha=-1.0, beta=-2.0))
    return f"z{k}"


def _matmul(nodes, constants, name, k, weight, bias) -> str:
    constants |= {f"W{k}": np.ascontiguousarray(weight.T), f"b{k}": bias}
    nodes += [node("MatMul", f"{name} W{k}", f"m{k}"), node("Add", f"b{k} m{k}", f"z{k}")]
    return f"z{k}"


def _column(nodes, constants, name, k, weight, bias) -> str:
    constants |= {f"W{k}": weight, f"b{k}": bias[:, None]}
    nodes += [node("MatMul", f"W{k} {name}", f"m{k}"), node("Add", f"m{k} b{k}", f"z{k}")]
    return f"z{k}"


def _tensor(array):
    from onnx import numpy_helper

    return numpy_helper.from_array(array)


def vnnlib_text(raw: Raw) -> str:
    """One `or` over boxes and one over polytopes where there are several; else plain asserts."""
    names = [f"X_{i}" for i in range(raw.n_inputs)] + [f"Y_{j}" for j in range(raw.n_outputs)]
    boxes = [_bounds(low, high) for low, high in raw.boxes]
    unsafe = [[_row(*one) for one in rows] for rows in raw.polytopes]
    lines = [f"(declare-const {name} Real)" for name in names]
    for choices in (boxes, unsafe):
        if len(choices) == 1:
            lines += [f"(assert {atom})" for atom in choices[0]]
        else:
            lines.append(f"(assert (or {' '.join('(and ' + ' '.join(atoms) + ')' for atoms in choices)}))")
    return "\n".join([*lines, ""])


def _bounds(lower, upper) -> list[str]:
    """Each input's two bounds, or one equation where they meet."""
    atoms = []
    for i, (low, high) in enumerate(zip(lower.tolist(), upper.tolist())):
        pair = [f"(>= X_{i} {_decimal(low)})", f"(<= X_{i} {_decimal(high)})"]
        atoms += [f"(= X_{i} {_decimal(low)})"] if low == high else pair
    return atoms


def _row(inputs, outputs, constant, strict) -> str:
    """inputs . x + outputs . y <= -constant."""
    pairs = [(c, f"X_{i}") for i, c in enumerate(inputs)]
    pairs += [(c, f"Y_{j}") for j, c in enumerate(() if outputs is None else outputs)]
    terms = [name if c == 1 else f"(* {_decimal(c)} {name})" for c, name in pairs if c]
    total = terms[0] if len(terms) == 1 else f"(+ {' '.join(terms)})"
    return f"({'<' if strict else '<='} {total} {_decimal(-constant)})"


def _decimal(value: float) -> str:
    """The exact decimal, with VNN-LIB's unary minus written as a sign, as the competition's files do."""
    fraction = Fraction(float(value))
    bits = fraction.denominator.bit_length() - 1
    digits = f"{abs(fraction.numerator) * 5**bits:0{bits + 1}d}"
    text = f"{digits[:-bits]}.{digits[-bits:]}" if bits else f"{digits}.0"
    return f"-{text}" if fraction < 0 else text


def write(folder: Path, raw: Raw, *, style: str = "gemm") -> tuple[Path, Path]:
    """The two files, in VNN-COMP's form."""
    onnx, vnnlib = folder / "network.onnx", folder / "property.vnnlib"
    onnx.write_bytes(onnx_bytes(raw, style))
    vnnlib.write_text(vnnlib_text(raw))
    return onnx, vnnlib
