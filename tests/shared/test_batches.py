from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.batches import MAX_ITEMS, is_array, split_array
from shared.errors import InvalidJson, PayloadTooLarge
from shared.payload import parse

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def test_items_are_the_bytes_between_the_commas() -> None:
    body = b'\xef\xbb\xbf \r\n[ {"a": 1.50 } ,\t{"b":"],[{\\"\\u00e9"}\n, {}, [ ] ] '
    assert is_array(body)
    assert split_array(body) == [b'{"a": 1.50 }', b'{"b":"],[{\\"\\u00e9"}', b"{}", b"[ ]"]
    assert split_array(b" [ ] ") == []


def test_numbers_keep_all_their_digits() -> None:
    digits = b"1" + b"0" * 99 + b"7"
    (item,) = split_array(b'[{"n":%b,"f":1.000000000000000000001}]' % digits)
    assert parse(item).value["n"] == int(digits)


def test_a_lone_surrogate_in_an_item_is_kept_for_the_item_to_be_made_storable() -> None:
    item = b'{"a":"\\ud83d","b":"\\udE00\\ud83d","c":"\\\\ud83d"}'
    assert split_array(b'[{},{"n":"\\u0000"}, %b ]' % item) == [b"{}", b'{"n":"\\u0000"}', item]
    assert parse(item).value == {"a": "\ufffd", "b": "\ufffd\ufffd", "c": "\\ud83d"}


@settings(deadline=None)
@given(st.lists(JSON, max_size=5), st.sampled_from([None, 1]), st.booleans())
def test_the_items_are_those_that_a_parser_finds(
    items: list[object], indent: int | None, is_ascii: bool
) -> None:
    body = json.dumps(items, indent=indent, ensure_ascii=is_ascii).encode()
    assert [json.loads(item) for item in split_array(body)] == items


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{}",
        b"1",
        b"[",
        b"[1",
        b"[1,]",
        b"[NaN]",
        b"[1]x",
        b"\xff",
        b"[{}}",
        b"[" * 10**5,
    ],
)
def test_what_is_no_array_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidJson):
        split_array(body)


def test_depth_is_bounded() -> None:
    split_array(b"[" * 64 + b"]" * 64)
    with pytest.raises(InvalidJson, match="deeper"):
        split_array(b"[" * 65 + b"]" * 65)


def test_items_are_bounded() -> None:
    assert len(split_array(b"[" + b",".join([b"0"] * MAX_ITEMS) + b"]")) == MAX_ITEMS
    with pytest.raises(PayloadTooLarge, match=str(MAX_ITEMS)):
        split_array(b"[" + b",".join([b"0"] * (MAX_ITEMS + 1)) + b"]")


@pytest.mark.parametrize("body", [b"{}", b"", b'"["', b"\xef\xbb\xbf{}", b"x["])
def test_an_object_is_no_array(body: bytes) -> None:
    assert not is_array(body)
