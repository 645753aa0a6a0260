"""Meta's platforms (WhatsApp, Messenger, Instagram, lead ads): HMAC-SHA256 of the body.

https://developers.facebook.com/docs/graph-api/webhooks/getting-started
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Annotated
from urllib.parse import parse_qsl

from pydantic import StringConstraints
from typing_extensions import override

from shared.signatures.facts import EventDescription, Payload, at, event_type, fact, identifier
from shared.signatures.handshake import Handshake
from shared.signatures.macs import after_prefix, any_genuine, code, key_bytes, refusal
from shared.signatures.request import SignedRequest
from shared.signatures.scheme import Scheme, Verified
from shared.signatures.settings import SchemeSettings

CHALLENGE = re.compile(r"[A-Za-z0-9._-]{1,255}")
"""Nothing that a browser could take for markup is sent back."""


class MetaSettings(SchemeSettings):
    verify_token: Annotated[str, StringConstraints(pattern=r"^[!-~]+$", max_length=255)] | None = (
        None
    )
    """What Meta is told to ask with before it sends. It proves nothing about events: those are signed."""


class Meta(Scheme[MetaSettings]):
    name = "meta"
    summary = "WhatsApp's, Messenger's and Instagram's X-Hub-Signature-256"
    signature_headers = frozenset({"x-hub-signature-256", "x-hub-signature"})
    settings_model = MetaSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: MetaSettings, now: int
    ) -> Verified:
        claimed = after_prefix(request.headers.single(b"x-hub-signature-256"), b"sha256=")
        if not any_genuine(key_bytes(keys), request.body, claimed):
            raise refusal("no X-Hub-Signature-256 matches")
        return Verified()

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: MetaSettings
    ) -> EventDescription:
        """The type is that of the first change; the ids are those of the one message, if it is one."""
        changes = _changes(payload)
        field = next((at(change, "field") for change in changes), None)
        about = [item for change in changes for item in _items(change)]
        record = delivery = None
        if len(about) == 1:
            record = fact(at(about[0], "id") or at(about[0], "message", "mid"))
            status = fact(at(about[0], "status"))
            # The same message is sent, delivered and read: three events with one id.
            delivery = f"{record}:{status}" if record and status else record
        return EventDescription(event_type(field), identifier(record), identifier(delivery))

    @override
    def greeting(self, request: SignedRequest, settings: MetaSettings) -> Handshake | None:
        """Meta asks with GET, and wants its challenge back from whoever knows the token."""
        if request.method != "GET" or settings.verify_token is None:
            return None
        asked = dict(parse_qsl(request.query, keep_blank_values=True))
        token = asked.get("hub.verify_token", "").encode("utf-8", "surrogatepass")
        knows_token = hmac.compare_digest(settings.verify_token.encode(), token)
        challenge = asked.get("hub.challenge", "")
        if not knows_token or asked.get("hub.mode") != "subscribe":
            return None
        return Handshake(text=challenge) if CHALLENGE.fullmatch(challenge) else None

    @override
    def sign(
        self,
        body: bytes,
        key: str,
        settings: MetaSettings,
        now: int,
        *,
        event_type: str | None = None,
        delivery_id: str | None = None,
    ) -> dict[str, str]:
        signature = code(key.encode(), body).decode()
        return {"X-Hub-Signature-256": f"sha256={signature}"}


def _changes(payload: Payload) -> list[object]:
    """What changed; Messenger and Instagram put messages beside the changes."""
    changes: list[object] = []
    for entry in _list(payload.get("entry")):
        changes += _list(at(entry, "changes"))
        changes += [{"field": "messages", "value": item} for item in _list(at(entry, "messaging"))]
    return changes


def _items(change: object) -> list[object]:
    """The messages and statuses of a change, or the one thing that it is about."""
    value = at(change, "value")
    found = [*_list(at(value, "messages")), *_list(at(value, "statuses"))]
    return found or ([value] if isinstance(value, Mapping) else [])


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


SCHEME = Meta()
