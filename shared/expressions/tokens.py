"""The tokens of CEL, and how a place in an expression is told to whoever wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from shared.errors import InvalidExpression

_TOKEN = re.compile(
    r"""
      (?P<space>   (?:\s|//[^\n]*)+ )
    | (?P<string>  [bB]?[rR](?:\"{3}[\s\S]*?\"{3}|'{3}[\s\S]*?'{3}|"[^"\n\r]*"|'[^'\n\r]*')
                 | [bB]?(?:\"{3}(?:[^\\]|\\[\s\S])*?\"{3}|'{3}(?:[^\\]|\\[\s\S])*?'{3}
                         |"(?:[^"\\\n\r]|\\[^\n\r])*"|'(?:[^'\\\n\r]|\\[^\n\r])*') )
    | (?P<number>  0x[0-9a-fA-F]+[uU]? | \d+\.\d+(?:[eE][+-]?\d+)? | \.\d+(?:[eE][+-]?\d+)?
                 | \d+[eE][+-]?\d+ | \d+[uU]? )
    | (?P<name>    [A-Za-z_][A-Za-z0-9_]* )
    | (?P<symbol>  && | \|\| | [<>=!]= | [-+*/%!<>?:.,()\[\]{}] )
    """,
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    """string, number, name, symbol; error for what is no token; end after the last."""
    text: str
    position: int
    """Characters before it."""


def tokens(text: str, start: int = 0) -> Iterator[Token]:
    """The tokens from `start` on. One of kind `error` or `end` is the last."""
    position = start
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            yield Token("error", text[position], position)
            return
        position = match.end()
        if match.lastgroup != "space":
            yield Token(str(match.lastgroup), match.group(), match.start())
    yield Token("end", "", len(text))


def refuse(message: str, text: str, position: int) -> NoReturn:
    """Raises InvalidExpression with the place that has `position` characters before it."""
    line_start = text.rfind("\n", 0, position) + 1
    place = f"character {position - line_start + 1}"
    if "\n" in text:
        place = f"line {text.count(chr(10), 0, position) + 1}, {place}"
    raise InvalidExpression(f"{message} ({place})")
