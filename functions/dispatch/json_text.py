"""JSON as JavaScript and as Python print it themselves, so that a receiver who parses a body and
prints it again gets the same bytes.

- `compact`: `JSON.stringify(JSON.parse(body)) === body`. Every number is a double there, so an integer
  beyond 2^53 is written as JavaScript prints the double next to it; keys that are array indexes come
  first, in ascending order, as JavaScript keeps them.
- `spaced`: `json.dumps(json.loads(body)) == body`. Integers keep their digits.

A number that the receiver could not read at all becomes a string with all its digits, rather than
infinity, null or an error over there: in `compact` one beyond a double (about 1.8e308), in `spaced` an
integer of over 4,300 digits, the most that Python reads.

Values are what a JSON parser gives, however deep, and Decimal. Whatever else (NaN and infinity, keys
that are no texts) raises ValueError.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any

import orjson

_MAX_SAFE_INTEGER = 2**53
_MAX_ARRAY_INDEX = 2**32 - 2
_ALIKE = frozenset({str, bool, type(None)})
_AFTER_DIGITS = ":"
"""A text that sorts before this one may start with a digit, one that sorts after it does not."""
_SMALLEST_POSITIONAL = 1e-5
_MAX_DIGITS_IN_PYTHON = 4_300
_BEYOND_PYTHON = 10**_MAX_DIGITS_IN_PYTHON

_PLAIN_PYTHON = json.JSONEncoder(allow_nan=False)


def compact(value: object) -> bytes:
    """UTF-8 as JavaScript's JSON.stringify prints it."""
    try:
        return orjson.dumps(value if _prints_alike(value) else _as_javascript(value))
    except (TypeError, RecursionError):  # lone surrogates, many levels, nothing that JSON knows
        pass
    text = _JAVASCRIPT.text(value)
    try:
        return text.encode()
    except UnicodeEncodeError:
        # Halves that stand side by side are one character there; a lone one is printed as \udxxx.
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
        return whole.encode("utf-8", "backslashreplace")


def spaced(value: object) -> bytes:
    """ASCII as Python's json.dumps prints it."""
    try:
        return _PLAIN_PYTHON.encode(value).encode()
    except (TypeError, ValueError, RecursionError):  # Decimal, very long integers, many levels
        return _PYTHON.text(value).encode()


def _prints_alike(root: object) -> bool:
    """Whether orjson and JavaScript print this alike, without looking at texts: those they do.

    Goes level by level, as recursion would cost more. Numbers left to orjson are those that every
    shortest-digits algorithm prints without an exponent: integers that a double holds exactly, and
    fractions from 1e-5.
    """
    containers: list[Any] = [root]
    for container in containers:
        if type(container) is dict:
            for key in container:
                if key < _AFTER_DIGITS and _is_array_index(key):
                    return False
            children: Iterable[Any] = container.values()
        elif type(container) is list:
            children = container
        else:
            return False
        for child in children:
            kind = type(child)
            if kind is dict or kind is list:
                containers.append(child)
            elif kind not in _ALIKE and not _is_plain_number(child):
                return False
    return True


def _as_javascript(value: Any) -> Any:
    """A copy with keys in JavaScript's order and numbers as it prints them, for orjson to print."""
    kind = type(value)
    if kind in _ALIKE:
        return value
    if kind is dict:
        return {key: _as_javascript(child) for key, child in _javascript_order(value)}
    if kind is list:
        return [_as_javascript(child) for child in value]
    if kind is int or kind is float:
        return orjson.Fragment(_javascript_number(value))
    raise TypeError


def _is_plain_number(value: object) -> bool:
    if type(value) is int:
        return -_MAX_SAFE_INTEGER <= value <= _MAX_SAFE_INTEGER
    if type(value) is float:
        return _SMALLEST_POSITIONAL <= abs(value) < _MAX_SAFE_INTEGER and not value.is_integer()
    return False


def _is_array_index(key: str) -> bool:
    """Whether JavaScript orders this key by its value (ECMA-262, 6.1.7: 0 to 2^32 - 2)."""
    return (
        key.isascii()
        and key.isdigit()
        and (key[0] != "0" or key == "0")
        and len(key) <= 10
        and int(key) <= _MAX_ARRAY_INDEX
    )


def _javascript_order(members: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    """Array indexes first, in ascending order; then the others as they were put in."""
    indexes = [key for key in members if key < _AFTER_DIGITS and _is_array_index(key)]
    if not indexes:
        return members.items()
    first = {key: members[key] for key in sorted(indexes, key=int)}
    return (first | members).items()


def _javascript_number(number: float | Decimal) -> str:
    try:
        double = float(number)
    except OverflowError:  # an integer
        return f'"{Decimal(number):f}"'
    if math.isinf(double) and isinstance(number, Decimal) and number.is_finite():
        return f'"{number}"'
    return ecmascript_number(double)


def ecmascript_number(number: float) -> str:
    """A finite double as ECMA-262 prints it (Number::toString, radix 10).

    The shortest digits that give the same double are those of Python's repr; only where the point
    and the exponent go differs.
    """
    if not math.isfinite(number):
        raise ValueError("JSON has no NaN and no infinity")
    if number == 0:
        return "0"
    mantissa, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(digits) - len(fraction) + int(exponent or 0)
    digits = digits.rstrip("0")
    sign = "-" if number < 0 else ""
    if len(digits) <= point <= 21:
        return sign + digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    decimals = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{decimals}e{point - 1:+d}"


def _python_number(number: float | Decimal) -> str:
    if isinstance(number, int):
        fits = -_BEYOND_PYTHON < number < _BEYOND_PYTHON
        return int.__repr__(number) if fits else f'"{Decimal(number):f}"'
    if isinstance(number, Decimal) and number.is_finite():
        if number.adjusted() >= _MAX_DIGITS_IN_PYTHON:
            return f'"{number}"'
        if number == number.to_integral_value():
            return f"{number:f}".partition(".")[0]
    double = float(number)
    if not math.isfinite(double):
        raise ValueError("JSON has no NaN and no infinity")
    return repr(double)


@dataclass(frozen=True, slots=True)
class _Printer:
    """Prints any value, however odd, in one language's way. Slow, and never recursive."""

    comma: str
    colon: str
    quoted: Callable[[str], str]
    number: Callable[[float | Decimal], str]
    ordered: Callable[[dict[str, Any]], Iterable[tuple[str, Any]]]

    def text(self, value: object) -> str:
        parts: list[str] = []
        unfinished: list[tuple[Iterator[tuple[str, object]], str]] = [(iter([("", value)]), "")]
        while unfinished:
            pairs, closing = unfinished[-1]
            for opening, child in pairs:
                parts.append(opening)
                if isinstance(child, dict):
                    parts.append("{")
                    unfinished.append((self._members(child), "}"))
                    break
                if isinstance(child, list):
                    parts.append("[")
                    unfinished.append((self._items(child), "]"))
                    break
                parts.append(self._scalar(child))
            else:
                parts.append(closing)
                unfinished.pop()
        return "".join(parts)

    def _members(self, members: dict[Any, Any]) -> Iterator[tuple[str, object]]:
        if not all(isinstance(key, str) for key in members):
            raise ValueError("The keys of a JSON object are texts")
        comma = ""
        for key, value in self.ordered(members):
            yield f"{comma}{self.quoted(key)}{self.colon}", value
            comma = self.comma

    def _items(self, items: list[Any]) -> Iterator[tuple[str, object]]:
        comma = ""
        for item in items:
            yield comma, item
            comma = self.comma

    def _scalar(self, value: object) -> str:
        match value:
            case None:
                return "null"
            case bool():
                return "true" if value else "false"
            case str():
                return self.quoted(value)
            case int() | float() | Decimal():
                return self.number(value)
            case _:
                raise ValueError(f"JSON knows no {type(value).__name__}")


_JAVASCRIPT = _Printer(",", ":", encode_basestring, _javascript_number, _javascript_order)
_PYTHON = _Printer(", ", ": ", encode_basestring_ascii, _python_number, dict.items)
