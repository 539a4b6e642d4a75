"""`acasxu convert`: networks from `.nnet` to ONNX, and back."""

from argparse import Namespace
from decimal import ROUND_CEILING, Context, Decimal
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.convert_options import NORMALIZATION
from engine.cli.output import DONE, answer
from engine.errors import InputError
from engine.files import demand_new, write_new
from engine.foreign import plain

if TYPE_CHECKING:  # onnx takes a while
    from engine.network import Network
    from engine.nnet import Normalization
    from engine.property import Vector


def run(arguments: Namespace) -> int:
    """Writes the network in the other format; says its SHA-256, and what became of its numbers."""
    from engine.nnet import is_nnet

    source, target = arguments.source, arguments.target
    if is_nnet(source) == is_nnet(target):
        formats = "both are .nnet files" if is_nnet(source) else "neither is a .nnet file"
        raise InputError(formats, where=f"{source}, {target}", advice="convert .nnet to .onnx, or .onnx to .nnet")
    demand_new(target, force=arguments.force)
    data, words = (_to_onnx if is_nnet(source) else _to_nnet)(arguments)
    write_new(target, data, force=arguments.force)
    answer(f"{plain(target)}: {words}\nSHA-256 {sha256(data).hexdigest()}")
    return DONE


def _to_onnx(arguments: Namespace) -> tuple[bytes, str]:
    from engine.network_file import load_network

    _demand_none(arguments, ("like", *NORMALIZATION), "an ONNX file has no normalization of its own")
    if not arguments.target.name.removesuffix(".gz").endswith(".onnx"):
        raise InputError("this is no name of an ONNX file", where=str(arguments.target), advice="end it in .onnx")
    network = load_network(arguments.source, units=arguments.units)
    return network.onnx_bytes, _changes_in_words(arguments.source, network)


def _changes_in_words(source: Path, network: "Network") -> str:
    from engine.nnet import changes, content_of
    from engine.onnx_file import read_bytes

    found = changes(content_of(read_bytes(source), where=str(source)), network)
    kind = network.number.__name__
    if not found.changed:
        return f"{found.numbers:,} numbers, exactly, as {kind}"
    largest = Context(prec=2, rounding=ROUND_CEILING).create_decimal(Decimal(found.largest))
    return (
        f"{found.numbers:,} numbers, each the nearest {kind}; {found.changed:,} of them are no decimals of the .nnet "
        f"file, but off by at most {largest:e}"
    )


def _to_nnet(arguments: Namespace) -> tuple[bytes, str]:
    from engine.network_file import load_network
    from engine.nnet import nnet_text

    _demand_none(arguments, ("units",), "the numbers of an ONNX file are normalized ones")
    network = load_network(arguments.source)
    text = nnet_text(network, _normalization(arguments, network))
    count = sum(layer.count + layer.bias.size for layer in network.layers)
    return text.encode("ascii"), f"{count:,} numbers, exactly"


def _normalization(arguments: Namespace, network: "Network") -> "Normalization":
    """The one that the options name: another file's, or number by number; what is not named changes nothing."""
    from engine.nnet import Normalization, content_of
    from engine.onnx_file import read_bytes

    if arguments.like:
        _demand_none(arguments, NORMALIZATION, "--like gives them all")
        return content_of(read_bytes(arguments.like), where=str(arguments.like)).normalization
    inputs = network.n_inputs
    found = Normalization.identity(inputs, network.number)
    minima, maxima = _given(arguments, "minima", found.minima), _given(arguments, "maxima", found.maxima)
    means = _given(arguments, "means", (*found.means, found.output_mean))
    ranges = _given(arguments, "ranges", (*found.ranges, found.output_range))
    own = minima, maxima, means[:inputs], ranges[:inputs]
    return Normalization(*own, output_mean=means[-1], output_range=ranges[-1])


def _given(arguments: Namespace, name: str, default: "Vector") -> "Vector":
    """The numbers of an option. InputError unless there are as many as of `default`, which is taken without it."""
    from engine.nnet.decimals import fraction

    text = getattr(arguments, name)
    if text is None:
        return default
    fields = text.split(",")
    if len(fields) != len(default):
        needed = f"{len(default)} numbers are needed, {len(fields)} are given"
        raise InputError(needed, where=f"--{name}", advice="separate them by commas")
    try:
        return tuple(fraction(field.strip()) for field in fields)
    except InputError as error:
        raise InputError(error.what, where=f"--{name}", advice="check the option") from None


def _demand_none(arguments: Namespace, options: tuple[str, ...], why: str) -> None:
    for name in options:
        if getattr(arguments, name) is not None:
            raise InputError(why, where=f"--{name}", advice="leave it out")
