"""The search for one chunk of images: a verdict for each of them at each position, as far as it matters."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from operator import itemgetter

from engine.images.certify.ledger import OPEN, PROVED, REFUTED, Finding, Ledger
from engine.images.certify.order import Order
from engine.images.certify.questions import Key, Questions
from engine.search.problem import Options
from engine.verdict import Counterexample, Unknown, Verdict, Verified, Violated

SUSPICIOUS = 8  # positions of each image that are asked about first: most that can be refuted are refuted there
WAVE = 256  # cases searched together: their properties, and their proofs' records, are held at once

OnRefuted = Callable[[Key, Counterexample], str]  # the name of the trigger's file


def decide(
    questions: Questions,
    order: Order,
    ledger: Ledger,
    options: Options,
    *,
    on_refuted: OnRefuted,
    on_case: Callable[[], None],
) -> None:
    """Enters a finding for each image of `order` at each position, but for those of images that are refuted.

    The ledger holds all that is known, also where this is broken off. options.timeout is that of each case.
    """
    for wave in _waves(order, ledger, options.timeout):
        problems = [questions.problem(*key) for key in wave]

        def on_verdict(index: int, verdict: Verdict, wave: list[Key] = wave) -> None:
            _enter(wave[index], verdict, ledger, options, on_refuted)
            on_case()

        questions.search(problems, options, on_verdict)


def _waves(order: Order, ledger: Ledger, limit: float | None) -> Iterator[list[Key]]:
    """Cases to be searched together: of each image the most suspicious positions first, then those of one position.

    An image that is refuted is left out. Images of one position share a cone, and are bounded in one batch.
    """

    def wanted(image: int, positions: list[int]) -> list[Key]:
        if ledger.is_refuted(image, order[image]):
            return []
        return [(image, position) for position in positions if not ledger.is_settled((image, position), limit)]

    yield from _cut([key for image in order for key in wanted(image, order[image][:1])])
    yield from _cut([key for image in order for key in wanted(image, order[image][1:SUSPICIOUS])])
    rest = [key for image in order for key in wanted(image, order[image][SUSPICIOUS:])]
    for part in _cut(sorted(rest, key=itemgetter(1))):
        yield from _cut([key for key in part if not ledger.is_refuted(key[0], order[key[0]])])


def _cut(keys: list[Key]) -> Iterator[list[Key]]:
    for start in range(0, len(keys), WAVE):
        yield keys[start : start + WAVE]


def _enter(key: Key, verdict: Verdict, ledger: Ledger, options: Options, on_refuted: OnRefuted) -> None:
    found = Finding(PROVED, verdict.statistics.seconds)
    if isinstance(verdict, Verified):
        if verdict.proof is not None:
            ledger.proofs[key] = verdict.proof
    elif isinstance(verdict, Violated):
        name = on_refuted(key, verdict.counterexample)
        found = replace(found, word=REFUTED, trigger=name, replayed=verdict.counterexample.replayed)
    else:
        assert isinstance(verdict, Unknown)
        limit = options.timeout if verdict.timed_out else None
        found = replace(found, word=OPEN, reason=verdict.reason, limit=limit)
    ledger.findings[key] = found
