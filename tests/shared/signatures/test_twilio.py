from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from dataclasses import replace

import pytest

from shared.errors import InvalidRequest, InvalidSignature
from shared.forms import parse_form
from shared.signatures import EventDescription, Verified
from tests.shared.signatures.factories import FORM, PAYLOADS, URL, Sender, Sent, payload, request

MESSAGE = (PAYLOADS / "twilio" / "message.received.form").read_bytes()
TOKEN = "2f1d3c4b-0001-4d5e-8f90-a1b2c3d4e5f6"


def code(secret: str, signed: str, hash_name: str = "sha1") -> dict[str, str]:
    digest = hmac.new(secret.encode(), signed.encode(), hash_name).digest()
    return {"X-Twilio-Signature": b64encode(digest).decode()}


def form_headers(secret: str, url: str = URL, fields: str = "BodyHiFrom+1") -> dict[str, str]:
    return FORM | code(secret, url + fields)


def test_a_form_is_signed_as_the_address_and_its_fields_in_order() -> None:
    sender = Sender("twilio", "12345")
    headers = form_headers("12345") | {"I-Twilio-Idempotency-Token": TOKEN}
    assert sender.verify(headers, b"From=%2B1&Body=Hi") == Verified(delivery_id=TOKEN)


@pytest.mark.parametrize("body", [b"Body=Hi", b"Body=Hi&From=%2B2", b"Body=Hi&From=%2B1&X=", b""])
def test_other_fields_are_refused(body: bytes) -> None:
    sender = Sender("twilio")
    with pytest.raises(InvalidSignature):
        sender.verify(form_headers(sender.secret), body)


def test_a_field_that_comes_several_times_is_signed_once_for_each_value() -> None:
    sender = Sender("twilio")
    headers = form_headers(sender.secret, fields="MediaUrlaMediaUrlb")
    sender.verify(headers, b"MediaUrl=b&MediaUrl=a&MediaUrl=b")


@pytest.mark.parametrize("url", [URL, URL.replace(".com", ".com:443")])
@pytest.mark.parametrize("public_url", [URL, URL.replace(".com", ".com:443")])
def test_the_usual_port_may_be_named_or_not(url: str, public_url: str) -> None:
    sender = Sender("twilio", publicUrl=public_url)
    sender.verify(form_headers(sender.secret, url), b"From=%2B1&Body=Hi")


@pytest.mark.parametrize(
    ("public_url", "spellings"),
    [
        ("https://h.example:8443/in", {"https://h.example/in"}),
        ("http://h.example/in", {"http://h.example:80/in"}),
        ("https://h.example:/in", {"https://h.example:443/in"}),
        ("https://h.example:0443/in", {"https://h.example/in"}),
        ("HTTPS://h.example:443/in", {"HTTPS://h.example/in"}),
        ("https://[2001:db8::1]/in", {"https://[2001:db8::1]:443/in"}),
        ("https://[2001:db8::1]:443/in", {"https://[2001:db8::1]/in"}),
        ("http://http/in", {"http://http:80/in"}),
    ],
)
def test_an_address_counts_as_it_is_written_and_with_the_port_or_without(
    public_url: str, spellings: set[str]
) -> None:
    sender = Sender("twilio", publicUrl=public_url)
    for url in {public_url} | spellings:
        sender.verify(form_headers(sender.secret, url), b"From=%2B1&Body=Hi")


def test_another_port_is_another_address() -> None:
    sender = Sender("twilio")
    headers = form_headers(sender.secret, URL.replace(".com", ".com:444"))
    with pytest.raises(InvalidSignature):
        sender.verify(headers, b"From=%2B1&Body=Hi")


def test_the_settings_choose_the_hash_and_no_header() -> None:
    named = {"X-Twilio-Webhooks-Signature-Settings": "key=k,algorithm=HMAC_SHA256"}
    headers = FORM | code("shared", URL + "BodyHi", "sha256") | named
    Sender("twilio", "shared", algorithm="sha256").verify(headers, b"Body=Hi")
    with pytest.raises(InvalidSignature):
        Sender("twilio", "shared").verify(headers, b"Body=Hi")


def json_sent(secret: str, body: bytes = b"[]") -> Sent:
    query = f"bodySHA256={hashlib.sha256(body).hexdigest()}"
    return Sent(code(secret, f"{URL}?{query}"), body, query)


def test_json_is_signed_by_its_hash_in_the_address() -> None:
    sender = Sender("twilio")
    sent = json_sent(sender.secret, payload("twilio", "messaging.message.sent"))
    assert sender.send(sent.body) == sent
    sender.accept(sent)


def test_json_without_its_hash_is_refused() -> None:
    sender = Sender("twilio")
    with pytest.raises(InvalidSignature):
        sender.accept(Sent(code(sender.secret, URL), b"{}"))


def test_the_signature_of_json_fits_no_form_and_the_other_way_round() -> None:
    sender = Sender("twilio")
    sent = json_sent(sender.secret)
    for body in (b"", b"&", sent.body):
        as_form = replace(sent, headers=FORM | dict(sent.headers), body=body)
        with pytest.raises(InvalidSignature):
            sender.accept(as_form)
    joined = code(sender.secret, URL + "BodyHi")
    with pytest.raises(InvalidSignature):
        sender.accept(Sent(joined, b"BodyHi"))


@pytest.mark.parametrize("body", [b"Body=%FF", b"Body=\xff", b"a=1&" * 1001])
def test_a_malformed_form_is_refused(body: bytes) -> None:
    sender = Sender("twilio")
    with pytest.raises(InvalidSignature):
        sender.verify(form_headers(sender.secret, fields=""), body)


def test_without_a_public_url_it_is_the_address_that_we_know() -> None:
    sender = Sender("twilio", publicUrl=None)
    sender.verify(form_headers(sender.secret), b"From=%2B1&Body=Hi")
    odd = request(form_headers(sender.secret, "/odd:x"), b"From=%2B1&Body=Hi", url="/odd:x")
    sender.scheme.verify(odd, [sender.secret], sender.settings, 0)
    with pytest.raises(InvalidRequest, match="publicUrl"):
        sender.headers()


def test_a_form_tells_product_state_and_record() -> None:
    fields = parse_form(MESSAGE).value
    described = Sender("twilio").describe(fields, {"I-Twilio-Idempotency-Token": TOKEN})
    record = "SM4f1d9e6b2a7c40c8b3d5e8f901a2b3c4"
    assert described == EventDescription("message.received", record, TOKEN)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        (
            {"MessageSid": "SM1", "MessageStatus": "delivered", "SmsStatus": "sent"},
            "message.delivered",
        ),
        ({"CallSid": "CA1", "CallStatus": "ringing"}, "call.ringing"),
        ({"CallSid": "CA1", "RecordingStatus": "completed"}, "call.completed"),
        ({"CallSid": "CA1"}, "call"),
        ({"ConversationSid": "CH1", "EventType": "onMessageAdded"}, "conversation.onMessageAdded"),
        ({"EventType": "task.created"}, "task.created"),
        ({"From": "+1"}, "unknown"),
    ],
)
def test_the_type_depends_on_the_product(fields: dict[str, str], name: str) -> None:
    assert Sender("twilio").describe(fields).event_type == name


def test_an_event_of_event_streams_names_itself() -> None:
    (event,) = json.loads(payload("twilio", "messaging.message.sent"))
    described = Sender("twilio").describe(event)
    assert described.event_type == "com.twilio.messaging.message.sent"
    assert described.delivery_id == "EZ5bd9c5cb9d8f4ed8a4f5b6c7d8e9f0a1"
