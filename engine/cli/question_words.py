"""Statements about two networks, their verdicts and the points that refute them, in words."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.acasxu.encounter import Encounter, describe_point
from engine.acasxu.identity import Identity
from engine.acasxu.quantities import ADVISORIES, INPUTS, SCORE_SCALE
from engine.comparison.decision import Decision
from engine.comparison.questions import Equivalent, Monotone, SameDecision, Statement
from engine.digits import decimal
from engine.exact import number_text
from engine.property import Vector
from engine.verdict import Unknown

if TYPE_CHECKING:
    from rich.table import Table

    from engine.comparison.asking import Answer, Refutation

MAX_INPUTS = 10  # of a point in a line


@dataclass(frozen=True, slots=True)
class Words:
    """What a statement is about: the first and the second network's name, and the boxes in words.

    identity: of the first network; None where its units and outputs are not known.
    """

    identity: Identity | None
    names: tuple[str, str]
    region: str

    def output(self, j: int) -> str:
        return f"the score of {ADVISORIES[j]}" if self.identity else f"output {j}"

    def called(self, j: int) -> str:
        """An output's name alone."""
        return ADVISORIES[j] if self.identity else f"output {j}"

    def input(self, i: int) -> str:
        return f"input {i} ({INPUTS[i].symbol})" if self.identity else f"input {i}"

    @property
    def decision(self) -> str:
        return "advisory" if self.identity else "decision"

    def statement(self, asked: Statement) -> str:
        """The statement, as the end of "proved:"."""
        one, other = self.names
        match asked:
            case Equivalent(eps):
                return f"all outputs of {other} are within {number_text(eps)} of those of {one}"
            case SameDecision():
                return f"{other} has the same {self.decision} as {one}"
            case Monotone(i, rising, outputs):
                which = self.output(outputs[0]) if len(outputs) == 1 else "any output"
                return f"raising {self.input(i)} never {'lowers' if rising else 'raises'} {which} of {one}"

    def meaning(self, asked: Statement) -> str:
        """Exactly what is proved, or was asked."""
        point = f"each input x in {self.region}"
        match asked:
            case Equivalent(eps):
                score = f" ({decimal(eps * SCORE_SCALE, digits=4)} in the tables' scores)" if self.identity else ""
                return f"for {point} and each output, the two differ by at most {number_text(eps)}{score}"
            case SameDecision(decision, gap):
                best = f"two {decision.value} outputs"
                within = f"are within {number_text(gap)}" if gap else "are equal"
                return (
                    f"for {point}, but where the {best} of {self.names[0]} {within}; "
                    f"the {self.decision} is the {decision.value} output, the first of equals"
                )
            case Monotone(i, rising, outputs, tolerance):
                sign, by = (">=", "-") if rising else ("<=", "+")
                slack = f" {by} {number_text(tolerance)}" if tolerance else ""
                which = f"y[{outputs[0]}]" if len(outputs) == 1 else "each y[j]"
                return (
                    f"for {point} and each x' there with x'[{i}] >= x[{i}], equal in all other inputs: "
                    f"{which} at x' {sign} {which} at x{slack}"
                )

    def verdict(self, found: "Answer", point: "Refutation | None") -> str:
        """The verdict as one line. point: what refutes the statement."""
        statement = found.asked.statement
        if point:
            return f"refuted: {self.refuted(statement, point)}"
        if isinstance(found.verdict, Unknown):
            return f"not decided: whether {self.statement(statement)}; {found.verdict.reason}"
        return f"proved: {self.statement(statement)}"

    def refuted(self, asked: Statement, found: "Refutation") -> str:
        """How a point refutes the statement, as the end of "refuted:"."""
        worst = max(range(len(found.differences)), key=lambda j: abs(found.differences[j]))
        match asked:
            case Equivalent(eps):
                size = decimal(abs(found.differences[worst]), digits=6)
                return f"{self.output(worst)} of {self.names[1]} differs by {size}, more than {number_text(eps)}"
            case SameDecision(decision):
                one, other = (self._decided(decision, outputs) for outputs in found.exact)
                return f"the {self.decision} of {self.names[0]} is {one}, that of {self.names[1]} {other}"
            case Monotone(i, rising, outputs):
                change = [found.differences[j] if rising else -found.differences[j] for j in outputs]
                j = outputs[min(range(len(outputs)), key=change.__getitem__)]
                size = decimal(abs(found.differences[j]), digits=6)
                return f"raising {self.input(i)} {'lowers' if rising else 'raises'} {self.output(j)} by {size}"

    def _decided(self, decision: Decision, outputs: Vector) -> str:
        best = min if decision is Decision.LOWEST else max
        return self.called(best(range(len(outputs)), key=lambda j: outputs[j]))

    def point(self, asked: Statement, found: "Refutation") -> str:
        """The point, in feet, degrees and knots where these are known to be its units."""
        x, other = found.inputs
        if self.identity:
            encounter, _ = self.encounters(found)
            lines = [f"  {encounter.place}", f"  {encounter.speeds_in_knots}"]
        else:
            more = f" and {len(x) - MAX_INPUTS} more" if len(x) > MAX_INPUTS else ""
            lines = [f"  at x = {', '.join(number_text(v) for v in x[:MAX_INPUTS])}{more}"]
        if isinstance(asked, Monotone):
            i = asked.input
            raised = f"{number_text(x[i])} to {number_text(other[i])}"
            if self.identity:
                unit = INPUTS[i]
                raised += (
                    f" ({decimal(unit.raw(x[i]), digits=6)} to {decimal(unit.raw(other[i]), digits=6)} {unit.unit})"
                )
            lines.append(f"  {self.input(i)} is raised from {raised}")
        return "\n".join(lines)

    def encounters(self, found: "Refutation") -> tuple[Encounter, Encounter]:
        """What each network is given, with the scores that it gives as executed, of ACAS Xu's networks."""
        one, other = (describe_point(list(map(float, x)), y) for x, y in zip(found.inputs, found.executed))
        return one, other

    def outputs(self, found: "Refutation", *, at: tuple[str, str]) -> "Table":
        """Both networks' outputs and their differences, exact and as executed. at: what the two columns are."""
        from rich import box
        from rich.table import Table

        table = Table("output", box=box.SIMPLE)
        for name in (*at, "difference", *(f"{name}, executed" for name in at), "difference"):
            table.add_column(name, justify="right")
        columns = (*found.exact, found.differences, *found.executed, found.executed_differences)
        for j, row in enumerate(zip(*columns)):
            table.add_row(
                self.called(j), *(decimal(v, digits=6) if not isinstance(v, float) else f"{v:.6g}" for v in row)
            )
        return table
