from __future__ import annotations

import json

import pytest
from slack_sdk.signature import Clock, SignatureVerifier

from shared.signatures import EventDescription, Handshake, Verified
from tests.shared.signatures.factories import BODY, NOW, Sender, payload, request


class StoppedClock(Clock):
    def now(self) -> float:
        return NOW


def test_a_signature_by_slacks_library_is_genuine() -> None:
    sender = Sender("slack")
    signature = SignatureVerifier(sender.secret).generate_signature(timestamp=str(NOW), body=BODY)
    assert signature is not None
    headers = {"X-Slack-Signature": signature, "X-Slack-Request-Timestamp": str(NOW)}
    assert sender.verify(headers) == Verified(timestamp=NOW)


def test_slacks_library_accepts_what_is_signed_here() -> None:
    sender = Sender("slack")
    verifier = SignatureVerifier(sender.secret, StoppedClock())
    assert verifier.is_valid_request(BODY, sender.headers())


def test_the_inner_event_tells_the_type_and_the_message() -> None:
    body = json.loads(payload("slack", "message"))
    channel, ts = body["event"]["channel"], body["event"]["ts"]
    assert Sender("slack").describe(body) == EventDescription(
        "message", f"{channel}:{ts}", body["event_id"]
    )


def test_an_event_that_is_no_message_has_no_record() -> None:
    body = {"type": "event_callback", "event_id": "Ev1", "event": {"type": "team_join"}}
    assert Sender("slack").describe(body) == EventDescription("team_join", None, "Ev1")


def test_the_challenge_is_handed_back() -> None:
    scheme = Sender("slack").scheme
    body = {"type": "url_verification", "token": "t", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9"}
    answer = scheme.handshake(request({}), body, [])
    assert answer == Handshake(json={"challenge": "3eZbrw1aBm2rZgRNFdxV2595E9"})


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"type": "event_callback", "challenge": "x"},
        {"type": "url_verification"},
        {"type": "url_verification", "challenge": {"a": 1}},
        {"type": "url_verification", "challenge": "x" * 256},
    ],
)
def test_nothing_else_is_answered_as_a_challenge(body: dict[str, object]) -> None:
    assert Sender("slack").scheme.handshake(request({}), body, []) is None
