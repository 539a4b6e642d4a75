"""Functions of 2 to 20 inputs from which networks are trained: known formulas, controllers, and decisions by score.

Borehole, OTL circuit, piston, wing weight and Welch's function are as in Surjanovic and Bingham's Virtual Library of
Simulation Experiments. All take points [n, inputs] in their own units and give outputs [n, outputs].
"""

import numpy as np

Box = tuple[tuple[float, float], ...]
PLANE: Box = ((-3.0, 3.0),) * 2
ARM: Box = ((-1.5, 1.5),) * 3
CART: Box = ((-2.4, 2.4), (-3.0, 3.0), (-0.6, 0.6), (-3.0, 3.0))
CIRCUIT: Box = ((50, 150), (25, 70), (0.5, 3), (1.2, 2.5), (0.25, 1.2), (50, 300))
PISTON: Box = ((30, 60), (0.005, 0.02), (0.002, 0.01), (1000, 5000), (90000, 110000), (290, 296), (340, 360))
BOREHOLE: Box = (
    *((0.05, 0.15), (100, 50000), (63070, 115600), (990, 1110)),
    *((63.1, 116), (700, 820), (1120, 1680), (9855, 12045)),
)
WING: Box = (
    *((150, 200), (220, 300), (6, 10), (-10, 10), (16, 45)),
    *((0.5, 1), (0.08, 0.18), (2.5, 6), (1700, 2500), (0.025, 0.08)),
)
PLANT: Box = ((0.0, 1.0),) * 12
WELCH: Box = ((-0.5, 0.5),) * 20


def peaks(x: np.ndarray) -> np.ndarray:
    """Matlab's three hills and valleys."""
    a, b = x.T
    hills = 3 * (1 - a) ** 2 * np.exp(-(a**2) - (b + 1) ** 2) - np.exp(-((a + 1) ** 2) - b**2) / 3
    return (hills - 10 * (a / 5 - a**3 - b**5) * np.exp(-(a**2) - b**2))[:, None]


def arm(x: np.ndarray) -> np.ndarray:
    """Where the hand of an arm of three links is: along and across."""
    angle, length = np.cumsum(x, 1), np.array([1.0, 0.7, 0.4])
    return np.stack([np.cos(angle) @ length, np.sin(angle) @ length], 1)


def cart(x: np.ndarray) -> np.ndarray:
    """The force, at most 10 N, by which a linear controller keeps a pole on a cart upright."""
    return 10 * np.tanh(x @ np.array([[1.0], [1.7], [24.0], [5.5]]) / 10)


def circuit(x: np.ndarray) -> np.ndarray:
    """The midpoint voltage of a push-pull circuit without transformer."""
    b1, b2, f, c1, c2, beta = x.T
    base, gain = 12 * b2 / (b1 + b2), beta * (c2 + 9)
    return ((base + 0.74) * gain / (gain + f) + 11.35 * f / (gain + f) + 0.74 * f * gain / ((gain + f) * c1))[:, None]


def piston(x: np.ndarray) -> np.ndarray:
    """The seconds of a piston's cycle."""
    mass, area, volume, spring, pressure, ambient, gas = x.T
    force = pressure * area + 19.62 * mass - spring * volume / area
    filled = area / (2 * spring) * (np.sqrt(force**2 + 4 * spring * pressure * volume / gas * ambient) - force)
    return (2 * np.pi * np.sqrt(mass / (spring + area**2 * pressure * volume / gas * ambient / filled**2)))[:, None]


def borehole(x: np.ndarray) -> np.ndarray:
    """Water through a borehole, cubic metres a year."""
    radius, far, upper_t, upper_h, lower_t, lower_h, length, k = x.T
    ratio = np.log(far / radius)
    below = 1 + 2 * length * upper_t / (ratio * radius**2 * k) + upper_t / lower_t
    return (2 * np.pi * upper_t * (upper_h - lower_h) / (ratio * below))[:, None]


def wing(x: np.ndarray) -> np.ndarray:
    """The weight of a light aircraft's wing, in pounds."""
    area, fuel, aspect, sweep, pressure, taper, thick, load, gross, paint = x.T
    cos = np.cos(np.deg2rad(sweep))
    shape = 0.036 * area**0.758 * fuel**0.0035 * (aspect / cos**2) ** 0.6 * pressure**0.006 * taper**0.04
    return (shape * (100 * thick / cos) ** -0.3 * (load * gross) ** 0.49 + area * paint)[:, None]


def plant(x: np.ndarray) -> np.ndarray:
    """How much speaks for each of four orders to a plant with twelve sensors: go on, watch, slow down, stop."""
    heat, pressure, flow, wear = x[:, :3].mean(1), x[:, 3:6].mean(1), x[:, 6:9].mean(1), x[:, 9:].mean(1)
    danger = 2 * heat**2 + 2 * pressure**2 + heat * pressure - flow + 0.5 * wear
    return np.stack([1 - danger, 0.8 - np.abs(danger - 0.6), 0.6 - np.abs(danger - 1.1), danger - 0.9], 1)


def welch(x: np.ndarray) -> np.ndarray:
    """Welch's function of twenty inputs, of which some hardly count."""
    a = x.T
    curved = 5 * a[11] / (1 + a[0]) + 5 * (a[3] - a[19]) ** 2 + a[4] + 40 * a[18] ** 3 - 5 * a[18]
    linear = 0.05 * a[1] + 0.08 * a[2] - 0.03 * a[5] + 0.03 * a[6] - 0.09 * a[8] - 0.01 * a[9] - 0.07 * a[10]
    return (curved + linear + 0.25 * a[12] ** 2 - 0.04 * a[13] + 0.06 * a[14] - 0.01 * a[16] - 0.03 * a[17])[:, None]
