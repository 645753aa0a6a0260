"""What a webhook's body holds: one event as JSON or as a form, or several in an array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shared.batches import is_array, split_array
from shared.errors import InvalidJson, UnsupportedMediaType
from shared.forms import parse_form
from shared.payload import Parsed, parse
from shared.signatures import Headers, Scheme, SignedRequest
from shared.signatures.request import is_form


@dataclass(frozen=True, slots=True)
class Content:
    """One event: its own part of the body, and that parsed."""

    body: bytes
    parsed: Parsed


def check_media_type(headers: Headers, scheme: Scheme[Any]) -> None:
    """Raises UnsupportedMediaType for what the scheme's vendor does not send."""
    value = headers.single(b"content-type").decode("latin-1")
    media_type = value.partition(";")[0].strip().lower()
    # Some senders name no type at all; what they send has to parse as JSON all the same.
    if media_type in {"", "application/json"} or media_type.endswith("+json"):
        return
    if not scheme.takes_forms:
        raise UnsupportedMediaType("The Content-Type must be application/json")
    if not is_form(headers):
        raise UnsupportedMediaType("The Content-Type must be that of JSON or of a form")


def is_batch(request: SignedRequest, scheme: Scheme[Any]) -> bool:
    """Whether the request carries an array of events."""
    return scheme.takes_arrays and not is_form(request.headers) and is_array(request.body)


def contents_of(request: SignedRequest, scheme: Scheme[Any]) -> list[Content]:
    """The events of a request whose media type has been checked.

    Raises InvalidJson, InvalidRequest or PayloadTooLarge.
    """
    if is_batch(request, scheme):
        items = split_array(request.body)
        return [Content(item, _item(item, number)) for number, item in enumerate(items, 1)]
    parse_body = parse_form if is_form(request.headers) else parse
    return [Content(request.body, parse_body(request.body))]


def _item(item: bytes, number: int) -> Parsed:
    try:
        return parse(item)
    except InvalidJson as error:
        raise InvalidJson(f"Item {number}: {error.message}") from None
