from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from shared.errors import InvalidRequest, InvalidSignature
from shared.signatures import EventDescription, Verified, generate_secret, storable_headers
from tests.shared.signatures.factories import BODY, NOW, Sender, payload, request


def with_signing_token() -> Sender:
    return Sender("gitlab", generate_secret("standard_webhooks"))


def test_the_plain_token_is_compared() -> None:
    sender = Sender("gitlab", "t0ken")
    verified = sender.verify({"X-Gitlab-Token": "t0ken", "X-Gitlab-Event": "Push Hook"})
    assert verified == Verified(event_type="Push Hook")


@pytest.mark.parametrize("token", ["", "t0ke", "t0ken ", "T0ken", "t0ken, t0ken"])
def test_another_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidSignature):
        Sender("gitlab", "t0ken").verify({"X-Gitlab-Token": token})


def test_a_signing_token_makes_it_standard_webhooks() -> None:
    sender = with_signing_token()
    headers = sender.headers(delivery_id="d1")
    assert "X-Gitlab-Token" not in headers
    signed = Webhook(sender.secret).sign("d1", datetime.fromtimestamp(NOW, UTC), BODY.decode())
    assert headers["webhook-signature"] == signed
    assert sender.verify(headers) == Verified(delivery_id="d1", timestamp=NOW)
    for other, now in ((BODY + b" ", NOW), (BODY, NOW + 301), (BODY, NOW - 301)):
        with pytest.raises(InvalidSignature):
            sender.verify(headers, other, now=now)


def test_a_signing_token_in_the_clear_proves_nothing() -> None:
    """Whoever has it could sign; the header is not what is asked for."""
    sender = with_signing_token()
    with pytest.raises(InvalidSignature):
        sender.verify({"X-Gitlab-Token": sender.secret})


def test_a_plain_token_is_no_key_to_sign_with() -> None:
    signed, plain = with_signing_token(), Sender("gitlab", "t0ken")
    with pytest.raises(InvalidSignature):
        plain.verify(signed.headers())


def test_both_kinds_hold_side_by_side_in_a_rotation() -> None:
    old, new = Sender("gitlab", "t0ken"), with_signing_token()
    for sender in (old, new):
        sender.verify(sender.headers(), keys=[new.secret, old.secret])


def test_a_signing_token_must_be_base64() -> None:
    with pytest.raises(InvalidRequest, match="base64"):
        Sender("gitlab").scheme.check_secret("whsec_not base64")


def test_the_plain_token_is_never_stored() -> None:
    sender = Sender("gitlab", "t0ken")
    credentials = sender.scheme.credential_headers(sender.settings)
    stored = storable_headers(request(sender.headers()).headers, credentials)
    assert stored == {"x-gitlab-token": "[hidden]"}


def test_the_headers_tell_type_and_delivery() -> None:
    body = json.loads(payload("gitlab", "issue.opened"))
    headers = {"X-Gitlab-Event": "Issue Hook", "Idempotency-Key": "f5e5f430"}
    sender = Sender("gitlab")
    assert sender.describe(body, headers) == EventDescription("Issue Hook", "301", "f5e5f430")
    assert sender.describe(body, headers | {"webhook-id": "w1"}).delivery_id == "w1"
    assert sender.describe(body).event_type == "issue"
