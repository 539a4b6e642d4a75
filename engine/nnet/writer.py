"""Networks to `.nnet` text, of which every decimal is exact: read again, it is the same network."""

from collections.abc import Iterable
from decimal import Context, Decimal, Inexact
from fractions import Fraction

from engine import __version__
from engine.errors import InputError
from engine.network import Network
from engine.nnet.decimals import MAX_LENGTH, exact_text
from engine.nnet.units import Normalization

_EXPORT = "fold such layers into their neighbours when exporting the network"


def nnet_text(network: Network, normalization: Normalization) -> str:
    """Returns the text of a network with normalized units, ASCII. InputError where the format cannot hold it.

    All digits of each weight are written, so that readers that round to float32 or float64 get the weight itself.
    """
    _demand_form(network)
    if len(normalization.minima) != network.n_inputs:
        what = f"the normalization is of {len(normalization.minima)} inputs, the network has {network.n_inputs}"
        raise InputError(what, where=network.name, advice="give one number for each input")
    widths = (network.n_inputs, *(len(layer.bias) for layer in network.layers))
    lines = [
        f"// written by acasxu-engine {__version__} from the network with SHA-256 {network.sha256}; decimals are exact",
        _line(map(str, (len(network.layers), network.n_inputs, network.n_outputs, max(widths)))),
        _line(map(str, widths)),
        "0,",
        *_normalization_lines(normalization),
    ]
    for layer in network.layers:
        lines += [_line(map(exact_text, row)) for row in layer.weight.tolist()]
        lines += [_line([exact_text(value)]) for value in layer.bias.tolist()]
    return "\n".join(lines) + "\n"


def _demand_form(network: Network) -> None:
    """InputError unless its numbers are its own and a ReLU follows each layer but the last."""
    network.demand_own_numbers("writing a .nnet file of it")
    network.demand_relus("writing a .nnet file of it")
    for number, layer in enumerate(network.layers, start=1):
        if layer.is_mixed or layer.relu == (number == len(network.layers)):
            what = "it ends with a ReLU" if number == len(network.layers) else f"no ReLU follows layer {number}"
            what = f"layer {number} has its ReLU on some neurons only" if layer.is_mixed else what
            where = network.name or "network"
            raise InputError(f"{what}: a .nnet file has one after each layer but the last", where=where, advice=_EXPORT)


def _normalization_lines(normalization: Normalization) -> list[str]:
    means = (*normalization.means, normalization.output_mean)
    ranges = (*normalization.ranges, normalization.output_range)
    return [_line(map(_text, numbers)) for numbers in (normalization.minima, normalization.maxima, means, ranges)]


def _text(value: Fraction) -> str:
    """The decimal, exactly. InputError where it is none."""
    context = Context(prec=MAX_LENGTH, traps=[Inexact])
    try:
        return str(context.divide(Decimal(value.numerator), Decimal(value.denominator)))
    except Inexact:
        raise InputError(f"{value} is no decimal number of the normalization", advice="round it to one") from None


def _line(texts: Iterable[str]) -> str:
    return ",".join(texts) + ","
