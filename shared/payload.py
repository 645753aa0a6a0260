"""JSON bodies: from the bytes a stranger sent to a value to work with and a text to store.

What is accepted, and what becomes of it:

- UTF-8 only. One byte order mark at the start is dropped (RFC 8259, section 8.1, allows that).
- The top level is an object.
- At most 64 levels deep. The parser used here stops by itself at 1,024, long before a stack would
  overflow; parsers further on, PostgreSQL's among them, never see more than 64.
- Numbers have at most 128 characters and an exponent within ±308. Integers keep all their digits;
  other numbers are doubles in `value` and keep all their digits in `text`.
- NaN and Infinity are not JSON and are refused.
- Of duplicate keys the last one wins, as in jsonb.
- NUL and lone surrogates, which JSON can escape but jsonb cannot hold, become U+FFFD, and `altered`
  says so. Keys that differ only in those become one key.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import orjson

from shared.errors import InvalidJson

MAX_DEPTH = 64
MAX_NUMBER_LENGTH = 128
MAX_EXPONENT = 308
"""Beyond this a double overflows; below its negative it quietly turns into zero."""

JsonObject = dict[str, Any]

# The closing quote is optional: an unterminated string is then read once to its end, not once more
# from each quote inside it. The parser refuses it afterwards.
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?'
_BRACKET = re.compile(rf"{_STRING}|[\[\]{{}}]", re.DOTALL)
# Numbers of 19 characters and more, and shorter ones with an exponent of three digits and more.
_ODD_NUMBER = re.compile(
    rf"{_STRING}|-?[0-9](?:[0-9.]{{18,}}+(?:[eE][+-]?([0-9]++))?|[0-9.]*+[eE][+-]?([0-9]{{3,}}+))",
    re.DOTALL,
)
_UNSTORABLE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
# An escaped backslash and a surrogate pair are matched to be stepped over.
_ESCAPE = re.compile(
    r"\\\\"
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2})"
)

# With every digit 0, every exponent mark e and a colon for whatever may stand before a number, plain searches tell
# whether an odd number is possible.
_SHAPES = bytes.maketrans(b"123456789E \t\r\n:,[-", b"000000000e::::::::")
_ODD_SHAPES = (b":" + b"0" * 19, b"." + b"0" * 19, b"0e000", b"0e+000", b"0e:000")

_DEPTH_SCAN_LENGTH = 65_536
"""How far a refusal looks for the place where a body gets too deep."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """One body, parsed."""

    value: JsonObject
    text: str
    """The body as JSON text that jsonb takes as it is: as it came, unless `altered`."""
    altered: bool
    """Whether something that jsonb cannot hold was replaced."""


def parse(body: bytes) -> Parsed:
    """Parse a body; the caller has bounded its size.

    Raises InvalidJson, which says what is wrong and where, and never what the body holds.
    """
    text = decode(body)
    has_long_integers = _may_have_odd_numbers(body) and _check_numbers(text)
    stored = storable(text)
    value = _load_object(stored)
    if has_long_integers:
        value = json.loads(stored)  # slower, but keeps every digit
    return Parsed(value, stored, altered=stored != text)


def decode(body: bytes) -> str:
    """The body as text, without a byte order mark. Raises InvalidJson if it is not UTF-8, or empty."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise InvalidJson(f"The body is not valid UTF-8 at byte {error.start + 1}") from None
    text = text.removeprefix("\ufeff")
    if not text or text.isspace():
        raise InvalidJson("The body is empty; it must be a JSON object")
    return text


def storable(text: str) -> str:
    """JSON with U+FFFD for what jsonb cannot hold, all else in the place where it was."""
    if "\\u" in text and _UNSTORABLE.search(text):
        return _ESCAPE.sub(_replace_unstorable, text)
    return text


def _load_object(text: str) -> JsonObject:
    value = load(text)
    if not isinstance(value, dict):
        raise InvalidJson("The body must be a JSON object at its top level")
    return value


def load(text: str) -> Any:
    """Any JSON of at most 64 levels. Raises InvalidJson."""
    may_be_deep = text.count("{") + text.count("[") > MAX_DEPTH
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if may_be_deep and _too_deep_at(text) is not None:
            raise _too_deep(text) from None
        raise InvalidJson(f"The body is not valid JSON {_place(text, error.pos)}") from None
    if may_be_deep and isinstance(value, dict | list) and _is_too_deep(value):
        raise _too_deep(text)
    return value


def _is_too_deep(value: JsonObject | list[Any]) -> bool:
    """Goes down level by level, without recursion."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if type(parent) is dict else parent)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return False
    return True


def _too_deep(text: str) -> InvalidJson:
    position = _too_deep_at(text)
    place = "" if position is None else f" {_place(text, position)}"
    return InvalidJson(f"The body is nested deeper than {MAX_DEPTH} levels{place}")


def _too_deep_at(text: str) -> int | None:
    depth = 0
    for match in _BRACKET.finditer(text, 0, _DEPTH_SCAN_LENGTH):
        mark = match[0]
        if mark in "{[":
            depth += 1
            if depth > MAX_DEPTH:
                return match.start()
        elif mark in "}]":
            depth -= 1
    return None


def _may_have_odd_numbers(body: bytes) -> bool:
    """True also for some strings, such as hashes."""
    shapes = body.translate(_SHAPES)
    return any(map(shapes.__contains__, _ODD_SHAPES))


def _check_numbers(text: str) -> bool:
    """Refuse numbers that cannot be kept; true if there may be an integer beyond 64 bits."""
    long_integers = False
    for match in _ODD_NUMBER.finditer(text):
        literal = match[0]
        if literal[0] == '"':
            continue
        exponent = match[1] or match[2]
        if len(literal) > MAX_NUMBER_LENGTH:
            place = _place(text, match.start())
            raise InvalidJson(f"A number has over {MAX_NUMBER_LENGTH} characters {place}")
        if exponent is None:
            long_integers = long_integers or "." not in literal
        elif int(exponent) > MAX_EXPONENT:
            place = _place(text, match.start())
            raise InvalidJson(f"A number has an exponent beyond ±{MAX_EXPONENT} {place}")
    return long_integers


def _replace_unstorable(match: re.Match[str]) -> str:
    escape = match[0]
    return "\\ufffd" if len(escape) == 6 else escape


def _place(text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return f"at line {line}, column {column}"
