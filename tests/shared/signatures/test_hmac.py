from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode

import pytest

from shared.errors import InvalidRequest, InvalidSignature
from shared.signatures import SCHEMES, EventDescription, Verified
from tests.shared.signatures.factories import BODY, NOW, Sender, request

SCHEME = SCHEMES["hmac"]
KEY = "k" * 40


def plain(**settings: object) -> tuple[str, object]:
    return KEY, SCHEME.settings({"header": "X-Sig", **settings})


@pytest.mark.parametrize("hash_name", ["sha256", "sha512", "sha1"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_hash_and_encoding_are_ones_own_choice(hash_name: str, encoding: str) -> None:
    digest = hmac.new(KEY.encode(), BODY, getattr(hashlib, hash_name)).digest()
    value = digest.hex() if encoding == "hex" else b64encode(digest).decode()
    key, settings = plain(hash=hash_name, encoding=encoding, prefix="v1=")
    SCHEME.verify(request({"x-sig": f"v1={value}"}), [key], settings, NOW)
    for wrong in (value, f"v1={value[:-2]}", f"v2={value}", f"v1={value.swapcase()}"):
        with pytest.raises(InvalidSignature):
            SCHEME.verify(request({"x-sig": wrong}), [key], settings, NOW)


def test_the_template_says_what_is_signed() -> None:
    settings = SCHEME.settings(
        {
            "header": "X-Sig",
            "template": "https://me.example/hook|{timestamp}|{id}|{body}!",
            "timestampHeader": "X-Ts",
            "deliveryIdHeader": "X-Id",
            "eventTypeHeader": "X-Type",
        }
    )
    signed = b"https://me.example/hook|%d|abc|%b!" % (NOW, BODY)
    digest = hmac.new(KEY.encode(), signed, hashlib.sha256).hexdigest()
    headers = {"X-Sig": digest, "X-Ts": str(NOW), "X-Id": "abc", "X-Type": "a.b"}
    verified = SCHEME.verify(request(headers), [KEY], settings, NOW)
    assert verified == Verified("a.b", "abc", NOW)
    assert SCHEME.describe(request(headers), {}, settings) == EventDescription("a.b", None, "abc")


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "header: Field required"),
        ({"header": "X Sig"}, "header"),
        ({"header": ""}, "header"),
        ({"header": "X-Sig\r\nHost"}, "header"),
        ({"header": "X-Sig\n"}, "header"),
        ({"header": "X-Sig", "hash": "md5"}, "hash"),
        ({"header": "X-Sig", "encoding": "base32"}, "encoding"),
        ({"header": "X-Sig", "prefix": "sha256=\n"}, "prefix"),
        ({"header": "X-Sig", "template": "{timestamp}"}, "must hold {body}"),
        ({"header": "X-Sig", "template": "{body}{body}"}, "must hold {body} once"),
        ({"header": "X-Sig", "template": "{body}{method}"}, "no other braces"),
        ({"header": "X-Sig", "template": "{body}{0.__class__}"}, "no other braces"),
        ({"header": "X-Sig", "template": "{timestamp}.{body}"}, "need each other"),
        ({"header": "X-Sig", "timestampHeader": "X-Ts"}, "need each other"),
        ({"header": "X-Sig", "template": "{id}.{body}"}, "needs deliveryIdHeader"),
        ({"header": "X-Sig", "deliveryIdHeader": "x-sig"}, "nothing else"),
        ({"header": "X-Sig", "toleranceSeconds": 0}, "toleranceSeconds"),
        ({"header": "X-Sig", "toleranceSeconds": 86400}, "toleranceSeconds"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object], problem: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        SCHEME.settings(settings)
    assert problem in refusal.value.message


def test_a_missing_time_or_id_is_refused_even_if_the_rest_was_signed_so() -> None:
    sender = Sender("hmac")
    signed = b".%d.%b" % (NOW, BODY)
    digest = hmac.new(sender.secret.encode(), signed, hashlib.sha256).hexdigest()
    with pytest.raises(InvalidSignature):
        sender.verify({"X-Signature": f"sha256={digest}", "X-Timestamp": str(NOW)})
    signed = b"abc..%b" % BODY
    digest = hmac.new(sender.secret.encode(), signed, hashlib.sha256).hexdigest()
    with pytest.raises(InvalidSignature):
        sender.verify({"X-Signature": f"sha256={digest}", "X-Id": "abc"})


def test_a_timestamp_in_milliseconds_is_no_timestamp() -> None:
    sender = Sender("hmac")
    with pytest.raises(InvalidSignature):
        sender.verify(sender.headers(now=NOW * 1000), now=NOW * 1000)


def test_an_unsigned_delivery_id_falls_back_to_the_idempotency_key() -> None:
    _, settings = plain(deliveryIdHeader="X-Id")
    headers = {"Idempotency-Key": "k1"}
    assert SCHEME.describe(request(headers), {}, settings).delivery_id == "k1"
    assert SCHEME.describe(request({**headers, "X-Id": "i1"}), {}, settings).delivery_id == "i1"
