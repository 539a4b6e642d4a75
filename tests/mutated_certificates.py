"""Certificates of version 5 at random; and changes of these and of others, signed again, for both checkers."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import second_checker_bounds
import second_checker_file
import second_checker_images
import second_checker_network
from cone_certificate_changes import PictureDraft
from curve_certificates import HEAD, Files, case, proof, row
from make_certificates import Draft, Exclusion, Node
from make_cone_certificates import CORPUS
from onnx_graphs import model, node
from test_certificate_mutations import MUTATORS, Mutant, Skip, asked
from test_second_checker_cones_mutants import manifest_of_images

DATA = [CORPUS / "data" / f"drawn-{name}-ubyte" for name in ("images-idx3", "labels-idx1")]
TREES = [change for kind, change in MUTATORS.values() if kind in ("tree", "arrays")]
CLAIMS = [change for kind, change in MUTATORS.values() if kind == "claim"]


@dataclass(frozen=True)
class Pictures:
    """A network's file; of the images' own there is one pair."""

    network: Path
    about: Path = DATA[0]
    labels: Path = DATA[1]
    is_images = True


@dataclass(frozen=True)
class Base:
    """A certificate, and the network's file."""

    draft: Draft
    network: bytes

    @property
    def is_images(self) -> bool:
        return self.draft.manifest["kind"] == "images"

    @cached_property
    def net(self) -> second_checker_bounds.Network:
        return second_checker_network.read_chain(onnx.load_from_string(self.network)).network("real")

    def written(self, folder: Path, draft: Draft) -> tuple[Path, Files | Pictures]:
        """The draft, signed for the network; of a proof, for a file that asks for what it claims."""
        path, network, about = folder / "c.zip", folder / "n.onnx", folder / "q.vnnlib"
        network.write_bytes(self.network)
        if self.is_images:
            draft.manifest["network"]["sha256"] = sha256(self.network).hexdigest()
            path.write_bytes(draft.bytes())
            return path, Pictures(network)
        text = asked(draft.cases, self.net.outputs)
        about.write_text(text)
        path.write_bytes(draft.about(self.network, text.encode()).bytes())
        return path, Files(network, about)


# --- certificates about curves --------------------------------------------------------------------


def curved(random: np.random.Generator, side: int, scores: list[float]) -> bytes:
    """Numbers beside their convolution, which has a curve; windows; a dense layer with a curve; scores."""
    draw = lambda *shape: (random.integers(-8, 9, shape) / 8).astype(np.float32)
    first, last = random.choice(["Sigmoid", "Tanh"], 2)
    nodes = [
        node("Conv", "x k", "c", pads=[1, 1, 1, 1]),
        node(first, "c", "f"),
        node("Add", "f x", "s"),
        node(random.choice(["AveragePool", "MaxPool"]), "s", "p", kernel_shape=[2, side], strides=[2, side]),
        node("Flatten", "p", "t"),
        node("Gemm", "t w b", "g"),
        node(last, "g", "h"),
        node("Gemm", "h v e", "y"),
    ]
    constants = {"k": draw(1, 1, 3, 3), "w": draw(side // 2, 2), "b": draw(2), "v": draw(2, len(scores)) / 2}
    return model(nodes, constants | {"e": np.float32(scores)}, shape=(1, 1, side, side)).SerializeToString()


def tree(
    random: np.random.Generator, net: second_checker_bounds.Network, free: list[int], cut: float, polytopes: int
) -> Node:
    """Not split; by the sign of a neuron of the last hidden layer; by a free input; or by both."""
    neuron = net.hidden - 1 - int(random.integers(2))
    multiplier = (neuron, float(random.integers(0, 4)) / 16)

    def leaf(*pairs):
        return Node(exclusions=[Exclusion(p, [(0, 1024)], [], list(pairs)) for p in range(polytopes)])

    by_sign = Node(net.inputs + neuron, 0.0, [], [leaf(multiplier), leaf(multiplier)])
    by_input = Node(
        int(random.choice(free)), cut, [], [copy.deepcopy(by_sign) if random.integers(2) else leaf(), leaf()]
    )
    return [leaf(), by_sign, by_input][random.integers(3)]


def about_bounds(seed: int) -> Base:
    """On two scores of 4 numbers, beyond what samples reach; of every other seed three of the numbers are fixed."""
    random, cones = np.random.default_rng(seed), bool(seed % 2)
    network = curved(random, 2, [0, 0])
    lower, upper = np.full(4, -1.0), np.ones(4)
    if cones:
        lower[1:] = upper[1:] = random.integers(-4, 5, 3) / 4
    values = run(network, sampled(lower, upper))
    far = values.max(0) + (0.1 + random.random() / 2) * (np.ptp(values, axis=0) + 0.1)
    found = case(lower, upper, *([row({c: -1}, f"{far[c]:.3f}")] for c in range(2)))
    base = Base(proof([found], cones=cones), network)
    base.draft.roots.append(tree(random, base.net, [0] if cones else [0, 1, 2, 3], 0.0, 2))
    return base


def about_images(seed: int) -> Base:
    """That class 1 is not given to some images with a patch of 2 x 2."""
    random = np.random.default_rng(seed)
    base = Base(
        PictureDraft(HEAD | {"network": {"name": ""}, "kind": "images", "cones": True}, []),
        curved(random, 6, [1.2, 0, 0]),
    )
    manifest = base.draft.manifest
    del manifest["property"]
    positions = [[0, 4], [2, 2]]
    manifest |= {
        "data": {"name": "", **{key: sha256(p.read_bytes()).hexdigest() for key, p in zip(("images", "labels"), DATA)}},
        "claim": {"not": 1},
        "input": {"layout": "NCHW", "scaling": "0..1"},
        "patch": {"height": 2, "width": 2, "positions": positions},
        "contents": {"low": "0", "high": "1", "around": None},
        "images": [0, 2, 5],
        "cases": [[0, 0], [0, 1], [2, 1]],
    }
    for _, j in manifest["cases"]:
        row, column = positions[j]
        base.draft.roots.append(tree(random, base.net, [6 * row + column, 6 * row + column + 7], 0.25, 1))
    return base


# --- changes --------------------------------------------------------------------------------------


def mutant(base: Base, random: np.random.Generator, folder: Path) -> tuple[Path, Files | Pictures, Draft]:
    """A changed certificate, signed for its files."""
    changes: list[Callable] = [*TREES, *([manifest_of_images] * 20 if base.is_images else CLAIMS)]
    while True:
        made = Mutant(copy.deepcopy(base.draft), base.network, "", base.net.outputs, random)
        try:
            for change in random.choice(changes, random.integers(1, 3)):
                change(made)
            return *base.written(folder, made.draft), made.draft
        except (Skip, TypeError):  # not of such a certificate
            continue


# --- samples --------------------------------------------------------------------------------------


def run(network: bytes, points: np.ndarray) -> np.ndarray:
    """Its outputs, in float32."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    (end,) = session.get_inputs()
    return np.array([session.run(None, {end.name: x.reshape(end.shape)})[0].ravel() for x in points.astype(np.float32)])


def sampled(lower, upper) -> np.ndarray:
    """Points of a box, half of them its corners."""
    low, high = (np.array([float(v) for v in ends]) for ends in (lower, upper))
    places = np.random.default_rng(0).random((200, len(low)))
    places[::2] = places[::2].round()
    return low + places * (high - low)


def check_sampled(base: Base, draft: Draft) -> None:
    """No point of many is clearly in what an accepted certificate excludes."""
    if base.is_images:
        pictures = second_checker_images.read_pictures(*(path.read_bytes() for path in DATA))
        cases = [second_checker_images.make_case(draft.manifest, pictures, 3, i, j) for i, j in draft.cases]
    else:
        cases = [second_checker_file.read_case(one) for one in draft.cases]
    names = second_checker_file.names("X", base.net.inputs) + second_checker_file.names("Y", base.net.outputs)
    for one in cases:
        points = sampled(one.lower, one.upper)
        values = np.hstack([points, run(base.network, points)])
        for polytope in one.unsafe:
            rows = np.array([[float(each.form.get(name, 0)) for name in names] for each in polytope])
            rows = rows.reshape(-1, len(names))
            sides = values @ rows.T + [float(each.constant) for each in polytope]
            assert (sides / (1 + np.abs(rows).sum(1))).max(1, initial=-np.inf).min() > -1e-4
