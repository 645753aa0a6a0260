"""GitHub: HMAC-SHA256 of the body, without a timestamp.

https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
"""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from shared.signatures.facts import (
    EventDescription,
    Payload,
    at,
    event_type,
    fact,
    header,
    identifier,
)
from shared.signatures.handshake import PONG, Handshake
from shared.signatures.macs import after_prefix, any_genuine, code, key_bytes, refusal
from shared.signatures.request import SignedRequest
from shared.signatures.scheme import Scheme, Verified
from shared.signatures.settings import SchemeSettings

# The first of these in the payload is what the event is about: a comment carries its issue too, and
# the issue is the record.
RECORDS = (
    "issue",
    "pull_request",
    "discussion",
    "release",
    "workflow_run",
    "check_run",
    "check_suite",
    "deployment",
    "package",
    "milestone",
    "label",
)


class GitHub(Scheme[SchemeSettings]):
    name = "github"
    summary = "GitHub's X-Hub-Signature-256"
    signature_headers = frozenset({"x-hub-signature-256", "x-hub-signature"})
    settings_model = SchemeSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: SchemeSettings, now: int
    ) -> Verified:
        headers = request.headers
        claimed = after_prefix(headers.single(b"x-hub-signature-256"), b"sha256=")
        if not any_genuine(key_bytes(keys), request.body, claimed):
            raise refusal("no X-Hub-Signature-256 matches")
        return Verified(
            event_type=header(headers, b"x-github-event"),
            delivery_id=identifier(header(headers, b"x-github-delivery")),
        )

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: SchemeSettings
    ) -> EventDescription:
        headers = request.headers
        name = header(headers, b"x-github-event")
        action = fact(payload.get("action"))
        return EventDescription(
            event_type(f"{name}.{action}" if name and action else name),
            identifier(
                at(next((payload[name] for name in RECORDS if name in payload), None), "id")
            ),
            identifier(header(headers, b"x-github-delivery")),
        )

    @override
    def handshake(
        self, request: SignedRequest, payload: Payload, keys: Sequence[str]
    ) -> Handshake | None:
        """GitHub pings a new webhook's address. The body tells too: the header is not signed."""
        is_ping = header(request.headers, b"x-github-event") == "ping"
        return PONG if is_ping and "zen" in payload and "hook_id" in payload else None

    @override
    def sign(
        self,
        body: bytes,
        key: str,
        settings: SchemeSettings,
        now: int,
        *,
        event_type: str | None = None,
        delivery_id: str | None = None,
    ) -> dict[str, str]:
        """`event_type` may be given with its action, which GitHub itself leaves to the body."""
        signature = code(key.encode(), body).decode()
        headers = {"X-Hub-Signature-256": f"sha256={signature}"}
        if event_type:
            headers["X-GitHub-Event"] = event_type.partition(".")[0]
        if delivery_id:
            headers["X-GitHub-Delivery"] = delivery_id
        return headers


SCHEME = GitHub()
