"""How values are written for readers."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

NOTHING = "\u2013"
"""A dash, where there is no value."""


def exact(moment: datetime) -> str:
    """A time as machines read it; the browser shows it in the reader's zone."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def local(moment: datetime | None) -> str:
    """A time as a field for times takes it; its script puts it into the reader's zone."""
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def duration(milliseconds: float | None) -> str:
    """A length of time in the unit that suits it."""
    if milliseconds is None:
        return NOTHING
    if milliseconds < 1:
        return "under 1 ms"
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"


def share(part: float | None, whole: float | None = 1) -> str:
    """A part as percent of the whole; a dash where there is no whole."""
    if part is None or not whole:
        return NOTHING
    percent = 100 * part / whole
    # Nothing that is not whole is shown as 100 %.
    return f"{min(percent, 99.9):.1f} %" if 99 < percent < 100 else f"{percent:.0f} %"


def sureness(confidence: float) -> str:
    """In percent, rounded down: what is just below a threshold, and waits, must not look as if it had reached it."""
    return f"{math.floor(confidence * 100 + 1e-9)} %"


def count(number: float) -> str:
    """A whole number with thin spaces between its thousands."""
    return f"{number:,.0f}".replace(",", "\u202f")


def words(name: str) -> str:
    """A name of ours, such as call_webhook, as words."""
    return name.replace("_", " ").capitalize()


def short(text: str, length: int = 80) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def plain_json(value: Any) -> str:
    """A value as JSON for people to read and edit."""
    return json.dumps(value, indent=2, ensure_ascii=False)
