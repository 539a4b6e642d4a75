"""A picture of a verdict on a network of two inputs. Needs matplotlib, the extra `plots`."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import InputError
from engine.files import unwritable, write_bytes
from engine.network import Network
from engine.property import Property
from engine.verdict import Verdict, Violated

if TYPE_CHECKING:  # matplotlib may be missing
    import numpy as np
    from matplotlib.axes import Axes

#: Told apart by the colour-blind, and in grey too.
COLOURS = {"proved": "#c6dbef", "violated": "#d94801", "undecided": "#969696"}


def check_two_inputs(network: Network) -> None:
    """InputError where the network cannot be drawn."""
    if network.n_inputs != 2:
        raise InputError(
            f"the network has {network.n_inputs} inputs; pictures are drawn of two",
            where="--picture",
            advice="leave it out",
        )


def write_regions(path: Path, network: Network, prop: Property, verdict: Verdict) -> None:
    """Draws the parts where the property is proved, violated and undecided; the picture is put there in one step."""
    data = region_picture(network, prop, verdict, form=path.suffix.lower().lstrip("."))
    try:
        write_bytes(path, data)
    except OSError as error:
        raise unwritable(error, path) from None


def region_picture(network: Network, prop: Property, verdict: Verdict, *, form: str = "png") -> bytes:
    """The picture as a file of the form png, svg or pdf."""
    import matplotlib
    from matplotlib.figure import Figure

    from engine.search.regions import regions

    found = regions(network, prop)
    with matplotlib.rc_context({"font.size": 8, "text.parse_math": False}):  # names may hold a $
        figure = Figure(figsize=(6, 6.2), layout="constrained")
        axes = figure.subplots()
        for name, boxes in zip(COLOURS, (found.proved, found.violated, found.open)):
            _draw(axes, boxes, name)
        _frame(axes, [boxes for boxes in (found.proved, found.violated, found.open) if len(boxes)])
        if isinstance(verdict, Violated):
            axes.plot(
                *verdict.counterexample.inputs,
                "x",
                color="black",
                markersize=8,
                markeredgewidth=1.5,
                label="the counterexample",
            )
        title = f"{network.name or 'network'}, {prop.name or 'property'}: {verdict.word}"
        axes.set(xlabel="X_0", ylabel="X_1", title=title)
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
        file = BytesIO()
        figure.savefig(file, format=form, dpi=150)
    return file.getvalue()


def _draw(axes: "Axes", boxes: "np.ndarray", name: str) -> None:
    """Draws boxes [n, 2, 2] of one kind; those without width show as lines."""
    from matplotlib.collections import PolyCollection

    meaning = {"proved": "proved", "violated": "a point in it is unsafe", "undecided": "neither"}[name]
    (x0, y0), (x1, y1) = boxes[:, 0].T, boxes[:, 1].T
    corners = [[(a, b), (c, b), (c, d), (a, d)] for a, b, c, d in zip(x0, y0, x1, y1)]
    is_flat = bool(len(boxes)) and not ((x1 > x0) & (y1 > y0)).all()
    axes.add_collection(
        PolyCollection(
            corners,
            facecolor=COLOURS[name],
            linewidth=3 if is_flat else 0.3,
            edgecolor="white" if name == "proved" and not is_flat else COLOURS[name],
            label=f"{meaning}: {len(boxes):,} box{'es' * (len(boxes) != 1)}",
        )
    )


def _frame(axes: "Axes", groups: "Sequence[np.ndarray]") -> None:
    """Shows all boxes with a little room around them."""
    import numpy as np

    every = np.concatenate(groups)
    low, high = every[:, 0].min(0), every[:, 1].max(0)
    room = np.where(high > low, high - low, np.maximum(1e-6, np.abs(low) * 1e-3)) * 0.03
    axes.set(xlim=(low[0] - room[0], high[0] + room[0]), ylim=(low[1] - room[1], high[1] + room[1]))
