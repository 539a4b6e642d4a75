"""The walk through the tree of a certificate about images (sections 12 and 13)."""

from engine.audit.cone_walk import ConeProof
from engine.audit.data import Floats, Integers
from engine.audit.images.cases import PatchCase
from engine.audit.tree import AnyCase


class PatchProof(ConeProof):
    """A ConeProof whose cases know their boxes."""

    def free(self, case: AnyCase) -> Integers:
        """The free inputs of a case."""
        assert isinstance(case, PatchCase)
        return case.free()

    def box(self, case: AnyCase) -> tuple[Floats, Floats]:
        """The box of a case, rounded outward."""
        assert isinstance(case, PatchCase)
        return case.box()
