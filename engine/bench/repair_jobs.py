"""After the verdicts: the networks that are to be repaired, and for what."""

from dataclasses import asdict, dataclass
from pathlib import Path

from engine.acasxu.files import property_path
from engine.acasxu.identity import identify_file
from engine.acasxu.properties import benchmark_instances
from engine.bench.instances import Instance, network_stem
from engine.results.row import Row
from engine.results.words import TAKEN_OVER


@dataclass(frozen=True, slots=True)
class RepairSettings:
    """The settings of all repairs. domain, decision, keep_outputs: said of all networks, as on the command
    line.
    """

    method: str = "auto"
    timeout: float | None = 600.0
    samples: int = 1_000_000
    grid: int = 30
    semantics: str = "real"
    device: str = "auto"
    domain: str | None = None
    decision: str | None = None
    keep_outputs: str | None = None

    def by_name(self) -> dict[str, object]:
        """The settings for the manifest; domain, decision and keep_outputs only where they are given."""
        return {name: value for name, value in asdict(self).items() if value is not None or name == "timeout"}


@dataclass(frozen=True, slots=True)
class Job:
    """A network, the properties that it violates, by name, and those to be kept where they hold; where files go.

    held: those of `keep` that are known to hold; taken_over: whether that rests on what an earlier session said.
    """

    network: str
    path: Path
    targets: tuple[tuple[str, Path], ...]
    keep: tuple[Path, ...]
    folder: Path
    held: tuple[Path, ...] = ()
    taken_over: bool = False

    @property
    def properties(self) -> str:
        """As the table names them."""
        return ";".join(name for name, _ in self.targets)

    @property
    def stem(self) -> Path:
        """The path of its files, without an ending."""
        return self.folder / network_stem(self.network)

    def file(self, ending: str) -> Path:
        return self.stem.with_name(self.stem.name + ending)


def jobs(instances: list[Instance], rows: list[Row], folder: Path) -> list[Job]:
    """One for each network of the list that violates something or is known to hold all, in its order.

    Instances of networks with names in the question are left out: repairs are for properties in VNN-LIB 1.0.
    Kept are the listed properties that are not known to be violated, and, for a network that is known to be one of ACAS
    Xu's or made from one, all of the benchmark's: repairing decides which of them hold.
    """
    verdicts = {row.names: row.verdict for row in rows}
    taken_over = {row.network for row in rows if row.origin == TAKEN_OVER}
    networks: dict[str, list[Instance]] = {}
    for instance in (each for each in instances if not each.is_named and len(each.networks) == 1):
        networks.setdefault(instance.names[0], []).append(instance)
    found = []
    for name, of in networks.items():
        violated = [i for i in of if verdicts.get(i.names) == "sat"]
        rest = [i.property for i in of if verdicts.get(i.names) in ("unsat", "unknown", "timeout")]
        held = tuple(i.property for i in of if verdicts.get(i.names) == "unsat")
        targets = tuple((i.names[1], i.property) for i in violated)
        if targets or len(held) == len(of):
            keep = (*rest, *_benchmark(of[0].network))
            found.append(Job(name, of[0].network, targets, keep, folder, held, name in taken_over))
    return found


def _benchmark(network: Path) -> list[Path]:
    identity = identify_file(network)
    return [property_path(spec.number) for spec, other in benchmark_instances() if identity and other == identity.index]
