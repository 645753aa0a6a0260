from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from functions.dispatch.answers import (
    MAX_HEADER_LENGTH,
    MAX_HEADERS,
    MAX_RETRY_AFTER_SECONDS,
    body_text,
    bounded_headers,
    retry_after_seconds,
)

NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 120 ", 120),
        ("1.5", 1.5),
        ("Wed, 25 Nov 2026 12:01:00 GMT", 60),
        ("Wed, 25 Nov 2026 13:01:00 +0100", 60),
        ("Wednesday, 25-Nov-26 12:01:00 GMT", 60),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float) -> None:
    assert retry_after_seconds(value, NOW) == seconds


def test_a_date_without_a_zone_is_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert retry_after_seconds("Wed Nov 25 12:01:00 2026", NOW) == 60
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_date_gone_by_is_now() -> None:
    assert retry_after_seconds("Tue, 24 Nov 2020 12:00:00 GMT", NOW) == 0


@pytest.mark.parametrize(
    "value",
    ["31536000", "9" * 5000, "Thu, 25 Nov 2027 12:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"],
)
def test_a_year_is_capped(value: str) -> None:
    assert retry_after_seconds(value, NOW) == MAX_RETRY_AFTER_SECONDS


@pytest.mark.parametrize(
    "value",
    [
        *[
            None,
            "",
            " ",
            "-5",
            "+5",
            "1e9",
            "nan",
            "inf",
            "0x10",
            "soon",
            "5 minutes",
            "1,5",
            "1_0",
        ],
        *["\uff11\uff12", "Wed, 25 Nov", "Wed, 99 Nov 2026 12:00:00 GMT", "120, 120", "٣"],
    ],
)
def test_what_is_neither_is_no_wish_at_all(value: str | None) -> None:
    assert retry_after_seconds(value, NOW) is None


@given(
    st.text(max_size=40)
    | st.from_regex(
        r"[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,6} [0-9:]{1,9} [A-Z+0-9-]{1,6}"
    )
    | st.integers().map(str)
    | st.floats().map(str)
)
@example("Mon, 01 Jan 0001 00:00:00 +2359")
@example("Fri, 31 Dec 9999 23:59:59 -2359")
@example("Mon, 01 Jan 2026 00:00:00 -9999999")
@example("Mon, 01 Jan 99999999999999999999 00:00:00 GMT")
def test_whatever_it_says_it_is_a_sane_number_or_none(value: str) -> None:
    seconds = retry_after_seconds(value, NOW)

    assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER_SECONDS


@given(st.timedeltas(timedelta(0), timedelta(days=1)))
def test_a_date_is_as_far_away_as_it_says(wait: timedelta) -> None:
    date = (NOW + wait).replace(microsecond=0)

    assert retry_after_seconds(f"{date:%a, %d %b %Y %H:%M:%S} GMT", NOW) == (
        (date - NOW).total_seconds()
    )


def test_a_body_is_text_whatever_it_was() -> None:
    assert body_text("grün".encode(), truncated=False) == "grün"
    assert body_text(b"a\xffb", truncated=False) == "a\ufffdb"
    assert body_text(b"a\0b", truncated=False) == "a\ufffdb"


def test_a_character_that_was_cut_through_is_left_out() -> None:
    assert body_text("grü".encode()[:-1], truncated=True) == "gr"
    assert body_text("grü".encode()[:-1], truncated=False) == "gr\ufffd"


def test_headers_are_bounded_in_number_and_size() -> None:
    headers = bounded_headers((f"X-{number}".encode(), b"v" * 10_000) for number in range(1000))

    assert len(headers) == MAX_HEADERS
    assert set(map(len, headers.values())) == {MAX_HEADER_LENGTH}
    assert len(next(iter(bounded_headers([(b"n" * 10_000, b"")])))) == MAX_HEADER_LENGTH


def test_headers_of_one_name_are_joined_within_bounds() -> None:
    assert bounded_headers([(b"Via", b"a"), (b"VIA", b"b\xe9")]) == {"via": "a, bé"}
    assert len(bounded_headers([(b"Via", b"a" * 400)] * 100)["via"]) == MAX_HEADER_LENGTH


@given(st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=8))))
def test_headers_hold_no_nul(raw: list[tuple[bytes, bytes]]) -> None:
    assert "\0" not in "".join(name + value for name, value in bounded_headers(raw).items())
