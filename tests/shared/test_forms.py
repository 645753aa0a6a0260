from __future__ import annotations

from urllib.parse import urlencode

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import InvalidRequest
from shared.forms import MAX_FIELDS, form_fields, parse_form

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def test_a_form_becomes_an_object() -> None:
    parsed = parse_form(b"Body=Zo%C3%AB+Lovelace&From=%2B1555&Empty=")
    assert parsed.value == {"Body": "Zoë Lovelace", "From": "+1555", "Empty": ""}
    assert orjson.loads(parsed.text) == parsed.value
    assert parsed.altered


def test_what_comes_several_times_becomes_a_list() -> None:
    assert parse_form(b"a=1&b=2&a=3&a=1").value == {"a": ["1", "3", "1"], "b": "2"}


def test_nul_is_replaced() -> None:
    assert parse_form(b"a%00=b%00").value == {"a\ufffd": "b\ufffd"}


@pytest.mark.parametrize("body", [b"", b"&", b"a=%FF", b"\xff=1", b"a=1&" * MAX_FIELDS + b"b=1"])
def test_a_malformed_form_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse_form(body)


@settings(deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=9))
def test_fields_come_back_as_they_were_sent(fields: list[tuple[str, str]]) -> None:
    assert form_fields(urlencode(fields).encode()) == fields


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_whatever_comes_is_read_or_refused(body: bytes) -> None:
    try:
        text = parse_form(body).text
    except InvalidRequest:
        return
    assert "\\u0000" not in text
