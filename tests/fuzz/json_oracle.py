"""Which JSON has to be accepted, told by another parser: the standard library's."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from shared.payload import MAX_DEPTH, MAX_EXPONENT, MAX_NUMBER_LENGTH

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class OutOfBounds(ValueError):
    """What shared/payload.py says it refuses, though it is JSON."""


def expected(body: bytes) -> Any:
    """The value of a body; its integers and fractions as this parser reads them.

    Raises ValueError for what is no JSON, or is out of bounds.
    """
    text = body.decode().removeprefix("\ufeff")
    try:
        value = json.loads(text, parse_int=_integer, parse_float=_fraction, parse_constant=_no)
    except RecursionError:
        raise OutOfBounds from None
    if depth(value) > MAX_DEPTH:
        raise OutOfBounds
    return value


def depth(value: object) -> int:
    """How many levels of objects and arrays there are."""
    levels, level = 0, [value]
    while level := [each for each in level if isinstance(each, dict | list)]:
        levels += 1
        level = [
            child for each in level for child in (each.values() if isinstance(each, dict) else each)
        ]
    return levels


def storable(value: Any) -> Any:
    """With U+FFFD for what jsonb refuses in strings and keys: NUL and lone surrogates."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return [storable(item) for item in value]
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    return value


def is_storable(value: object) -> bool:
    """Whether jsonb takes every string in it."""
    return bool(storable(value) == value)


def _integer(literal: str) -> int:
    _bounded(literal)
    return int(literal)


def _fraction(literal: str) -> float:
    _bounded(literal)
    number = float(literal)
    if math.isinf(number):
        raise OutOfBounds
    return number


def _bounded(literal: str) -> None:
    exponent = literal.lower().partition("e")[2]
    if len(literal) > MAX_NUMBER_LENGTH or abs(int(exponent or "0")) > MAX_EXPONENT:
        raise OutOfBounds


def _no(constant: str) -> None:
    raise OutOfBounds(constant)
