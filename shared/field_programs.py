"""JMESPath expressions as nested Python functions.

The library walks the syntax tree anew for every document and spends most of that time on finding out
what kind of node comes next. Field maps are long chains of alternatives, so that is decided once
here, when the expression is compiled; it makes them about five times as fast. Nodes that field maps
seldom use are left to the library, which also stays the measure: the tests compare the two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jmespath.visitor import Options, TreeInterpreter

from shared.field_functions import FieldFunctions

Program = Callable[[Any], Any]
"""From a document to what the expression gives. Raises as the library does."""

Node = dict[str, Any]

FUNCTIONS = FieldFunctions()
_INTERPRETER = TreeInterpreter(Options(custom_functions=FUNCTIONS))


def compile_node(node: Node) -> Program:
    """The program of a node of the library's syntax tree."""
    compiler = _COMPILERS.get(node["type"], _interpret)
    return compiler(node)


def _interpret(node: Node) -> Program:
    return lambda value: _INTERPRETER.visit(node, value)  # type: ignore[arg-type]


def _compile_field(node: Node) -> Program:
    name = node["value"]
    return lambda value: value.get(name) if isinstance(value, dict) else None


def _compile_chain(node: Node) -> Program:
    """`a.b.c` and `a[0]`: each step on what the one before gave."""
    names = _field_names(node)
    if names:
        return _path(names)
    steps = [compile_node(step) for step in node["children"]]

    def follow(value: Any) -> Any:
        for step in steps:
            value = step(value)
        return value

    return follow


def _field_names(node: Node) -> list[str] | None:
    """The names of a chain that consists of fields only."""
    if node["type"] == "field":
        return [node["value"]]
    if node["type"] != "subexpression":
        return None
    parts = [_field_names(child) for child in node["children"]]
    return None if None in parts else [name for part in parts for name in part or ()]


def _path(names: list[str]) -> Program:
    def follow(value: Any) -> Any:
        for name in names:
            if not isinstance(value, dict):
                return None
            value = value.get(name)
        return value

    return follow


def _compile_index(node: Node) -> Program:
    index = node["value"]

    def pick(value: Any) -> Any:
        inside = isinstance(value, list) and -len(value) <= index < len(value)
        return value[index] if inside else None

    return pick


def _compile_or(node: Node) -> Program:
    programs = [compile_node(alternative) for alternative in _alternatives(node)]

    def first(value: Any) -> Any:
        found = None
        for program in programs:
            found = program(value)
            if not _is_false(found):
                break
        return found

    return first


def _alternatives(node: Node) -> list[Node]:
    """`a || b || c` is (a || b) || c to the parser."""
    if node["type"] != "or_expression":
        return [node]
    return [part for child in node["children"] for part in _alternatives(child)]


def _compile_and(node: Node) -> Program:
    left, right = map(compile_node, node["children"])

    def both(value: Any) -> Any:
        found = left(value)
        return found if _is_false(found) else right(value)

    return both


def _is_false(value: Any) -> bool:
    """JMESPath's own notion: nothing, false, and what is empty; zero is true."""
    return value is None or value is False or (not value and isinstance(value, str | list | dict))


def _compile_comparison(node: Node) -> Program:
    if node["value"] not in ("eq", "ne"):
        return _interpret(node)
    compare = TreeInterpreter.COMPARATOR_FUNC[node["value"]]
    left, right = map(compile_node, node["children"])
    return lambda value: compare(left(value), right(value))


def _compile_literal(node: Node) -> Program:
    literal = node["value"]
    return lambda _: literal


def _compile_call(node: Node) -> Program:
    name, arguments = node["value"], node["children"]
    if any(argument["type"] == "expref" for argument in arguments):
        return _interpret(node)
    programs = [compile_node(argument) for argument in arguments]
    return lambda value: FUNCTIONS.call_function(name, [program(value) for program in programs])


_COMPILERS: dict[str, Callable[[Node], Program]] = {
    "field": _compile_field,
    "subexpression": _compile_chain,
    "index_expression": _compile_chain,
    "index": _compile_index,
    "or_expression": _compile_or,
    "and_expression": _compile_and,
    "comparator": _compile_comparison,
    "literal": _compile_literal,
    "function_expression": _compile_call,
}
