"""From a request to the rows that are stored for it: verified, parsed, described. Pure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import uuid_utils

from functions.ingest.endpoints import Endpoint
from shared import errors
from shared.contents import Content, check_media_type, contents_of, is_batch
from shared.signatures import Handshake, SignedRequest, storable_headers

MAX_KEY_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Rows:
    """The events of a request as the RPC `ingest_events` takes them, each already JSON."""

    json: list[bytes]
    is_batch: bool = False
    """Whether the request was an array."""


def accept(request: SignedRequest, endpoint: Endpoint, now: int) -> Rows | Handshake:
    """Verifies a request, `now` in unix seconds, and makes rows of it.

    Raises:
        EndpointInactive, UnsupportedMediaType, InvalidSignature, InvalidJson, InvalidRequest,
        PayloadTooLarge.
    """
    scheme = endpoint.scheme
    greeting = greet(request, endpoint)
    if greeting is not None:
        return greeting
    check_media_type(request.headers, scheme)
    scheme.verify(request, endpoint.keys, endpoint.settings, now)
    contents = contents_of(request, scheme)
    if is_batch(request, scheme):
        return Rows([_row(request, endpoint, content) for content in contents], is_batch=True)
    (content,) = contents
    answer = scheme.handshake(request, content.parsed.value, endpoint.keys)
    return Rows([_row(request, endpoint, content)]) if answer is None else answer


def greet(request: SignedRequest, endpoint: Endpoint) -> Handshake | None:
    """The answer to a set-up request that nobody signs; None for any other.

    Raises EndpointInactive.
    """
    if not endpoint.is_active:
        raise errors.EndpointInactive
    return endpoint.scheme.greeting(request, endpoint.settings)


def _row(request: SignedRequest, endpoint: Endpoint, content: Content) -> bytes:
    facts = endpoint.scheme.describe(request, content.parsed.value, endpoint.settings)
    row: dict[str, Any] = {
        "id": str(uuid_utils.uuid7()),
        "endpoint_id": endpoint.id,
        "external_id": facts.external_id,
        "event_type": facts.event_type,
        "headers": storable_headers(request.headers, endpoint.credential_headers),
        "scheme": endpoint.scheme.name,
        "dedupe_key": dedupe_key(facts.delivery_id, content.body),
        # Base64 passes through two layers of JSON without growing by escapes.
        "body": base64.b64encode(content.body).decode(),
        "content_type": request.headers.single(b"content-type").decode("latin-1")[:200] or None,
    }
    if content.parsed.altered or content.body.startswith(b"\xef\xbb\xbf"):
        # The database makes the payload from the body itself; here it could not.
        row["payload"] = orjson.Fragment(content.parsed.text)
    return orjson.dumps(row)


def dedupe_key(delivery_id: str | None, body: bytes) -> str:
    """By which a delivery is known again: the sender's own id of it, else its body."""
    if delivery_id is None:
        return "body:" + hashlib.sha256(body).hexdigest()
    if len(delivery_id) > MAX_KEY_LENGTH:
        return "id:sha256:" + hashlib.sha256(delivery_id.encode()).hexdigest()
    return f"id:{delivery_id}"


def outcome(result: dict[str, Any]) -> dict[str, str]:
    """What the sender is told about a stored row: its id and whether it is new or a duplicate.

    Raises:
        RateLimited, EndpointInactive, UnknownEndpoint, InvalidRequest: it was not stored.
    """
    match result["state"]:
        case "accepted" | "duplicate" as state:
            return {"id": result["id"], "state": state}
        case "rate_limited":
            raise errors.RateLimited(retry_after=result["retry_after"])
        case "endpoint_inactive":
            raise errors.EndpointInactive
        case "unknown_endpoint":
            raise errors.UnknownEndpoint
        case _:
            raise errors.InvalidRequest("The event cannot be stored")


def batch_outcome(results: Sequence[dict[str, Any] | BaseException]) -> dict[str, Any]:
    """What the sender of an array is told, once every item has been tried.

    Raises what went wrong with an item, if something did. The sender then sends all of it again, and
    those that are stored count as copies.
    """
    failures = [result for result in results if isinstance(result, BaseException)]
    events = []
    for result in results:
        if isinstance(result, BaseException):
            continue
        try:
            events.append(outcome(result))
        except errors.SwitchhookError as error:
            failures.append(error)
    if failures:
        raise max(failures, key=_urgency)
    is_new = not events or any(event["state"] == "accepted" for event in events)
    return {"state": "accepted" if is_new else "duplicate", "events": events}


def _urgency(error: BaseException) -> int:
    """What passes by itself first: then sending again helps."""
    if not isinstance(error, errors.SwitchhookError):
        return 3
    return 2 if error.retry_after is not None else 1
