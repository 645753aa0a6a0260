"""Bodies that are a JSON array, with an event in each item."""

from __future__ import annotations

import json
import re
from typing import Final

from shared.errors import InvalidJson, PayloadTooLarge
from shared.payload import decode, load, storable

MAX_ITEMS = 5000

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER: Final = json.JSONDecoder()


def is_array(body: bytes) -> bool:
    """Whether the body is an array, if it is JSON at all."""
    return body.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")[:1] == b"["


def split_array(body: bytes) -> list[bytes]:
    """The items as they stand in the body, byte for byte.

    Raises InvalidJson for what is no JSON, or PayloadTooLarge for over 5,000 items.
    """
    text = decode(body)
    # The strict parser takes no lone surrogates; each item is made storable when it is parsed itself.
    value = load(storable(text))
    if not isinstance(value, list):
        raise InvalidJson("The body must be a JSON array at its top level")
    if len(value) > MAX_ITEMS:
        raise PayloadTooLarge(f"The body has over {MAX_ITEMS} items")
    items = []
    position = text.index("[")
    for _ in value:
        start = _after_space(text, position + 1)
        _, end = _DECODER.raw_decode(text, start)
        items.append(text[start:end].encode())
        position = _after_space(text, end)
    return items


def _after_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    assert match is not None  # noqa: S101 (it also matches nothing)
    return match.end()
