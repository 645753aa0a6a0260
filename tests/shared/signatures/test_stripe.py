from __future__ import annotations

import json
import time

import pytest
import stripe

from shared.errors import InvalidSignature
from shared.signatures import EventDescription, Verified
from tests.shared.signatures.factories import BODY, NOW, Sender, payload


def test_a_signature_by_stripes_library_is_genuine() -> None:
    sender = Sender("stripe")
    digest = stripe.WebhookSignature._compute_signature(f"{NOW}.{BODY.decode()}", sender.secret)
    assert sender.verify({"Stripe-Signature": f"t={NOW},v1={digest}"}) == Verified(timestamp=NOW)


def test_stripes_library_accepts_what_is_signed_here() -> None:
    sender = Sender("stripe")
    headers = sender.headers(now=int(time.time()))
    assert stripe.WebhookSignature.verify_header(
        BODY, headers["Stripe-Signature"], sender.secret, tolerance=300
    )


def test_the_secret_counts_as_a_whole_prefix_included() -> None:
    sender = Sender("stripe")
    assert sender.secret.startswith("whsec_")
    with pytest.raises(InvalidSignature):
        sender.verify(sender.headers(), keys=[sender.secret.removeprefix("whsec_")])


def test_one_genuine_v1_among_several_is_enough() -> None:
    sender = Sender("stripe")
    genuine = sender.headers()["Stripe-Signature"]
    time_item, code = genuine.split(",")
    sender.verify({"Stripe-Signature": f"{time_item},v1={'0' * 64},{code},v0={'1' * 64}"})


def test_a_v0_code_does_not_count() -> None:
    sender = Sender("stripe")
    genuine = sender.headers()["Stripe-Signature"]
    with pytest.raises(InvalidSignature):
        sender.verify({"Stripe-Signature": genuine.replace("v1=", "v0=")})


def test_a_second_timestamp_is_refused() -> None:
    sender = Sender("stripe")
    genuine = sender.headers()["Stripe-Signature"]
    for extra in (f"t={NOW}", f" t={NOW}", f"t={NOW + 1}"):
        for header in (f"{genuine},{extra}", f"{extra},{genuine}"):
            with pytest.raises(InvalidSignature):
                sender.verify({"Stripe-Signature": header})


@pytest.mark.parametrize(
    ("event", "record"),
    [
        ("customer.created", "cus_TSx8mWq0fJ2kLp"),
        ("checkout.session.completed", "cs_test_b1uYq0pW3jF8sZc4TnR6vKe2Lx"),
        ("customer.subscription.created", "sub_1SWh6oLk2bQx7NvTc5Yp0HsA"),
    ],
)
def test_the_body_tells_type_record_and_delivery(event: str, record: str) -> None:
    body = json.loads(payload("stripe", event))
    described = Sender("stripe").describe(body, {"Idempotency-Key": "not stripe's"})
    assert described == EventDescription(event, record, body["id"])
