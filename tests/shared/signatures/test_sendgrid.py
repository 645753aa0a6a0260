from __future__ import annotations

import json
from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.errors import InvalidRequest, InvalidSignature
from shared.signatures import EventDescription, Verified
from tests.shared.signatures.factories import BODY, NOW, Sender, payload
from tests.shared.signatures.key_pairs import DISCORD_PUBLIC, SENDGRID, SENDGRID_PUBLIC

INFO = PublicFormat.SubjectPublicKeyInfo


def headers(signature: bytes) -> dict[str, str]:
    return {
        "X-Twilio-Email-Event-Webhook-Timestamp": str(NOW),
        "X-Twilio-Email-Event-Webhook-Signature": b64encode(signature).decode(),
    }


def signed(body: bytes = BODY) -> bytes:
    return SENDGRID.sign(f"{NOW}".encode() + body, ec.ECDSA(SHA256()))


def test_it_is_ecdsa_over_time_and_body() -> None:
    assert Sender("sendgrid").verify(headers(signed()), keys=[]) == Verified(timestamp=NOW)


def test_a_signature_that_is_not_der_is_refused() -> None:
    r, s = decode_dss_signature(signed())
    for other in (r.to_bytes(32) + s.to_bytes(32), signed() + b"\x00", b"\x30\x00", b""):
        with pytest.raises(InvalidSignature):
            Sender("sendgrid").verify(headers(other))
    Sender("sendgrid").verify(headers(encode_dss_signature(r, s)))


def test_the_key_may_be_set_as_pem_too() -> None:
    text = SENDGRID.public_key().public_bytes(Encoding.PEM, INFO).decode()
    Sender("sendgrid", publicKey=text).verify(headers(signed()))


@pytest.mark.parametrize(
    "key",
    [
        "",
        "AAAA",
        "!",
        DISCORD_PUBLIC,
        SENDGRID_PUBLIC[:-4],
        b64encode(
            ec.derive_private_key(7, ec.SECP384R1()).public_key().public_bytes(Encoding.DER, INFO)
        ).decode(),
        7,
    ],
)
def test_what_is_no_key_on_the_curve_is_refused_when_it_is_set(key: object) -> None:
    with pytest.raises(InvalidRequest, match="publicKey"):
        Sender("sendgrid", publicKey=key)


def test_until_the_key_is_set_nothing_is_genuine() -> None:
    with pytest.raises(InvalidSignature) as refusal:
        Sender("sendgrid", publicKey=None).verify(headers(signed()))
    assert refusal.value.__notes__ == ["publicKey is not set"]


def test_an_item_tells_type_record_and_delivery() -> None:
    processed, delivered = json.loads(payload("sendgrid", "delivered"))
    sender = Sender("sendgrid")
    described = sender.describe(delivered)
    assert described == EventDescription(
        "delivered", delivered["sg_message_id"], "ZGVsaXZlcmVkLTAtMzM1NTg4NjEtc2c"
    )
    assert sender.describe(processed).delivery_id != described.delivery_id
