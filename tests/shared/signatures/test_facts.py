from __future__ import annotations

import pytest

from shared.errors import InvalidRequest
from shared.signatures.facts import completed, event_type, fact, identifier, record_id
from shared.signatures.request import Headers


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("  a.b ", "a.b"),
        (12345678901234567890123, "12345678901234567890123"),
        (0, "0"),
        (True, None),
        (1.5, None),
        (None, None),
        ("   ", None),
        ({"id": 1}, None),
        ("a\x00b\nc", "a\ufffdb\ufffdc"),
        ("a\ud800", "a\ufffd"),
        ("naïve 日本", "naïve 日本"),
    ],
)
def test_a_fact_is_a_printable_text_or_an_integer(value: object, expected: str | None) -> None:
    assert fact(value) == expected


def test_a_type_is_cut_and_an_id_is_hashed_when_too_long() -> None:
    assert event_type("x" * 300) == "x" * 255
    first, second = identifier("x" * 300), identifier("x" * 299 + "y")
    assert first is not None
    assert first.startswith("sha256:")
    assert first != second
    assert identifier("x" * 255) == "x" * 255


def test_the_first_usable_candidate_wins() -> None:
    assert event_type(None, {}, "", "a", "b") == "a"
    assert identifier(None, [], 7, "b") == "7"


def test_a_record_is_known_by_the_most_explicit_id() -> None:
    body = {"external_id": "e", "data": {"id": "d", "ticket": {"id": "t"}}}
    assert record_id(body, "ticket.created") == "e"
    del body["external_id"]
    assert record_id(body, "ticket.created") == "d"
    assert record_id({"data": {"ticket": {"id": "t"}}}, "ticket.created") == "t"
    assert record_id({"data": {"ticket": {"id": "t"}}}, "order.created") is None
    assert record_id({"data": "text"}, "ticket.created") is None


def test_header_names_are_found_in_any_case_and_from_text_or_bytes() -> None:
    for headers in (Headers([("X-ID", "é")]), Headers([(b"x-Id", b"\xe9")])):
        assert headers.single(b"x-id") == b"\xe9"
        assert b"x-id" in headers
        assert headers.named("x-id") == b"\xe9"
    assert Headers([]).single(b"x-id") == b""
    assert Headers([("", "x")]).named(None) == b""


def test_a_repeated_or_oversized_header_has_no_value() -> None:
    assert Headers([("a", "1"), ("A", "1")]).single(b"a") == b""
    assert Headers([("a", "1" * 4096)]).single(b"a") != b""
    assert Headers([("a", "1" * 4097)]).single(b"a") == b""


def test_a_body_is_completed_unless_it_is_too_deep_to_be_written() -> None:
    assert completed(b'{"a":1,"b":2}', b=3) == b'{"a":1,"b":3}'
    assert completed(b"[1]", b=3) == completed(b"", b=3) == b'{"b":3}'
    with pytest.raises(InvalidRequest, match="too deep"):
        completed(b'{"a":' + b"[" * 300 + b"]" * 300 + b"}", b=3)
