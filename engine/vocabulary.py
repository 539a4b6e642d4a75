"""The words and the units in which people may speak of a network's inputs and outputs."""

from dataclasses import dataclass

from engine.domain import Domain


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words that a file of points may use beside plain numbers, and how it is answered.

    output: the word for one of its outputs; names: of each output, none where they have no names; domain: where inputs
    must lie, None where anything may be said; advice: for inputs that lie elsewhere.
    """

    output: str = "output"
    names: tuple[str, ...] = ()
    domain: Domain | None = None
    advice: str = ""


#: That of networks of which nothing is known.
PLAIN = Vocabulary()
