from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from shared.errors import InvalidSignature
from shared.signatures import EventDescription, Verified
from shared.signatures.handshake import PONG
from tests.shared.signatures.factories import BODY, Sender, payload, request


def test_githubs_own_test_vector_is_genuine() -> None:
    """From "Testing the webhook payload validation" in GitHub's documentation."""
    digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    sender = Sender("github", "It's a Secret to Everybody")
    sender.verify({"X-Hub-Signature-256": f"sha256={digest}"}, b"Hello, World!")


def test_it_is_the_hmac_of_the_body() -> None:
    sender = Sender("github", "correct horse")
    digest = hmac.new(b"correct horse", BODY, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": f"sha256={digest}"}
    assert sender.headers() == headers
    assert sender.verify(headers) == Verified()


@pytest.mark.parametrize("prefix", ["", "sha1=", "SHA256=", "sha256=sha256=", "sha256 ="])
def test_another_prefix_is_refused(prefix: str) -> None:
    sender = Sender("github")
    digest = sender.headers()["X-Hub-Signature-256"].removeprefix("sha256=")
    with pytest.raises(InvalidSignature):
        sender.verify({"X-Hub-Signature-256": prefix + digest})


def test_the_old_sha1_header_is_not_enough() -> None:
    sender = Sender("github")
    digest = hmac.new(sender.secret.encode(), BODY, hashlib.sha1).hexdigest()
    with pytest.raises(InvalidSignature):
        sender.verify({"X-Hub-Signature": f"sha1={digest}"})


@pytest.mark.parametrize(
    ("event", "record"),
    [
        ("issues.opened", ("issue", "id")),
        ("pull_request.opened", ("pull_request", "id")),
        ("push", None),
        ("ping", None),
    ],
)
def test_header_and_action_make_the_type(event: str, record: tuple[str, str] | None) -> None:
    sender = Sender("github")
    body = payload("github", event)
    headers = sender.headers(body, event_type=event, delivery_id="72d3162e-cc78-11e3-81ab")
    assert headers["X-GitHub-Event"] == event.partition(".")[0]
    parsed = json.loads(body)
    external_id = str(parsed[record[0]][record[1]]) if record else None
    assert sender.describe(parsed, headers) == EventDescription(
        event, external_id, "72d3162e-cc78-11e3-81ab"
    )
    assert sender.verify(headers, body) == Verified(
        event.partition(".")[0], "72d3162e-cc78-11e3-81ab"
    )


def test_a_comment_is_about_its_issue() -> None:
    body = {"action": "created", "comment": {"id": 1}, "issue": {"id": 2}}
    described = Sender("github").describe(body, {"X-GitHub-Event": "issue_comment"})
    assert described == EventDescription("issue_comment.created", "2", None)


def test_an_action_without_its_header_names_no_type() -> None:
    assert Sender("github").describe({"action": "opened"}).event_type == "unknown"


def test_a_ping_is_answered_if_header_and_body_both_say_so() -> None:
    scheme = Sender("github").scheme
    body = json.loads(payload("github", "ping"))
    assert scheme.handshake(request({"X-GitHub-Event": "ping"}), body, []) == PONG
    assert scheme.handshake(request({"X-GitHub-Event": "push"}), body, []) is None
    issue = json.loads(payload("github", "issues.opened"))
    assert scheme.handshake(request({"X-GitHub-Event": "ping"}), issue, []) is None
