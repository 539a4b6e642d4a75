"""Small `.nnet` files, and the folder of the published ones."""

import os
from fractions import Fraction
from pathlib import Path

import pytest

#: Two inputs, two ReLUs, one output, with the irregular lines of published files: extra minima, means and ranges.
SMALL = """\
// a comment, with 1,2,3
//
2,2,1,2,
2,2,1,
0,
-1,0.5,-9,
1.5,2.5,9,
0.1,0.2,7,8,-3,
0.5,3,7,8,10,
0.1,-2.5e-1,
+.3,4.,
1e-1,
-0.7
1.1 , -0.9,
0.125
"""
#: f(x) = 1.1 relu(0.1 x0 - 0.25 x1 + 0.1) - 0.9 relu(0.3 x0 + 4 x1 - 0.7) + 0.125
D = Fraction


def small(x0: Fraction, x1: Fraction) -> Fraction:
    """SMALL by hand, in normalized units."""
    first = max(D(0), D("0.1") * x0 - D("0.25") * x1 + D("0.1"))
    second = max(D(0), D("0.3") * x0 + 4 * x1 - D("0.7"))
    return D("1.1") * first - D("0.9") * second + D("0.125")


def small_raw(x0: Fraction, x1: Fraction) -> Fraction:
    """SMALL by hand, in raw units."""
    low = min(max(x0, D(-1)), D("1.5")), min(max(x1, D("0.5")), D("2.5"))
    return 10 * small((low[0] - D("0.1")) / D("0.5"), (low[1] - D("0.2")) / 3) - 3


def exact_small() -> str:
    """SMALL with weights that are float32 numbers."""
    changes = {"0.1,-2.5": "0.5,-2.5", "+.3": ".375", "1e-1": "1e0", "-0.7": "-0.75", "1.1 , -0.9": "1.25,-1.5"}
    text = SMALL
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


#: By name: a malformed file, the line where that is, and some words of what is said.
MALFORMED: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 1, "the file ends before the first line"),
    "comments_alone": (b"// a\n// b\n", 3, "the file ends before the first line"),
}


def _changed(name: str, line: int, new: str, words: str) -> None:
    """Adds SMALL with another line `line`, counted from 1."""
    lines = SMALL.splitlines()
    lines[line - 1 : line] = new.split("\n") if new else []
    MALFORMED[name] = "\n".join(lines).encode() + b"\n", line, words


_changed("blank_first", 3, "\n2,2,1,2,", "0 numbers stand where the first line")
_changed("three_sizes", 3, "2,2,1", "3 numbers stand where the first line")
_changed("infix", 3, "2,2,1,2.0", "'2.0' stands where a whole number")
_changed("no_layers", 3, "0,2,1,2", "'0' stands where a whole number")
_changed("huge", 3, "999999999,2,1,2", "3 numbers stand where the line of layer sizes needs 1000000000")
_changed("beyond_huge", 3, "9" * 5000 + ",2,1,2", "stands where a whole number")
_changed("other_inputs", 4, "3,2,1", "the layer sizes are not those")
_changed("other_outputs", 4, "2,2,2", "the layer sizes are not those")
_changed("wider_than_said", 4, "2,3,1", "the layer sizes are not those")
_changed("mirrored", 5, "1,", "the flag is not 0")
_changed("few_minima", 6, "-1,", "1 number stands where the minima need at least 2")
_changed("few_means", 8, "0.1,0.2,", "2 numbers stand where the means need at least 3")
_changed("minimum_above", 7, "-2,2.5", "a minimum is above its maximum")
_changed("zero_range", 9, "0.5,0,1", "a range is not positive")
_changed("negative_range", 9, "0.5,3,7,8,-10", "a range is not positive")
_changed("nan", 10, "nan,1", "'nan' stands where a decimal number is needed")
_changed("inf", 10, "1,inf", "'inf' stands where a decimal number is needed")
_changed("infinite_mean", 8, "-inf,0,0", "'-inf' stands where a decimal number is needed")
_changed("hexadecimal", 10, "0x1p3,1", "'0x1p3' stands where")
_changed("underscore", 10, "1_0,1", "'1_0' stands where")
_changed("other_digits", 10, "\u0661,1", "stands where a decimal number is needed")
_changed("two_commas", 10, "1,,1", "3 numbers stand where a row of weights needs 2")
_changed("two_commas_at_the_end", 10, "1,,", "nothing stands where a decimal")
_changed("space_for_comma", 10, "1 2", "1 number stands where a row of weights needs 2")
_changed("long_number", 10, "1." + "0" * 1200 + ",1", "stands where a decimal number is needed")
_changed("huge_exponent", 10, "1e99999,1", "'1e99999' stands where a decimal number is needed")
_changed("beyond_float64", 10, "1e309,1", "a number is beyond the range of float64")
_changed("far_beyond_float64", 10, "-1e9999,1", "a number is beyond the range of float64")
_changed("subnormal", 10, "1e-310,1", "a number is too small for float64")
_changed("nearly_zero", 10, "1e-9999,1", "a number is too small for float64")
_changed("long_row", 11, ".3,4,5", "3 numbers stand where a row of weights needs 2")
_changed("two_biases", 12, "1,1", "2 numbers stand where a bias needs 1")
_changed("late_comment", 12, "// biases\n1e-1", "'// biases' stands where a decimal number is needed")
_changed("no_last_line", 15, "", "the file ends before a bias")
_changed("more_lines", 15, "0.125\n0", "the file goes on after its last layer")
MALFORMED["more_lines"] = MALFORMED["more_lines"][0], 16, MALFORMED["more_lines"][2]
MALFORMED["huge"] = MALFORMED["huge"][0], 4, MALFORMED["huge"][2]
MALFORMED["binary"] = (bytes(range(256)) * 8, 1, "where the first line")
MALFORMED["utf_16"] = (SMALL.encode("utf-16"), 1, "stands where a whole number")


def published() -> list[Path]:
    """The 45 published files, in the folder that ACASXU_NNET names. Skips the test where there is none."""
    folder = os.environ.get("ACASXU_NNET")
    files = sorted(Path(folder).glob("*.nnet")) if folder else []
    if len(files) != 45:
        pytest.skip("ACASXU_NNET does not name the folder of the 45 .nnet files")
    return files
