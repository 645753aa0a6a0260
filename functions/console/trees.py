"""JSON as a tree that unfolds, whatever its size: only so much is shown, and it is said what is left out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

MAX_NODES = 2000
MAX_DEPTH = 24
MAX_ITEMS = 200
MAX_TEXT = 2000
OPEN_DEPTH = 3
"""Levels that are unfolded at first."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value, with the key or place that it stands at."""

    key: str
    kind: str
    """object, list, text, number, boolean, null, or more: what is left out."""
    text: str
    children: tuple[Node, ...] = ()
    is_open: bool = False


@dataclass
class _Budget:
    left: int = field(default=MAX_NODES)


def tree(value: Any, key: str = "") -> Node:
    """The value as nodes, at most so many, so deep and with texts so long as can be shown."""
    return _node(value, key, 0, _Budget())


def _node(value: Any, key: str, depth: int, budget: _Budget) -> Node:
    budget.left -= 1
    key = _cut(key, 200)
    match value:
        case dict() | list():
            return _branch(value, key, depth, budget)
        case bool():
            return Node(key, "boolean", "true" if value else "false")
        case None:
            return Node(key, "null", "null")
        case int() | float():
            return Node(key, "number", _cut(json.dumps(value), 400))
        case _:
            return Node(key, "text", _cut(str(value), MAX_TEXT))


def _branch(value: dict[str, Any] | list[Any], key: str, depth: int, budget: _Budget) -> Node:
    is_list = isinstance(value, list)
    size = f"{len(value)} {'item' if is_list else 'key'}{'' if len(value) == 1 else 's'}"
    kind = "list" if is_list else "object"
    if not value:
        return Node(key, kind, size)
    if depth >= MAX_DEPTH:
        return Node(key, kind, size, (Node("", "more", "nested too deep to show"),))
    pairs: Iterator[tuple[str, Any]] = (
        ((str(place), one) for place, one in enumerate(value))
        if isinstance(value, list)
        else iter(value.items())
    )
    children: list[Node] = []
    for name, one in pairs:
        if budget.left <= 0 or len(children) >= MAX_ITEMS:
            children.append(Node("", "more", f"{len(value) - len(children)} more"))
            break
        children.append(_node(one, str(name), depth + 1, budget))
    return Node(key, kind, size, tuple(children), depth < OPEN_DEPTH)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}… ({len(text):,} characters in all)"
