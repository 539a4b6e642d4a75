"""Options of a scan."""

from dataclasses import dataclass

from engine.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanseOptions:
    """How triggers are sought.

    steps: at most, of one start; images: drawn anew for each step; rate: of Adam; success: the share of images that
    is to get the class; weight: of the norm at first; factor: by which it rises; patience: steps in a row after which
    it does, and for which a trigger must work; window: steps after which a norm that has not fallen ends its search;
    starts: runs from other random masks.
    """

    steps: int = 300
    images: int = 16
    rate: float = 0.3
    success: float = 0.99
    weight: float = 0.02
    factor: float = 1.5
    patience: int = 3
    window: int = 30
    starts: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "images", "patience", "window", "starts"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}", advice="use a whole number above 0")
        if not 0 < self.success <= 1:
            raise InputError(f"success is {self.success}", advice="use a share above 0, at most 1")
