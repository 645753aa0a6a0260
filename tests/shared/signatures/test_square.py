from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode

import pytest

from shared.errors import InvalidRequest, InvalidSignature
from shared.signatures import EventDescription, Verified
from tests.shared.signatures.factories import BODY, URL, Sender, payload, request


def headers(secret: str, url: str = URL) -> dict[str, str]:
    digest = hmac.new(secret.encode(), url.encode() + BODY, hashlib.sha256).digest()
    return {"x-square-hmacsha256-signature": b64encode(digest).decode()}


def test_it_is_the_hmac_of_address_and_body() -> None:
    sender = Sender("square", "asdf1234")
    assert sender.headers() == headers("asdf1234")
    assert sender.verify(headers("asdf1234")) == Verified()


@pytest.mark.parametrize("url", [URL + "/", URL.replace("https", "http"), URL.upper(), ""])
def test_another_address_is_another_signature(url: str) -> None:
    sender = Sender("square")
    with pytest.raises(InvalidSignature):
        sender.verify(headers(sender.secret, url))


def test_where_the_request_came_in_does_not_matter_if_an_address_is_set() -> None:
    sender = Sender("square")
    came = request(headers(sender.secret), url="http://internal:8000/x")
    assert sender.scheme.verify(came, [sender.secret], sender.settings, 0) == Verified()


def test_without_one_it_is_the_address_that_we_know() -> None:
    sender = Sender("square", publicUrl=None)
    assert sender.verify(headers(sender.secret)) == Verified()
    with pytest.raises(InvalidRequest, match="publicUrl"):
        sender.headers()


def test_the_body_tells_type_record_and_delivery() -> None:
    body = json.loads(payload("square", "payment.created"))
    assert Sender("square").describe(body) == EventDescription(
        "payment.created", "hYy9pRFVxpDsO1FB05SunFWUe9JZY", "13b867cf-db3d-4b1c-90b6-2f32a9d78124"
    )
