"""CEL expressions over an event, for conditions and templates: compiled once, evaluated in bounds.

Expressions come from users and values from strangers, so that nothing they hold may stop a worker:
an expression is checked when it is compiled (length, depth, names, functions, loops, patterns), and
before each evaluation its work is estimated from the sizes of the values it reads.

Only what an expression reads is handed to the library, as converting a payload costs more than most
expressions. Integers beyond 64 bits become doubles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from typing import Any

from shared.errors import InvalidExpression
from shared.expressions import library
from shared.expressions.check import (
    ANY,
    INCOMING,
    OUTGOING,
    Findings,
    Path,
    Roots,
    check,
)
from shared.expressions.cost import CONVERSION, MAX_COST, Estimate, HugeNumber, TooMuchWork, weigh
from shared.expressions.library import EvaluationFailed, MissingValue, WrongValues
from shared.expressions.syntax import Node, parse, walk

__all__ = [
    "INCOMING",
    "OUTGOING",
    "Context",
    "EvaluationFailed",
    "Expression",
    "MissingValue",
    "OutOfBudget",
    "Roots",
    "TooMuchWork",
    "compile_expression",
]

EVENT_BUDGET = 5_000_000
"""Units of work (see shared/expressions/cost.py) for all expressions of one event: 0.5 s."""
_EVALUATION = 100
_NOT_WORTH_ESTIMATING = 20_000

_Plan = dict[str, "_Plan | None"]
"""The keys to take from a map; None takes the value whole."""


class OutOfBudget(TooMuchWork):
    """The expressions evaluated for an event so far have used up what one event may take."""

    def __init__(self) -> None:
        super().__init__("The rules for this event are too much work together")


@dataclass(slots=True)
class Context:
    """What the expressions for one event see, and how much work they may still be."""

    roots: Mapping[str, Any]
    """By the names that the expressions' roots have; JSON."""
    budget: int = EVENT_BUDGET

    def spend(self, units: int) -> None:
        if units > self.budget:
            self.budget = 0
            raise OutOfBudget
        self.budget -= units


class Expression:
    """A compiled expression."""

    def __init__(self, text: str, roots: Roots) -> None:
        self.text = text
        self.tree: Node = parse(text)
        findings = check(self.tree, text, roots)
        self._program = library.compile_program(text)
        _compare(findings, self._program.references())
        self._patterns = findings.patterns
        self._is_linear = not findings.has_loops and not findings.patterns
        self._nodes = sum(1 for _ in walk(self.tree))
        self._reads = findings.reads
        self._plan = _plan(findings.reads)

    def evaluate(self, context: Context) -> Any:
        """The value as the library gives it.

        Raises:
            MissingValue: where it reads what is not there, or takes null for something.
            TooMuchWork: where it was not evaluated, as that would take too long.
            EvaluationFailed: where it does not work with these values.
        """
        try:
            variables, weight = _take(self._plan, context.roots)
        except HugeNumber:
            variables, weight = _take(self._plan, _without_huge_numbers(context.roots))
        self._pay(variables, weight, context)
        try:
            return library.run(self._program, variables)
        except WrongValues:
            if any(_meets_null(variables, path) for path in self._reads):
                raise MissingValue from None
            raise

    def missing(self, context: Context) -> list[str]:
        """What the expression reads that is not there or null, as it is written, in alphabetical order."""
        absent = {_absent(context.roots, path) for path in self._reads}
        return sorted(".".join(path) for path in absent if path)

    def _pay(self, variables: Mapping[str, Any], weight: int, context: Context) -> None:
        # For looking at the values too, so that what is refused in the end is not for nothing.
        context.spend(_EVALUATION + CONVERSION * weight)
        # Without loops, no value is used more often than there are nodes, nor copied on more often.
        units = self._nodes * self._nodes * weight
        if not self._is_linear or units > _NOT_WORTH_ESTIMATING:
            limit = min(MAX_COST, context.budget)
            try:
                units = Estimate(variables, self._patterns, limit).total(self.tree)
            except TooMuchWork:
                if limit < MAX_COST:
                    context.spend(limit + 1)
                raise
        context.spend(units)


def compile_expression(text: str, roots: Roots = INCOMING) -> Expression:
    """Raises InvalidExpression, which says what is wrong and where."""
    compiled = _compile(text, roots)
    if isinstance(compiled, str):
        raise InvalidExpression(compiled)
    return compiled


@lru_cache(maxsize=1_024)
def _compile(text: str, roots: Roots) -> Expression | str:
    """An expression, or what is wrong with it: a broken rule is read for every event too."""
    try:
        return Expression(text, roots)
    except InvalidExpression as error:
        return error.message


def _compare(findings: Findings, references: dict[str, list[str]]) -> None:
    """Raises InvalidExpression if the library understands an expression in another way than the
    parser here does: all bounds rest on that.
    """
    functions = {name for name in references["functions"] if name.isidentifier()}
    variables = set(references["variables"])
    # filter() reads its variable even where the expression does not.
    if (variables | findings.variables) != (findings.names | findings.variables) or (
        functions != findings.functions
    ):
        raise InvalidExpression("The expression is not valid: write it more plainly")


def _plan(reads: set[Path]) -> _Plan:
    plan: _Plan = {}
    for path in reads:
        *keys, last = takewhile(lambda key: key != ANY, path)
        node: _Plan | None = plan
        for key in keys:
            node = node.setdefault(key, {}) if node is not None else None
        if node is not None:
            node[last] = None
    return plan


def _take(plan: _Plan, source: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """What the plan says, and the weight of it."""
    taken = {}
    weight = 1
    for key, inner in plan.items():
        if key not in source:
            continue
        value = source[key]
        if inner is not None and type(value) is dict:
            taken[key], more = _take(inner, value)
        else:
            taken[key], more = value, weigh(value)
        weight += more + 2
    return taken, weight


def _without_huge_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_huge_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_huge_numbers(item) for item in value]
    if type(value) is int and not -(2**63) <= value < 2**63:
        try:
            return float(value)
        except OverflowError:
            return float("inf") if value > 0 else float("-inf")
    return value


def _meets_null(value: Any, path: Path) -> bool:
    """Whether null is found on a path, or at its end."""
    for position, key in enumerate(path):
        if key == ANY and isinstance(value, dict | list):
            items = value.values() if isinstance(value, dict) else value
            return any(_meets_null(item, path[position + 1 :]) for item in items)
        if not isinstance(value, dict) or key not in value:
            return value is None
        value = value[key]
    return value is None


def _absent(value: Any, path: Path) -> Path:
    """As much of a path as leads to what is not there or null; empty where all is there."""
    for position, key in enumerate(path):
        if key == ANY:
            break
        value = value.get(key) if isinstance(value, Mapping) else None
        if value is None:
            return path[: position + 1]
    return ()
