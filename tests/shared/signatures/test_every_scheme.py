"""What holds for every scheme, those still to come included."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import InvalidRequest, InvalidSignature
from shared.signatures import (
    MAX_FACT_LENGTH,
    SCHEMES,
    Headers,
    SignedRequest,
    generate_secret,
    macs,
    scheme_named,
    schemes,
    storable_headers,
)
from tests.shared.signatures.factories import BODY, NOW, Sender, request

NAMES = sorted(SCHEMES)
WITH_SECRET = [name for name in NAMES if SCHEMES[name].needs_secret]
SIGNING = [name for name in WITH_SECRET if name != "bearer"]
TIMED = [name for name in NAMES if "tolerance_seconds" in SCHEMES[name].settings_model.model_fields]

each_scheme = pytest.mark.parametrize("name", NAMES)
each_with_secret = pytest.mark.parametrize("name", WITH_SECRET)
each_that_signs = pytest.mark.parametrize("name", SIGNING)
each_with_time = pytest.mark.parametrize("name", TIMED)
# A busy machine is no failure.
examples = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])

SENDERS = {name: Sender(name) for name in NAMES}


def refused(check: Callable[[], object]) -> InvalidSignature:
    with pytest.raises(InvalidSignature) as refusal:
        check()
    return refusal.value


def test_every_file_in_schemes_is_a_scheme_of_that_name() -> None:
    files = {path.stem for path in Path(*schemes.__path__).glob("*.py")} - {"__init__"}
    assert files == set(SCHEMES)
    assert all(SCHEMES[name].name == name and SCHEMES[name].summary for name in NAMES)


def test_an_unknown_scheme_is_refused_with_the_names_of_those_there_are() -> None:
    assert scheme_named("github") is SCHEMES["github"]
    with pytest.raises(InvalidRequest) as refusal:
        scheme_named("md5")
    assert all(name in refusal.value.message for name in NAMES)


@each_scheme
def test_the_readme_names_the_scheme_and_each_of_its_settings(name: str) -> None:
    readme = Path(*schemes.__path__).with_name("README.md").read_text()
    row = next(line for line in readme.splitlines() if line.startswith(f"| `{name}` |"))
    for field in SCHEMES[name].settings_model.model_fields.values():
        assert f"`{field.alias}`" in row


def test_the_readme_names_no_other_scheme() -> None:
    readme = Path(*schemes.__path__).with_name("README.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \|", readme, re.MULTILINE)) == set(SCHEMES)


@each_scheme
def test_what_is_signed_is_genuine(name: str) -> None:
    sender = SENDERS[name]
    sender.verify(sender.headers())
    sender.verify(sender.headers(body=b""), body=b"")


@each_with_secret
def test_during_a_rotation_both_secrets_hold_and_afterwards_only_the_new_one(name: str) -> None:
    old, new = Sender(name), Sender(name)
    assert old.secret != new.secret
    for sender in (old, new):
        sender.verify(sender.headers(), keys=[new.secret, old.secret])
    refused(lambda: old.verify(old.headers(), keys=[new.secret]))


@each_with_secret
def test_without_a_usable_secret_nothing_is_genuine(name: str) -> None:
    sender = SENDERS[name]
    refused(lambda: sender.verify(sender.headers(), keys=[]))
    refused(lambda: sender.verify(sender.headers(), keys=[""]))


@each_that_signs
def test_an_empty_secret_cannot_be_used_to_forge(name: str) -> None:
    forged = SENDERS[name].headers()
    digest = macs.code(b"", BODY, "base64" if name == "shopify" else "hex").decode()
    for field, value in forged.items():
        forged[field] = re.sub(r"[0-9a-f]{64}|[A-Za-z0-9+/]{43}=", digest, value)
    refused(lambda: SENDERS[name].verify(forged, keys=["", SENDERS[name].secret]))


@each_with_secret
def test_a_missing_empty_truncated_or_repeated_header_is_refused(name: str) -> None:
    sender = SENDERS[name]
    good = sender.headers()
    for field, value in good.items():
        others = [(other, text) for other, text in good.items() if other != field]
        for broken in (
            others,
            [*others, (field, "")],
            [*others, (field, value[:-1])],
            [*others, (field, value[1:])],
            [*others, (field, value), (field, value)],
            [*others, (field, value), (field.upper(), "")],
            [*others, (field, f"{value}, {value}")],
            [*others, (field, value * 1000)],
        ):
            refused(lambda headers=broken: sender.verify(headers))  # type: ignore[misc]


@each_with_secret
def test_every_refusal_gives_the_same_answer_and_no_secret(name: str) -> None:
    sender, other = SENDERS[name], Sender(name)
    answers = set()
    for headers in (
        {},
        other.headers(),
        {field: text[:9] for field, text in sender.headers().items()},
    ):
        error = refused(lambda given=headers: sender.verify(given))  # type: ignore[misc]
        answers.add((error.message, error.code, error.status, str(error)))
        assert sender.secret not in repr(error.__notes__)
        assert error.__notes__
    assert answers == {("Invalid signature", "invalid_signature", 401, "Invalid signature")}


@each_that_signs
def test_a_missing_mangled_or_wrong_signature_costs_the_same_work(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender, other = SENDERS[name], Sender(name)
    work: list[str] = []
    digest, compare = hmac.digest, hmac.compare_digest

    def counted_digest(key: bytes, message: bytes, hash_name: str) -> bytes:
        work.append("code")
        return digest(key, message, hash_name)

    def counted_compare(expected: bytes, candidate: bytes) -> bool:
        work.append("comparison")
        return compare(expected, candidate)

    keys = [Sender(name).secret, sender.secret]
    wrong, mangled = other.headers(), dict.fromkeys(sender.headers(), "?")
    monkeypatch.setattr(hmac, "digest", counted_digest)
    monkeypatch.setattr(hmac, "compare_digest", counted_compare)
    for headers in ({}, wrong, mangled, {field: text[:-1] for field, text in wrong.items()}):
        work.clear()
        refused(lambda given=headers: sender.verify(given, keys=keys))  # type: ignore[misc]
        assert work == ["code", "comparison"] * 2


@each_with_time
@pytest.mark.parametrize("seconds", [-300, -299, 0, 299, 300])
def test_a_timestamp_within_five_minutes_is_genuine(name: str, seconds: int) -> None:
    sender = SENDERS[name]
    assert sender.verify(sender.headers(), now=NOW + seconds).timestamp == NOW


@each_with_time
@pytest.mark.parametrize("seconds", [-(10**9), -301, 301, 10**9])
def test_a_timestamp_further_away_is_refused(name: str, seconds: int) -> None:
    sender = SENDERS[name]
    refused(lambda: sender.verify(sender.headers(), now=NOW + seconds))


@each_with_time
def test_the_tolerance_is_a_setting(name: str) -> None:
    sender = Sender(name, toleranceSeconds=5)
    sender.verify(sender.headers(), now=NOW + 5)
    refused(lambda: sender.verify(sender.headers(), now=NOW + 6))


@each_that_signs
@examples
@given(place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_no_bit_of_the_body_can_be_changed(name: str, place: int, bit: int) -> None:
    sender = SENDERS[name]
    headers = sender.headers()
    refused(lambda: sender.verify(headers, flipped(BODY, place, bit)))


@each_with_secret
@examples
@given(data=st.data(), place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_no_bit_of_a_header_can_be_changed(
    name: str, data: st.DataObject, place: int, bit: int
) -> None:
    sender = SENDERS[name]
    headers = sender.headers()
    field = data.draw(st.sampled_from(sorted(headers)))
    # The word Bearer may be written in any case (RFC 9110, section 11.1).
    start = len("Bearer ") if name == "bearer" else 0
    value = headers[field].encode("latin-1")
    changed = value[:start] + flipped(value[start:], place, bit)
    refused(lambda: sender.verify({**headers, field: changed.decode("latin-1")}))


@each_with_time
@examples
@given(shift=st.integers(-(10**6), 10**6).filter(bool))
def test_a_signature_holds_for_its_own_time_only(name: str, shift: int) -> None:
    sender = SENDERS[name]
    headers = sender.headers()
    for field, value in headers.items():
        headers[field] = value.replace(str(NOW), str(NOW + shift))
    refused(lambda: sender.verify(headers, now=NOW + shift))


TEXTS = st.one_of(
    st.text(max_size=60),
    st.binary(max_size=60).map(lambda octets: octets.decode("latin-1")),
    st.sampled_from(
        (
            *("", "=", ",", " ", "sha256=", "v0=", "v1,", "v1a,", "t=,v1=", "t=1,t=1,v1="),
            *("v1,Zm9v v1a,Zm9v", "t=²,v1=00", "0" * 5000, "-1", "1e9", "٣", "\x00", "é" * 64),
            *("\ud800", "Bearer "),
        )
    ),
)


@each_with_secret
@examples
@given(data=st.data(), body=st.binary(max_size=40))
def test_malformed_headers_are_refused_and_nothing_else(
    name: str, data: st.DataObject, body: bytes
) -> None:
    sender = SENDERS[name]
    fields = sorted(sender.headers())
    headers = data.draw(st.lists(st.tuples(st.sampled_from(fields), TEXTS), max_size=6))
    refused(lambda: sender.verify(headers, body))
    octets = [(field.encode(), text.encode("utf-8", "surrogatepass")) for field, text in headers]
    asgi = SignedRequest("POST", "/", Headers(octets), body)
    refused(lambda: sender.scheme.verify(asgi, [sender.secret], sender.settings, NOW))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=300),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = st.sampled_from(
    ["type", "event", "event_type", "action", "id", "data", "external_id", "issue", "event_id"]
)
FIELDS = st.sampled_from(
    (
        *("x-github-event", "x-github-delivery", "x-shopify-topic", "x-shopify-event-id"),
        *("x-shopify-hmac-sha256", "webhook-id", "idempotency-key", "x-chatbots-event"),
        *("x-webhook-event", "x-id"),
    )
)


@each_scheme
@examples
@given(payload=st.dictionaries(KEYS, JSON), fields=st.dictionaries(FIELDS, TEXTS))
def test_facts_are_bounded_and_printable_whatever_comes(
    name: str, payload: dict[str, Any], fields: dict[str, str]
) -> None:
    described = SENDERS[name].describe(payload, fields)
    assert described.event_type
    for fact in (described.event_type, described.external_id, described.delivery_id):
        assert fact is None or (0 < len(fact) <= MAX_FACT_LENGTH and fact.isprintable())


@each_scheme
def test_a_request_that_names_nothing_is_of_an_unknown_type(name: str) -> None:
    described = SENDERS[name].describe({})
    assert described.event_type == "unknown"
    assert described.external_id is None
    assert described.delivery_id is None


@each_scheme
def test_a_generated_secret_is_fresh_long_and_acceptable(name: str) -> None:
    scheme = SCHEMES[name]
    first, second = generate_secret(name), generate_secret(name)
    scheme.check_secret(first)
    if scheme.needs_secret:
        assert first != second
        assert len(first) >= 43
    else:
        assert first == second == ""


@each_with_secret
@pytest.mark.parametrize("secret", ["", " padded ", "line\n", "nul\x00", "x" * 1025])
def test_a_clumsily_pasted_secret_is_refused_without_repeating_it(name: str, secret: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        SCHEMES[name].check_secret(secret)
    assert not secret or secret not in refusal.value.message


@each_scheme
def test_unknown_settings_are_refused_by_name(name: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"Settings for {name}: .*algorithm"):
        Sender(name, algorithm="none")


@each_scheme
def test_settings_survive_being_stored(name: str) -> None:
    sender = SENDERS[name]
    for by_alias in (True, False):
        stored = sender.settings.model_dump(mode="json", by_alias=by_alias)
        assert sender.scheme.settings(stored) == sender.settings


@each_that_signs
def test_signatures_may_be_stored(name: str) -> None:
    headers = SENDERS[name].headers()
    stored = storable_headers(
        request(headers).headers, SENDERS[name].scheme.credential_headers(SENDERS[name].settings)
    )
    assert stored == {field.lower(): value for field, value in headers.items()}


def flipped(octets: bytes, place: int, bit: int) -> bytes:
    changed = bytearray(octets)
    changed[place % len(octets)] ^= 1 << bit
    return bytes(changed)
