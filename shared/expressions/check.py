"""Which names an expression may use, and what it reads of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.errors import InvalidExpression
from shared.expressions import hints, library, patterns
from shared.expressions.patterns import Weight
from shared.expressions.syntax import (
    MACROS,
    PRECEDENCE,
    Call,
    Collection,
    Has,
    Index,
    Literal,
    Macro,
    Member,
    Name,
    Node,
    children,
)
from shared.expressions.tokens import refuse


@dataclass(frozen=True, slots=True, eq=False)
class Roots:
    """What expressions are about, with the fields of what always has the same ones."""

    fields: Mapping[str, frozenset[str] | None]


INCOMING = Roots(
    {
        "event": frozenset(
            {
                "id",
                "type",
                "external_id",
                "payload",
                "data",
                "entity_table",
                "is_person",
                "confidence",
                "created_at",
            }
        ),
        "person": None,
        "entity": None,
        "endpoint": frozenset({"id", "slug", "name", "scheme"}),
    }
)
"""An event that came in, and what it became."""

OUTGOING = Roots({"event": frozenset({"id", "type", "timestamp", "data"})})
"""An event that is delivered."""

MAX_LOOPS = 2
"""Macros within macros."""

ANY = "*"
"""In a path: some item of a list, some value of a map."""

Path = tuple[str, ...]

_OPERATORS = frozenset({*PRECEDENCE, "?:", "!_", "-_"})
_FUNCTIONS = frozenset(
    {"size", "int", "uint", "double", "string", "bytes", "timestamp", "duration", "dyn", "type"}
)
_METHODS = frozenset(
    {
        *("size", "contains", "startsWith", "endsWith", "matches"),
        *("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"),
        *("getHours", "getMinutes", "getSeconds", "getMilliseconds"),
    }
)
_READS_TEXT = {
    "int": "'12'",
    "uint": "'12'",
    "double": "'12.5'",
    "timestamp": "'2026-11-25T10:00:00Z'",
    "duration": "'90s' or '1h30m'",
}
_TYPES = frozenset({"int", "uint", "double", "string", "bytes", "bool", "list", "map", "null_type"})


@dataclass(slots=True)
class Findings:
    """What is known of an expression before it is evaluated."""

    reads: set[Path] = field(default_factory=set)
    """Paths from the roots, each as long as it is written."""
    names: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)
    """Of loops."""
    functions: set[str] = field(default_factory=set)
    patterns: dict[str, Weight] = field(default_factory=dict)
    """Literals of matches(), as they are written."""
    has_loops: bool = False


def check(tree: Node, text: str, roots: Roots) -> Findings:
    """Raises InvalidExpression for names, functions, loops and patterns that are not allowed."""
    checker = _Checker(text, roots)
    checker.visit(tree, {}, 0)
    return checker.findings


class _Checker:
    """`scope` holds the variables of the loops around, each with the path of what it stands for."""

    def __init__(self, text: str, roots: Roots) -> None:
        self._text = text
        self._roots = roots.fields
        self.findings = Findings()

    def visit(self, node: Node, scope: Mapping[str, Path | None], loops: int) -> None:
        match node:
            case Name() | Member() | Index() | Has() | Macro():
                path = self._path(node, scope, loops)
                if path:
                    self.findings.reads.add(path)
            case Call():
                self._check_call(node)
                self._visit_all(node.arguments, scope, loops)
            case Literal() | Collection():
                self._visit_all(children(node), scope, loops)

    def _visit_all(
        self, nodes: tuple[Node, ...], scope: Mapping[str, Path | None], loops: int
    ) -> None:
        for node in nodes:
            self.visit(node, scope, loops)

    def _path(self, node: Node, scope: Mapping[str, Path | None], loops: int) -> Path | None:
        """Where in the roots a node's value is found; None for one that is computed."""
        match node:
            case Name():
                return self._name(node, scope)
            case Member(operand=operand, field=name):
                path = self._path(operand, scope, loops)
                if path and len(path) == 1:
                    self._check_field(path[0], node)
                return (*path, name) if path else None
            case Index(operand=operand, key=key):
                self.visit(key, scope, loops)
                path = self._path(operand, scope, loops)
                return (*path, ANY) if path else None
            case Has(member=member):
                return self._path(member, scope, loops)
            case Macro():
                return self._loop(node, scope, loops)
            case _:
                self.visit(node, scope, loops)
                return None

    def _name(self, node: Name, scope: Mapping[str, Path | None]) -> Path | None:
        self.findings.names.add(node.name)
        if node.name in scope:
            return scope[node.name]
        if node.name in self._roots:
            return (node.name,)
        if node.name not in _TYPES:
            hyphen = self._text[: node.position].endswith("-")
            advice = hints.about_name(node.name, self._roots, follows_hyphen=hyphen)
            refuse(f"There is no {node.name}; {advice}", self._text, node.position)
        return None

    def _check_field(self, root: str, node: Member) -> None:
        fields = self._roots[root]
        if fields is not None and node.field not in fields:
            known = ", ".join(sorted(fields))
            message = f"{root} has no field {node.field}; it has {known}"
            refuse(message, self._text, node.position)

    def _loop(self, node: Macro, scope: Mapping[str, Path | None], loops: int) -> Path | None:
        self.findings.has_loops = True
        if loops == MAX_LOOPS:
            message = f"At most {MAX_LOOPS} of all(), exists(), map() and filter() may be nested"
            refuse(message, self._text, node.position)
        if node.variable in self._roots or node.variable in _TYPES:
            refuse(f"Choose another name than {node.variable}", self._text, node.position)
        self.findings.variables.add(node.variable)
        path = self._path(node.operand, scope, loops)
        if path:
            self.findings.reads.add(path)
        inner = {**scope, node.variable: (*path, ANY) if path else None}
        self._visit_all(node.steps, inner, loops + 1)
        return path if node.name == "filter" else None

    def _check_call(self, node: Call) -> None:
        if node.function in _OPERATORS:
            return
        known = _METHODS if node.is_method else _FUNCTIONS
        if node.function not in known:
            others = frozenset() if node.is_method else _METHODS | MACROS
            advice = hints.about_function(node.function, known, others)
            dot = "." if node.is_method else ""
            refuse(f"There is no {dot}{node.function}(); {advice}", self._text, node.position)
        self._check_arguments(node)
        self.findings.functions.add(node.function)
        if node.function == "matches":
            self._check_pattern(node)

    def _check_arguments(self, node: Call) -> None:
        given = len(node.arguments) - node.is_method
        if node.is_method and node.function.startswith("get"):
            fits, wanted = given <= 1, "nothing, or a time zone in quotes"
        elif node.is_method and node.function == "size":
            fits, wanted = given == 0, "nothing: write size(value) or value.size()"
        else:
            fits, wanted = given == 1, "one value"
        if not fits:
            refuse(f"{node.function}() takes {wanted}", self._text, node.position)
        literal = node.arguments[-1] if given else None
        if (
            node.function in _READS_TEXT
            and isinstance(literal, Literal)
            and literal.kind == "string"
        ):
            self._check_text(node.function, literal)

    def _check_text(self, function: str, text: Literal) -> None:
        """A text that is never read well is refused now, not with every event."""
        try:
            library.literal(f"{function}({text.text})")
        except (library.EvaluationFailed, library.MissingValue):
            message = f"{function}() takes a text such as {_READS_TEXT[function]}"
            refuse(message, self._text, text.position)

    def _check_pattern(self, node: Call) -> None:
        pattern = node.arguments[1] if len(node.arguments) == 2 else None
        if not isinstance(pattern, Literal) or pattern.kind != "string":
            refuse("matches() takes a pattern in quotes", self._text, node.position)
        value = library.literal(pattern.text)
        if not isinstance(value, str):
            refuse("matches() takes a pattern in quotes", self._text, pattern.position)
        try:
            self.findings.patterns[pattern.text] = patterns.weigh(value)
            library.check_pattern(value)
        except InvalidExpression as error:
            refuse(error.message, self._text, pattern.position)
