from __future__ import annotations

import json
import zlib
from base64 import b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from shared.errors import InvalidRequest, InvalidSignature
from shared.signatures import EventDescription, Verified
from tests.shared.signatures.factories import BODY, NOW, Sender, payload
from tests.shared.signatures.key_pairs import DISCORD, PAYPALS, SENDGRID, certificate_of, pem

OTHER_KEY = rsa.generate_private_key(65537, 2048)
TIME = "2026-05-28T20:26:40Z"


def headers(webhook_id: str, body: bytes = BODY, time: str = TIME) -> dict[str, str]:
    signed = f"t-1|{time}|{webhook_id}|{zlib.crc32(body)}".encode()
    signature = PAYPALS.sign(signed, padding.PKCS1v15(), SHA256())
    return {
        "PAYPAL-TRANSMISSION-ID": "t-1",
        "PAYPAL-TRANSMISSION-TIME": time,
        "PAYPAL-TRANSMISSION-SIG": b64encode(signature).decode(),
        "PAYPAL-AUTH-ALGO": "SHA256withRSA",
        "PAYPAL-CERT-URL": "https://api.paypal.com/v1/notifications/certs/CERT-360caa42",
    }


def test_it_is_rsa_over_ids_time_and_checksum() -> None:
    sender = Sender("paypal")
    given = headers("9XL90610J3647323C")
    assert sender.verify(given, keys=[]) == Verified(timestamp=NOW)
    finer = headers("9XL90610J3647323C", time="2026-05-28T20:26:40.999Z")
    assert sender.verify(finer) == Verified(timestamp=NOW)


def test_what_is_signed_for_another_webhook_is_refused() -> None:
    with pytest.raises(InvalidSignature):
        Sender("paypal").verify(headers("8XL90610J3647323C"))


def test_no_header_chooses_the_certificate_or_the_algorithm() -> None:
    given = headers("9XL90610J3647323C")
    given |= {"PAYPAL-CERT-URL": "https://evil.example/cert", "PAYPAL-AUTH-ALGO": "none"}
    Sender("paypal").verify(given)
    with pytest.raises(InvalidSignature):
        Sender("paypal", certificates=[certificate_of(OTHER_KEY)]).verify(given)


def test_either_of_two_certificates_will_do_while_paypal_changes_them() -> None:
    both = [certificate_of(OTHER_KEY), certificate_of(PAYPALS)]
    Sender("paypal", certificates=both).verify(headers("9XL90610J3647323C"))


@pytest.mark.parametrize(("begins", "ends"), [(2020, 2026), (2027, 2040)])
def test_a_certificate_counts_only_while_it_is_valid(begins: int, ends: int) -> None:
    sender = Sender("paypal", certificates=[certificate_of(PAYPALS, begins=begins, ends=ends)])
    with pytest.raises(InvalidSignature):
        sender.verify(headers("9XL90610J3647323C"))


@pytest.mark.parametrize(
    "certificate",
    [
        "",
        "not a certificate",
        pem(PAYPALS),
        certificate_of(PAYPALS, "evil.example"),
        certificate_of(PAYPALS, "messageverificationcerts.paypal.com.evil.example"),
        certificate_of(PAYPALS, "evilmessageverificationcerts.paypal.com"),
        certificate_of(SENDGRID),
        certificate_of(DISCORD),
    ],
)
def test_only_a_certificate_of_paypals_can_be_set(certificate: str) -> None:
    with pytest.raises(InvalidRequest, match="certificates"):
        Sender("paypal", certificates=[certificate])


def test_the_sandboxs_certificate_can_be_set() -> None:
    name = "messageverificationcerts.sandbox.paypal.com"
    Sender("paypal", certificates=[certificate_of(PAYPALS, name)]).verify(
        headers("9XL90610J3647323C")
    )


@pytest.mark.parametrize("missing", [{"certificates": []}, {"webhookId": None}])
def test_until_both_are_set_nothing_is_genuine(missing: dict[str, Any]) -> None:
    """PayPal shows them only once the address is known; the header that names one is in the refusal."""
    sender = Sender("paypal", **missing)
    for given in (headers(""), headers("9XL90610J3647323C"), headers("None")):
        with pytest.raises(InvalidSignature):
            sender.verify(given)


def test_there_are_at_most_four_certificates_and_no_secret() -> None:
    with pytest.raises(InvalidRequest, match="certificates"):
        Sender("paypal", certificates=[certificate_of(PAYPALS)] * 5)
    with pytest.raises(InvalidRequest, match="takes no secret"):
        Sender("paypal").scheme.check_secret("x")


def test_only_paypals_private_key_can_sign() -> None:
    for key in ("", "text", pem(PAYPALS)[:200]):
        with pytest.raises(InvalidRequest, match="private key"):
            Sender("paypal", key).headers()


def test_the_body_tells_type_record_and_delivery() -> None:
    body = json.loads(payload("paypal", "payment.capture.completed"))
    given = headers("9XL90610J3647323C")
    assert Sender("paypal").describe(body, given) == EventDescription(
        "PAYMENT.CAPTURE.COMPLETED",
        "12A34567BC123456S",
        "WH-58D329510W468432D-8HN650336L201105X",
    )
