"""How much work an expression is for the values at hand, told before it is evaluated.

The library offers no way to stop an evaluation, and some things in it take longer than one would
think (measured with version 0.10): every use of a field copies what is in it; `map` and `filter`
copy what they have so far for each item; `matches` builds its pattern each time. So the tree is
walked with the sizes of the real values, as the library would walk it with the values themselves.

One unit is about 100 ns: a copied number, half a copied text, or 64 copied characters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.expressions.library import EvaluationFailed
from shared.expressions.patterns import Weight
from shared.expressions.syntax import (
    Call,
    Collection,
    Has,
    Index,
    Literal,
    Macro,
    Member,
    Name,
    Node,
)

MAX_COST = 2_000_000
"""Units for one evaluation: 0.2 s."""
MAX_DEPTH = 100
"""Levels of a value. Payloads have at most 64."""

CONVERSION = 10
"""Units for handing one value over to the library."""
_PER_NODE = 5
_NUMBER_LENGTH = 400
"""More characters than any number has."""
_UNKNOWN = object()


@dataclass(frozen=True, slots=True)
class Size:
    """How large a value is, or at most is."""

    values: int
    """The value, all the values in it and the keys of its maps; a text or key counts twice."""
    characters: int = 0
    items: int = 0
    """Items of the list, or keys of the map, that it is."""
    value: Any = _UNKNOWN
    """The value itself, where it is read and not computed."""

    @property
    def weight(self) -> int:
        return self.values + self.characters // 64


_SCALAR = Size(2, 64)


class TooMuchWork(EvaluationFailed):
    """The expression would take too long for these values."""

    def __init__(self, message: str = "This is too much work for an event of this size") -> None:
        super().__init__(message)


class HugeNumber(Exception):
    """An integer does not fit into 64 bits."""


def weigh(value: Any) -> int:
    """The weight of a value.

    Raises EvaluationFailed for one that is too deep or not JSON, HugeNumber as it says.
    """
    kind = type(value)
    if kind is str:
        return 2 + len(value) // 64
    if kind is float or kind is bool or value is None:
        return 1
    values, characters = _count(value, MAX_DEPTH)
    return values + characters // 64


def _count(value: Any, levels: int) -> tuple[int, int]:
    kind = type(value)
    if kind is str:
        return 2, len(value)
    if kind is dict or kind is list:
        if levels == 0:
            raise EvaluationFailed("A value is nested too deeply")
        values, characters = 1, 0
        if kind is dict:
            values += 2 * len(value)
            characters = sum(map(len, value))
            value = value.values()
        for item in value:
            more_values, more_characters = _count(item, levels - 1)
            values += more_values
            characters += more_characters
        return values, characters
    if kind is int and not -(2**63) <= value < 2**63:
        raise HugeNumber
    if value is None or kind is bool or kind is int or kind is float:
        return 1, 0
    raise EvaluationFailed("A value is not JSON")


class Estimate:
    """Adds up the work of one evaluation; raises TooMuchWork as soon as it is over `limit`."""

    def __init__(
        self, roots: Mapping[str, Any], patterns: Mapping[str, Weight], limit: int
    ) -> None:
        self._units = 0
        self._limit = limit
        self._times = 1
        self._patterns = patterns
        self._sizes: dict[int, Size] = {}
        self._scope = {name: self._size(value) for name, value in roots.items()}

    def total(self, tree: Node) -> int:
        """Units for evaluating the expression and for taking over its result."""
        result = self._add(tree)
        self._spend(3 * result.weight)
        return self._units

    def _add(self, node: Node) -> Size:
        self._spend(_PER_NODE)
        match node:
            case Literal(text=text):
                size = Size(2, len(text))
            case Name(name=name):
                size = self._scope.get(name, _SCALAR)
            case Member():
                size = self._member(node)
            case Index():
                size = self._index(node)
            case Has(member=member):
                self._add(member)
                size = _SCALAR
            case Call():
                size = self._call(node)
            case Collection(items=nodes):
                inner = _sum([self._add(item) for item in nodes])
                self._spend(inner.weight)
                size = Size(inner.values + 1, inner.characters, len(nodes))
            case Macro():
                size = self._loop(node)
        return size

    def _spend(self, units: int) -> None:
        self._units += units * self._times
        if self._units > self._limit:
            raise TooMuchWork

    def _size(self, value: Any) -> Size:
        """Remembered by identity: the values outlive the estimate."""
        size = self._sizes.get(id(value))
        if size is None:
            values, characters = _count(value, MAX_DEPTH)
            items = len(value) if isinstance(value, dict | list) else 0
            size = self._sizes[id(value)] = Size(values, characters, items, value)
        return size

    def _member(self, node: Member) -> Size:
        operand = self._add(node.operand)
        if isinstance(operand.value, dict):
            found = node.field in operand.value
            size = self._size(operand.value[node.field]) if found else _SCALAR
        else:
            size = _any_in(operand)
        self._spend(size.weight)
        return size

    def _index(self, node: Index) -> Size:
        self._add(node.key)
        operand = self._add(node.operand)
        self._spend(operand.weight)
        return _any_in(operand)

    def _call(self, node: Call) -> Size:
        sizes = [self._add(argument) for argument in node.arguments]
        total = _sum(sizes)
        size = _SCALAR
        match node.function:
            case "&&" | "||" | "!_" | "-_":
                pass
            case "?:":
                size = _largest(sizes)
            case "==" | "!=" | "<" | "<=" | ">" | ">=":
                self._spend(min(one.weight for one in sizes))
            case "matches":
                self._match(node, sizes[0])
            case "+" | "string" | "bytes" | "dyn":
                self._spend(total.weight)
                size = Size(total.values, total.characters + _NUMBER_LENGTH, total.items)
            case _:
                self._spend(total.weight)
        return size

    def _match(self, node: Call, subject: Size) -> None:
        pattern = node.arguments[1]
        weight = self._patterns[pattern.text] if isinstance(pattern, Literal) else Weight()
        self._spend(weight.build + weight.places * subject.characters // 12)

    def _loop(self, node: Macro) -> Size:
        operand = self._add(node.operand)
        self._spend(operand.weight)
        count = max(operand.items, 1)
        item = self._item(operand)
        outer_scope, outer_times = self._scope, self._times
        self._scope, self._times = {**outer_scope, node.variable: item}, outer_times * count
        self._spend(item.weight)
        results = [self._add(step) for step in node.steps]
        self._scope, self._times = outer_scope, outer_times
        if node.name not in ("map", "filter"):
            return _SCALAR
        result = item if node.name == "filter" else results[-1]
        self._spend(count * count // 2 * result.weight)
        return Size(count * result.values + 1, count * result.characters, count)

    def _item(self, operand: Size) -> Size:
        """What an item of a list, or key of a map, is at most."""
        if isinstance(operand.value, dict):
            return Size(2, max(map(len, operand.value), default=0))
        if isinstance(operand.value, list):
            counts = [_count(item, MAX_DEPTH) for item in operand.value]
            values = max((values for values, _ in counts), default=1)
            return Size(values, max((characters for _, characters in counts), default=0), values)
        return _any_in(operand)


def _any_in(size: Size) -> Size:
    """What is somewhere in a value is at most as large as the value."""
    return Size(size.values, size.characters, size.values)


def _sum(sizes: list[Size]) -> Size:
    return Size(
        sum(size.values for size in sizes),
        sum(size.characters for size in sizes),
        sum(size.items for size in sizes),
    )


def _largest(sizes: list[Size]) -> Size:
    """As large as the largest, and with the same value where there is only one."""
    if len(sizes) == 1:
        return sizes[0]
    return Size(
        max((size.values for size in sizes), default=1),
        max((size.characters for size in sizes), default=0),
        max((size.values for size in sizes), default=1),
    )
