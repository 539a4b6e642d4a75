"""Section 15 of the certificate format in plain Fractions, neuron by neuron, from its text alone.

A line is a list: its coefficients, and its constant last. Nothing of the engine or the checker is used.
"""

from fractions import Fraction


def value(line, u):
    return sum((a * x for a, x in zip(line, u)), Fraction(0)) + line[-1]


def ends(line, lower, upper):
    """The least and the largest value on the box."""
    terms = [sorted((a * low, a * high)) for a, low, high in zip(line, lower, upper)]
    return (sum((pair[k] for pair in terms), Fraction(0)) + line[-1] for k in range(2))


def added(terms, constant, m):
    """The sum of factor * line, plus a constant."""
    total = [Fraction(0)] * (m + 1)
    for factor, line in terms:
        for d in range(m + 1):
            total[d] += factor * line[d]
    total[-1] += constant
    return total


def weighed(weights, constant, pairs, m):
    """(low, up) of a sum of neurons whose lines are these pairs."""
    low = [(w, pair[0 if w > 0 else 1]) for w, pair in zip(weights, pairs) if w]
    up = [(w, pair[1 if w > 0 else 0]) for w, pair in zip(weights, pairs) if w]
    return added(low, constant, m), added(up, constant, m)


def rectified(pair, lower, upper):
    low, up = pair
    zero = [Fraction(0)] * len(low)
    p, q = ends(low, lower, upper)
    low = low if q > -p else zero
    p, q = ends(up, lower, upper)
    if q <= 0:
        up = zero
    elif p < 0:
        c = Fraction(round(q / (q - p) * 1024), 1024)  # ties to even
        up = added([(c, up)], max(-c * p, (1 - c) * q), len(up) - 1)
    return low, up


def size(line, lower, upper):
    most = [max(abs(a), abs(b)) for a, b in zip(lower, upper)]
    return sum((abs(a) * b for a, b in zip(line, most)), abs(line[-1]))


def least(layers, weight, bias, lower, upper, row, *, noise=Fraction(0)):
    """The least value of the row's line on the box. layers: (W, b, has_relu) each, of any numbers; noise: N(1)."""
    m = len(lower)
    pairs = []
    larger = lambda pairs: [max(size(line, lower, upper) for line in pair) for pair in pairs]
    for slopes, constant in zip(weight, bias):
        line = [*map(Fraction, slopes), Fraction(constant)]
        lost = noise * size(line, lower, upper)
        pairs.append((added([(1, line)], -lost, m), added([(1, line)], lost, m)))
    *before, last = layers
    layers = layers if any(last[2]) else before
    for weights, biases, has_relu in layers:
        h, found = larger(pairs), []
        for w, b, bent in zip(weights, biases, has_relu):
            w, b = list(map(Fraction, w)), Fraction(b)
            lost = noise * (sum((abs(x) * y for x, y in zip(w, h)), abs(b)))
            low, up = weighed(w, b, pairs, m)
            z = added([(1, low)], -lost, m), added([(1, up)], lost, m)
            found.append(rectified(z, lower, upper) if bent else z)
        pairs = found
    row, constant, sizes = list(map(Fraction, row)), Fraction(0), larger(pairs)
    if not any(last[2]):
        weights, biases = [list(map(Fraction, w)) for w in last[0]], list(map(Fraction, last[1]))
        sizes = [sum((abs(x) * y for x, y in zip(w, sizes)), abs(b)) for w, b in zip(weights, biases)]
        constant = sum((a * b for a, b in zip(row, biases)), Fraction(0))
        whole = [sum((a * w[j] for a, w in zip(row, weights)), Fraction(0)) for j in range(len(weights[0]))]
    else:
        whole = row
    low, _ = weighed(whole, constant, pairs, m)
    return next(ends(low, lower, upper)) - noise * sum((abs(a) * b for a, b in zip(row, sizes)), Fraction(0))
