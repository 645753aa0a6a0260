from __future__ import annotations

import hashlib
import hmac
import json
from urllib.parse import urlencode

import pytest

from shared.signatures import EventDescription, Handshake, Verified
from tests.shared.signatures.factories import BODY, Sender, payload, request

TOKEN = "a-token-of-ours"
ASKED = {"hub.mode": "subscribe", "hub.verify_token": TOKEN, "hub.challenge": "1158201444"}
WAMID = "wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA="


def greeting(query: str, method: str = "GET", token: str | None = TOKEN) -> Handshake | None:
    sender = Sender("meta", verifyToken=token)
    return sender.scheme.greeting(request({}, b"", query, method=method), sender.settings)


def test_it_is_the_hmac_of_the_body_after_sha256() -> None:
    sender = Sender("meta", "8f4b2a1c9d0e7f6a5b4c3d2e1f0a9b8c")
    digest = hmac.new(sender.secret.encode(), BODY, hashlib.sha256).hexdigest()
    assert sender.headers() == {"X-Hub-Signature-256": f"sha256={digest}"}
    assert sender.verify({"X-Hub-Signature-256": f"sha256={digest}"}) == Verified()


def test_the_challenge_is_handed_back_to_whoever_knows_the_token() -> None:
    assert greeting(urlencode(ASKED)) == Handshake(text="1158201444")


@pytest.mark.parametrize(
    "changes",
    [
        {"hub.verify_token": "other"},
        {"hub.verify_token": ""},
        {"hub.mode": "unsubscribe"},
        {"hub.challenge": ""},
        {"hub.challenge": "<script>alert(1)</script>"},
        {"hub.challenge": "1" * 256},
    ],
)
def test_anything_else_is_not_answered(changes: dict[str, str]) -> None:
    assert greeting(urlencode(ASKED | changes)) is None


def test_it_is_asked_with_get_and_only_where_a_token_is_set() -> None:
    assert greeting(urlencode(ASKED), method="POST") is None
    assert greeting(urlencode(ASKED), token=None) is None


@pytest.mark.parametrize(
    ("event", "delivery"),
    [("whatsapp.messages", WAMID), ("whatsapp.statuses", f"{WAMID}:delivered")],
)
def test_the_one_message_tells_record_and_delivery(event: str, delivery: str) -> None:
    described = Sender("meta").describe(json.loads(payload("meta", event)))
    assert described == EventDescription("messages", WAMID, delivery)


def test_several_messages_are_told_by_their_body() -> None:
    body = json.loads(payload("meta", "whatsapp.messages"))
    body["entry"] += body["entry"]
    assert Sender("meta").describe(body) == EventDescription("messages", None, None)


def test_a_messenger_message_is_known_by_its_mid() -> None:
    body = {"object": "page", "entry": [{"messaging": [{"message": {"mid": "m_1", "text": "Hi"}}]}]}
    assert Sender("meta").describe(body) == EventDescription("messages", "m_1", "m_1")


def test_a_change_of_another_field_gives_its_name() -> None:
    body = {"object": "page", "entry": [{"changes": [{"field": "leadgen", "value": {"id": "9"}}]}]}
    assert Sender("meta").describe(body) == EventDescription("leadgen", "9", "9")
