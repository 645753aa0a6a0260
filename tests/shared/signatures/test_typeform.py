from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode

from shared.signatures import EventDescription, Verified
from tests.shared.signatures.factories import BODY, Sender, payload


def test_it_is_the_base64_hmac_of_the_body_after_sha256() -> None:
    sender = Sender("typeform", "abc123")
    digest = b64encode(hmac.new(b"abc123", BODY, hashlib.sha256).digest()).decode()
    assert sender.headers() == {"Typeform-Signature": f"sha256={digest}"}
    assert sender.verify({"Typeform-Signature": f"sha256={digest}"}) == Verified()


def test_the_body_tells_type_record_and_delivery() -> None:
    body = json.loads(payload("typeform", "form_response"))
    assert Sender("typeform").describe(body) == EventDescription(
        "form_response", "a3a12ec67a1365927098a606107fac15", "01J9Z8K4M7T4QW7R3N5V6X8Y9Z"
    )
