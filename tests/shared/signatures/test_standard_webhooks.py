from __future__ import annotations

import hmac
import json
from base64 import b64encode
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from standardwebhooks import Webhook

from shared.errors import InvalidRequest, InvalidSignature
from shared.signatures import Verified
from tests.shared.signatures.factories import BODY, NOW, Sender, payload

MESSAGE = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"


def test_a_signature_by_the_reference_library_is_genuine() -> None:
    sender = Sender("standard_webhooks")
    at = datetime.fromtimestamp(NOW, UTC)
    headers = {
        "Webhook-Id": MESSAGE,
        "Webhook-Timestamp": str(NOW),
        "Webhook-Signature": Webhook(sender.secret).sign(MESSAGE, at, BODY.decode()),
    }
    assert sender.verify(headers) == Verified(delivery_id=MESSAGE, timestamp=NOW)


def test_the_reference_library_accepts_what_is_signed_here() -> None:
    sender = Sender("standard_webhooks")
    now = int(datetime.now(UTC).timestamp())
    headers = sender.headers(now=now, delivery_id=MESSAGE)
    assert headers["webhook-id"] == MESSAGE
    assert Webhook(sender.secret).verify(BODY, headers) == json.loads(BODY)


def test_an_unpadded_or_unprefixed_secret_is_the_same_key() -> None:
    sender = Sender("standard_webhooks")
    for secret in (sender.secret.rstrip("="), sender.secret.removeprefix("whsec_")):
        sender.scheme.check_secret(secret)
        sender.verify(sender.headers(), keys=[secret])


def test_svix_headers_are_read_too() -> None:
    sender = Sender("standard_webhooks")
    headers = {f"Svix-{name[8:]}": value for name, value in sender.headers().items()}
    assert sorted(headers) == ["Svix-id", "Svix-signature", "Svix-timestamp"]
    assert sender.verify(headers).delivery_id == headers["Svix-id"]


def test_the_two_families_of_headers_do_not_mix() -> None:
    sender = Sender("standard_webhooks")
    headers = sender.headers()
    headers["svix-id"] = headers.pop("webhook-id")
    with pytest.raises(InvalidSignature):
        sender.verify(headers)


def test_one_genuine_signature_in_the_list_is_enough() -> None:
    sender, other = Sender("standard_webhooks"), Sender("standard_webhooks")
    headers = sender.headers()
    wrong = other.headers()["webhook-signature"]
    headers["webhook-signature"] = f"v2,AAAA {wrong} {headers['webhook-signature']}"
    sender.verify(headers)


@pytest.mark.parametrize("joint", ["  ", ",", ", "])
def test_a_list_that_is_not_separated_by_single_spaces_is_refused(joint: str) -> None:
    sender = Sender("standard_webhooks")
    headers = sender.headers()
    signature = headers["webhook-signature"]
    headers["webhook-signature"] = f"{signature}{joint}{signature}"
    with pytest.raises(InvalidSignature):
        sender.verify(headers)


def test_an_empty_id_is_refused_even_if_it_was_signed_so() -> None:
    sender = Sender("standard_webhooks")
    at = datetime.fromtimestamp(NOW, UTC)
    signature = Webhook(sender.secret).sign("", at, BODY.decode())
    headers = {"webhook-timestamp": str(NOW), "webhook-signature": signature}
    for given in (headers, {**headers, "webhook-id": ""}):
        with pytest.raises(InvalidSignature):
            sender.verify(given)


class TestWithAPublicKey:
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    secret = "whpk_" + b64encode(private.public_key().public_bytes_raw()).decode()

    def headers(self, body: bytes = BODY) -> dict[str, str]:
        signature = self.private.sign(b"%b.%d.%b" % (MESSAGE.encode(), NOW, body))
        return {
            "webhook-id": MESSAGE,
            "webhook-timestamp": str(NOW),
            "webhook-signature": "v1a," + b64encode(signature).decode(),
        }

    def test_a_v1a_signature_is_genuine(self) -> None:
        Sender("standard_webhooks", self.secret).verify(self.headers())

    def test_no_bit_of_it_can_be_changed(self) -> None:
        sender = Sender("standard_webhooks", self.secret)
        good = self.headers()["webhook-signature"].encode()
        for place in range(len(good)):
            for bit in range(7):
                changed = bytearray(good)
                changed[place] ^= 1 << bit
                headers = {**self.headers(), "webhook-signature": changed.decode()}
                with pytest.raises(InvalidSignature):
                    sender.verify(headers)

    def test_the_body_cannot_be_changed(self) -> None:
        with pytest.raises(InvalidSignature):
            Sender("standard_webhooks", self.secret).verify(self.headers(), BODY + b" ")

    def test_the_public_key_is_no_hmac_secret(self) -> None:
        """Anyone knows a public key; whoever signs a v1 with it must not get in."""
        as_secret = "whsec_" + self.secret.removeprefix("whpk_")
        forged = Sender("standard_webhooks", as_secret).headers()
        with pytest.raises(InvalidSignature):
            Sender("standard_webhooks", self.secret).verify(forged)

    def test_it_and_a_shared_secret_hold_side_by_side_in_a_rotation(self) -> None:
        sender = Sender("standard_webhooks")
        for headers in (self.headers(), sender.headers()):
            sender.verify(headers, keys=[sender.secret, self.secret])

    def test_it_cannot_sign(self) -> None:
        with pytest.raises(InvalidRequest, match="whsec_"):
            Sender("standard_webhooks", self.secret).headers()

    @pytest.mark.parametrize("signature", ["", "AAAA", "!", "A" * 86 + "==", "é"])
    def test_garbage_is_refused(self, signature: str) -> None:
        headers = {**self.headers(), "webhook-signature": f"v1a,{signature}"}
        with pytest.raises(InvalidSignature):
            Sender("standard_webhooks", self.secret).verify(headers)


@pytest.mark.parametrize("secret", ["whsec_not base64", "whsec_", "whpk_AAAA", "whpk_", "whsec_é"])
def test_a_secret_that_is_not_base64_is_refused_when_it_is_set(secret: str) -> None:
    sender = Sender("standard_webhooks", secret)
    with pytest.raises(InvalidRequest):
        sender.scheme.check_secret(secret)
    with pytest.raises(InvalidSignature):
        sender.verify(Sender("standard_webhooks").headers())


def test_the_body_tells_the_type_and_the_header_the_delivery() -> None:
    sender = Sender("standard_webhooks")
    body = payload("planhub", "user.created")
    described = sender.describe(json.loads(body), sender.headers(body, delivery_id=MESSAGE))
    assert described.event_type == "user.created"
    assert described.external_id == "user_2pQx8rT0sVn4"
    assert described.delivery_id == MESSAGE


def test_other_names_for_the_type_are_known() -> None:
    sender = Sender("standard_webhooks")
    assert sender.describe({"event_type": "a.b", "event": "c"}).event_type == "a.b"
    assert sender.describe({"event": "c", "external_id": 7}).event_type == "c"
    assert sender.describe({"event": "c", "external_id": 7}).external_id == "7"


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_===="])
def test_an_empty_secret_cannot_be_used_to_forge(secret: str) -> None:
    sender = Sender("standard_webhooks")
    digest = hmac.digest(b"", f"{MESSAGE}.{NOW}.".encode() + BODY, "sha256")
    forged = {
        "webhook-id": MESSAGE,
        "webhook-timestamp": str(NOW),
        "webhook-signature": f"v1,{b64encode(digest).decode()}",
    }
    with pytest.raises(InvalidSignature):
        sender.verify(forged, keys=[secret, sender.secret])
