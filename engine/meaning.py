"""The meaning of a network's inputs and outputs, as far as it is known: by its content, or by the user's options.

Nothing is guessed: what is not known is not spoken of, and said not to be known.
"""

from dataclasses import dataclass
from pathlib import Path

from engine.acasxu.domain import acasxu_domain
from engine.acasxu.identity import Identity, as_told, identify
from engine.acasxu.networks import NetworkIndex
from engine.acasxu.quantities import ADVISORIES
from engine.comparison.decision import Decision
from engine.comparison.meaning import NO_DECISION, NO_DOMAIN, meaning_json
from engine.domain import Domain, read_domain
from engine.errors import InputError
from engine.network import Network

ACASXU = "acasxu"  # as a domain: that of ACAS Xu's networks


@dataclass(frozen=True, slots=True)
class Meaning:
    """identity: None for what is not known to be ACAS Xu's; domain: None where it is not known."""

    identity: Identity | None
    domain: Domain | None
    decision: Decision

    @property
    def word(self) -> str:
        """The network's decision is called so."""
        return "advisory" if self.identity and self.decision is Decision.LOWEST else "decision"

    @property
    def output(self) -> str:
        """One of its outputs is called so."""
        return "score" if self.identity else "output"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its outputs; none where they have none."""
        return ADVISORIES if self.identity else ()

    @property
    def decision_in_words(self) -> str:
        known = self.decision.is_known
        return f"{self.word}: the {self.decision.value} {self.output}" if known else f"decision: {NO_DECISION}"

    @property
    def domain_in_words(self) -> str:
        return f"domain: {self.domain.name if self.domain else NO_DOMAIN}"

    @property
    def content(self) -> dict[str, object]:
        """The domain and the decision as JSON: null with a reason for what is not known."""
        return meaning_json(self.domain.name if self.domain else None, self.decision)


def network_meaning(
    network: Network, *, domain: str | None = None, decision: str | None = None, told: NetworkIndex | None = None
) -> Meaning:
    """The meaning of a network by its content and by what the user says.

    domain: ACASXU or a VNN-LIB file; decision: lowest or highest; told: which of the 45 the user says that it is.
    """
    is_acasxu = domain == ACASXU
    identity = as_told(network, told) if told or is_acasxu else identify(network)
    known = acasxu_domain() if identity else None
    if domain and not is_acasxu:
        known = read_domain(Path(domain), network)
    by_default = Decision.LOWEST if identity else Decision.UNKNOWN
    return Meaning(identity, known, Decision(decision) if decision else by_default)


def demand_maps(identity: Identity | None) -> None:
    """InputError where there are no advisories that could be drawn."""
    if identity is None:
        raise InputError(
            "maps show ACAS Xu's encounters, and this is not known to be one of its networks",
            where="--picture",
            advice="leave it out, or say --domain acasxu if it is one",
        )
