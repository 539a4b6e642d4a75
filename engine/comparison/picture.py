"""Pictures of advisory maps: before, after, and where they differ. Needs matplotlib, the extra `plots`."""

import os
from io import BytesIO
from math import degrees
from pathlib import Path

from engine.acasxu.facts import ADVISORIES
from engine.errors import InputError
from engine.files import prepare, unwritable, write_bytes

SUFFIXES = (".png", ".svg", ".pdf")
#: Left blue, right orange, strong dark: told apart by the colour-blind, and in grey too.
COLOURS = ("#efefef", "#6baed6", "#fdbe85", "#08306b", "#d94801")
_ROW = 3.4  # inches high
_FEW = 30  # differing points, which are ringed: one alone is hardly seen
_EDGE = {"color": "black", "linewidth": 0.9, "linestyle": (0, (3, 1.5))}  # of a property's box
_DART = ((0, 1), (0.65, -0.9), (0, -0.45), (-0.65, -0.9), (0, 1))  # an aircraft that heads up


def prepare_picture(path: Path) -> Path:
    """Where the picture goes; InputError for another suffix, a place not writable, no matplotlib."""
    suffix = Path(os.path.realpath(path)).suffix  # not the link's: what it leads to is replaced
    if suffix.lower() not in SUFFIXES:
        raise InputError(
            f"pictures are written as {', '.join(SUFFIXES)}, not as {suffix or 'a file without suffix'}",
            where=f"--picture {path}",
            advice="name it so",
        )
    _figure()
    return prepare(path, option="--picture")


def write_picture(path: Path, maps, *, names: tuple[str, str]) -> None:
    """Draws AdvisoryMaps of networks of these names, and puts the picture there in one step."""
    data = picture_bytes(maps, names=names, form=path.suffix.lower().lstrip("."))
    try:
        write_bytes(path, data)
    except OSError as error:
        raise unwritable(error, path) from None


def picture_bytes(maps, *, names: tuple[str, str], form: str = "png") -> bytes:
    """The picture as a file of the form png, svg or pdf: a row for each map."""
    import matplotlib

    style = {"font.size": 8, "axes.titlesize": 8, "axes.linewidth": 0.6}
    with matplotlib.rc_context(style | {"text.usetex": False, "text.parse_math": False}):  # names may hold a $
        figure = _figure()(figsize=(8.3, 1.1 + _ROW * len(maps)), layout="constrained")
        figure.get_layout_engine().set(h_pad=0.08)
        figure.suptitle(
            f"Advisory (lowest score) for an intruder at each place\nbefore: {names[0]}\nafter: {names[1]}", fontsize=9
        )
        *rows, bottom = figure.subfigures(len(maps) + 1, 1, height_ratios=[_ROW] * len(maps) + [0.6])
        for row, each in zip(rows, maps):
            _draw_row(row, each)
        _legend(bottom)
        file = BytesIO()
        figure.savefig(file, format=form, dpi=200)
    return file.getvalue()


def _figure():
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError(
            "pictures need matplotlib, which is not installed",
            where="--picture",
            advice="install it, or the extra `plots` of this package",
        ) from None
    return Figure


def _draw_row(row, each) -> None:
    """A map's three panels."""
    from matplotlib.colors import ListedColormap

    row.suptitle(_title(each.geometry), fontsize=9, fontweight="bold")
    axes = row.subplots(1, 3, sharey=True)
    colours = ListedColormap(COLOURS)
    for panel, advisories, title in zip(axes, (each.before, each.after), ("before", "after")):
        _draw_panel(panel, each, advisories, colours, vmax=len(COLOURS) - 1)
        panel.set_title(title)
    _draw_panel(axes[2], each, each.differs, ListedColormap(("white", "black")), vmax=1)
    if 0 < each.changed <= _FEW:
        _ring(axes[2], each)
    axes[2].set_title(
        f"difference: {each.changed:,} of {each.points:,} points"
        if each.changed
        else f"difference: none differs of {each.points:,} points"
    )
    axes[0].set_ylabel("ahead (1000 ft)")


def _draw_panel(panel, each, values, colours, *, vmax: int) -> None:
    import numpy as np
    from matplotlib.patches import Circle
    from matplotlib.ticker import MaxNLocator

    reach = each.geometry.radius / 1000
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
    for sector in each.sectors:
        panel.plot(*_outline(sector), color="white", linewidth=2)
        panel.plot(*_outline(sector), **_EDGE)
    panel.plot(0, 0, **_dart(0.0, face="black"))
    panel.plot(0.86 * reach, 0.86 * reach, **_dart(each.geometry.psi, face="white"))
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(MaxNLocator(6))
    panel.set(xlim=(-reach, reach), ylim=(-reach, reach), xlabel="right (1000 ft)")


def _ring(panel, each) -> None:
    from engine.comparison.maps import coordinates

    places = coordinates(each.geometry.radius, len(each.before)) / 1000
    y, x = each.differs.nonzero()
    panel.plot(
        places[x], places[y], "o", markersize=6, markerfacecolor="none", markeredgecolor="black", markeredgewidth=0.5
    )


def _outline(sector):
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


def _dart(psi: float, *, face: str) -> dict:
    """How to plot an aircraft with this heading in rad, left of up."""
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


def _legend(bottom) -> None:
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


def _title(geometry) -> str:
    angle = round(degrees(geometry.psi), 1)
    if abs(angle) in (0, 180):
        heading = "the opposite heading" if angle else "the same heading"
    else:
        heading = f"its heading {abs(angle):g}° {'left' if angle > 0 else 'right'} of the ownship's"
    return f"{geometry.name}\nintruder {geometry.v_int:,.5g} ft/s, {heading}; ownship {geometry.v_own:,.5g} ft/s"
