from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode

import pytest

from shared.errors import InvalidRequest, InvalidSignature
from shared.signatures import EventDescription, Verified
from tests.shared.signatures.factories import BODY, NOW, URL, Sender, payload, request


def headers(
    secret: str, url: str = URL, method: str = "POST", time: str = f"{NOW}000"
) -> dict[str, str]:
    signed = f"{method}{url}".encode() + BODY + time.encode()
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return {
        "X-HubSpot-Request-Timestamp": time,
        "X-HubSpot-Signature-v3": b64encode(digest).decode(),
    }


def test_it_is_the_hmac_of_method_address_body_and_time() -> None:
    sender = Sender("hubspot")
    assert sender.headers() == headers(sender.secret)
    assert sender.verify(headers(sender.secret)) == Verified(timestamp=NOW)


def test_the_query_that_came_belongs_to_the_address() -> None:
    sender = Sender("hubspot")
    signed = headers(sender.secret, f"{URL}?portal=1&x=%3A")
    came = request(signed, BODY, "portal=1&x=%3A")
    sender.scheme.verify(came, [sender.secret], sender.settings, NOW)
    with pytest.raises(InvalidSignature):
        sender.verify(signed)


def test_without_a_public_url_it_is_the_address_that_we_know() -> None:
    sender = Sender("hubspot", publicUrl=None)
    sender.verify(headers(sender.secret))
    with pytest.raises(InvalidSignature):
        sender.verify(headers(sender.secret, "https://elsewhere.example.com/"))
    with pytest.raises(InvalidRequest, match="publicUrl"):
        sender.headers()


@pytest.mark.parametrize("time", [str(NOW), "", f"-{NOW}000", f"{NOW}.000", "0" * 30])
def test_the_time_is_in_milliseconds(time: str) -> None:
    sender = Sender("hubspot")
    with pytest.raises(InvalidSignature):
        sender.verify(headers(sender.secret, time=time))


def test_another_method_is_another_signature() -> None:
    sender = Sender("hubspot")
    with pytest.raises(InvalidSignature):
        sender.verify(headers(sender.secret, method="GET"))


@pytest.mark.parametrize(
    "url",
    [
        "hooks.example.com",
        "ftp://a.b",
        "https://",
        "https://a.b/?x",
        "https://a.b/#x",
        "https://u@a.b/",
        "https://a b/",
        "https://a.b:99999/",
        "https://ö.example",
    ],
)
def test_a_public_url_is_an_address_without_a_query(url: str) -> None:
    with pytest.raises(InvalidRequest, match="publicUrl"):
        Sender("hubspot", publicUrl=url)


def test_an_item_tells_type_record_and_delivery_whichever_attempt_it_is() -> None:
    first, second = json.loads(payload("hubspot", "contact.creation"))
    sender = Sender("hubspot")
    assert sender.describe(first) == EventDescription(
        "contact.creation", "123451", "44523390:2193838:1815121001:123451:1780000000000"
    )
    assert sender.describe(first | {"attemptNumber": 3}) == sender.describe(first)
    assert sender.describe(first | second).delivery_id != sender.describe(first).delivery_id


def test_events_that_share_an_id_are_two_if_they_are_about_different_objects() -> None:
    first, _ = json.loads(payload("hubspot", "contact.creation"))
    sender = Sender("hubspot")
    assert (
        sender.describe(first).delivery_id != sender.describe(first | {"objectId": 2}).delivery_id
    )
