"""Contents in a few numbers: what a manifest says of them (section 15)."""

from fractions import Fraction
from typing import NamedTuple

from engine.audit.failures import need
from engine.audit.manifest import Json, fields, number


class Mixture(NamedTuple):
    """x = x0 + a (p - x0) + b + c (x0 - black), in this order, without what is None.

    0 <= a <= most, |b| <= brightness, |c| <= contrast.
    """

    pattern: list[Fraction] | None
    most: Fraction
    brightness: Fraction | None
    contrast: Fraction | None

    @property
    def box(self) -> tuple[list[Fraction], list[Fraction]]:
        """The least and the largest value of each of a, b and c that is there."""
        both = [end for end in (self.brightness, self.contrast) if end is not None]
        lower, upper = [-end for end in both], both
        if self.pattern is not None:
            lower, upper = [Fraction(0), *lower], [self.most, *upper]
        return lower, upper

    @property
    def text(self) -> str:
        """In words."""
        found = []
        if self.pattern is not None:
            found.append(f"a share up to {self.most} of the pattern is blended in")
        if self.brightness is not None:
            found.append(f"at most {self.brightness} is added to all pixels, or taken off")
        if self.contrast is not None:
            found.append(f"their distance from black changes by at most {self.contrast} of itself")
        return "whatever the change: " + ", ".join(found)


def read_mixture(contents: Json) -> Mixture:
    """Section 15, the key `contents`."""
    about = contents if isinstance(contents, dict) else {}
    kinds: dict[str, type] = {"blend": dict, "brightness": str, "contrast": str}
    types = {key: type(None) if about.get(key, "") is None else kinds[key] for key in kinds}
    blend, brightness, contrast = fields(contents, types)
    need(any(value is not None for value in about.values()), "its contents are none")
    pattern, most = None, "1"
    if blend is not None:
        values, most = fields(blend, {"pattern": list, "most": str})
        pattern = list(map(number, values))
    ends = [None if text is None else number(text) for text in (most, brightness, contrast)]
    need(
        all(end is None or end > 0 for end in ends), "its contents have an end that is not above 0"
    )
    assert ends[0] is not None
    return Mixture(pattern, ends[0], *ends[1:])
