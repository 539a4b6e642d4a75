"""VNN-LIB 2.0 commands: the version line, then all networks, then all asserts."""

import re

from engine.errors import InputError
from engine.query import Variable
from engine.vnnlib.commands import Commands, Parenthesis
from engine.vnnlib.expressions import Item
from engine.vnnlib.language import CONNECTIVES, VERSION_2
from engine.vnnlib.networks.declarations import RELATIONS, Declarations
from engine.vnnlib.networks.expressions import TensorExpressions
from engine.vnnlib.networks.tensors import shape_of, split
from engine.vnnlib.script import COMMANDS as COMMANDS_1
from engine.vnnlib.source import Source, Token, quoted

MAX_NAME = 200  # letters: errors have one line

_VERSION = "vnnlib-version"
_VERSION_LINE = f"({_VERSION} <2.0>)"
_NETWORK = "declare-network"
_TENSORS = ("declare-input", "declare-hidden", "declare-output")
_COMMANDS = (_VERSION, _NETWORK, "assert")
_INSIDE = (*RELATIONS, *_TENSORS)
_VERSION_2 = re.compile(r"<2\.[0-9]+>")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class QueryScript(Commands):
    """The networks and asserts of a VNN-LIB 2.0 text, once `read` has returned."""

    def __init__(self, source: Source) -> None:
        self.declarations = Declarations(source)
        super().__init__(TensorExpressions(source, VERSION_2, declarations=self.declarations))
        self._versioned = False

    def read(self) -> None:
        super().read()
        if not self._versioned:
            raise self.source.error("the file has no command", 0, advice=f"begin with {_VERSION_LINE}")
        if not self.declarations.networks:
            raise self.source.error(
                "no network is declared", len(self.source.text), advice=f"add ({_NETWORK} ...) above the asserts"
            )

    def _check_head(self, name: str, at: int, opened: list[Parenthesis]) -> None:
        outer = opened[0].head
        known: tuple[str, ...]
        if outer is None:
            known, kind = _COMMANDS, "command"
            self._check_order(name, at)
        elif outer.text == _NETWORK:
            known, kind = _INSIDE, "declaration"
        else:
            known, kind = self._language.operators, "operator"
        if name in known:
            return
        if name in (*_COMMANDS, *_INSIDE):
            where = f"inside the command of line {self.source.line(opened[0].at)}" if outer else "outside a network"
            raise self.source.error(f"'{name}' {where}", at, advice="close that one first" if outer else "declare one")
        if name in COMMANDS_1:
            raise self.source.error(
                f"'{name}' belongs to VNN-LIB 1.0", at, advice=f"remove {_VERSION_LINE}, or declare networks"
            )
        advice = f"VNN-LIB 2.0 has {' '.join(known)}"
        if kind == "operator" and self._is_term(name):
            advice = "operators come first, as in (<= X[0] 1.0)"
        elif name == "=":
            advice = "write =="
        raise self.source.error(f"unknown {kind} {quoted(name)}", at, advice=advice)

    def _check_order(self, name: str, at: int) -> None:
        if (name == _VERSION) == self._versioned:
            what = "a second version line" if self._versioned else f"{quoted(name)} stands above the version line"
            advice = "remove it" if self._versioned else f"begin with {_VERSION_LINE}"
            raise self.source.error(what, at, advice=advice)
        if name == _NETWORK and self._asserts:
            raise self.source.error("a network is declared below an assert", at, advice="declare all networks first")

    def _is_term(self, text: str) -> bool:
        named = split(text)
        return named is not None and named[0] in self.declarations.tensors or text[0] in "-.0123456789"

    def _value(self, closed: Parenthesis, end: int) -> Item:
        if closed.head is None:
            raise self.source.error("an empty parenthesis", closed.at, advice="remove it")
        if closed.head.text not in _INSIDE:
            return self._expressions.evaluate(closed.head, closed.arguments, start=closed.at, end=end)
        try:
            if closed.head.text in RELATIONS:
                self._relate(closed.head, closed.arguments)
            else:
                self._declare(closed.head, closed.arguments)
        except InputError as error:
            raise self.source.placed(error, closed.head.at) from None
        return None

    def _command(self, closed: Parenthesis, head: Token) -> None:
        try:
            if head.text == _VERSION:
                self._version(closed.arguments)
            else:
                self._network(closed.arguments)
        except InputError as error:
            raise self.source.placed(error, head.at) from None

    def _version(self, arguments: list[Item]) -> None:
        match arguments:
            case [Token(text, _)] if _VERSION_2.fullmatch(text):
                self._versioned = True
            case _:
                raise InputError("the version is not 2.0", advice=f"write {_VERSION_LINE}")

    def _network(self, arguments: list[Item]) -> None:
        match arguments:
            case [Token(name, _), *rest] if not any(isinstance(item, Token) for item in rest):
                self.declarations.add_network(_name(name))
            case _:
                raise InputError(f"'{_NETWORK}' has not the arguments it takes", advice=f"write ({_NETWORK} NAME ...)")

    def _relate(self, head: Token, arguments: list[Item]) -> None:
        match arguments:
            case [Token(name, _)]:
                self.declarations.relate(head.text, name)
            case _:
                raise InputError(f"'{head.text}' takes the name of a network", advice=f"write ({head.text} NAME)")

    def _declare(self, head: Token, arguments: list[Item]) -> None:
        """Reads `declare-input X real [1,5]`, and `declare-hidden H real [1,50] "node"`."""
        kind = head.text.removeprefix("declare-")
        match arguments:
            case [Token(name, at), Token(kept, _), *others] if (typed := split(kept)) and typed[1] is not None:
                node = _node(others, kind)
                variable = Variable(_name(name), kind, typed[0], shape_of(typed[1]), node)
                self.declarations.add_tensor(variable, at)
            case _:
                form = f"({head.text} NAME TYPE SHAPE{' NODE' if kind == 'hidden' else ''})"
                raise InputError(
                    f"'{head.text}' has not the arguments it takes", advice=f"write {form}, with a shape as in [1,5]"
                )


def _name(text: str) -> str:
    if not _NAME.fullmatch(text) or text in CONNECTIVES:
        raise InputError(f"{quoted(text)} is not a name", advice="use letters, digits and _, a letter first")
    if len(text) > MAX_NAME:
        raise InputError(f"{quoted(text)} has more than {MAX_NAME} letters", advice="choose a shorter name")
    return text


def _node(arguments: list[Item], kind: str) -> str:
    """Returns the ONNX name that a hidden tensor has; others have none, as they are taken in the file's order."""
    match arguments:
        case []:
            if kind == "hidden":
                raise InputError("a hidden tensor has no ONNX name", advice='add it in quotes, as in "relu_1"')
            return ""
        case [Token(text, _)] if kind != "hidden" and text[0] == '"':
            raise InputError(
                f"the {kind} has an ONNX name, which VNN-LIB 2.0 gives to hidden tensors alone",
                advice=f"remove it, and declare {kind}s in the order of the ONNX file",
            )
        case [Token(text, _)] if len(text) > 2 and text[0] == text[-1] == '"':
            return text[1:-1]
        case _:
            raise InputError("what follows the shape is not one ONNX name", advice='write it in quotes, as in "relu_1"')
