"""From a verified and parsed webhook to the row that the database stores for it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection
from typing import Any

import orjson

from shared.contents import Content
from shared.signatures import Scheme, SchemeSettings, SignedRequest, storable_headers
from shared.signatures.request import printable

MAX_KEY_LENGTH = 200
MAX_CONTENT_TYPE_LENGTH = 200


def incoming_event(
    request: SignedRequest,
    content: Content,
    scheme: Scheme[Any],
    settings: SchemeSettings,
    credentials: Collection[str],
) -> dict[str, Any]:
    """The row in the database's names (private.incoming_event), for orjson; without the ids.

    `credentials` are the headers that carry one: `scheme.credential_headers(settings)`.
    """
    facts = scheme.describe(request, content.parsed.value, settings)
    row: dict[str, Any] = {
        "external_id": facts.external_id,
        "event_type": facts.event_type,
        "headers": storable_headers(request.headers, credentials),
        "scheme": scheme.name,
        "dedupe_key": dedupe_key(facts.delivery_id, content.body),
        # Base64 passes through two layers of JSON without growing by escapes.
        "body": base64.b64encode(content.body).decode(),
        "content_type": _content_type(request),
    }
    if content.parsed.altered or content.body.startswith(b"\xef\xbb\xbf"):
        # The database makes the payload from the body itself; here it could not.
        row["payload"] = orjson.Fragment(content.parsed.text)
    return row


def _content_type(request: SignedRequest) -> str | None:
    """As it came, but for what a column cannot hold: some runtimes let a NUL through."""
    value = request.headers.single(b"content-type").decode("latin-1")
    return printable(value[:MAX_CONTENT_TYPE_LENGTH]) or None


def dedupe_key(delivery_id: str | None, body: bytes) -> str:
    """By which a delivery is known again: the sender's own id of it, else its body."""
    if delivery_id is None:
        return "body:" + hashlib.sha256(body).hexdigest()
    if len(delivery_id) > MAX_KEY_LENGTH:
        return "id:sha256:" + hashlib.sha256(delivery_id.encode()).hexdigest()
    return f"id:{delivery_id}"
