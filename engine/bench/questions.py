"""What an instance asks: a property of one network, or in VNN-LIB 2.0 a question about named networks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.acasxu.raw_units import demand_raw
from engine.bench.instance_list import OF_SEVERAL
from engine.bench.instances import Instance
from engine.certificate import certificate_bytes
from engine.errors import InputError
from engine.joining import FLOAT32, Question, join, resolved
from engine.joint import Model
from engine.network import Network
from engine.property import Property
from engine.query import Query
from engine.search.problem import Options, Problem
from engine.verdict import Counterexample, Verdict
from engine.vnncomp import point_text
from engine.vnnlib import is_query, property_of, query_of
from engine.vnnlib.source import decoded, read_bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """A network or several joined to one, and the property that is asked of it; `question`: that of VNN-LIB 2.0."""

    model: Model
    property: Property
    question: Question | None = None

    def problem(self, limit: float | None) -> Problem:
        """The problem for the search. InputError where network and property do not fit each other."""
        return Problem(self.model, self.property, limit)

    def semantics(self, asked: str) -> str:
        """Returns the semantics of the answer: those asked for, or float32 where the question's types demand that."""
        return self.question.semantics if self.question and self.question.semantics == FLOAT32 else asked

    def certificate(self, verdict: Verdict, options: Options) -> bytes | None:
        """The certificate of a verdict, None if nothing was decided."""
        if self.question is None:
            assert isinstance(self.model, Network)  # a joint comes with its question
            return certificate_bytes(self.model, self.property, verdict, options)
        from engine.certificate import question_certificate_bytes

        return question_certificate_bytes(self.question, verdict, options)

    def text_of(self, found: Counterexample) -> str:
        """The counterexample in the form that the question's version has for it."""
        return point_text(found, self.question)


def ask(instance: Instance, networks: Sequence[Network], specification: Property | Query) -> Asked:
    """What the instance asks, of its networks in their order. InputError where these do not fit the question."""
    if isinstance(specification, Property):
        demand_one(instance, specification)
        demand_raw(specification, instance.networks[0].units)
        return Asked(networks[0], specification)
    names = [each.declared for each in instance.networks]
    if not instance.is_named:
        names = [specification.networks[0].name]
    given = dict(zip(names, networks))
    try:
        places = resolved(specification, {name: Path(name) for name in names})
    except InputError as error:
        advice = error.advice if error.what.startswith("no network") else f"name it in the row: {OF_SEVERAL}"
        raise InputError(error.what, where=error.where, advice=advice) from None
    question = join(specification, {name: given[str(place)] for name, place in places.items()})
    return Asked(question.joint, specification.property, question)


def demand_one(instance: Instance, property: Property) -> None:
    """Raises InputError where a property of one network is asked of several."""
    if (count := len(instance.networks)) > 1:
        raise InputError(
            f"a VNN-LIB 1.0 text is about one network, and the row names {count}",
            where=property.name,
            advice="name one, or ask in VNN-LIB 2.0",
        )


def load_specification(path: Path) -> Property | Query:
    """The property or the query in a file."""
    return specification_of(read_bytes(path), path)


def specification_of(data: bytes, path: Path) -> Property | Query:
    """The property or the query in the decompressed content of the file at `path`, told apart by the version line."""
    if is_query(decoded(data, where=str(path))):
        return query_of(data, path)
    return property_of(data, path)


def sha256_of(specification: Property | Query) -> str:
    """The SHA-256 of the file that it was read from."""
    return specification.sha256 if isinstance(specification, Property) else specification.property.sha256
