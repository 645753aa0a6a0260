"""What a delivery says: `{"event", "timestamp", "data"}`, in bytes that are signed and kept.

Receivers that check the signature over the JSON they parsed and printed again need bytes that come
out the same. JavaScript prints JSON in one way, Python in another; `style` says which (json_text.py).
Receivers that check the bytes as they came don't mind either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, Literal

from functions.dispatch.json_text import compact, spaced

BodyStyle = Literal["compact", "spaced"]

_STYLES: Final[Mapping[BodyStyle, Callable[[object], bytes]]] = MappingProxyType(
    {"compact": compact, "spaced": spaced}
)


def serialise(
    event_type: str, timestamp: datetime | str, data: object, style: BodyStyle = "compact"
) -> bytes:
    """The body of a delivery.

    `data` is parsed JSON. Raises ValueError for what JSON cannot say, and for a timestamp that has
    no time zone.
    """
    envelope = {"event": event_type, "timestamp": timestamp_text(timestamp), "data": data}
    return _STYLES[style](envelope)


def timestamp_text(timestamp: datetime | str) -> str:
    """`2026-01-01T12:00:00.000Z`, as JavaScript's dates print themselves."""
    return moment(timestamp).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def moment(timestamp: datetime | str) -> datetime:
    """The time in UTC; a text is ISO 8601. Raises ValueError without a time zone."""
    parsed = datetime.fromisoformat(timestamp) if isinstance(timestamp, str) else timestamp
    if parsed.tzinfo is None:
        raise ValueError("A timestamp needs a time zone")
    return parsed.astimezone(UTC)
