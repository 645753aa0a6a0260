from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook

from shared.errors import InvalidRequest
from shared.profile_settings import CustomSettings, is_reserved_header
from shared.profiles import (
    DEFAULT_USER_AGENT,
    MAX_SECRET_LENGTH,
    PROFILES,
    Attempt,
    ProfileName,
    Signing,
    check_secret,
    checked_profile,
    generate_secret,
    header_names,
    sign,
    standard_secret,
)
from shared.signatures import SCHEMES, Headers, SignedRequest

BODY = b'{"event":"message.created","timestamp":"2026-01-01T12:00:00.000Z","data":{}}'
NOW = 1_767_268_800
OLD, NEW = generate_secret(), generate_secret()
STANDARD = {"Content-Type", "User-Agent", "webhook-id", "webhook-timestamp", "webhook-signature"}


def attempt(try_number: int = 0) -> Attempt:
    return Attempt(BODY, "message.created", "msg_1", f"try_{try_number}", NOW, try_number)


def signed(profile: ProfileName, *secrets: str, try_number: int = 0, **raw: Any) -> dict[str, str]:
    name, settings = checked_profile(profile, raw)
    return sign(Signing(name, settings, secrets or (NEW,)), attempt(try_number))


def hex_code(secret: str, text: bytes = BODY, hash_name: str = "sha256") -> str:
    return hmac.new(secret.encode(), text, hash_name).hexdigest()


@pytest.mark.parametrize("profile", [name for name in PROFILES if name != "custom"])
def test_every_profile_has_what_every_delivery_has(profile: ProfileName) -> None:
    headers = signed(profile)
    key = b64decode(NEW.removeprefix("whsec_"))
    code = hmac.digest(key, b"msg_1.%d.%b" % (NOW, BODY), "sha256")

    assert headers["Content-Type"] == "application/json"
    assert headers["webhook-id"] == "msg_1"
    assert headers["webhook-timestamp"] == str(NOW)
    assert headers["webhook-signature"] == f"v1,{b64encode(code).decode()}"
    assert {name.lower() for name in headers} == header_names(profile, None)


def test_standard_has_no_others() -> None:
    headers = signed("standard")

    assert set(headers) == STANDARD
    assert headers["User-Agent"] == DEFAULT_USER_AGENT


@pytest.mark.parametrize(
    ("profile", "own"),
    [
        (
            "chatbots",
            {
                "X-Chatbots-Signature": f"sha256={hex_code(NEW)}",
                "X-Chatbots-Event": "message.created",
                "X-Chatbots-Delivery": "try_0",
            },
        ),
        (
            "whatscrm",
            {
                "X-Webhook-Signature": f"sha256={hex_code(NEW)}",
                "X-Webhook-Event": "message.created",
                "X-Webhook-Delivery": "try_0",
            },
        ),
        (
            "autoresponder",
            {"X-Webhook-Signature": hex_code(NEW), "X-Webhook-Event": "message.created"},
        ),
    ],
)
def test_a_platforms_headers_are_those_its_receivers_check(
    profile: ProfileName, own: dict[str, str]
) -> None:
    headers = signed(profile)

    assert {name: value for name, value in headers.items() if name not in STANDARD} == own


def test_the_autoresponder_names_itself() -> None:
    assert signed("autoresponder")["User-Agent"] == "AI-Support-Autoresponder/1.0"


def test_custom_headers_are_as_the_settings_say() -> None:
    headers = signed(
        "custom",
        signatureHeader="X-Acme-Sig",
        prefix="HMAC ",
        encoding="base64",
        hash="sha512",
        template="https://acme.example|{timestamp}|{id}|{body}",
        eventHeader="X-Acme-Event",
        deliveryHeader="X-Acme-Delivery",
        attemptHeader="X-Acme-Attempt",
        timestampHeader="X-Acme-Time",
        userAgent="Acme Hooks/2.0 (beta)",
    )
    text = b"https://acme.example|%d|msg_1|%b" % (NOW, BODY)
    code = b64encode(hmac.digest(NEW.encode(), text, "sha512")).decode()

    assert {name: value for name, value in headers.items() if name.startswith("X-")} == {
        "X-Acme-Sig": f"HMAC {code}",
        "X-Acme-Event": "message.created",
        "X-Acme-Delivery": "msg_1",
        "X-Acme-Attempt": "try_0",
        "X-Acme-Time": str(NOW),
    }
    assert headers["User-Agent"] == "Acme Hooks/2.0 (beta)"


@pytest.mark.parametrize("hash_name", ["sha256", "sha512", "sha1"])
def test_custom_hashes_are_those_of_hashlib(hash_name: str) -> None:
    headers = signed("custom", signatureHeader="X-Sig", hash=hash_name)

    assert headers["X-Sig"] == hex_code(NEW, hash_name=hash_name)


def test_a_custom_profile_can_be_all_that_the_others_are() -> None:
    for profile in PROFILES.values():
        if profile.layout is not None:
            raw = profile.layout.model_dump(by_alias=True)
            assert checked_profile("custom", raw) == ("custom", profile.layout)


def test_our_own_ingest_accepts_what_a_custom_profile_signs() -> None:
    headers = signed(
        "custom",
        signatureHeader="X-Sig",
        template="{id}.{timestamp}.{body}",
        timestampHeader="X-Time",
        deliveryHeader="X-Id",
    )
    scheme = SCHEMES["hmac"]
    settings = scheme.settings(
        {
            "header": "X-Sig",
            "template": "{id}.{timestamp}.{body}",
            "timestampHeader": "X-Time",
            "deliveryIdHeader": "X-Id",
        }
    )
    request = SignedRequest("POST", "/", Headers(headers.items()), BODY)

    assert scheme.verify(request, [NEW], settings, NOW).delivery_id == "msg_1"


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ({}, "signatureHeader: Field required"),
        ({"signatureHeader": ""}, "signatureHeader"),
        ({"signatureHeader": "X Sig"}, "signatureHeader"),
        ({"signatureHeader": "X-Sig\r\nHost: evil"}, "signatureHeader"),
        ({"signatureHeader": "X-Sig\n"}, "signatureHeader"),
        ({"signatureHeader": "X-Sïg"}, "signatureHeader"),
        ({"signatureHeader": "Host"}, "Host is not for a webhook to set"),
        ({"signatureHeader": "X-Sig", "eventHeader": "Content-Type"}, "eventHeader"),
        ({"signatureHeader": "X-Sig", "deliveryHeader": "Webhook-Id"}, "deliveryHeader"),
        ({"signatureHeader": "X-Sig", "attemptHeader": "connection"}, "attemptHeader"),
        ({"signatureHeader": "X-Sig", "timestampHeader": "TE"}, "timestampHeader"),
        ({"signatureHeader": "X-Sig", "eventHeader": "x-sig"}, "one thing only"),
        ({"signatureHeader": "X-Sig", "eventHeader": "X-A", "timestampHeader": "x-a"}, "one thing"),
        ({"signatureHeader": "X-Sig", "prefix": " sha256="}, "prefix"),
        ({"signatureHeader": "X-Sig", "prefix": "sha256=\r\n"}, "prefix"),
        ({"signatureHeader": "X-Sig", "prefix": "p" * 51}, "prefix"),
        ({"signatureHeader": "X-Sig", "hash": "md5"}, "hash"),
        ({"signatureHeader": "X-Sig", "encoding": "base32"}, "encoding"),
        ({"signatureHeader": "X-Sig", "template": "{timestamp}"}, "must hold {body} once"),
        ({"signatureHeader": "X-Sig", "template": "{body}{secret}"}, "no other braces"),
        ({"signatureHeader": "X-Sig", "userAgent": "a\r\nHost: evil"}, "userAgent"),
        ({"signatureHeader": "X-Sig", "userAgent": ""}, "userAgent"),
        ({"signatureHeader": "X-Sig", "userAgent": "é"}, "userAgent"),
        ({"signatureHeader": "X-Sig", "else": 1}, "else"),
    ],
)
def test_custom_settings_that_make_no_sense_are_refused(raw: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        checked_profile("custom", raw)

    assert refusal.value.message.startswith("Settings for the custom profile: ")
    assert problem in refusal.value.message


@pytest.mark.parametrize("name", ["HOST", "Content-Length", "webhook-anything", "Keep-Alive"])
def test_a_header_is_reserved_in_any_case(name: str) -> None:
    assert is_reserved_header(name)
    assert not is_reserved_header(f"X-{name}")


def test_only_the_custom_profile_has_settings() -> None:
    assert checked_profile("chatbots", None) == ("chatbots", None)
    with pytest.raises(InvalidRequest, match="chatbots has no settings"):
        checked_profile("chatbots", {"signatureHeader": "X-Sig"})
    with pytest.raises(ValueError, match="custom"):
        Signing("standard", CustomSettings(signature_header="X-Sig"), (NEW,))
    with pytest.raises(ValueError, match="custom"):
        Signing("custom", None, (NEW,))


def test_a_profile_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="must be one of standard, chatbots"):
        checked_profile("stripe", {})


def test_the_names_of_a_custom_profiles_headers_are_taken() -> None:
    settings = CustomSettings(signature_header="X-Sig", event_header="X-Kind")

    assert header_names("custom", settings) - header_names("standard", None) == {"x-sig", "x-kind"}


def test_during_a_rotation_there_is_a_standard_signature_by_each_secret() -> None:
    headers = signed("chatbots", NEW, OLD)
    alone = [signed("chatbots", secret)["webhook-signature"] for secret in (NEW, OLD)]

    assert headers["webhook-signature"] == " ".join(alone)


def test_during_a_rotation_the_tries_take_turns_with_the_secrets_newest_first() -> None:
    signatures = [
        signed("autoresponder", NEW, OLD, try_number=number)["X-Webhook-Signature"]
        for number in range(4)
    ]

    assert signatures == [hex_code(NEW), hex_code(OLD)] * 2


def test_each_try_has_an_id_of_its_own_and_the_events() -> None:
    first, second = (signed("chatbots", try_number=number) for number in (0, 1))

    assert first["X-Chatbots-Delivery"] != second["X-Chatbots-Delivery"]
    assert first["webhook-id"] == second["webhook-id"]


@pytest.mark.parametrize("secrets", [(), ("",), (NEW, "")])
def test_nothing_is_signed_without_a_secret(secrets: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="secret"):
        Signing("standard", None, secrets)


def test_a_generated_secret_is_32_random_bytes_in_base64() -> None:
    first, second = generate_secret(), generate_secret()

    assert first.startswith("whsec_")
    assert len(b64decode(first.removeprefix("whsec_"), validate=True)) == 32
    assert first != second
    check_secret(first)


@pytest.mark.parametrize(
    ("secret", "told"),
    [
        (NEW, NEW),
        ("whsec_c2VjcmV0", "whsec_c2VjcmV0"),
        ("whsec_c2VjcmV0cw", "whsec_c2VjcmV0cw=="),
        ("5f8d7a3c9b2e1d6f4a7c8b9d0e3f2a1", "whsec_" + b64encode(b"5f8d7a3c9b2e1d6f4a7c8b9d0e3f2a1").decode()),
        ("c2VjcmV0", "whsec_" + b64encode(b"c2VjcmV0").decode()),
        ("whsec_", "whsec_d2hzZWNf"),
        ("whsec_not base64!", "whsec_" + b64encode(b"whsec_not base64!").decode()),
        ("whsec_c2VjcmV0cx", "whsec_" + b64encode(b"whsec_c2VjcmV0cx").decode()),
        ("schlüssel", "whsec_" + b64encode("schlüssel".encode()).decode()),
    ],
)  # fmt: skip
def test_any_secret_can_be_given_to_a_standard_webhooks_library(secret: str, told: str) -> None:
    headers = signed("standard", secret)
    library = Webhook(told)

    assert standard_secret(secret) == told
    at = datetime.fromtimestamp(NOW, UTC)
    assert library.sign("msg_1", at, BODY.decode()) == headers["webhook-signature"]


@pytest.mark.parametrize("secret", ["s", "s" * MAX_SECRET_LENGTH, "a b", "schlüssel", NEW])
def test_a_secret_may_be_ones_own(secret: str) -> None:
    check_secret(secret)


@pytest.mark.parametrize(
    "secret", ["", "s" * (MAX_SECRET_LENGTH + 1), " s", "s\n", "a\tb", "a\u200bb", "\ud800"]
)
def test_a_clumsy_secret_is_refused(secret: str) -> None:
    with pytest.raises(InvalidRequest, match="The secret"):
        check_secret(secret)


def test_nothing_shows_a_secret() -> None:
    signing = Signing("chatbots", None, (NEW, OLD))
    sign(signing, attempt())

    for shown in (repr(signing), str(signing), f"{signing}"):
        assert NEW not in shown
        assert OLD not in shown
        assert hashlib.sha256(NEW.encode()).hexdigest() not in shown
