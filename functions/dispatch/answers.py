"""What is sent to a receiver, and what came of it, cut to a size that can be stored."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

MAX_BODY_BYTES = 16_384
MAX_HEADERS = 50
MAX_HEADER_LENGTH = 500
"""Of a name and of a value; what is longer is cut."""

MAX_RETRY_AFTER_SECONDS = 86_400.0
SECONDS = re.compile(r"[0-9]+(?:\.[0-9]+)?")

ErrorCode = Literal[
    "target_refused",
    "dns_failure",
    "connection_failed",
    "tls_failed",
    "timeout",
    "connection_closed",
    "invalid_answer",
]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One POST."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    timeout_seconds: float
    """For everything together, from looking up the name to the end of the answer's body."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said, or why there is nothing that it said."""

    status: int | None
    headers: dict[str, str]
    """By lower-case name; several of one name are joined by commas."""
    body: str
    """What came, up to MAX_BODY_BYTES, however compressed."""
    truncated: bool
    """The receiver had more to say, or would have had it ended in time."""
    retry_after_seconds: float | None
    """From 0 to MAX_RETRY_AFTER_SECONDS; None if nothing intelligible was asked for."""
    latency_ms: float
    error: ErrorCode | None
    """None where there is a status, whichever it is."""
    message: str | None
    """The error in words, for the webhook's owner."""
    was_attempted: bool
    """False if nothing was sent to the receiver, not even a request to connect."""


def bounded_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name, value = _header_text(raw_name).lower(), _header_text(raw_value)
        if name in headers:
            headers[name] = f"{headers[name]}, {value}"[:MAX_HEADER_LENGTH]
        elif len(headers) < MAX_HEADERS:
            headers[name] = value
    return headers


def _header_text(raw: bytes) -> str:
    return raw[:MAX_HEADER_LENGTH].decode("latin-1").replace("\0", "\ufffd")


def body_text(body: bytes, *, truncated: bool) -> str:
    """As UTF-8, with U+FFFD for what is not, and for NUL, which PostgreSQL's texts can't hold.

    A character that the cut went through is left out.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    return decoder.decode(body, final=not truncated).replace("\0", "\ufffd")


def retry_after_seconds(value: str | None, now: datetime) -> float | None:
    """The Retry-After header: seconds or a date (RFC 9110, section 10.2.3). A date gone by is 0."""
    text = (value or "").strip()
    if SECONDS.fullmatch(text):
        seconds = float(text)
    else:
        try:
            date = parsedate_to_datetime(text)
            # Of the formats that must be understood, asctime's names no zone: all are in UTC.
            seconds = ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds()
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)
