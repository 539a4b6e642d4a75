"""The meaning of a network's inputs and outputs by its content and by the options --domain and --decision."""

from argparse import Namespace

from engine.acasxu.networks import NetworkIndex
from engine.cli.units import demand_known_domain
from engine.meaning import Meaning, demand_maps, network_meaning
from engine.network import Network

__all__ = ["Meaning", "demand_maps", "meaning"]


def meaning(network: Network, arguments: Namespace, *, told: NetworkIndex | None = None) -> Meaning:
    """The network's meaning by its content and by the options; told: which of the 45 the user says that it is."""
    demand_known_domain(arguments.domain, arguments.units)
    return network_meaning(network, domain=arguments.domain, decision=arguments.decision, told=told)
