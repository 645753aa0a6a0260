"""From a request to the rows that are stored for it: verified, parsed, described. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from uuid_utils import uuid7

from functions.ingest.endpoints import Endpoint
from shared import errors
from shared.contents import Content, check_media_type, contents_of, is_batch
from shared.incoming_events import incoming_event
from shared.signatures import Handshake, SignedRequest


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
    row = incoming_event(
        request, content, endpoint.scheme, endpoint.settings, endpoint.credential_headers
    )
    return orjson.dumps(row | {"id": str(uuid7()), "endpoint_id": endpoint.id})


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
