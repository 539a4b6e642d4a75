"""A network's decision: which of its outputs it is, where that is known."""

from enum import Enum
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:  # the command line imports this module, and torch takes long
    import numpy as np
    import torch


class Decision(Enum):
    """The lowest output, as of ACAS Xu's networks, or the highest, as of most others; the first of equals.

    No property says which of the two it is: forbidding that an output is highest says nothing of the lowest. So where
    nobody says it, it is UNKNOWN, and nothing is said of decisions.
    """

    LOWEST = "lowest"
    HIGHEST = "highest"
    UNKNOWN = "none"

    @property
    def is_known(self) -> bool:
        return self is not Decision.UNKNOWN

    @property
    def guide(self) -> "Decision":
        """The decision that a search for repairs keeps: where none is known the lowest output, a choice and no claim.

        Something has to be kept, so that what is not to be repaired stays much as it is, and one rule that is stated
        is better than a guess.
        """
        return self if self.is_known else Decision.LOWEST

    @overload
    def of(self, y: "np.ndarray") -> "np.ndarray": ...

    @overload
    def of(self, y: "torch.Tensor") -> "torch.Tensor": ...

    def of(self, y: "np.ndarray | torch.Tensor") -> "np.ndarray | torch.Tensor":
        """The decision [n] of outputs y [n, outputs], numpy's or torch's. KeyError where it is UNKNOWN."""
        return {Decision.LOWEST: y.argmin, Decision.HIGHEST: y.argmax}[self](1)
