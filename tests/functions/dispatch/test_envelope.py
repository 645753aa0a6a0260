from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from functions.dispatch.envelope import BodyStyle, serialise, timestamp_text

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_the_envelope_is_event_then_timestamp_then_data() -> None:
    body = serialise("message.created", NOON, {"id": "1"})

    assert body == (
        b'{"event":"message.created","timestamp":"2026-01-01T12:00:00.000Z","data":{"id":"1"}}'
    )


def test_spaced_is_how_python_prints_it() -> None:
    body = serialise("message.created", NOON, {"text": "é"}, "spaced")

    assert body == (
        b'{"event": "message.created", "timestamp": "2026-01-01T12:00:00.000Z",'
        b' "data": {"text": "\\u00e9"}}'
    )


@pytest.mark.parametrize("style", ["compact", "spaced"])
@pytest.mark.parametrize("data", [None, True, 0, "text", [], {}, [{"a": [1, "b"]}]])
def test_data_may_be_any_json(style: BodyStyle, data: object) -> None:
    assert json.loads(serialise("a.b", NOON, data, style))["data"] == data


@pytest.mark.parametrize(
    "timestamp",
    [
        NOON,
        NOON.astimezone(timezone(timedelta(hours=5, minutes=30))),
        "2026-01-01T12:00:00Z",
        "2026-01-01T12:00:00.000Z",
        "2026-01-01T12:00:00.000999+00:00",
        "2026-01-01T13:00:00+01:00",
        "2026-01-01 12:00:00+00",
    ],
)
def test_a_timestamp_is_utc_to_the_millisecond(timestamp: datetime | str) -> None:
    assert timestamp_text(timestamp) == "2026-01-01T12:00:00.000Z"


def test_a_timestamp_keeps_its_milliseconds() -> None:
    assert timestamp_text("2026-01-01T12:00:00.123999+00:00") == "2026-01-01T12:00:00.123Z"


@pytest.mark.parametrize("timestamp", [NOON.replace(tzinfo=None), "2026-01-01T12:00:00", "noon"])
def test_a_timestamp_without_a_zone_is_refused(timestamp: datetime | str) -> None:
    with pytest.raises(ValueError, match=r"time zone|isoformat"):
        timestamp_text(timestamp)
