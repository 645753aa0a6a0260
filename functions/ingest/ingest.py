"""From a request to the row that is stored for it: verified, parsed, described. Pure."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

import orjson
import uuid_utils

from functions.ingest.endpoints import Endpoint
from shared import errors
from shared.payload import Parsed, parse
from shared.signatures import SignedRequest, storable_headers

MAX_KEY_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Row:
    """An event as the RPC `ingest_events` takes it, already JSON."""

    json: bytes


@dataclass(frozen=True, slots=True)
class Handshake:
    """A set-up request of a vendor, answered and not stored."""

    answer: dict[str, str]


def accept(request: SignedRequest, endpoint: Endpoint, now: int) -> Row | Handshake:
    """Verifies a request, `now` in unix seconds, and makes a row of it.

    Raises:
        EndpointInactive, UnsupportedMediaType, InvalidSignature, InvalidJson.
    """
    if not endpoint.is_active:
        raise errors.EndpointInactive
    _check_content_type(request)
    endpoint.scheme.verify(request, endpoint.keys, endpoint.settings, now)
    parsed = parse(request.body)
    answer = endpoint.scheme.handshake(parsed.value)
    if answer is not None:
        return Handshake(answer)
    return Row(_row(request, endpoint, parsed))


def _check_content_type(request: SignedRequest) -> None:
    value = request.headers.single(b"content-type").decode("latin-1")
    media_type = value.partition(";")[0].strip().lower()
    # Some senders name no type at all; what they send has to parse as JSON all the same.
    if media_type in {"", "application/json"} or media_type.endswith("+json"):
        return
    raise errors.UnsupportedMediaType("The Content-Type must be application/json")


def _row(request: SignedRequest, endpoint: Endpoint, parsed: Parsed) -> bytes:
    facts = endpoint.scheme.describe(request, parsed.value, endpoint.settings)
    row: dict[str, Any] = {
        "id": str(uuid_utils.uuid7()),
        "endpoint_id": endpoint.id,
        "external_id": facts.external_id,
        "event_type": facts.event_type,
        "headers": storable_headers(request.headers, endpoint.credential_headers),
        "scheme": endpoint.scheme.name,
        "dedupe_key": dedupe_key(facts.delivery_id, request.body),
        # Base64 passes through two layers of JSON without growing by escapes.
        "body": base64.b64encode(request.body).decode(),
        "content_type": request.headers.single(b"content-type").decode("latin-1")[:200] or None,
    }
    if parsed.altered or request.body.startswith(b"\xef\xbb\xbf"):
        # The database makes the payload from the body itself; here it could not.
        row["payload"] = orjson.Fragment(parsed.text)
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
