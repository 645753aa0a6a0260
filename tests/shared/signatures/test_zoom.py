from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from shared.signatures import EventDescription, Handshake, Verified
from tests.shared.signatures.factories import BODY, NOW, Sender, payload, request

TOKEN = "qgg8vlvZRS6UYooatFL8Aw"
VALIDATION: dict[str, Any] = {
    "event": "endpoint.url_validation",
    "event_ts": 1780000000000,
    "payload": {"plainToken": TOKEN},
}


def code(secret: str, signed: bytes) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def handshake(sender: Sender, asked: dict[str, Any], keys: list[str]) -> Handshake | None:
    body = json.dumps(asked).encode()
    return sender.scheme.handshake(request(sender.headers(body), body), asked, keys)


def test_it_is_the_hmac_of_version_time_and_body() -> None:
    sender = Sender("zoom", "iyhDjL9XQyKq0w3nNnq4Sg")
    headers = {
        "x-zm-request-timestamp": str(NOW),
        "x-zm-signature": f"v0={code(sender.secret, f'v0:{NOW}:'.encode() + BODY)}",
    }
    assert sender.headers() == headers
    assert sender.verify(headers) == Verified(timestamp=NOW)


def test_the_validation_gets_its_token_back_with_a_code() -> None:
    sender = Sender("zoom")
    encrypted = code(sender.secret, TOKEN.encode())
    answer = handshake(sender, VALIDATION, [sender.secret])
    assert answer == Handshake(json={"plainToken": TOKEN, "encryptedToken": encrypted})


def test_in_a_rotation_the_code_is_made_with_the_secret_that_zoom_uses() -> None:
    sender, other = Sender("zoom"), Sender("zoom")
    encrypted = code(sender.secret, TOKEN.encode())
    for keys in ([other.secret, sender.secret], [sender.secret, other.secret]):
        answer = handshake(sender, VALIDATION, keys)
        assert answer is not None
        assert answer.json == {"plainToken": TOKEN, "encryptedToken": encrypted}


@pytest.mark.parametrize(
    "asked",
    [
        {"event": "meeting.ended", "payload": {"plainToken": TOKEN}},
        {"event": "endpoint.url_validation"},
        {"event": "endpoint.url_validation", "payload": {"plainToken": 7}},
        {"event": "endpoint.url_validation", "payload": {"plainToken": "x" * 256}},
    ],
)
def test_nothing_else_gets_a_code(asked: dict[str, Any]) -> None:
    sender = Sender("zoom")
    assert handshake(sender, asked, [sender.secret]) is None


def test_the_body_tells_type_and_record() -> None:
    body = json.loads(payload("zoom", "meeting.ended"))
    described = Sender("zoom").describe(body)
    assert described == EventDescription("meeting.ended", "4444AAAiAAAAAiAiAiiAii==", None)
