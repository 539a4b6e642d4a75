"""A second checker of certificates: docs/certificate-format.md read literally, in exact arithmetic; uses no engine."""

import hashlib
import math
import re
from fractions import Fraction
from itertools import combinations, product

from second_checker_bounds import is_bounded, magnitudes, make_root, read_by, shown, tighten
from second_checker_curves import ERROR
from second_checker_endings import is_about_scores, must_be_about_scores
from second_checker_file import Row, names, rational, read_certificate, unpacked
from second_checker_layers import ONE, ZERO, Rejected, apply, must, scaled, total
from second_checker_network import UNREADABLE, read_network


def accepts(certificate, network, property):
    """Does the certificate show its claim for these files (paths)? ValueError where one is malformed."""
    try:
        check(read_certificate(certificate), network, property)
    except Rejected:
        return False
    return True


def check(content, network, property, bounded=lambda net, case: net):
    """The bounds by which a proof's exclusions are shown; bounded makes the network that has bounds in a case."""
    manifest, cases, content = content
    try:
        net = read_network(network, manifest)
        data = unpacked(property)
        must(hashlib.sha256(data).hexdigest() == manifest["property"]["sha256"])
        disjuncts, declared = read_property(data.decode())
    except UNREADABLE as error:
        raise ValueError("malformed or unsupported") from error
    must(declared == {*names("X", net.inputs), *names("Y", net.outputs)} and len(cases[0].lower) == net.inputs)
    must(all(declared >= set(row.form) for case in cases for polytope in case.unsafe for row in polytope))
    if manifest["version"] == 8:
        net = net._replace(blocks=[block._replace(ratio=Fraction(3, 2)) for block in net.blocks])
    return conclude(manifest, net, disjuncts, cases, content, bounded)


def conclude(manifest, net, disjuncts, cases, content, bounded=lambda net, case: net):
    """The bounds of a proof, as in check; content: a proof's arrays, or a witness's lists."""
    must_be_about_scores(net, cases)
    if manifest["kind"] == "witness":
        return check_witness(net, about_scores(net, disjuncts), cases, content)
    must(all(is_covered(disjunct, cases) for disjunct in disjuncts))
    return check_proof(net, cases, content, bounded)


def about_scores(net, disjuncts):
    """Those of which all rows are, but for such that a single one of these implies, which are left out."""
    kept = [([row for row in rows if is_about_scores(net, row)], rows) for rows in disjuncts]
    return [good for good, rows in kept if all(row in good or is_implied(row, map(normal, good)) for row in rows)]


# 2. The claim


def read_property(text):
    """The disjuncts (lists of rows) of a VNN-LIB file, and the names that it declares."""
    stack = [[]]
    for token in re.findall(r"[()]|[^\s()]+", re.sub(";.*", "", text)):
        must(token != ")" or len(stack) > 1, ValueError)
        if token == "(":
            stack.append([])
        else:
            item = stack.pop() if token == ")" else token
            stack[-1].append(item)
    (commands,) = stack
    must({command[0] for command in commands} == {"declare-const", "assert"}, ValueError)
    declared = {command[1] for command in commands if command[0] == "declare-const"}
    return disjuncts_of(["and", *(command[1] for command in commands if command[0] == "assert")]), declared


def disjuncts_of(formula):
    if isinstance(formula, str):
        must(formula in ("true", "false"), ValueError)
        return [[]] if formula == "true" else []
    operator, *parts = formula
    if operator == "or":
        return [rows for part in parts for rows in disjuncts_of(part)]
    if operator == "and":
        return [sum(choice, []) for choice in product(*map(disjuncts_of, parts))]
    must(operator in ("<=", "<", ">=", ">", "=") and len(parts) == 2, ValueError)
    left, right = map(linear, reversed(parts) if operator[0] == ">" else parts)
    forms = [total([left, scaled(right, -ONE)]), total([right, scaled(left, -ONE)])]
    return [[Row(form, form.pop("", ZERO), operator in ("<", ">")) for form in forms[: 1 + (operator == "=")]]]


def linear(term):
    """{name: coefficient} of a VNN-LIB term, with the constant at ""."""
    if isinstance(term, str):
        return {term: ONE} if term[0] in "XY" else {"": rational(term)}
    operator, *parts = term[0], *map(linear, term[1:])
    must(operator in tuple("+-*/") and len(parts) > (operator == "/"), ValueError)
    if operator in "+-":
        signs = [ONE if operator == "+" or (i == 0 and len(parts) > 1) else -ONE for i in range(len(parts))]
        return total(map(scaled, parts, signs))
    if operator == "/":
        must(all(map(is_constant, parts[1:])), ValueError)
        parts[1:] = [{"": 1 / part.get("", ZERO)} for part in parts[1:]]
    *factors, form = sorted(parts, key=lambda part: not is_constant(part))
    must(all(map(is_constant, factors)), ValueError)
    return scaled(form, math.prod(factor.get("", ZERO) for factor in factors))


def is_constant(form):
    return not any(a for name, a in form.items() if name)


def is_false(row):
    return not any(row.form.values()) and (row.constant, row.strict) > (0, False)


def normal(row):
    """The row without coefficients of 0, and times a positive factor that is the same for all its multiples."""
    form = {name: a for name, a in row.form.items() if a}
    scale = abs(form[min(form)]) if form else 1
    return Row({name: a / scale for name, a in form.items()}, row.constant / scale, row.strict)


def contradict(row, other):
    opposite = row.form and row.form == {name: -a for name, a in other.form.items()}
    return opposite and is_false(Row({}, row.constant + other.constant, row.strict or other.strict))


def is_implied(row, rows):
    row = normal(row)
    weaker = [r for r in rows if r.form == row.form and (row.constant, row.strict) <= (r.constant, r.strict)]
    return bool(weaker) if row.form else not is_false(row)


def is_false_on_box(row, rows):
    """Whether it is over inputs alone, and false at every point where the single-input ones of the rows hold."""
    if any(name[0] == "Y" for name in row.form):
        return False
    least, strict = row.constant, row.strict
    for name, a in row.form.items():
        ends = [(r.constant, r.strict) for r in rows if r.form == {name: -ONE if a > 0 else ONE}]
        if not ends:
            return False
        end, also = max(ends)
        least, strict = least + abs(a) * end, strict or also
    return is_false(Row({}, least, strict))


def is_covered(disjunct, cases):
    rows = list(map(normal, disjunct))
    if any(map(is_false, rows)) or any(contradict(*pair) for pair in combinations(rows, 2)):
        return True
    if any(is_false_on_box(row, rows) for row in rows):
        return True
    for case in cases:
        box = [Row({f"X_{i}": -ONE}, end, False) for i, end in enumerate(case.lower)]
        box += [Row({f"X_{i}": ONE}, -end, False) for i, end in enumerate(case.upper)]
        if any(all(is_implied(row, rows) for row in box + polytope) for polytope in case.unsafe):
            return True
    return False


# 4. The tree


def check_proof(net, cases, arrays, bounded=lambda net, case: net):
    """The bounds by which the exclusions are shown, in order."""
    split, pairs = arrays["split"], list(zip(arrays["node"], arrays["polytope"]))
    must(pairs == sorted(set(pairs)) and all(0 <= number < len(split) for number in arrays["node"]))
    must(all(0 <= j < net.hidden for j in arrays["slope"] + arrays["multiplier"]))
    must(all(0 < weight <= 1024 for weight in arrays["row_weight"]))
    must(all(0 <= slope <= 1024 for slope in arrays["slope_value"]))
    must(all(0 <= value < math.inf for value in arrays["multiplier_value"]))
    must(
        all(
            abs(a) <= 2**900
            for case in cases
            for polytope in case.unsafe
            for row in polytope
            for a in (*row.form.values(), row.constant)
        )
    )
    must(all(-1 <= s < net.inputs + net.hidden for s in split) and all(map(math.isfinite, arrays["cut"])))
    must(len(split) == len(cases) + 2 * sum(s >= 0 for s in split))
    lists = [
        read_parts(arrays, *keys)
        for keys in (
            ("row", "row_weight", Fraction(1, 1024)),
            ("slope", "slope_value", Fraction(1, 1024)),
            ("multiplier", "multiplier_value", ONE),
        )
    ]
    exclusions, cuts = [*zip(pairs, *lists)], iter(arrays["cut"])
    nodes, bounds = [(own, make_root(own, case)) for case in cases for own in [bounded(net, case)]], []
    for number, s in enumerate(split):
        must(number < len(nodes))  # where this fails, this node's parent comes later
        own, node = nodes[number]
        node, lines = tighten(own, node)
        for (place, polytope), rows, slopes, multipliers in exclusions:
            if place == number:
                must(0 <= polytope < len(node.case.unsafe) and multipliers.keys() <= node.signs.keys())
                must(all(is_bounded(node, j) for j in slopes))
                bounds.append(shown(own, node, lines, polytope, rows, slopes, multipliers))
                node.excluded.add(polytope)
        open_polytopes = [p for i, p in enumerate(node.case.unsafe) if i not in node.excluded]
        must(s >= 0 or all(any(map(is_false, polytope)) for polytope in open_polytopes))
        nodes += [] if s < 0 else [(own, half) for half in halves(own, node, s, cuts)]
    return bounds


def read_parts(arrays, key, value, unit):
    """Each exclusion's {number: value}, ascending strictly, of a pair of arrays."""
    must(all(count >= 0 for count in arrays[key + "s"]))
    entries, parts = iter(zip(arrays[key], arrays[value])), []
    for count in arrays[key + "s"]:
        part = [next(entries) for _ in range(count)]
        must([i for i, _ in part] == sorted({i for i, _ in part}))
        parts.append({i: Fraction(number) * unit for i, number in part})
    return parts


def replaced(values, i, value):
    return [*values[:i], value, *values[i + 1 :]]


def halves(net, node, split, cuts):
    first, second = (node._replace(excluded=set(node.excluded)) for _ in range(2))
    if split < net.inputs:
        cut = Fraction(next(cuts))
        must(node.lower[split] < cut < node.upper[split])
        return (
            first._replace(upper=replaced(node.upper, split, cut)),
            second._replace(lower=replaced(node.lower, split, cut)),
        )
    j = split - net.inputs
    must(j not in node.signs and is_bounded(node, j))
    return (
        first._replace(signs={**node.signs, j: -1}, high=replaced(node.high, j, min(node.high[j], ZERO))),
        second._replace(signs={**node.signs, j: 1}, low=replaced(node.low, j, max(node.low[j], ZERO))),
    )


# 7. Witness


def check_witness(net, disjuncts, cases, lists):
    point, outputs, margins = lists
    values, radii = [], []
    for block in net.blocks:
        for made, part in zip((values, radii), evaluate(block, read_by(block, point))):
            made.extend(part)
    found = dict(zip(names("X", net.inputs) + names("Y", net.outputs), point + values))
    spread = dict(zip(names("Y", net.outputs), radii))
    most = lambda row: left_side(row, found) + sum(abs(a) * spread.get(name, ZERO) for name, a in row.form.items())
    must(outputs == values and margins == [left_side(row, found) for row in cases[0].unsafe[0]])
    must(any(all((most(row), row.strict) <= (0, False) for row in rows) for rows in disjuncts))


def evaluate(block, values):
    """Its outputs at these values of what it reads, and r_L."""
    radii = [ZERO] * len(values)
    for layer in block.layers:
        sizes = [abs(value) + radius for value, radius in zip(values, radii)]
        spread = (part - abs(b) for part, b in zip(magnitudes(layer, radii), layer.bias))
        own = [ERROR if layer.curve and bent else ZERO for bent in layer.relus]
        radii = [radius + block.g * size + o for radius, size, o in zip(spread, magnitudes(layer, sizes), own)]
        bent = layer.curve.nearest if layer.curve else lambda value: max(value, ZERO)
        values = [bent(value) if relu else value for value, relu in zip(apply(layer, values), layer.relus)]
    return values, radii


def left_side(row, found):
    return sum(a * found[name] for name, a in row.form.items()) + row.constant
