"""What holds for every scheme, those still to come included."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
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
    scheme_named,
    schemes,
    storable_headers,
)
from tests.shared.signatures.counting import counted_work
from tests.shared.signatures.factories import BODY, NOW, Sender, Sent, request

NAMES = sorted(SCHEMES)
VERIFYING = [name for name in NAMES if name != "none"]
WITH_SECRET = [name for name in NAMES if SCHEMES[name].needs_secret]
TOKENS = {"basic", "bearer", "gitlab"}
"""Nothing is signed: the secret itself comes along. (GitLab can do better; see its own tests.)"""
SIGNING = [name for name in VERIFYING if name not in TOKENS]
IN_HEADERS = [name for name in VERIFYING if name != "mailgun"]
"""Mailgun alone puts its signature into the body, and signs nothing else there."""
SIGNING_BODIES = [name for name in SIGNING if name in IN_HEADERS]
BY_HMAC = [name for name in SIGNING_BODIES if name in WITH_SECRET]
TIMED = [
    name for name in SIGNING if "tolerance_seconds" in SCHEMES[name].settings_model.model_fields
]

each_scheme = pytest.mark.parametrize("name", NAMES)
each_that_verifies = pytest.mark.parametrize("name", VERIFYING)
each_with_secret = pytest.mark.parametrize("name", WITH_SECRET)
each_that_signs = pytest.mark.parametrize("name", SIGNING)
each_with_headers = pytest.mark.parametrize("name", IN_HEADERS)
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


@pytest.mark.parametrize("name", ["", "__init__", "github.macs", "../registry", "os", "GitHub"])
def test_nothing_else_is_taken_for_a_scheme(name: str) -> None:
    assert name not in SCHEMES
    with pytest.raises(KeyError):
        SCHEMES[name]


def test_one_schemes_request_loads_no_other_scheme() -> None:
    code = """
import sys
from shared.signatures import scheme_named, storable_headers, Headers
scheme_named("github").settings({})
storable_headers(Headers([(b"host", b"a"), (b"x-hub-signature-256", b"sha256=0")]))
print(*(name.rpartition(".")[2] for name in sys.modules if ".schemes." in name))
storable_headers(Headers([(b"x-api-key", b"k")]))
print(len([name for name in sys.modules if ".schemes." in name]))
"""
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.split() == ["github", str(len(SCHEMES))]


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
    sender.accept(sender.send())
    sender.accept(sender.send(b""))


@each_with_secret
def test_during_a_rotation_both_secrets_hold_and_afterwards_only_the_new_one(name: str) -> None:
    old, new = Sender(name), Sender(name)
    assert old.secret != new.secret
    for sender in (old, new):
        sender.accept(sender.send(), keys=[new.secret, old.secret])
    refused(lambda: old.accept(old.send(), keys=[new.secret]))


@each_with_secret
def test_without_a_usable_secret_nothing_is_genuine(name: str) -> None:
    sender = SENDERS[name]
    refused(lambda: sender.accept(sender.send(), keys=[]))
    refused(lambda: sender.accept(sender.send(), keys=[""]))


# A Standard Webhooks secret cannot be empty: test_standard_webhooks.py.
@pytest.mark.parametrize("name", [name for name in WITH_SECRET if name != "standard_webhooks"])
def test_an_empty_secret_cannot_be_used_to_forge(name: str) -> None:
    sender = SENDERS[name]
    refused(lambda: sender.accept(Sender(name, "").send(), keys=["", sender.secret]))


@each_with_headers
def test_a_missing_empty_truncated_or_repeated_header_is_refused(name: str) -> None:
    sender = SENDERS[name]
    sent = sender.send()
    good = dict(sent.headers)
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
            refused(lambda headers=broken: sender.accept(replace(sent, headers=headers)))  # type: ignore[misc]


def forged(name: str) -> Sent:
    """A request signed by somebody else, or for another body."""
    if name in WITH_SECRET:
        return Sender(name).send()
    return replace(SENDERS[name].send(b'{"event":"other"}'), body=BODY)


@each_that_verifies
def test_every_refusal_gives_the_same_answer_and_no_secret(name: str) -> None:
    sender, wrong = SENDERS[name], forged(name)
    short = {field: text[:9] for field, text in dict(wrong.headers).items()}
    answers = set()
    for sent in (Sent({}, b"{}"), wrong, replace(wrong, headers=short)):
        error = refused(lambda given=sent: sender.accept(given))  # type: ignore[misc]
        answers.add((error.message, error.code, error.status, str(error)))
        assert sender.secret not in repr(error.__notes__)
        assert error.__notes__
    assert answers == {("Invalid signature", "invalid_signature", 401, "Invalid signature")}


@pytest.mark.parametrize("name", BY_HMAC)
def test_a_missing_mangled_or_wrong_signature_costs_the_same_work(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender, wrong = SENDERS[name], Sender(name).send()
    keys = [Sender(name).secret, sender.secret]
    good = dict(wrong.headers)
    mangled, short = dict.fromkeys(good, "?"), {field: text[:-1] for field, text in good.items()}
    # Twilio signs its address with the port or without: both are tried, always.
    expected = ["code", "comparison"] * (4 if name == "twilio" else 2)
    work = counted_work(monkeypatch)
    for headers in ({}, good, mangled, short):
        work.clear()
        sent = replace(wrong, headers=headers)
        refused(lambda given=sent: sender.accept(given, keys=keys))  # type: ignore[misc]
        assert work == expected


def tolerance(name: str) -> int:
    """How many seconds off a time may be, unless the settings say otherwise."""
    field = SCHEMES[name].settings_model.model_fields["tolerance_seconds"]
    assert isinstance(field.default, int)
    return field.default


@each_with_time
@pytest.mark.parametrize("beyond", [-1, 0])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_time_within_the_window_is_genuine(name: str, beyond: int, sign: int) -> None:
    sender = SENDERS[name]
    now = NOW + sign * (tolerance(name) + beyond)
    assert sender.accept(sender.send(), now=now).timestamp == NOW


@each_with_time
@pytest.mark.parametrize("beyond", [1, 10**8])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_time_further_away_is_refused(name: str, beyond: int, sign: int) -> None:
    sender = SENDERS[name]
    refused(lambda: sender.accept(sender.send(), now=NOW + sign * (tolerance(name) + beyond)))


@pytest.mark.parametrize(
    ("name", "seconds"), [("calendly", 180), ("linear", 60), ("mailgun", 43_200), ("zoom", 300)]
)
def test_the_window_is_the_vendors_or_five_minutes(name: str, seconds: int) -> None:
    assert tolerance(name) == seconds


@each_with_time
def test_the_tolerance_is_a_setting(name: str) -> None:
    sender = Sender(name, toleranceSeconds=5)
    sender.accept(sender.send(), now=NOW + 5)
    refused(lambda: sender.accept(sender.send(), now=NOW + 6))


@each_with_time
def test_what_says_no_time_was_sent_at_none(name: str) -> None:
    sender = SENDERS[name]
    sent = sender.send()
    received = request(sent.headers, sent.body, sent.query)
    assert sender.scheme.sent_at(received, sender.settings) == NOW
    assert sender.scheme.sent_at(request({}), sender.settings) is None


TEXTS = st.one_of(
    st.text(max_size=60),
    st.binary(max_size=60).map(lambda octets: octets.decode("latin-1")),
    st.sampled_from(
        (
            *("", "=", ",", " ", "sha256=", "v0=", "v1,", "v1a,", "t=,v1=", "t=1,t=1,v1="),
            *("v1,Zm9v v1a,Zm9v", "t=²,v1=00", "0" * 5000, "-1", "1e9", "٣", "\x00", "é" * 64),
            *("\ud800", "Bearer ", "Basic Og==", "ts=1;h1=", "sha1=", "00" * 64, "AAAA"),
            *("2026-13-01T00:00:00Z", "0000-00-00T00:00:00Z", "2026-05-28T20:26:40+00:00"),
        )
    ),
)
QUERIES = st.one_of(TEXTS, st.just("bodySHA256=" + "0" * 64), st.just("hub.mode=subscribe&%ff=%"))
BODIES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        (
            *(b"[]", b"{}", b'{"signature":1}', b'{"webhookTimestamp":1e400}', b"[" * 2000),
            b'{"signature":{"timestamp":[],"token":{},"signature":"\xc3\xa9"}}',
            *(b'{"webhookTimestamp":"1"}', b'{"webhookTimestamp":true}', b"a=%ff&b=%", b"=" * 3000),
        )
    ),
)
KINDS = st.sampled_from(("application/json", "application/x-www-form-urlencoded", "\xff", ""))


@each_that_verifies
@examples
@given(data=st.data(), body=BODIES, query=QUERIES, kind=KINDS)
def test_malformed_requests_are_refused_and_nothing_else(
    name: str, data: st.DataObject, body: bytes, query: str, kind: str
) -> None:
    sender = SENDERS[name]
    fields = sorted(dict(sender.send().headers)) or ["x-none"]
    headers = data.draw(st.lists(st.tuples(st.sampled_from(fields), TEXTS), max_size=6))
    headers.append(("Content-Type", kind))
    refused(lambda: sender.accept(Sent(headers, body, query)))
    octets = [(field.encode(), text.encode("utf-8", "surrogatepass")) for field, text in headers]
    asgi = SignedRequest("POST", "/", Headers(octets), body, query)
    refused(lambda: sender.scheme.verify(asgi, [sender.secret], sender.settings, NOW))
    sender.scheme.sent_at(asgi, sender.settings)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=300),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = st.sampled_from(
    (
        *("type", "event", "event_type", "action", "id", "data", "external_id", "issue"),
        *("event_id", "topic", "event-data", "signature", "entry", "specversion", "MessageSid"),
        *("MessageStatus", "subscriptionType", "eventId", "payload", "object_kind", "resource"),
        *("form_response", "detail", "subject", "sg_event_id", "object_attributes", "challenge"),
        *("zen", "hook_id"),
    )
)
FIELDS = st.sampled_from(
    (
        *("x-github-event", "x-github-delivery", "x-shopify-topic", "x-shopify-event-id"),
        *("x-shopify-hmac-sha256", "webhook-id", "idempotency-key", "x-chatbots-event"),
        *("x-webhook-event", "x-id", "linear-delivery", "x-gitlab-event", "x-wc-webhook-topic"),
        *("x-wc-webhook-delivery-id", "i-twilio-idempotency-token"),
        "x-zendesk-webhook-invocation-id",
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
@examples
@given(
    payload=st.dictionaries(KEYS, JSON),
    fields=st.dictionaries(FIELDS, TEXTS),
    body=BODIES,
    query=QUERIES,
    method=st.sampled_from(("GET", "POST")),
)
def test_what_is_no_set_up_request_is_not_answered_and_never_fails(
    name: str,
    payload: dict[str, Any],
    fields: dict[str, str],
    body: bytes,
    query: str,
    method: str,
) -> None:
    sender = SENDERS[name]
    received = request(fields, body, query, method=method)
    assert sender.scheme.greeting(received, sender.settings) is None
    answer = sender.scheme.handshake(received, payload, [sender.secret])
    assert answer is None or name in {"discord", "slack"}


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
    sender = SENDERS[name]
    headers = dict(sender.send().headers)
    credentials = sender.scheme.credential_headers(sender.settings)
    stored = storable_headers(request(headers).headers, credentials)
    assert stored == {field.lower(): value for field, value in headers.items()}
