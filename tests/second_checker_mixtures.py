"""The second checker, of certificates about contents in a few numbers: section 15 of docs/certificate-format.md; it
uses no engine."""

from collections import namedtuple
from fractions import Fraction

import second_checker as first
from second_checker_bounds import Block, Network, outward
from second_checker_file import RATIONAL, Case, fits, must_have_cuts, rational, read_archive, read_arrays
from second_checker_images import SCHEMA, Shown, check_claim, count_safe, inputs_of, polytopes, read_inputs
from second_checker_layers import ONE, ZERO, Rejected, common, must

NUMBERS = "brightness", "contrast"
FORM = {key: kind for key, kind in SCHEMA.items() if key != "patch"} | {"cases": [int]}
BLEND = {"pattern": [RATIONAL], "most": RATIONAL}

MixtureCase = namedtuple("MixtureCase", (*Case._fields, "given", "rounded"))  # given: the line of each of x
Bounds = namedtuple("Bounds", "low up sizes")  # of the last h that an exclusion reads: lines; sizes: H or M of outputs


def accepts_mixtures(certificate, network, images, labels):
    """How many images count and how many are safe, or None where it is rejected; ValueError as in accepts."""
    try:
        return shown(certificate, network, images, labels)[:2]
    except Rejected:
        return None


def shown(certificate, network, images, labels):
    """What the certificate shows; or Rejected is raised."""
    manifest, data = read_archive(certificate)
    check_form(manifest, data)
    arrays, ranges = read_arrays(manifest, data), box(manifest["contents"])
    must_have_cuts(arrays, len(ranges))
    pictures, net = read_inputs(manifest, network, images, labels)
    must(not arrays["slope"] and not arrays["multiplier"])
    cases = [make_case(manifest, pictures, net.outputs, i) for i in manifest["cases"]]
    margins = first.check_proof(net._replace(inputs=len(ranges)), cases, arrays, bounded)
    return Shown(*count_safe(manifest, pictures, set(manifest["cases"])), margins)


def check_form(manifest, data):
    """JSON of the kinds and limits that sections 13 and 15 have."""
    must(isinstance(manifest, dict), ValueError)
    rest = {key: value for key, value in manifest.items() if key not in ("claim", "contents")}
    must(fits(rest, FORM) and len(manifest) == len(FORM) + 2 and rest["version"] == 6, ValueError)
    check_claim(manifest, data)
    contents, cases = manifest.get("contents"), manifest["cases"]
    must(type(contents) is dict and set(contents) == {"blend", *NUMBERS}, ValueError)
    must(contents["blend"] is None or fits(contents["blend"], BLEND), ValueError)
    must(all(contents[key] is None or fits(contents[key], RATIONAL) for key in NUMBERS), ValueError)
    ranges = box(contents)
    must(ranges and all(high > 0 for _, high in ranges), ValueError)
    must(cases and cases == sorted(set(cases)) and 0 <= cases[0], ValueError)
    must(cases[-1] < len(manifest["images"]), ValueError)


def box(contents):
    """The least and the largest value of each of u."""
    blend = [(ZERO, rational(contents["blend"]["most"]))] if contents["blend"] else []
    return blend + [(-rational(contents[key]), rational(contents[key])) for key in NUMBERS if contents[key]]


# Cases


def make_case(manifest, pictures, outputs, i):
    """Of an image; a line is the coefficients of u, and the constant."""
    number, contents = manifest["images"][i], manifest["contents"]
    own, columns = inputs_of(manifest, pictures, number), []
    if contents["blend"]:
        must(len(contents["blend"]["pattern"]) == len(own))
        columns.append([rational(p) - x for p, x in zip(contents["blend"]["pattern"], own)])
    if contents["brightness"]:
        columns.append([ONE] * len(own))
    if contents["contrast"]:
        black = -1 if manifest["input"]["scaling"] == "-1..1" else 0
        columns.append([x - black for x in own])
    exact = list(zip(*columns, own))
    must(all(Fraction(2) ** -1022 <= abs(a) < 2**100 for line in exact for a in line if a))
    given = [tuple(Fraction(float(a)) for a in line) for line in exact]
    lower, upper = map(list, zip(*box(contents)))
    return MixtureCase(
        lower, upper, polytopes(manifest["claim"], pictures.labels[number], outputs), given, given != exact
    )


# Bounds


def bounded(net, case):
    """The network behind the case's equations."""
    (block,) = net.blocks
    g = Fraction(1, 2**53) if case.rounded else block.g
    none = Block(range(net.inputs), net.outputs, [], [0], g, ZERO)
    return Mixture(net.inputs, net.outputs, net.hidden, [none], block.layers, case.given, g)


class Mixture(namedtuple("Mixture", (*Network._fields, "layers", "given", "g"))):
    """Outputs between lines over u. given: of x, by the equations; g: N(M) = g M."""

    def box(self, case):
        must(all(abs(end) < 2**100 for end in case.lower + case.upper))
        return outward(case)

    def tighten(self, node):
        """The bounds of a node, once an exclusion asks for them."""
        return []

    def substitute(self, node, made, parts, *_):
        """What is left of a row over outputs: over u, and a constant, less the noise."""
        if not made:
            made.append(self.bounds(node))
        (bounds,), (row,) = made, parts
        size = sum(abs(a) * m for a, m in zip(row, bounds.sizes))
        constant = ZERO
        if not any(self.layers[-1].relus):
            constant = sum(a * b for a, b in zip(row, self.layers[-1].bias))
            columns = zip(*self.layers[-1].weights)
            row = [sum(a * w for a, w in zip(row, column) if a and w) for column in columns]
        *left, rest = weighted({j: a for j, a in enumerate(row) if a}, bounds.low, bounds.up)
        return left, constant + rest - self.g * size

    def bounds(self, node):
        largest = [max(map(abs, ends)) for ends in zip(node.lower, node.upper)] + [ONE]
        size = lambda line: sum(abs(a) * most for a, most in zip(line, largest))
        noise = [self.g * size(line) for line in self.given]
        low = [moved(line, -n) for line, n in zip(self.given, noise)]
        up = [moved(line, n) for line, n in zip(self.given, noise)]
        for layer in self.layers:
            reach = [max(map(size, lines)) for lines in zip(low, up)]
            sizes = [
                sum(abs(w) * reach[j] for j, w in enumerate(row) if w) + abs(b)
                for row, b in zip(layer.weights, layer.bias)
            ]
            must(all(m < 2**100 for m in sizes))
            if layer is self.layers[-1] and not any(layer.relus):
                return Bounds(low, up, sizes)
            low, up = through_weights(layer, low, up)
            low, up = (
                [moved(line, -self.g * m) for line, m in zip(low, sizes)],
                [moved(line, self.g * m) for line, m in zip(up, sizes)],
            )
            low = [lower_line(node, line) if relu else line for line, relu in zip(low, layer.relus)]
            up = [upper_line(node, line) if relu else line for line, relu in zip(up, layer.relus)]
        return Bounds(low, up, [max(map(size, lines)) for lines in zip(low, up)])


def moved(line, by):
    return *line[:-1], line[-1] + by


def weighted(row, low, up):
    """The sum of low of each one with a coefficient above 0, times that, and of up of the others."""
    return [sum(w * (low if w > 0 else up)[j][c] for j, w in row.items()) for c in range(len(low[0]))]


def through_weights(layer, low, up):
    """Both lines of each row of W h + b."""
    (q, rows), size = layer.whole, len(low[0])
    p, numbers = common([a for line in low + up for a in line])
    lines = [numbers[i : i + size] for i in range(0, len(numbers), size)]
    low, up = lines[: len(low)], lines[len(low) :]
    made = []
    for ends in ((low, up), (up, low)):
        sums = [weighted(row, *ends) for row in rows]
        made.append([moved([Fraction(a, p * q) for a in line], b) for line, b in zip(sums, layer.bias)])
    return made


def ends_on(node, line):
    """The least and the largest value on the node's box."""
    *alpha, beta = line
    return [
        beta + sum(a * (q if (a > 0) == is_most else p) for a, p, q in zip(alpha, node.lower, node.upper))
        for is_most in (False, True)
    ]


def lower_line(node, line):
    """Below max(z, 0), z being above this line."""
    p, q = ends_on(node, line)
    return line if q > -p else (ZERO,) * len(line)


def upper_line(node, line):
    """Above max(z, 0), z being below this line."""
    p, q = ends_on(node, line)
    if q <= 0:
        return (ZERO,) * len(line)
    if p >= 0:
        return line
    c = Fraction(round(1024 * q / (q - p)), 1024)
    return moved([c * a for a in line], max(-c * p, (1 - c) * q))
