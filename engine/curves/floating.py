"""Sigmoid and Tanh enclosed in float64, for many numbers at once.

Let z lie within [-32, 32], i be the integer nearest to 256 z, and d = z - i / 256, which is exact and at most 2^-9 in
size. Then f(z) is the series of f at i / 256 to the fourth power of d, but for max |f^(5)| |d|^5 / 120, which is at
most 16 / 120 * 2^-45 < 2^-47: f^(m)(z) = k^(m + 1) s^(m)(k z), |s^(5)| <= 1/4 and k <= 2. The value in the table is off
by 2^-53. The coefficients, all of them at most 1 and made of a few operations, are off by less than 2^-49, and are
multiplied with d. All sums are at most 2: Horner's scheme loses less than 2^-49. Beyond +-32 f differs from f(+-32) by
less than 2^-46. Together it is less than 2^-44.
"""

import numpy as np

from engine.curves import SCALE, Curve
from engine.curves.tables import LAST, STEPS, tables

# An exact checker takes multiples of 2^-40 on both sides of f (section 14): what holds with so much holds there, too.
SPARE = 2.0**-40


def enclosed(curve: Curve, z: np.ndarray, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(c, r): f of all numbers within `radius` of z lies within r of c. All arrays have one shape.

    r is at least SPARE, which is more than all that is rounded.
    """
    k, table = SCALE[curve], tables(curve)
    z = np.clip(z, -LAST / STEPS, LAST / STEPS)
    i = np.rint(z * STEPS).astype(np.int64)
    d = k * (z - i / STEPS)
    f = table.value[i + LAST]
    s = (f + (k - 1)) / k
    first = s * (1 - s)
    second = first * (1 - 2 * s)
    third, fourth = first * (1 - 6 * first), second * (1 - 12 * first)
    series = d * (first + d * (second / 2 + d * (third / 6 + d * fourth / 24)))
    return f + k * series, np.minimum(radius * (k * k / 4), k) + SPARE
