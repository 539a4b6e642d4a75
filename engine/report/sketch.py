"""An encounter seen from above, as SVG of a few hundred bytes: no library draws it.

The ownship is at the origin and heads up; the intruder is rho ft away, theta left of that heading, and heads psi left
of it. Each aircraft's arrow ends where it will be after the same few seconds, so arrows and distances have one scale.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import cos, hypot, radians, sin

from engine.acasxu.encounter import Encounter

WIDTH, HEIGHT, STRIP = 300, 260, 30  # of the drawing, the strip with the scale included
_EDGE = 24  # free around what is drawn
_DART = "M0,-9 L6,8 L0,4 L-6,8 Z"  # an aircraft that heads up
_NICE = [digit * 10.0**power for power in range(-3, 7) for digit in (1, 2, 5)]
XY = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scene:
    """Places in ft, x to the right and y ahead: where the intruder is, and where both will be after `seconds`."""

    intruder: XY
    own_end: XY
    intruder_end: XY
    seconds: float


def scene(encounter: Encounter) -> Scene:
    """The encounter's places; the seconds are such that the faster flies at most about 40% of the distance."""
    theta, psi = radians(encounter.bearing), radians(encounter.heading)
    x, y = -encounter.distance * sin(theta), encounter.distance * cos(theta)
    fastest = max(abs(encounter.own_speed), abs(encounter.intruder_speed), 1e-9)
    seconds = _nice(max(encounter.distance, 100.0) * 0.4 / fastest)
    own, other = encounter.own_speed * seconds, encounter.intruder_speed * seconds
    return Scene((x, y), (0.0, own), (x - other * sin(psi), y + other * cos(psi)), seconds)


def sketch(encounter: Encounter, *, title: str) -> str:
    """An SVG element. `title`, which must be safe in XML, is what a screen reader says."""
    view = scene(encounter)
    place, unit = _fit([(0.0, 0.0), view.intruder, view.own_end, view.intruder_end])
    own, other = place((0.0, 0.0)), place(view.intruder)
    parts = [
        f'<line class="sight" {_ends(own, other)}/>',
        _arrow("own", own, place(view.own_end)),
        _arrow("int", other, place(view.intruder_end)),
        _aircraft("own", own, 0.0),
        _aircraft("int", other, encounter.heading),
        _scale(unit),
        f'<text x="{WIDTH - 8}" y="{HEIGHT - 8}" text-anchor="end">arrows: {view.seconds:g} s of flight</text>',
    ]
    return f'<svg class="sketch" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">{"".join(parts)}</svg>'


def _fit(points: Sequence[XY]) -> tuple[Callable[[XY], XY], float]:
    """(from ft to the drawing's units, with all points inside and one scale; how many units a ft is)."""
    (low_x, high_x), (low_y, high_y) = ((min(axis), max(axis)) for axis in zip(*points))
    width, height = WIDTH - 2 * _EDGE, HEIGHT - STRIP - 2 * _EDGE
    unit = min(width / max(high_x - low_x, 1e-6), height / max(high_y - low_y, 1e-6))
    middle_x, middle_y = (low_x + high_x) / 2, (low_y + high_y) / 2

    def place(point: XY) -> XY:
        return WIDTH / 2 + (point[0] - middle_x) * unit, (HEIGHT - STRIP) / 2 - (point[1] - middle_y) * unit

    return place, unit


def _arrow(kind: str, start: XY, end: XY) -> str:
    """A line with a head, where it is long enough to be seen beside the aircraft."""
    length = hypot(end[0] - start[0], end[1] - start[1])
    if length < 1:
        return ""
    dx, dy = (end[0] - start[0]) / length, (end[1] - start[1]) / length
    head = ""
    if length > 14:
        corners = [(end[0] - 8 * dx + side * 4 * dy, end[1] - 8 * dy - side * 4 * dx) for side in (1, -1)]
        head = '<path class="head" d="M{:.1f},{:.1f} L{:.1f},{:.1f} L{:.1f},{:.1f} Z"/>'.format(
            *end, *corners[0], *corners[1]
        )
    return f'<g class="{kind}"><line {_ends(start, end)}/>{head}</g>'


def _aircraft(kind: str, at: XY, heading: float) -> str:
    return f'<path class="{kind}" d="{_DART}" transform="translate({at[0]:.1f},{at[1]:.1f}) rotate({-heading:.1f})"/>'


def _scale(unit: float) -> str:
    """A bar of a round number of feet, at most a third of the width."""
    feet = _nice(WIDTH / 3 / unit)
    end, y = 8 + feet * unit, HEIGHT - 24
    return (
        f'<path class="bar" d="M8,{y - 4} V{y} H{end:.1f} V{y - 4}"/><text x="8" y="{HEIGHT - 8}">{feet:,g} ft</text>'
    )


def _ends(start: XY, end: XY) -> str:
    return 'x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"'.format(*start, *end)


def _nice(value: float) -> float:
    """The largest 1, 2 or 5 times a power of ten that is at most the value."""
    return max((n for n in _NICE if n <= value), default=_NICE[0])
