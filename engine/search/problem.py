"""What is asked, how, and what is known of each question while it is searched."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from engine.bounds.rounding import SEMANTICS
from engine.errors import InputError
from engine.network import Network
from engine.property import Property
from engine.search.inputs import gap_of
from engine.verdict import Counterexample, Verdict


@dataclass(frozen=True, slots=True)
class Problem:
    """Does `property` hold for `network`? To be given up after `timeout` seconds of its own, if set."""

    network: Network
    property: Property
    timeout: float | None = None

    def __post_init__(self):
        for kind in ("inputs", "outputs"):
            of_network, of_property = (getattr(part, f"n_{kind}") for part in (self.network, self.property))
            if of_network != of_property:
                name = self.network.name
                raise InputError(
                    f"the property is about {of_property} {kind}, but network {name} has {of_network}",
                    where=self.property.name,
                    advice="choose a property written for this network",
                )

    def demand_inputs(self, semantics: str) -> None:
        """InputError where the question is what is executed on inputs of which there are none."""
        if semantics == "real":
            return
        gap = None
        for case in filter(lambda case: case.unsafe, self.property.cases):
            gap = gap_of(case, self.network.number)
            if gap is None:
                return
        if gap:
            raise InputError(
                f"{gap.what}, so no input exists in float32 semantics",
                where=self.property.name,
                advice=f"{gap.advice}, or use --semantics real",
            )


@dataclass(frozen=True, slots=True)
class Options:
    """How to search. The same for every network and property; no verdict depends on them.

    timeout: seconds of a problem's own share of the run, for problems that set none (None: no limit);
    semantics: real or float32; device: auto, cpu or cuda; batch: boxes bounded at once, fewer of larger
    networks; window: problems searched at once; memory: bytes for the search, beside what the problems themselves
    take; max_open: open boxes of all problems together (None: what fits half of the memory); steps: of slope
    optimization for a box; stalled: after this many splits, signs of neurons are split rather than inputs;
    threads: batches are divided among (0: as many as torch uses); proofs: whether verdicts that a property holds come
    with their proof; open_boxes: how many of the boxes left open come with a verdict that is none.
    """

    timeout: float | None = None
    semantics: str = "real"
    device: str = "auto"
    batch: int = 4096
    window: int = 256
    memory: int = 4 << 30
    max_open: int | None = None
    steps: int = 5
    stalled: int = 64
    threads: int = 0
    seed: int = 0
    proofs: bool = False
    open_boxes: int = 0

    def __post_init__(self):
        if self.semantics not in SEMANTICS:
            raise InputError(f"unknown semantics {self.semantics!r}", advice="use real or float32")
        if self.device not in ("auto", "cpu", "cuda"):
            raise InputError(f"unknown device {self.device!r}", advice="use auto, cpu or cuda")
        for name in ("batch", "window", "memory", "max_open", "steps"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}", advice="use a number of at least 1")
        if self.timeout is not None and not self.timeout > 0:
            raise InputError(f"timeout is {self.timeout}", advice="use a number of seconds above 0")


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands: problems and boxes done, boxes open, the share of the volume proved."""

    problems: int
    decided: int
    boxes: int
    open: int
    proved: float
    seconds: float


@dataclass(slots=True, eq=False)
class Search:
    """One problem while it is searched.

    `open`: slots of its open boxes, newest last, with how far from unsafe the worst corner is and the bound is that
    holds; `begun`: how many of its cases, the first, were open already; `trees`: their roots' ids, for the recorder;
    `roots`: those with an open box; `proved`: share of its volume where it holds; `ties`: boxes left whose margin is
    zero, or less than rounding can change; `tie`, `stuck`: such a box, or one that can be split no further, was left
    for good; `bound`: the least bound of those; `nearest`: how far from unsafe the worst point was; `judged`: how many
    points were judged; `unchecked`: a suspicious point could not be judged in time; `near_miss`: the best point that is
    unsafe in exact arithmetic or as executed, but decides nothing; `hopeless`: how many boxes and points were done when
    it was known that there will be no proof.
    """

    index: int
    problem: Problem
    limit: float = inf
    open: dict[int, tuple[float, float]] = field(default_factory=dict)
    begun: int = 0
    trees: list[int] = field(default_factory=list)
    roots: set[int] = field(default_factory=set)
    boxes: int = 0
    seconds: float = 0.0
    proved: float = 0.0
    ties: int = 0
    tie: bool = False
    stuck: bool = False
    bound: float = inf
    nearest: float = inf
    judged: int = 0
    hopeless: tuple[int, int] | None = None
    unchecked: bool = False
    counterexample: Counterexample | None = None
    near_miss: Counterexample | None = None
    verdict: Verdict | None = None

    @property
    def refuted(self) -> bool:
        """Whether some point is unsafe in exact arithmetic."""
        return self.near_miss is not None and self.near_miss.exact

    def give_up_proof(self) -> None:
        """From now on it is only a counterexample that is sought."""
        self.hopeless = self.hopeless or (self.boxes, self.judged)

    @property
    def since(self) -> tuple[int, int]:
        """How many boxes and points were done since then."""
        boxes, judged = self.hopeless or (self.boxes, self.judged)
        return self.boxes - boxes, self.judged - judged

    def begin(self, root: int, tree: int) -> None:
        """Notes the next case's root and the id of its tree."""
        self.begun += 1
        self.roots.add(root)
        self.trees.append(tree)

    @property
    def waiting(self) -> int:
        """How many of its cases were not open yet."""
        return len(self.problem.property.cases) - self.begun

    @property
    def late(self) -> bool:
        return self.seconds >= self.limit

    def take(self, n: int) -> dict[int, tuple[float, float]]:
        """Removes n open boxes: half the most suspicious, which finds counterexamples, half the newest,
        which keeps few boxes open."""
        best = heapq.nsmallest(n // 2, self.open, key=self.open.__getitem__) if n < len(self.open) else []
        taken = {slot: self.open.pop(slot) for slot in best}
        taken.update(self.open.popitem() for _ in range(n - len(best)))
        return taken


OnVerdict = Callable[[int, Verdict], None]
OnProgress = Callable[[Progress], None]
