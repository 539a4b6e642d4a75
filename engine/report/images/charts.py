"""Bars, curves and matrices, as SVG elements and coloured cells: no library draws them. All text in them is numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

WIDTH, HEIGHT, EDGE = 560, 220, 36  # of a drawing; free at its left and below
FEW = 0.1  # false alarms up to which a curve is drawn: nobody bears more
ROOM = 20  # that a number of two digits needs
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class HeatCell:
    """A count; shade: its share of its row, in percent; right: whether it lies on the diagonal."""

    text: str
    shade: int
    right: bool


def bars(
    values: Sequence[float | None], marked: Sequence[int], *, most: Sequence[float | None] = (), title: str
) -> str:
    """A bar for each class from 0 on, the marked ones in another colour; `most`: where thin lines above them end."""
    top = max([value for value in (*values, *most) if value is not None] or [0.0]) or 1.0
    width = (WIDTH - EDGE) / max(len(values), 1)
    parts = [_level(share, f"{share * top:.3g}") for share in TICKS]
    for label, value in enumerate(values):
        left, middle = EDGE + label * width, EDGE + (label + 0.5) * width
        parts += _number(label, middle, width)
        if value is None:
            parts.append(f'<text x="{middle:.1f}" y="{HEIGHT - EDGE - 4}" text-anchor="middle">none</text>')
            continue
        kind, height = "bad" if label in marked else "good", _up(value / top)
        box = f'x="{left + 0.15 * width:.1f}" y="{height:.1f}" width="{0.7 * width:.1f}"'
        parts.append(f'<rect class="{kind}" {box} height="{HEIGHT - EDGE - height:.1f}"/>')
        high = most[label] if label < len(most) else None
        if high is not None:
            parts.append(f'<line class="range" {_line(middle, height, middle, _up(high / top))}/>')
    return _svg(parts, title)


def pairs(before: Sequence[float | None], after: Sequence[float | None], *, title: str) -> str:
    """Two bars for each entry, numbered from 1: a share before, and the one after."""
    width = (WIDTH - EDGE) / max(len(before), 1)
    parts = [_level(share, f"{share:.0%}") for share in TICKS]
    for number, both in enumerate(zip(before, after), 1):
        for place, (kind, value) in enumerate(zip(("bad", "good"), both)):
            if value is not None:
                left, height = EDGE + (number - 1 + 0.15 + 0.35 * place) * width, _up(_share(value))
                box = f'x="{left:.1f}" y="{height:.1f}" width="{0.35 * width:.1f}"'
                parts.append(f'<rect class="{kind}" {box} height="{HEIGHT - EDGE - height:.1f}"/>')
        parts += _number(number, EDGE + (number - 0.5) * width, width)
    return _svg(parts, title)


def curve(false_alarms: Sequence[float], detection: Sequence[float], *, title: str) -> str:
    """Detection against the first tenth of false alarms: what is between two points can be had by chance alone."""
    points = [(x, y) for x, y in zip(false_alarms, detection) if x <= FEW]
    beyond = [(x, y) for x, y in zip(false_alarms, detection) if x > FEW]
    if points and beyond:
        (x0, y0), (x1, y1) = points[-1], beyond[0]
        points.append((FEW, y0 + (y1 - y0) * (FEW - x0) / (x1 - x0)))
    parts = [_level(share, f"{share:.0%}") for share in TICKS]
    for share in TICKS:
        x = _across(share)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - EDGE + 16}" text-anchor="middle">{share * FEW:.1%}</text>')
    path = " ".join(f"{_across(_share(x / FEW)):.1f},{_up(_share(y)):.1f}" for x, y in points)
    parts.append(f'<polyline class="curve" points="{path}"/>')
    return _svg(parts, title)


def matrix(counts: Sequence[Sequence[float | None]]) -> tuple[tuple[HeatCell, ...], ...]:
    """The counts with the shade of each: its share of its row, so that rare classes are seen, too."""
    found = []
    for row_number, row in enumerate(counts):
        whole = sum(value or 0.0 for value in row)
        shades = [0 if not value or whole <= 0 else round(100 * _share(value / whole)) for value in row]
        texts = ["" if not value else f"{value:,.0f}" for value in row]
        found.append(tuple(HeatCell(t, s, n == row_number) for n, (t, s) in enumerate(zip(texts, shades))))
    return tuple(found)


def _number(number: int, middle: float, width: float) -> list[str]:
    """The number below a bar, where there is room: else below every second, or third, and so on."""
    if number % ceil(ROOM / width):
        return []
    return [f'<text x="{middle:.1f}" y="{HEIGHT - EDGE + 16}" text-anchor="middle">{number}</text>']


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _up(share: float) -> float:
    return HEIGHT - EDGE - _share(share) * (HEIGHT - EDGE - 12)


def _across(share: float) -> float:
    return EDGE + 6 + share * (WIDTH - EDGE - 30)


def _level(share: float, text: str) -> str:
    y = _up(share)
    label = f'<text x="{EDGE - 4}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
    return f'<line class="level" {_line(EDGE, y, WIDTH, y)}/>{label}'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'


def _svg(parts: Sequence[str], title: str) -> str:
    """title: what a screen reader says; a constant of the program."""
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">{"".join(parts)}</svg>'
