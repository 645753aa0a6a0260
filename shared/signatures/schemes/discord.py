"""Discord: Ed25519 over time and body, with the application's public key.

For webhook events. An interaction wants its answer in the response, which is not what a queue is for.
https://discord.com/developers/docs/events/webhook-events
https://discord.com/developers/docs/interactions/overview#setting-up-an-endpoint
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator, StringConstraints
from typing_extensions import override

from shared.signatures.facts import EventDescription, Payload, at, event_type, identifier
from shared.signatures.handshake import Handshake
from shared.signatures.macs import is_fresh, parse_timestamp, refusal
from shared.signatures.public_keys import ed25519_key, from_hex, sign_with, verify_ed25519
from shared.signatures.request import SignedRequest
from shared.signatures.scheme import Scheme, Verified
from shared.signatures.settings import TimestampSettings

INTERACTIONS: Mapping[object, str] = {
    1: "interaction.ping",
    2: "interaction.application_command",
    3: "interaction.message_component",
    4: "interaction.autocomplete",
    5: "interaction.modal_submit",
}
EVENT_PING, INTERACTION_PING = 0, 1


def _usable(key: str) -> str:
    ed25519_key(key)
    return key


class DiscordSettings(TimestampSettings):
    public_key: (
        Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$"), AfterValidator(_usable)]
        | None
    ) = None
    """The application's, 32 bytes in hex. Nothing is genuine until it is set."""


class Discord(Scheme[DiscordSettings]):
    name = "discord"
    summary = "Discord's X-Signature-Ed25519"
    signature_headers = frozenset({"x-signature-ed25519"})
    needs_secret = False
    has_private_key = True
    settings_model = DiscordSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: DiscordSettings, now: int
    ) -> Verified:
        if settings.public_key is None:
            raise refusal("publicKey is not set")
        signature = from_hex(request.headers.single(b"x-signature-ed25519"))
        signed = request.headers.single(b"x-signature-timestamp") + request.body
        if not verify_ed25519(ed25519_key(settings.public_key), signature, signed):
            raise refusal("X-Signature-Ed25519 does not match")
        timestamp = self.sent_at(request, settings)
        if not is_fresh(timestamp, now, settings.tolerance_seconds):
            raise refusal("X-Signature-Timestamp is outside the window")
        return Verified(timestamp=timestamp)

    @override
    def sent_at(self, request: SignedRequest, settings: DiscordSettings) -> int | None:
        return parse_timestamp(request.headers.single(b"x-signature-timestamp"))

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: DiscordSettings
    ) -> EventDescription:
        """A webhook event has no id of its own: copies are told by their body."""
        if "event" in payload:
            return EventDescription(
                event_type(at(payload, "event", "type")),
                identifier(at(payload, "event", "data", "id"), _user(payload)),
                None,
            )
        kind = payload.get("type")
        name = INTERACTIONS.get(kind) if isinstance(kind, int) else None
        interaction_id = identifier(payload.get("id"))
        return EventDescription(event_type(name, kind), interaction_id, interaction_id)

    @override
    def handshake(
        self, request: SignedRequest, payload: Payload, keys: Sequence[str]
    ) -> Handshake | None:
        """Discord pings before it saves an address, and now and then with a bad signature."""
        kind = payload.get("type")
        if "event" in payload or isinstance(kind, bool):
            return None
        if kind == EVENT_PING:
            return Handshake(status=204)
        return Handshake(json={"type": INTERACTION_PING}) if kind == INTERACTION_PING else None

    @override
    def sign(
        self,
        body: bytes,
        key: str,
        settings: DiscordSettings,
        now: int,
        *,
        event_type: str | None = None,
        delivery_id: str | None = None,
    ) -> dict[str, str]:
        signature = sign_with(key, b"%d%b" % (now, body)).hex()
        return {"X-Signature-Ed25519": signature, "X-Signature-Timestamp": str(now)}


def _user(payload: Payload) -> object:
    return at(payload, "event", "data", "user", "id")


SCHEME = Discord()
