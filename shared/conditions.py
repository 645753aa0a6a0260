"""Conditions of rules and filters of webhooks: CEL that is true or false of an event.

A condition sees what the event is about:

    event     id, type, external_id, payload (the whole body), data (what the body is about:
              payload.data.object, else payload.data, else payload), entity_table, is_person,
              confidence (0 to 1), created_at (a text; timestamp(event.created_at) is a time)
    person    the person behind the event, or null
    entity    the record that the event became, or null
    endpoint  id, slug, name, scheme

A filter sees the event that would be delivered, and nothing else:

    event     id, type, timestamp (a text; timestamp(event.timestamp) is a time), data

No condition, or a blank one, is always true. A condition that reads what is not there is false, so
that `event.data.total > 100` simply passes over events without a total, and so is its opposite: ask
for `!has(event.data.total)` to find those. The same goes for null where a value is needed. In
`items.exists(i, i.price > 5)` an item without a price makes it false, unless one before it has been
found: write `has(i.price) && i.price > 5`.

Bounds: shared/expressions. There are no functions for lower case; `matches('(?i)…')` does that.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from shared.errors import InvalidExpression
from shared.expressions import (
    INCOMING,
    OUTGOING,
    Context,
    EvaluationFailed,
    Expression,
    MissingValue,
    Roots,
    compile_expression,
)
from shared.expressions.syntax import Call, Collection, Literal, Macro, Node
from shared.expressions.tokens import refuse

MAX_MISSING_TOLD = 3

_BOOLEAN_CALLS = frozenset(
    {"||", "&&", "!_", "==", "!=", "<", "<=", ">", ">=", "in"}
    | {"contains", "startsWith", "endsWith", "matches", "dyn"}
)


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that has been checked."""

    expression: Expression | None
    """None for one that is always true."""

    def holds(self, context: Context) -> bool:
        """Raises EvaluationFailed where the condition does not work with these values, and its
        subclass OutOfBudget where nothing more can be asked of the event.
        """
        try:
            return self._evaluate(context)
        except MissingValue:
            return False

    def why_not(self, context: Context) -> str:
        """Why the condition does not hold, in words, for one that does not. Raises as `holds` does."""
        try:
            self._evaluate(context)
        except MissingValue:
            missing = self.expression.missing(context) if self.expression else []
            what = " and ".join(missing[:MAX_MISSING_TOLD]) or "a value that the condition reads"
            return f"The condition is false, because {what} is not there or null"
        return "The condition is false"

    def _evaluate(self, context: Context) -> bool:
        if self.expression is None:
            return True
        result = self.expression.evaluate(context)
        if not isinstance(result, bool):
            raise EvaluationFailed(
                "The condition is neither true nor false; compare the value with something"
            )
        return result


def compile_condition(text: str | None) -> Condition:
    """Raises InvalidExpression, which says what is wrong and where."""
    return _checked(text, INCOMING)


def compile_filter(text: str | None) -> Condition:
    """Raises InvalidExpression, which says what is wrong and where."""
    return _checked(text, OUTGOING)


def _checked(text: str | None, roots: Roots) -> Condition:
    compiled = _compile(text or "", roots)
    if isinstance(compiled, str):
        raise InvalidExpression(compiled)
    return compiled


@lru_cache(maxsize=1_024)
def _compile(text: str, roots: Roots) -> Condition | str:
    """A condition, or what is wrong with it."""
    if not text.strip():
        return Condition(None)
    try:
        expression = compile_expression(text, roots)
        if not _may_be_a_boolean(expression.tree):
            message = "A condition is true or false; compare the value with something"
            refuse(message, text, len(text) - len(text.lstrip()))
    except InvalidExpression as error:
        return error.message
    return Condition(expression)


def _may_be_a_boolean(node: Node) -> bool:
    """As far as that can be told beforehand."""
    match node:
        case Literal(text=text):
            return text in ("true", "false")
        case Call(function="?:", arguments=(_, yes, no)):
            return _may_be_a_boolean(yes) and _may_be_a_boolean(no)
        case Call(function=function):
            return function in _BOOLEAN_CALLS
        case Macro(name=name):
            return name not in ("map", "filter")
        case _:
            return not isinstance(node, Collection)
