"""Short, clean facts out of headers and payloads: what kind of event this is, and its ids.

Facts end up in columns and on screens, so they are bounded and printable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from shared.errors import InvalidRequest
from shared.signatures.request import Headers, decoded, printable
from shared.signatures.settings import FactSettings

MAX_FACT_LENGTH = 255
UNKNOWN_EVENT_TYPE = "unknown"
"""The event type of a request that names none."""

Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EventDescription:
    """What a verified request says about itself."""

    event_type: str
    """As the sender names it, at most 255 characters; `unknown` if it names none."""
    external_id: str | None
    """The sender's id of the record the event is about."""
    delivery_id: str | None
    """The sender's id of this event, the same on every retry; None: tell copies by their body."""


def fact(value: object) -> str | None:
    """A text or an integer as a printable text without surrounding space; None for all else."""
    if isinstance(value, str):
        text = value.strip()
    elif isinstance(value, int) and not isinstance(value, bool):
        text = str(value)
    else:
        return None
    return printable(text) or None


def event_type(*candidates: object) -> str:
    """The first candidate that names an event type, cut to length."""
    for candidate in candidates:
        name = fact(candidate)
        if name:
            return name[:MAX_FACT_LENGTH]
    return UNKNOWN_EVENT_TYPE


def identifier(*candidates: object) -> str | None:
    """The first candidate that is an id. One that is too long becomes its hash: cut short, two
    different ids could become one.
    """
    for candidate in candidates:
        text = fact(candidate)
        if text:
            if len(text) <= MAX_FACT_LENGTH:
                return text
            return "sha256:" + sha256(text.encode()).hexdigest()
    return None


def header(headers: Headers, name: bytes) -> str | None:
    """A header as a fact; None if it is missing, empty or repeated. `name` is in lower case."""
    return fact(decoded(headers.single(name)))


def idempotency_key(headers: Headers) -> str | None:
    """The `Idempotency-Key` header, quoted (as the IETF draft has it) or bare."""
    value = header(headers, b"idempotency-key")
    return identifier(value.strip('"')) if value else None


def parsed(body: bytes) -> object:
    """The body as JSON, for schemes that sign or write something in it; None if it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def completed(body: bytes, **fields: object) -> bytes:
    """The body with fields that the vendor writes into it; what is no JSON object is left out.

    Raises InvalidRequest for one nested too deep to be written.
    """
    payload = parsed(body)
    try:
        return orjson.dumps({**(payload if isinstance(payload, dict) else {}), **fields})
    except orjson.JSONEncodeError:
        raise InvalidRequest("The body is nested too deep") from None


def at(payload: object, *path: str) -> object:
    """What stands at a path of keys, or None."""
    for key in path:
        if not isinstance(payload, Mapping):
            return None
        payload = payload.get(key)
    return payload


def record_id(payload: Payload, event_name: str) -> str | None:
    """`external_id`, else `data.id`, else, for an event such as `ticket.created`, `data.ticket.id`."""
    data = payload.get("data")
    return identifier(
        payload.get("external_id"), at(data, "id"), at(data, event_name.partition(".")[0], "id")
    )


def described_by_convention(
    headers: Headers,
    payload: Payload,
    settings: FactSettings,
    fallback_type: str | None = None,
) -> EventDescription:
    """For senders that follow no vendor's rules.

    The type comes from the header that the settings name, else from `event_type`, `event` or `type`
    in the body, else it is `fallback_type`; the record's id as in `record_id`; the delivery's id
    from the header that the settings name, else from `Idempotency-Key`.
    """
    get = payload.get
    named_type = fact(decoded(headers.named(settings.event_type_header)))
    named_id = decoded(headers.named(settings.delivery_id_header))
    name = event_type(named_type, get("event_type"), get("event"), get("type"), fallback_type)
    return EventDescription(
        name,
        record_id(payload, name),
        identifier(named_id) or idempotency_key(headers),
    )


def headers_by_convention(
    settings: FactSettings, event_type: str | None, delivery_id: str | None
) -> dict[str, str]:
    """The headers in which `described_by_convention` finds these facts."""
    headers = {}
    if event_type and settings.event_type_header:
        headers[settings.event_type_header] = event_type
    if delivery_id:
        headers[settings.delivery_id_header or "Idempotency-Key"] = delivery_id
    return headers
