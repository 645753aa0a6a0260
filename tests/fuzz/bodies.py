"""What must hold for the parsers of bodies, whatever they are given."""

from __future__ import annotations

import gzip
import zlib

import orjson

from shared.batches import MAX_ITEMS, is_array, split_array
from shared.compression import gunzip
from shared.errors import InvalidJson, InvalidRequest, PayloadTooLarge
from shared.forms import MAX_FIELDS, parse_form
from shared.payload import parse
from tests.fuzz.json_oracle import expected, is_storable, storable

BOM = b"\xef\xbb\xbf"


def check_bodies(body: bytes) -> None:
    """Every parser on one body."""
    check_object(body)
    check_array(body)
    check_form(body)


def check_object(body: bytes) -> None:
    """Accepted is what another parser accepts and the bounds allow, with the same value."""
    try:
        parsed = parse(body)
    except InvalidJson:
        assert not isinstance(reading(body), dict), "an object was refused"
        return
    value = reading(body)
    assert isinstance(value, dict), "what is no object was accepted"
    assert _same(parsed.value, storable(value))
    assert parsed.altered or is_storable(value)
    assert parsed.altered or parsed.text.encode() == body.removeprefix(BOM)
    again = parse(parsed.text.encode())
    assert not again.altered, "jsonb would refuse it"
    assert _same(again.value, parsed.value)


def check_array(body: bytes) -> None:
    """Its items are those that another parser finds, and stand in the body as they are given."""
    if not is_array(body):
        assert not isinstance(reading(body), list), "an array was not seen"
        return
    try:
        items = split_array(body)
    except InvalidJson:
        assert not isinstance(reading(body), list), "an array was refused"
        return
    except PayloadTooLarge:
        assert body.count(b",") >= MAX_ITEMS
        return
    place = 0
    for item in items:
        place = body.index(item, place) + len(item)
    values = reading(body)
    # Numbers are bounded item by item, later.
    if isinstance(values, list):
        assert _same([reading(item) for item in items], values)


def check_form(body: bytes) -> None:
    """A form becomes an object of texts that jsonb takes."""
    try:
        parsed = parse_form(body)
    except InvalidRequest:
        return
    assert is_storable(parsed.value)
    assert orjson.loads(parsed.text) == parsed.value
    texts = [text for value in parsed.value.values() for text in _listed(value)]
    assert 0 < len(texts) <= MAX_FIELDS


def check_gzip(body: bytes, limit: int) -> None:
    """What inflates is within the limit, and as another decompressor inflates it."""
    try:
        inflated = gunzip(body, limit)
    except (InvalidRequest, PayloadTooLarge):
        return
    assert len(inflated) <= limit
    assert inflated == _decompressed(body)


def reading(body: bytes) -> object:
    """As another parser reads it, within the bounds; None if it does not."""
    try:
        return expected(body)
    except ValueError:
        return None


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _same(one: object, other: object) -> bool:
    """Equal, and of the same types throughout: 1 is not 1.0."""
    return one == other and repr(one) == repr(other)


def _decompressed(body: bytes) -> bytes | None:
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error):
        return None
