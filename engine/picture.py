"""Pictures of advisory maps: before, after, and where they differ. Needs matplotlib, the extra `plots`."""

import os
from collections.abc import Sequence
from io import BytesIO
from math import degrees
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

from engine.acasxu.quantities import ADVISORIES
from engine.errors import InputError
from engine.files import prepare, unwritable, write_bytes
from engine.network import Network
from engine.property import Property

if TYPE_CHECKING:  # matplotlib may be missing, and torch takes long
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.markers import MarkerStyle

    from engine.acasxu.view import EncounterView, Sector
    from engine.comparison.maps import DecisionMap

    AdvisoryMap = DecisionMap[EncounterView]


class _Line(TypedDict):
    """The line around a property's box."""

    color: str
    linewidth: float
    linestyle: tuple[float, Sequence[float]]


class _Marker(TypedDict):
    """The marker that stands for an aircraft."""

    marker: "MarkerStyle"
    markersize: float
    linestyle: Literal["none"]
    markerfacecolor: str
    markeredgecolor: str
    markeredgewidth: float
    clip_on: bool
    zorder: float


SUFFIXES = (".png", ".svg", ".pdf")
#: Left blue, right orange, strong dark: told apart by the colour-blind, and in grey too.
COLOURS = ("#efefef", "#6baed6", "#fdbe85", "#08306b", "#d94801")
_ROW = 3.4  # inches high
_MAX_RINGS = 30  # differing points, which are ringed if so few: one alone is hardly seen
_EDGE: _Line = {"color": "black", "linewidth": 0.9, "linestyle": (0, (3, 1.5))}
_DART = ((0, 1), (0.65, -0.9), (0, -0.45), (-0.65, -0.9), (0, 1))  # an aircraft that heads up


def prepare_picture(path: Path) -> Path:
    """The path itself. InputError for another suffix, a place that is not writable, and without matplotlib."""
    suffix = Path(os.path.realpath(path)).suffix  # not the link's: what it leads to is replaced
    if suffix.lower() not in SUFFIXES:
        raise InputError(
            f"pictures are written as {', '.join(SUFFIXES)}, not as {suffix or 'a file without suffix'}",
            where=f"--picture {path}",
            advice="name it so",
        )
    _figure()
    return prepare(path, option="--picture")


def advisory_maps(
    before: Network, after: Network, properties: Sequence[Property], *, size: int | None = None
) -> "tuple[AdvisoryMap, ...]":
    """Maps of head-on and crossing encounters, and of those in the middle of each property's box.

    The networks are to be known as ACAS Xu's (engine/acasxu/identity.py). InputError for networks or properties
    without ACAS Xu's inputs and outputs.
    """
    from engine.acasxu.view import demand_encounters, encounter_views
    from engine.comparison.maps import SIZE, decision_maps

    demand_encounters(before, after, *properties)
    return decision_maps(before, after, encounter_views(properties), size=size or SIZE)


def write_picture(path: Path, maps: "Sequence[AdvisoryMap]", *, names: tuple[str, str]) -> None:
    """Draws maps of networks of these names, and puts the picture there in one step."""
    data = picture_bytes(maps, names=names, form=path.suffix.lower().lstrip("."))
    try:
        write_bytes(path, data)
    except OSError as error:
        raise unwritable(error, path) from None


def picture_bytes(maps: "Sequence[AdvisoryMap]", *, names: tuple[str, str], form: str = "png") -> bytes:
    """The picture as a file of the form png, svg or pdf: a row for each map."""
    import matplotlib
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with matplotlib.rc_context(
        {
            "font.size": 8,
            "axes.titlesize": 8,
            "axes.linewidth": 0.6,
            "text.usetex": False,
            "text.parse_math": False,  # names may hold a $
        }
    ):
        size = (8.3, 1.1 + _ROW * len(maps))
        figure = _figure()(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.08))
        figure.suptitle(
            f"Advisory (lowest score) for an intruder at each place\nbefore: {names[0]}\nafter: {names[1]}", fontsize=9
        )
        parts = figure.subfigures(len(maps) + 1, 1, squeeze=False, height_ratios=[_ROW] * len(maps) + [0.6])
        *rows, bottom = parts[:, 0]
        for row, each in zip(rows, maps):
            _draw_row(row, each)
        _legend(bottom)
        file = BytesIO()
        figure.savefig(file, format=form, dpi=200)
    return file.getvalue()


def _figure() -> "type[Figure]":
    """matplotlib's figures; InputError where it is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError(
            "pictures need matplotlib, which is not installed",
            where="--picture",
            advice="install it, or the extra `plots` of this package",
        ) from None
    return Figure


def _draw_row(row: "SubFigure", each: "AdvisoryMap") -> None:
    """Draws a map's three panels."""
    from matplotlib.colors import ListedColormap

    row.suptitle(_title(each.view), fontsize=9, fontweight="bold")
    axes = row.subplots(1, 3, sharey=True)
    colours = ListedColormap(COLOURS)
    for panel, advisories, title in zip(axes, (each.before, each.after), ("before", "after")):
        _draw_panel(panel, each, advisories, colours, vmax=len(COLOURS) - 1)
        panel.set_title(title)
    _draw_panel(axes[2], each, each.differs, ListedColormap(("white", "black")), vmax=1)
    if 0 < each.changed <= _MAX_RINGS:
        _ring(axes[2], each)
    axes[2].set_title(
        f"difference: {each.changed:,} of {each.points:,} points"
        if each.changed
        else f"difference: none differs of {each.points:,} points"
    )
    axes[0].set_ylabel("ahead (1000 ft)")


def _draw_panel(panel: "Axes", each: "AdvisoryMap", values: "np.ndarray", colours: "Colormap", *, vmax: int) -> None:
    import numpy as np
    from matplotlib.patches import Circle
    from matplotlib.ticker import MaxNLocator

    reach = each.view.radius / 1000
    shown = np.ma.masked_where(each.before < 0, values)
    panel.imshow(
        shown,
        origin="lower",
        extent=(-reach, reach, -reach, reach),
        cmap=colours,
        vmin=0,
        vmax=vmax,
        interpolation="nearest",
    )
    panel.add_patch(Circle((0, 0), reach, fill=False, edgecolor="grey", linewidth=0.6))
    for sector in each.view.sectors:
        panel.plot(*_outline(sector), color="white", linewidth=2)
        panel.plot(*_outline(sector), **_EDGE)
    panel.plot(0, 0, **_dart(0.0, face="black"))
    panel.plot(0.86 * reach, 0.86 * reach, **_dart(each.view.psi, face="white"))
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(MaxNLocator(6))
    panel.set(xlim=(-reach, reach), ylim=(-reach, reach), xlabel="right (1000 ft)")


def _ring(panel: "Axes", each: "AdvisoryMap") -> None:
    """Draws a ring around each differing point."""
    from engine.comparison.maps import coordinates

    places = coordinates(each.view.radius, len(each.before)) / 1000
    y, x = each.differs.nonzero()
    panel.plot(
        places[x], places[y], "o", markersize=6, markerfacecolor="none", markeredgecolor="black", markeredgewidth=0.5
    )


def _outline(sector: "Sector") -> "tuple[np.ndarray, np.ndarray]":
    """x and y in 1000 ft along the sector's edge; two circles where it goes all around."""
    import numpy as np

    angle = np.linspace(sector.right, sector.left, 200)
    around = sector.left - sector.right > 6.28
    parts = [
        (sector.far, angle),
        (np.nan, angle[:1]) if around else None,
        (sector.near, angle[::-1]),
        None if around else (sector.far, angle[:1]),
    ]
    x, y = zip(*((-rho * np.sin(theta), rho * np.cos(theta)) for rho, theta in filter(None, parts)))
    return np.concatenate(x) / 1000, np.concatenate(y) / 1000


def _dart(psi: float, *, face: str) -> _Marker:
    """The marker for an aircraft with this heading in rad, left of up."""
    from matplotlib.markers import MarkerStyle
    from matplotlib.path import Path as Shape

    return {
        "marker": MarkerStyle(Shape(_DART)).rotated(rad=psi),
        "markersize": 9,
        "linestyle": "none",
        "markerfacecolor": face,
        "markeredgecolor": "white" if face == "black" else "black",
        "markeredgewidth": 0.7,
        "clip_on": False,
        "zorder": 5,
    }


def _legend(bottom: "SubFigure") -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    advisories = [
        Patch(facecolor=colour, edgecolor="grey", linewidth=0.5, label=name)
        for name, colour in zip(ADVISORIES, COLOURS)
    ]
    bottom.legend(
        handles=[
            *advisories,
            Patch(facecolor="black", label="differs (ringed if few)"),
            Line2D([], [], label="a property's box", **_EDGE),
            Line2D([], [], label="ownship, heads up", **_dart(0.0, face="black")),
            Line2D([], [], label="intruder's heading, wherever it is", **_dart(0.0, face="white")),
        ],
        loc="center",
        ncols=5,
        frameon=False,
    )


def _title(view: "EncounterView") -> str:
    """The encounter in words."""
    angle = round(degrees(view.psi), 1)
    if abs(angle) in (0, 180):
        heading = "the opposite heading" if angle else "the same heading"
    else:
        heading = f"its heading {abs(angle):g}° {'left' if angle > 0 else 'right'} of the ownship's"
    return f"{view.name}\nintruder {view.v_int:,.5g} ft/s, {heading}; ownship {view.v_own:,.5g} ft/s"
