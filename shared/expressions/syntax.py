"""The syntax of CEL, as far as conditions and templates may use it: from text to a small tree.

The `cel` library evaluates expressions but does not show how they are built, and what one may cost
can only be told from its build. So it is parsed here too, before the library sees it. What this
parser accepts is a part of CEL (https://github.com/google/cel-spec, doc/langdef.md): no message
literals, no optional syntax.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from shared.errors import InvalidExpression
from shared.expressions import hints
from shared.expressions.tokens import Token, refuse, tokens

MAX_LENGTH = 2_000
"""Characters, as the database's check on conditions."""
MAX_NESTING = 24
"""Brackets within brackets. The library's parser overflows a 256 KiB stack at 60."""
MAX_DEPTH = 64
"""Levels of the tree: `1+1+1` has three. The library overflows a 512 KiB stack at 1,000."""

MACROS = frozenset({"all", "exists", "exists_one", "existsOne", "map", "filter"})

RESERVED = frozenset({"in", "true", "false", "null"})
"""No names of fields after a dot."""

PRECEDENCE = (
    {"||": 1, "&&": 2}
    | dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in"), 3)
    | {"+": 4, "-": 4, "*": 5, "/": 5, "%": 5}
)
"""Of the operators with two sides."""


@dataclass(frozen=True, slots=True)
class Literal:
    text: str
    kind: str
    """string, number or name (true, false, null)."""
    position: int


@dataclass(frozen=True, slots=True)
class Name:
    name: str
    position: int


@dataclass(frozen=True, slots=True)
class Member:
    operand: Node
    field: str
    position: int


@dataclass(frozen=True, slots=True)
class Index:
    operand: Node
    key: Node
    position: int


@dataclass(frozen=True, slots=True)
class Has:
    """`has(a.b)`: whether b is there."""

    member: Member
    position: int


@dataclass(frozen=True, slots=True)
class Call:
    """An operator, a function, or a method whose first argument is what it is called on."""

    function: str
    arguments: tuple[Node, ...]
    position: int
    is_method: bool = False


@dataclass(frozen=True, slots=True)
class Collection:
    """A list, or a map as its keys and values in turn."""

    items: tuple[Node, ...]
    is_map: bool
    position: int


@dataclass(frozen=True, slots=True)
class Macro:
    """A loop: `operand.all(variable, step)`; map may have a filter as a first step."""

    name: str
    operand: Node
    variable: str
    steps: tuple[Node, ...]
    position: int


Node = Literal | Name | Member | Index | Has | Call | Collection | Macro


def parse(text: str) -> Node:
    """Raises InvalidExpression, with the place, unless the text is an expression within bounds."""
    if len(text) > MAX_LENGTH:
        raise InvalidExpression(f"An expression has at most {MAX_LENGTH} characters")
    tree = _Parser(text).parse()
    stack = [(tree, 1)]
    while stack:
        node, depth = stack.pop()
        if depth > MAX_DEPTH:
            refuse("The expression is too long or too deep here", text, node.position)
        stack.extend((child, depth + 1) for child in children(node))
    return tree


def children(node: Node) -> tuple[Node, ...]:
    match node:
        case Literal() | Name():
            return ()
        case Member(operand=operand):
            return (operand,)
        case Index(operand=operand, key=key):
            return (operand, key)
        case Has(member=member):
            return (member,)
        case Call(arguments=nodes) | Collection(items=nodes):
            return nodes
        case Macro(operand=operand, steps=steps):
            return (operand, *steps)


def walk(tree: Node) -> Iterator[Node]:
    stack = [tree]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(children(node))


class _Parser:
    """Precedence climbing; recurses only as deep as brackets and conditionals are nested."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(tokens(text))
        self._at = 0
        self._nesting = 0

    def parse(self) -> Node:
        node = self._expression()
        if self._next.kind != "end":
            self._unexpected()
        return node

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._next
        if token.kind in ("error", "end"):
            self._unexpected()
        self._at += 1
        return token

    def _accept(self, *symbols: str) -> Token | None:
        token = self._next
        if token.kind != "symbol" or token.text not in symbols:
            return None
        self._at += 1
        return token

    def _expect(self, symbol: str) -> None:
        if not self._accept(symbol):
            self._unexpected(wanted=repr(symbol))

    def _unexpected(self, *, wanted: str = "") -> NoReturn:
        token = self._next
        refuse(self._complaint(token, wanted), self._text, token.position)

    def _complaint(self, token: Token, wanted: str) -> str:
        if token.kind == "end":
            return f"The expression ends too early; {wanted or 'a value'} is missing"
        if token.kind == "error" and token.text in "'\"":
            return "A text is not closed, or not written as CEL wants it; it ends with the quote it begins with"
        before = self._tokens[self._at - 1] if self._at else None
        hint = hints.about_token(
            token.text, before.text if before else "", self._text[token.position + 1 :][:1]
        )
        if not hint and token.kind in ("name", "string", "number"):
            hint = hints.about_value(follows_text=before is not None and before.kind == "string")
        missing = f", but {wanted}" if wanted else ""
        advice = hint or (
            "" if wanted else "a value or an operator is missing, or this is too much"
        )
        return f"{token.text!r} is not expected here{missing}{advice and '; '}{advice}"

    def _expression(self) -> Node:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            message = f"More than {MAX_NESTING} levels are nested"
            refuse(message, self._text, self._next.position)
        node = self._binary(1)
        if mark := self._accept("?"):
            yes = self._binary(1)
            self._expect(":")
            node = Call("?:", (node, yes, self._expression()), mark.position)
        self._nesting -= 1
        return node

    def _binary(self, lowest: int) -> Node:
        node = self._unary()
        while (token := self._next).kind in ("symbol", "name"):
            precedence = PRECEDENCE.get(token.text, 0)
            if precedence < lowest:
                break
            self._at += 1
            node = _joined(node, token, self._binary(precedence + 1))
        return node

    def _unary(self) -> Node:
        first = self._accept("!", "-")
        while self._accept("!", "-"):
            pass  # `!!!a` costs what `!a` costs
        node = self._postfix()
        return Call(f"{first.text}_", (node,), first.position) if first else node

    def _postfix(self) -> Node:
        node = self._primary()
        while token := self._accept(".", "["):
            if token.text == "[":
                node = Index(node, self._expression(), token.position)
                self._expect("]")
                continue
            if self._next.kind != "name":
                self._unexpected(wanted="the name of a field")
            self._refuse_reserved(self._next)
            node = self._named_part(node, self._take())
        return node

    def _refuse_reserved(self, token: Token) -> None:
        if token.text in RESERVED:
            message = f'{token.text} cannot follow a dot; read the field as ["{token.text}"]'
            refuse(message, self._text, token.position)

    def _named_part(self, operand: Node, name: Token) -> Node:
        if self._accept("("):
            return self._method(operand, name)
        return Member(operand, name.text, name.position)

    def _method(self, operand: Node, name: Token) -> Node:
        arguments = self._list(")")
        if name.text not in MACROS:
            return Call(name.text, (operand, *arguments), name.position, is_method=True)
        wanted = (2, 3) if name.text == "map" else (2,)
        variable = arguments[0] if len(arguments) in wanted else None
        if not isinstance(variable, Name):
            message = (
                f"{name.text}() takes a name and an expression, as in {name.text}(i, i.price > 5)"
            )
            refuse(message, self._text, name.position)
        return Macro(name.text, operand, variable.name, arguments[1:], name.position)

    def _primary(self) -> Node:
        token = self._next
        if token.kind in ("string", "number") or token.text in ("true", "false", "null"):
            return Literal(token.text, token.kind, self._take().position)
        if token.kind == "name" and token.text != "in":
            return self._named(self._take())
        if self._accept("("):
            node = self._expression()
            self._expect(")")
            return node
        if self._accept("["):
            return Collection(self._list("]"), is_map=False, position=token.position)
        if not self._accept("{"):
            self._unexpected()
        return Collection(self._list("}", is_map=True), is_map=True, position=token.position)

    def _named(self, name: Token) -> Node:
        if not self._accept("("):
            return Name(name.text, name.position)
        arguments = self._list(")")
        if name.text != "has":
            return Call(name.text, arguments, name.position)
        member = arguments[0] if len(arguments) == 1 else None
        if not isinstance(member, Member):
            message = "has() takes one field, such as has(event.data.email)"
            refuse(message, self._text, name.position)
        return Has(member, name.position)

    def _list(self, end: str, *, is_map: bool = False) -> tuple[Node, ...]:
        nodes: list[Node] = []
        while not self._accept(end):
            if nodes and not self._accept(","):
                self._unexpected(wanted=f"',' or {end!r}")
            if nodes and end != ")" and self._accept(end):
                break
            nodes.append(self._expression())
            if is_map:
                self._expect(":")
                nodes.append(self._expression())
        return tuple(nodes)


def _joined(left: Node, operator: Token, right: Node) -> Call:
    """`a || b || c` as one call of three, so that long alternatives are not deep."""
    if operator.text in ("&&", "||") and isinstance(left, Call) and left.function == operator.text:
        return Call(operator.text, (*left.arguments, right), left.position)
    return Call(operator.text, (left, right), operator.position)
