from __future__ import annotations

import json
from typing import Any

import pytest

from shared.errors import InvalidRequest, InvalidSignature
from shared.signatures import EventDescription, Handshake, Verified
from tests.shared.signatures.factories import NOW, Sender, payload, request
from tests.shared.signatures.key_pairs import DISCORD_PUBLIC


def handshake(body: dict[str, Any]) -> Handshake | None:
    return Sender("discord").scheme.handshake(request({}), body, [])


def test_the_public_key_is_a_setting_and_there_is_no_secret() -> None:
    sender = Sender("discord")
    assert sender.verify(sender.headers(), keys=[]) == Verified(timestamp=NOW)
    sender.scheme.check_secret("")
    with pytest.raises(InvalidRequest, match="takes no secret"):
        sender.scheme.check_secret(DISCORD_PUBLIC)


@pytest.mark.parametrize("key", ["", "ab", "g" * 64, "a" * 63, DISCORD_PUBLIC + "00", 7])
def test_what_is_no_public_key_is_refused_when_it_is_set(key: object) -> None:
    with pytest.raises(InvalidRequest, match="publicKey"):
        Sender("discord", publicKey=key)


def test_until_the_key_is_set_nothing_is_genuine() -> None:
    with pytest.raises(InvalidSignature) as refusal:
        Sender("discord", publicKey=None).verify(Sender("discord").headers())
    assert refusal.value.__notes__ == ["publicKey is not set"]


def test_a_public_key_may_be_written_in_capitals_a_signature_may_not() -> None:
    sender = Sender("discord", publicKey=DISCORD_PUBLIC.upper())
    headers = sender.headers()
    sender.verify(headers)
    headers["X-Signature-Ed25519"] = headers["X-Signature-Ed25519"].upper()
    with pytest.raises(InvalidSignature):
        sender.verify(headers)


def test_a_ping_of_webhook_events_is_answered_with_nothing() -> None:
    ping = {"version": 1, "application_id": "1234560123453231555", "type": 0}
    assert handshake(ping) == Handshake(status=204)


def test_a_ping_of_interactions_is_answered_with_its_type() -> None:
    ping = {"id": "1", "application_id": "1", "type": 1, "token": "t", "version": 1}
    assert handshake(ping) == Handshake(json={"type": 1})


@pytest.mark.parametrize("kind", [True, False, "1", None, 2, 1.5, [1]])
def test_nothing_else_is_a_ping(kind: object) -> None:
    assert handshake({"type": kind}) is None
    assert handshake({"type": 1, "event": {"type": "APPLICATION_AUTHORIZED"}}) is None


def test_an_event_is_told_by_its_body() -> None:
    body = json.loads(payload("discord", "application_authorized"))
    described = Sender("discord").describe(body)
    assert described == EventDescription("APPLICATION_AUTHORIZED", "158049329150427136", None)


def test_an_interaction_has_an_id() -> None:
    described = Sender("discord").describe({"id": "845", "type": 2})
    assert described == EventDescription("interaction.application_command", "845", "845")
