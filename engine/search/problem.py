"""Questions for the search, and how to search."""

from collections.abc import Callable
from dataclasses import dataclass

from engine.bounds.rounding import SEMANTICS
from engine.cone import Cone
from engine.ending import demand_scores
from engine.errors import InputError
from engine.joint import Model
from engine.property import Property
from engine.search.inputs import gap_of
from engine.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Problem:
    """The question whether `property` holds for `network`.

    It is given up after `timeout` seconds of its own, if set. cone: the question that this one stands for, if it is
    about a part of a network: counterexamples are points of the whole one. InputError where network and property have
    different numbers of inputs or outputs, and where the property is about probabilities that the network makes of its
    scores.
    """

    network: Model
    property: Property
    timeout: float | None = None
    cone: Cone | None = None

    def __post_init__(self) -> None:
        for kind in ("inputs", "outputs"):
            of_network, of_property = (getattr(part, f"n_{kind}") for part in (self.network, self.property))
            if of_network != of_property:
                name = self.network.name
                raise InputError(
                    f"the property is about {of_property} {kind}, but network {name} has {of_network}",
                    where=self.property.name,
                    advice="choose a property written for this network",
                )
        demand_scores(self.network, self.property)

    def demand_inputs(self, semantics: str) -> None:
        """Raises InputError where the question is about the network as executed, and it can be given no input."""
        if semantics == "real":
            return
        gap = None
        for case in (case for case in self.property.cases if case.unsafe):
            gap = gap_of(case, self.network.number)
            if gap is None:
                return
        if gap:
            raise InputError(
                f"{gap.what}, so no input exists in float32 semantics",
                where=self.property.name,
                advice=f"{gap.advice}, or use --semantics real (in VNN-LIB 2.0: type real)",
            )


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a search. They are the same for every network and property; no verdict depends on them.

    timeout: seconds of a problem's own share of the run, for problems that set none (None: no limit)
    semantics: real or float32
    device: auto, cpu or cuda
    batch: boxes bounded at once, fewer of larger networks
    window: problems searched at once
    memory: bytes for the search, besides those of the problems themselves
    max_open: open boxes of all problems together (None: as many as fit half of the memory)
    steps: of slope optimization for a box
    stalled: after this many splits, signs of neurons are split rather than inputs where few are open; in long searches
        wherever few are
    threads: batches are divided among so many (0: as many as torch uses)
    seed: of the samples
    proofs: True gives verdicts that a property holds their proof
    open_boxes: so many of the boxes that are open still come with a verdict that is Unknown

    InputError where one of them is out of range.
    """

    timeout: float | None = None
    semantics: str = "real"
    device: str = "auto"
    batch: int = 4096
    window: int = 256
    memory: int = 2 << 30
    max_open: int | None = None
    steps: int = 5
    stalled: int = 64
    threads: int = 0
    seed: int = 0
    proofs: bool = False
    open_boxes: int = 0

    def __post_init__(self) -> None:
        if self.semantics not in SEMANTICS:
            raise InputError(f"unknown semantics {self.semantics!r}", advice="use real or float32")
        if self.device not in ("auto", "cpu", "cuda"):
            raise InputError(f"unknown device {self.device!r}", advice="use auto, cpu or cuda")
        for name in ("batch", "window", "memory", "max_open", "steps"):
            value: int | None = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}", advice="use a number of at least 1")
        if self.timeout is not None and not self.timeout > 0:
            raise InputError(f"timeout is {self.timeout}", advice="use a number of seconds above 0")


DEFAULTS = Options()


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of a run: problems in all and decided, boxes bounded and open, the share of the volume proved."""

    problems: int
    decided: int
    boxes: int
    open: int
    proved: float
    seconds: float


OnVerdict = Callable[[int, Verdict], None]
OnProgress = Callable[[Progress], None]
