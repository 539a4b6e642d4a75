"""Prove, refute and repair the properties of ReLU networks, with certificates that are checked without this engine.

Everything for use from Python is here; docs/tutorial.md is the way in, docs/reference/api.md has an example of each.

    load_network, save_network, load_property         files to and from Network and Property
    load_query, Query                                  a question about several networks, in VNN-LIB 2.0
    verify, verify_all, Options, Problem              does a property hold? Verified, Violated or Unknown
    write_certificate, check_certificate, CheckResult  a verdict as a file, and what the independent checker says of it
    repair_network, RepairOptions, RepairRecord        a network changed until properties are proved for it
    RepairOutput                                       where it is written, with its certificates, or nothing
    compare_networks, ComparisonOptions, ComparisonRecord  how two networks differ: measured, and proved
    Domain, acasxu_domain, Decision                    which inputs a network is for, and which output it decides by
    Counterexample, Verdict                            what verdicts are made of
    EngineError, InputError                            one line each: what is wrong, where, and what to do about it

The modules behind these names are imported when a name is first used, so that `import engine` loads neither numpy nor
torch. Type checkers see the real types.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the same names as in _PLACES; tests/test_public_api.py compares them
    from engine.acasxu.domain import acasxu_domain
    from engine.certificate import CheckResult, check_certificate, write_certificate
    from engine.comparison.decision import Decision
    from engine.comparison.record import ComparisonRecord
    from engine.comparison.service import ComparisonOptions, compare_networks
    from engine.domain import Domain
    from engine.errors import EngineError, InputError
    from engine.network import Network
    from engine.network_file import load_network
    from engine.onnx_file import save_network
    from engine.property import Property
    from engine.query import Query
    from engine.repair.publish import RepairOutput
    from engine.repair.record import RepairRecord
    from engine.repair.service import repair_network
    from engine.repair.task import RepairOptions
    from engine.search.problem import Options, Problem
    from engine.search.verify import verify, verify_all
    from engine.verdict import Counterexample, Unknown, Verdict, Verified, Violated
    from engine.vnnlib import load_property, load_query

__version__ = "0.2.0"

_PLACES = {
    "CheckResult": "engine.certificate",
    "ComparisonOptions": "engine.comparison.service",
    "ComparisonRecord": "engine.comparison.record",
    "Counterexample": "engine.verdict",
    "Decision": "engine.comparison.decision",
    "Domain": "engine.domain",
    "EngineError": "engine.errors",
    "InputError": "engine.errors",
    "Network": "engine.network",
    "Options": "engine.search.problem",
    "Problem": "engine.search.problem",
    "Property": "engine.property",
    "Query": "engine.query",
    "RepairOptions": "engine.repair.task",
    "RepairOutput": "engine.repair.publish",
    "RepairRecord": "engine.repair.record",
    "Unknown": "engine.verdict",
    "Verdict": "engine.verdict",
    "Verified": "engine.verdict",
    "Violated": "engine.verdict",
    "acasxu_domain": "engine.acasxu.domain",
    "check_certificate": "engine.certificate",
    "compare_networks": "engine.comparison.service",
    "load_network": "engine.network_file",
    "load_property": "engine.vnnlib",
    "load_query": "engine.vnnlib",
    "repair_network": "engine.repair.service",
    "save_network": "engine.onnx_file",
    "verify": "engine.search.verify",
    "verify_all": "engine.search.verify",
    "write_certificate": "engine.certificate",
}
__all__ = [
    "CheckResult",
    "ComparisonOptions",
    "ComparisonRecord",
    "Counterexample",
    "Decision",
    "Domain",
    "EngineError",
    "InputError",
    "Network",
    "Options",
    "Problem",
    "Property",
    "Query",
    "RepairOptions",
    "RepairOutput",
    "RepairRecord",
    "Unknown",
    "Verdict",
    "Verified",
    "Violated",
    "acasxu_domain",
    "check_certificate",
    "compare_networks",
    "load_network",
    "load_property",
    "load_query",
    "repair_network",
    "save_network",
    "verify",
    "verify_all",
    "write_certificate",
]


if not TYPE_CHECKING:  # or type checkers would take every name for one of these

    def __getattr__(name: str) -> object:
        """Imports a name of `__all__` on first use."""
        if name not in _PLACES:
            raise AttributeError(f"module 'engine' has no attribute {name!r}")
        return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
