"""Enclosures of Sigmoid and Tanh at rational numbers, in integers alone.

A number v is enclosed as (low, high), integers with low <= 2^bits v <= high.

e^-x is (e^-y)^(2^k) with y = x / 2^k < 2^-8. The series of e^-y alternates, and its terms fall, so that what is left
out is smaller than the first term left out. A term is floor(floor(t y) / m) of the term t before it: with t short of
the true one by less than 3 units it is short by less than 3 / 256 + 2 < 3. So M terms, of which the last is 0, give
the sum within 3 M units. The squares are rounded outward.
"""

from fractions import Fraction

from engine.curves import SCALE, Curve

Enclosure = tuple[int, int]

GUARD = 16  # bits beyond those that the squares lose


def exponential(n: int, bits: int) -> Enclosure:
    """e^-x for x = n / 2^bits >= 0; low and high differ by a few units at most."""
    if n == 0:
        return 1 << bits, 1 << bits
    if n >= bits << bits:  # e^-bits < 2^-bits
        return 0, 1
    squares = (n >> bits).bit_length() + 8
    work = bits + squares + GUARD
    y = n << GUARD
    total, term, count = 1 << work, 1 << work, 0
    while term:
        count += 1
        term = (term * y >> work) // count
        total += term if count % 2 == 0 else -term
    low, high = total - 3 * count, total + 3 * count
    for _ in range(squares):
        low, high = low * low >> work, -(-high * high >> work)
    lost = squares + GUARD
    return low >> lost, -(-high >> lost)


def logistic(n: int, bits: int) -> Enclosure:
    """1 / (1 + e^-x) for x = n / 2^bits."""
    one = 1 << bits
    if n < 0:
        low, high = logistic(-n, bits)
        return one - high, one - low
    return of_exponential(exponential(n, bits), bits)


def of_exponential(power: Enclosure, bits: int) -> Enclosure:
    """1 / (1 + e^-x) for an enclosure of e^-x."""
    one, square = 1 << bits, 1 << 2 * bits
    return square // (one + power[1]), -(-square // (one + power[0]))


def enclosure(curve: Curve, z: Fraction, bits: int) -> Enclosure:
    """f(z); low and high differ by a few units."""
    k = SCALE[curve]
    n = (k * z.numerator << bits) // z.denominator
    low, high = logistic(n, bits)
    rest = (k - 1) << bits
    exact = (n * z.denominator) == (k * z.numerator << bits)
    most = min(high + (not exact), 1 << bits)  # x + 1 unit gives no more than one unit more, and never more than 1
    return k * low - rest, k * most - rest


def nearest(curve: Curve, z: Fraction, places: int) -> int:
    """The integer nearest to 2^places f(z). There always is just one: f(z) is irrational, or z is 0.

    e^x is irrational for rational x other than 0 (Lambert, 1761), and f(z) = m / n would make it rational.
    """
    bits = places + 32
    while True:
        shift = bits - places
        low, high = ((end + (1 << shift - 1)) >> shift for end in enclosure(curve, z, bits))
        if low == high:
            return low
        bits *= 2
