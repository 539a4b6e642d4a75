"""The shares that problems have in a batch, and in its time."""

from dataclasses import dataclass
from math import inf

from engine.deadline import Deadline
from engine.search.state import Known, ProblemState


@dataclass(frozen=True, slots=True)
class Share:
    """A problem's part of a batch: `size` boxes, some of them open (slot: Known), others of cases that wait."""

    state: ProblemState
    size: int
    open: dict[int, Known]

    @property
    def cases(self) -> range:
        """The numbers of these cases."""
        return range(self.state.begun, self.state.begun + self.size - len(self.open))


def make_shares(active: list[ProblemState], batch: int, *, roomy: bool, roots: int) -> list[Share]:
    """Takes at most `batch` boxes, about as many for each active problem: open ones, and of cases that wait.

    Unless it is `roomy`, cases wait until nothing else is left to do, and the newest boxes are taken: depth first, few
    are open. At most `roots` are begun, but of a problem without open boxes one at least.
    """
    shares, room = [], batch
    for i, state in enumerate(sorted(active, key=_boxes)):
        n = min(_boxes(state), -(-room // (len(active) - i)))
        most = max(roots // (len(active) - i), not state.open)
        cases = min(state.waiting, max(n - len(state.open), n - n // 2 if roomy else 0), most)
        n = min(n, len(state.open) + cases)
        if n:
            shares.append(Share(state, n, state.take(n - cases, newest=not roomy)))
        room -= n
        roots = max(0, roots - cases)
    return shares


def _boxes(state: ProblemState) -> int:
    return len(state.open) + state.waiting


def common_deadline(shares: list[Share], start: float) -> Deadline:
    """The moment when all problems of the batch are out of time, as far as their shares of it go."""
    total = sum(share.size for share in shares)
    left = [(share.state.limit - share.state.spent) * total / share.size for share in shares]
    return Deadline(start + max(left, default=inf))


def charge(shares: list[Share], seconds: float) -> None:
    """Divides the seconds among the batch's problems, by boxes."""
    total = sum(share.size for share in shares)
    for share in shares:
        share.state.seconds += seconds * share.size / total
