"""The domain and the decision of two networks that are compared, as JSON."""

from engine.comparison.decision import Decision

NO_DOMAIN = "not known; nothing outside the properties' boxes was measured, --domain FILE says where to"
NO_DECISION = "not known; decisions were not measured, --decision lowest or highest says which output they are"


def meaning_json(domain: str | None, decision: Decision) -> dict[str, object]:
    """A domain, by its name, and a decision: null with a reason for what is not known."""
    found: dict[str, object] = {"domain": domain, "decision": None}
    found |= {} if domain else {"domain_reason": NO_DOMAIN}
    if decision.is_known:
        return found | {"decision": decision.value}
    return found | {"decision_reason": NO_DECISION}
