"""Two encounters of two aircraft, simple enough to be read: a vertical and a horizontal one, as models of a table.

They are like VerticalCAS and HorizontalCAS (Julian and Kochenderfer, "Guaranteeing safety for neural network-based
aircraft collision avoidance systems", DASC 2019), with fewer states, and are no table of any real system. Feet, seconds
and radians; what counts is where the intruder is seen from the own aircraft.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import pi

import numpy as np

RANDOM = ((0.5, 0.0), (0.25, 1.0), (0.25, -1.0))  # probability, and the share of the largest random change


@dataclass(frozen=True, slots=True)
class Vertical:
    """States: how far above the intruder is (ft), own and intruder's climb rate (ft/s).

    Advisories: clear of conflict; do not climb, do not descend; descend, climb at 25 ft/s; both strongly, at 42 ft/s.
    """

    seconds: int = 40
    names: tuple[str, ...] = ("COC", "DNC", "DND", "DES", "CL", "SDES", "SCL")
    inputs: tuple[str, ...] = ("h", "v_own", "v_int", "tau")

    @property
    def grid(self) -> tuple[np.ndarray, ...]:
        above = np.array([0, 50, 100, 150, 200, 300, 400, 500, 650, 800, 1000, 1250, 1500, 2000, 2500, 3000.0])
        rates = np.linspace(-50, 50, 11)
        return np.concatenate([-above[:0:-1], above]), rates, rates

    def followers(self, states: np.ndarray, advisory: int) -> Sequence[tuple[float, np.ndarray]]:
        h, own, intruder = states.T
        found = []
        for (p, a), (q, b) in product(RANDOM, RANDOM):
            climb = np.clip(own + self._acceleration(own, advisory, 4 * a), -50, 50)
            other = np.clip(intruder + 4 * b, -50, 50)
            after = h + (intruder + other - own - climb) / 2
            found.append((p * q, np.stack([after, climb, other], 1)))
        return found

    def _acceleration(self, own: np.ndarray, advisory: int, at_random: float) -> np.ndarray:
        """Towards the advised rate, by at most a quarter of g, strongly a third; at random where it is met already."""
        low, high, most = {
            "COC": (-np.inf, np.inf, 0.0),
            "DNC": (-np.inf, 0.0, 8.0),
            "DND": (0.0, np.inf, 8.0),
            "DES": (-np.inf, -25.0, 8.0),
            "CL": (25.0, np.inf, 8.0),
            "SDES": (-np.inf, -42.0, 10.7),
            "SCL": (42.0, np.inf, 10.7),
        }[self.names[advisory]]
        short = np.clip(own, low, high) - own
        return np.where(short == 0, at_random, np.clip(short, -most, most))

    def cost(self, states: np.ndarray, advisory: int) -> np.ndarray:
        return np.full(len(states), (0.0, 0.002, 0.002, 0.006, 0.006, 0.012, 0.012)[advisory])

    def collision(self, states: np.ndarray) -> np.ndarray:
        return np.exp(-((states[:, 0] / 150) ** 2))


@dataclass(frozen=True, slots=True)
class Horizontal:
    """States: how far ahead and to the left the intruder is (ft), and its heading less the own one (rad).

    Both fly 100 ft/s. Advisories: clear of conflict; turn left, right by 3 degrees a second; strongly, by 6.
    """

    seconds: int = 20
    names: tuple[str, ...] = ("COC", "WL", "WR", "SL", "SR")
    inputs: tuple[str, ...] = ("ahead", "left", "heading", "tau")

    @property
    def grid(self) -> tuple[np.ndarray, ...]:
        far = np.array([0, 150, 300, 500, 750, 1000, 1300, 1700, 2200, 3000, 4000.0])
        both = np.concatenate([-far[:0:-1], far])
        return both, both, np.linspace(-pi, pi, 17)

    def followers(self, states: np.ndarray, advisory: int) -> Sequence[tuple[float, np.ndarray]]:
        ahead, left, heading = states.T
        turn = np.deg2rad((0.0, 3.0, -3.0, 6.0, -6.0)[advisory])
        found = []
        for p, b in RANDOM:
            other = heading + np.deg2rad(2.0) * b
            x, y = ahead + 100 * np.cos(other) - 100, left + 100 * np.sin(other)
            turned = (np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x)
            found.append((p, np.stack([*turned, (other - turn + pi) % (2 * pi) - pi], 1)))
        return found

    def cost(self, states: np.ndarray, advisory: int) -> np.ndarray:
        return np.full(len(states), (0.0, 0.005, 0.005, 0.012, 0.012)[advisory])

    def collision(self, states: np.ndarray) -> np.ndarray:
        return np.exp(-(states[:, 0] ** 2 + states[:, 1] ** 2) / 500**2)
