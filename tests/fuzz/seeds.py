"""The inputs that fuzzing begins with: what each vendor sends, and each limit of the parsers.

They are the same in every run, so a signature that is random stands in none.
"""

from __future__ import annotations

import gzip
from base64 import b64encode
from collections.abc import Iterator

import orjson

from shared.compression import MAX_MEMBERS
from shared.signatures import SCHEMES
from tests.fuzz import limits
from tests.fuzz.cases import NAMES, Case, Line, lines_of
from tests.fuzz.endpoints import SHARED, signing_key
from tests.shared.signatures.factories import BODY, FORM, NOW, PAYLOADS, SETTINGS, Sender
from tests.shared.signatures.key_pairs import DISCORD

JSON = lines_of([("Content-Type", "application/json")])
FORMS = lines_of(FORM.items())

USUAL = {
    "eventTypeHeader": "X-Fact",
    "deliveryIdHeader": "X-Fact",
    "toleranceSeconds": 5,
    "publicUrl": "https://example.com:8443/hooks",
}
"""Settings that several schemes have."""

RANDOM_SIGNATURES = {"paypal", "sendgrid"}
"""PayPal's key is made afresh by each run, and ECDSA takes random numbers."""

SETUPS = {
    "discord": (b'{"type":0,"event":null}', b'{"type":1,"id":"1"}', b'{"type":0}'),
    "github": (b'{"zen":"Keep it simple.","hook_id":1}',),
    "intercom": (b'{"topic":"ping","type":"notification_event"}',),
    "slack": (
        b'{"type":"url_verification","challenge":"abc"}',
        b'{"type":"url_verification","challenge":1}',
    ),
    "zoom": (
        b'{"event":"endpoint.url_validation","payload":{"plainToken":"abc"}}',
        b'{"event":"endpoint.url_validation","payload":[]}',
    ),
}


def seeds() -> dict[str, Case]:
    """By a name that says what it is."""
    return dict([*_events(), *_setups(), *_bodies(), *_compressed(), *_settings(), *_headers()])


def _events() -> Iterator[tuple[str, Case]]:
    """Of each vendor: as it comes over the wire, and with the signature made on the spot."""
    for name in NAMES:
        genuine = _genuine(name, _payload(name))
        yield f"{name}-genuine", genuine
        if name in RANDOM_SIGNATURES:
            continue
        yield f"{name}-wire", _sent(name, signing_key(name), genuine.body)
        if "tolerance_seconds" in SCHEMES[name].settings_model.model_fields:
            key = SHARED if name == "gitlab" else signing_key(name)
            yield f"{name}-late", _sent(name, key, BODY, NOW - 10**5)
    yield "gitlab-wire-signed", _sent("gitlab", SHARED, _payload("gitlab"))
    signature = b64encode(DISCORD.sign(b"1.%d.%b" % (NOW, BODY))).decode()
    for kind, text in (
        ("v1a", signature),
        ("v1a-wrong", signature[::2] * 2),
        ("v1a-unpadded", signature.rstrip("=")),
        ("v1a-no-base64", "?"),
    ):
        named = {"svix-id": "1", "svix-timestamp": f"{NOW}", "svix-signature": f"v1a,{text}"}
        lines = (*JSON, *lines_of(named.items()))
        yield f"standard_webhooks-{kind}", Case("standard_webhooks", lines=lines, body=BODY)


def _genuine(
    scheme: str,
    body: bytes = BODY,
    *,
    lines: tuple[Line, ...] = JSON,
    settings: bytes = b"{}",
) -> Case:
    return Case(scheme, settings, lines, body, is_genuine=True)


def _sent(name: str, key: str, body: bytes, now: int = NOW) -> Case:
    sent = Sender(name, key).send(body, now, event_type="a.b", delivery_id="evt_1")
    lines = (*JSON, *lines_of(dict(sent.headers).items()))
    return Case(name, lines=lines, body=sent.body, query=sent.query.encode())


def _payload(name: str) -> bytes:
    """The shortest sample of this vendor, written compactly."""
    samples = (path.read_bytes() for path in (PAYLOADS / name).glob("*.json"))
    compact = [orjson.dumps(orjson.loads(sample)) for sample in samples]
    return min(compact, key=lambda body: (len(body), body), default=BODY)


def _setups() -> Iterator[tuple[str, Case]]:
    for name, bodies in SETUPS.items():
        for number, body in enumerate(bodies):
            yield f"{name}-setup-{number}", _genuine(name, body)
    token = str(SETTINGS["meta"]["verifyToken"]).encode()
    query = b"hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
    yield "meta-setup", Case("meta", method="GET", query=query + token)
    yield "meta-wrong-token", Case("meta", method="GET", query=query + b"%ff")


def _bodies() -> Iterator[tuple[str, Case]]:
    for name, body in limits.BODIES.items():
        yield f"body-{name}", _genuine("stripe", body)
    for scheme in ("hubspot", "sendgrid", "twilio"):
        yield f"{scheme}-array", _genuine(scheme, limits.BODIES["array"])
    for scheme in ("linear", "mailgun"):
        yield f"{scheme}-far-too-deep", _genuine(scheme, limits.BODIES["far-too-deep"])
    for name, body in limits.FORMS.items():
        yield f"form-{name}", _genuine("twilio", body, lines=FORMS)
    yield "woocommerce-setup", Case("woocommerce", lines=FORMS, body=b"webhook_id=12")


def _compressed() -> Iterator[tuple[str, Case]]:
    packed = (*JSON, *lines_of([("Content-Encoding", "gzip")]))
    for name, body in limits.BOMBS.items():
        bomb = gzip.compress(body, mtime=0)
        yield f"gzip-{name}", _genuine("hubspot", bomb, lines=packed)
    member = gzip.compress(b"", mtime=0)
    whole = gzip.compress(BODY, mtime=0)
    for name, octets in {
        "whole": whole,
        "two-members": whole + gzip.compress(b" ", mtime=0),
        "too-many-members": member * (MAX_MEMBERS + 1),
        "cut": whole[:-3],
        "wrong-sum": whole[:-8] + b"\0" * 8,
        "zeros-after": whole + b"\0" * 9,
        "none": b"",
    }.items():
        yield f"gzip-{name}", _genuine("stripe", octets, lines=packed)
    unknown = (*JSON, *lines_of([("Content-Encoding", "br")]))
    yield "gzip-unknown", _genuine("stripe", whole, lines=unknown)


def _settings() -> Iterator[tuple[str, Case]]:
    """Each setting once, and the ways that settings are refused."""
    for number, (name, changes) in enumerate(limits.SETTINGS):
        yield f"{name}-settings-{number}", _genuine(name, settings=orjson.dumps(changes))
    for name in NAMES:
        fields = SCHEMES[name].settings_model.model_fields
        known = {field.alias or key for key, field in fields.items()} & set(USUAL)
        if known and name != "hmac":
            settings = orjson.dumps({key: USUAL[key] for key in sorted(known)})
            yield f"{name}-settings", _genuine(name, settings=settings)


def _headers() -> Iterator[tuple[str, Case]]:
    """What `storable_headers` bounds, and times and codes in unusual spellings."""
    many = lines_of((f"X-{number}", "é" * 130) for number in range(70))
    yield "headers-many", Case("none", lines=(*JSON, *many), body=b"{}")
    credentials = lines_of([("Authorization", "a"), ("Cookie", "b"), ("X-Api-Key", "c")])
    yield "headers-credentials", Case("none", lines=(*JSON, *credentials), body=b"{}")
    long = lines_of([("Idempotency-Key", "k" * 300)])
    yield "headers-long-id", Case("none", lines=(*JSON, *long), body=b'{"id":1}')
    ids = b'{"external_id":"%b"}' % (b"i" * 300)
    yield "body-long-id", Case("none", lines=(*JSON, *long), body=ids)
    odd = (
        (b"X-\xff\x00", b"\x00\xff\xc3\xa9"),
        (b"A" * 101, b""),
        (b"B", b"b" * 1100),
        (b"b", b""),
    )
    yield "headers-odd", Case("none", lines=(*JSON, *odd), body=b"{}")
    for name, media_type in (
        ("text", "text/plain"),
        ("json", "application/cloudevents+json; a=b\0"),
        ("octets", "\xff"),
    ):
        lines = lines_of([("Content-Type", media_type)])
        yield f"media-type-{name}", Case("none", lines=lines, body=b"{}")
    for scheme, header, value in (
        ("stripe", "Stripe-Signature", f"t={NOW},t={NOW},v1=00,v1=00"),
        ("paddle", "Paddle-Signature", f"ts={NOW}; h1=00;h1=11"),
        ("standard_webhooks", "svix-signature", "v1,Zm9v v1a,Zm9v v2,Zm9v"),
        ("paypal", "PAYPAL-TRANSMISSION-TIME", "2026-13-01T00:00:00Z"),
        ("zendesk", "X-Zendesk-Webhook-Signature-Timestamp", "0000-00-00T00:00:00.5Z"),
        ("discord", "X-Signature-Ed25519", "00" * 64),
        ("sendgrid", "X-Twilio-Email-Event-Webhook-Signature", "MAYCAQECAQE="),
        ("hubspot", "X-HubSpot-Request-Timestamp", f"{NOW}000"),
    ):
        lines = (*JSON, *lines_of([(header, value)]))
        yield f"{scheme}-odd", _genuine(scheme, lines=lines)
    for number, value in enumerate(("5", "99999999", "\xd9\xa3", "-1")):
        lines = (*JSON, *lines_of([("Content-Length", value)]))
        yield f"content-length-{number}", Case("none", lines=lines, body=b"{}")
