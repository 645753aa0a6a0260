"""An event as a Slack message, for webhooks of the kind `slack`: one attachment with the event's
colour, what it is about, when it happened and, where the webhook says so, a link.

What events hold is shown as text and is never obeyed: `&`, `<` and `>` are escaped, which is all that
mentions, links and channels in Slack's markup need, and names in plain text are not turned into
mentions. Texts and their number are bounded: Slack takes 300 characters in a footer, folds long
attachments, and cuts what is longer still.
https://docs.slack.dev/messaging/formatting-message-text
https://docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from types import MappingProxyType
from typing import Any, Final

import orjson

from functions.dispatch.envelope import moment
from functions.dispatch.json_text import compact
from shared.slack_settings import link

MAX_TITLE_LENGTH = 200
MAX_LABEL_LENGTH = 60
MAX_VALUE_LENGTH = 500
MAX_FIELDS = 8
SHORT = 40
"""Characters of a value that still leaves room for another one beside it."""

_MAX_DEPTH = 3
_MAX_LOOKED_AT = 200
"""Values that are looked at in search of some to show."""

_GREEN, _DARK_GREEN, _BLUE, _AMBER, _RED, _GREY = (
    *("#2eb67d", "#1a7f4b", "#2f6fde"),
    *("#ecb22e", "#d92b2b", "#8d9299"),
)
_COLOURS: Final = MappingProxyType(
    dict.fromkeys(("created", "new", "added", "received", "generated", "login"), _GREEN)
    | dict.fromkeys(("resolved", "approved", "completed", "succeeded", "paid"), _DARK_GREEN)
    | dict.fromkeys(("trained", "deployed", "delivered", "closed"), _DARK_GREEN)
    | dict.fromkeys(("updated", "changed", "assigned", "started"), _BLUE)
    | dict.fromkeys(("requires", "review", "warning", "paused", "overdue"), _AMBER)
    | dict.fromkeys(("escalated", "failed", "rejected", "error", "disabled"), _RED)
    | dict.fromkeys(("deleted", "removed", "archived", "canceled", "logout"), _GREY)
)
_OTHER_COLOUR = "#5b6b7c"

_TICKET_FIELDS: Final = (
    ("Ticket", ("ticket_number", "ticketNumber", "number")),
    ("Subject", ("subject", "title")),
    ("Status", ("status",)),
    ("Priority", ("priority",)),
)
_WORD_BREAK = re.compile(r"[._\s-]+|(?<=[a-z0-9])(?=[A-Z])")
# Controls, marks that turn the direction of what follows, and halves of characters.
_UNSHOWABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def slack_message(
    event_type: str,
    timestamp: datetime | str,
    data: object,
    channel: str | None = None,
    link_template: str | None = None,
) -> bytes:
    """The body for an incoming webhook of Slack. `data` is parsed JSON."""
    title = _title(event_type, data)
    attachment: dict[str, Any] = {
        "color": colour(event_type),
        "fallback": title,
        "title": title,
        "fields": [
            {"title": label, "value": value, "short": len(value) <= SHORT}
            for label, value in islice(_fields(event_type, data), MAX_FIELDS)
        ],
        "footer": _shown(event_type, MAX_TITLE_LENGTH),
        "ts": int(moment(timestamp).timestamp()),
        "mrkdwn_in": [],
    }
    url = link(link_template, data) if link_template else None
    if url is not None:
        attachment["title_link"] = url
    message: dict[str, Any] = {
        "attachments": [attachment],
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }
    if channel:
        message["channel"] = channel
    return orjson.dumps(message)


def colour(event_type: str) -> str:
    """By the last word of the type that says what happened."""
    words = _words(event_type)
    return next((_COLOURS[word] for word in reversed(words) if word in _COLOURS), _OTHER_COLOUR)


def _title(event_type: str, data: object) -> str:
    """`Ticket created: TKT-2024-001 Printer on fire`."""
    about = _ticket(event_type, data) or (data if isinstance(data, Mapping) else {})
    names = [_first(about, keys) for _, keys in _TICKET_FIELDS[:2]]
    details = " ".join(filter(None, names)) or _first(about, ("name",))
    what = _label(event_type) or event_type
    return _shown(f"{what}: {details}" if details else what, MAX_TITLE_LENGTH)


def _fields(event_type: str, data: object) -> Iterator[tuple[str, str]]:
    ticket = _ticket(event_type, data)
    if ticket is None:
        yield from _scalars(data)
        return
    for label, keys in _TICKET_FIELDS:
        if value := _first(ticket, keys):
            yield label, _shown(value, MAX_VALUE_LENGTH)
    if customer := _customer(ticket):
        yield "Customer", _shown(customer, MAX_VALUE_LENGTH)
    if isinstance(data, Mapping) and ticket is not data:
        # Such as the reason why an answer was rejected.
        yield from _scalars(data, 1)


def _ticket(event_type: str, data: object) -> Mapping[str, Any] | None:
    """The ticket that the event tells of, in `data.ticket` or as `data`."""
    if not isinstance(data, Mapping):
        return None
    ticket = data.get("ticket")
    if isinstance(ticket, Mapping):
        return ticket
    return data if event_type.startswith("ticket.") else None


def _customer(ticket: Mapping[str, Any]) -> str:
    own = ticket.get("customer")
    nested = own if isinstance(own, Mapping) else {}
    name = _first(ticket, ("customer_name", "customerName")) or _first(nested, ("name",))
    email = _first(ticket, ("customer_email", "customerEmail")) or _first(nested, ("email",))
    if name and email:
        return f"{name} ({email})"
    return name or email or _text(own)


def _first(record: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    return next(filter(None, (_text(record.get(key)) for key in keys)), "")


def _scalars(data: object, depth: int = _MAX_DEPTH) -> Iterator[tuple[str, str]]:
    """What can be read, with its path as a label, in the order in which it stands there."""
    for path, value in islice(_walk(data, (), depth), _MAX_LOOKED_AT):
        if text := _text(value):
            label = _label(" ".join(path)) or "".join(path).strip() or "Data"
            yield _shown(label, MAX_LABEL_LENGTH), _shown(text, MAX_VALUE_LENGTH)


def _walk(
    value: object, path: tuple[str, ...], depth: int
) -> Iterator[tuple[tuple[str, ...], object]]:
    if not isinstance(value, Mapping):
        yield path, value
    elif depth:
        yield path, None  # so that it counts as looked at
        for key, child in value.items():
            yield from _walk(child, (*path, str(key)), depth - 1)


def _text(value: object) -> str:
    """A text, number or boolean as text; nothing for whatever else."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "yes" if value else "no"
    return compact(value).decode().strip('"') if isinstance(value, int | float) else ""


def _label(name: str) -> str:
    """`ai.response.requires_review` as `AI response requires review`."""
    text = " ".join("AI" if word == "ai" else word for word in _words(name))
    return text[:1].upper() + text[1:]


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD_BREAK.split(name[: MAX_TITLE_LENGTH * 2]) if word]


def _shown(text: str, length: int) -> str:
    """One line, cut to length, escaped as Slack asks. Cut first, so that no entity is cut in two."""
    line = _UNSHOWABLE.sub("\ufffd", " ".join(text[: length * 2].split()))
    if len(line) > length or len(text) > length * 2:
        line = line[: length - 1] + "…"
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
