"""Errors of the engine: each says what is wrong, where, and what to do."""

from engine.foreign import plain


class EngineError(Exception):
    """One line for the user: `where: what; advice`.

    `where` names a file and a place in it (or an option), `what` says what is wrong there, `advice`
    what to do about it. The command line prints `str(error)` and exits with `exit_code`.
    """

    exit_code = 70

    def __init__(self, what: str, *, where: str = "", advice: str = ""):
        super().__init__(what)
        self.what, self.where, self.advice = what, where, advice

    def __str__(self) -> str:
        line = f"{self.where}: {self.what}" if self.where else self.what
        line = f"{line}; {self.advice}" if self.advice else line
        return plain(" ".join(line.split()))


class InputError(EngineError):
    """The input or the usage is wrong: a file, an option, a shape. Nothing was decided."""

    exit_code = 2
