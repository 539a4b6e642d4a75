"""The words and the units of ACAS Xu's networks, for files that name advisories."""

from engine.acasxu.domain import acasxu_domain
from engine.acasxu.quantities import ADVISORIES
from engine.vocabulary import Vocabulary


def acasxu_vocabulary() -> Vocabulary:
    """Outputs are advisories with names; inputs are normalized and lie in the domain."""
    return Vocabulary("advisory", ADVISORIES, acasxu_domain(), "give inputs normalized, not in feet or radians")
