r"""How much work a regular expression is.

The library builds the pattern anew for every `matches()`, which takes longer than the matching:
`\w` alone is all the letters of Unicode, 0.3 ms, and `\w{100}` a hundred times that. Matching is
linear in the text (no backtracking), at worst 8 ns for each character and place of the pattern.

Estimates are in the units of shared/expressions/cost.py, 100 ns, and rather too high than too low.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.errors import InvalidExpression

MAX_BUILD = 200_000
"""20 ms."""

_PART = re.compile(
    r"""
      (?P<escape> \\(?: [pPxuUbB]\{[^}]*\} | [pP]. | . ) )
    | (?P<open>   \( (?: \? (?: P?<[^>]*> | (?P<flags>[A-Za-z-]*) :? ) )? )
    | (?P<close>  \) )
    | (?P<repeat> \{ [\s0-9,]* \} )
    | (?P<class>  \[ )
    | (?P<mark>   [*+?|^$\s] )
    | (?P<other>  . )
    """,
    re.VERBOSE | re.DOTALL,
)
_CLASS_PART = re.compile(r"\\(?:[pPxuUbB]\{[^}]*\}|[pP].|.)|\[\^?\]?|\]|.", re.DOTALL)
_BUILD = {**dict.fromkeys("wWpP", 12_000), **dict.fromkeys("dD", 900), **dict.fromkeys("sSbB", 400)}
_BASE, _LITERAL, _LITERAL_OF_ANY_CASE, _ANY, _CLASS, _NEGATED_CLASS = 1_500, 16, 100, 400, 100, 500


@dataclass(slots=True)
class Weight:
    """What a part of a pattern is worth."""

    build: int = 0
    """Units to build it once."""
    places: int = 0
    """Characters it could be about at one time."""

    def add(self, other: Weight) -> None:
        self.build += other.build
        self.places += other.places

    def times(self, count: int) -> Weight:
        return Weight(self.build * count, self.places * count)


def weigh(pattern: str) -> Weight:
    """Raises InvalidExpression for a pattern that is too much work to build."""
    weight = _Scales(pattern).weigh()
    if weight.build > MAX_BUILD:
        raise InvalidExpression("The pattern of matches() is too large; use smaller repeats")
    return weight


class _Scales:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._literal = _LITERAL_OF_ANY_CASE if re.search(r"\(\?\w*i", pattern) else _LITERAL
        self._groups = [Weight()]
        self._last = Weight()
        """The latest part, which a repeat would be about. It is not yet part of its group."""

    def weigh(self) -> Weight:
        position = 0
        while match := _PART.match(self._pattern, position):
            position = match.end()
            if match["class"]:
                position = self._class(match.start())
            else:
                self._part(match)
        self._push(Weight())
        total = Weight(_BASE)
        for group in self._groups:
            total.add(group)
        return total

    def _part(self, match: re.Match[str]) -> None:
        kind, text = match.lastgroup, match.group()
        if kind == "repeat":
            self._last = self._last.times(max(1, *map(int, re.findall(r"\d+", text)), 1))
        elif kind == "close":
            self._close()
        elif match["open"]:
            if "x" in (match["flags"] or ""):
                raise InvalidExpression("Patterns of matches() cannot have the flag x")
            self._push(Weight())
            self._groups.append(Weight())
        elif kind == "mark":
            self._last.build += self._literal
        elif kind == "escape":
            self._push(Weight(_BUILD.get(text[1], self._literal), 1))
        else:
            self._push(Weight(_ANY if text == "." else self._literal, 1))

    def _push(self, part: Weight) -> None:
        self._groups[-1].add(self._last)
        self._last = part

    def _close(self) -> None:
        self._push(Weight())
        if len(self._groups) > 1:
            self._last = self._groups.pop()

    def _class(self, position: int) -> int:
        """Takes a class such as [a-z] as one part; returns where it ends."""
        is_small = self._pattern.isascii() and not self._pattern.startswith("[^", position)
        depth, build = 0, _CLASS if is_small else _NEGATED_CLASS
        while match := _CLASS_PART.match(self._pattern, position):
            position, text = match.end(), match.group()
            depth += (text[0] == "[") - (text == "]")
            build += _BUILD.get(text[1:2], self._literal) if text[0] == "\\" else self._literal
            if depth == 0:
                break
        # A repeat within a class is none, unless this saw the class end too late: count it anyway.
        for repeat in re.findall(r"\{\s*(\d+)", self._pattern[:position]):
            build *= max(1, int(repeat)) if depth else 1
        self._push(Weight(build, 1))
        return position
