"""Of what a sender signs, no bit can be changed on the way: of no scheme, those still to come included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import InvalidSignature
from shared.forms import parse_form
from shared.signatures import SCHEMES, generate_secret, macs
from tests.shared.signatures.factories import FORM, NOW, URL, Sender, Sent, request
from tests.shared.signatures.random_bodies import BODIES, FORMS

TOKENS = {"basic", "bearer", "gitlab"}
"""Nothing is signed: the secret itself comes along."""
VERIFYING = sorted(SCHEMES.keys() - {"none"})
OTHERWISE = {
    "gitlab with a signing token": Sender("gitlab", generate_secret("standard_webhooks")),
    "hmac in base64": Sender("hmac", header="X-S", encoding="base64", hash="sha512", prefix=""),
    "twilio with a shared key": Sender("twilio", algorithm="sha256"),
}
"""Other ways to sign of schemes that have several."""
SENDERS = {name: Sender(name) for name in VERIFYING} | OTHERWISE
SIGNING = sorted(SENDERS.keys() - TOKENS)
TIMED = [
    name for name in SIGNING if "tolerance_seconds" in type(SENDERS[name].settings).model_fields
]

# A busy machine is no failure.
examples = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
bodies = st.sampled_from(BODIES)
places = st.integers(min_value=0)
bits = st.integers(0, 7)


@dataclass(frozen=True)
class Bit:
    """One bit of anything that is not empty."""

    place: int
    number: int

    def flipped_in(self, octets: bytes) -> bytes:
        changed = bytearray(octets)
        changed[self.place % len(octets)] ^= 1 << self.number
        return bytes(changed)

    def flipped_in_text(self, text: str) -> str:
        return self.flipped_in(text.encode("latin-1")).decode("latin-1")


one_bit = st.builds(Bit, places, bits)


def refused(check: Callable[[], object]) -> None:
    with pytest.raises(InvalidSignature):
        check()


@pytest.mark.parametrize("name", [name for name in SIGNING if name != "mailgun"])
@examples
@given(body=bodies, bit=one_bit)
def test_no_bit_of_the_body_can_be_changed(name: str, body: bytes, bit: Bit) -> None:
    sender = SENDERS[name]
    sent = sender.send(body)
    sender.accept(sent)
    refused(lambda: sender.accept(replace(sent, body=bit.flipped_in(sent.body))))


@examples
@given(body=bodies, bit=one_bit)
def test_of_mailguns_body_no_bit_of_the_signed_part_can_be_changed(body: bytes, bit: Bit) -> None:
    """The event beside it is not signed."""
    sender = SENDERS["mailgun"]
    sent = sender.send(body)
    before, name, signed = sent.body.rpartition(b'"signature":{')
    refused(
        lambda: sender.accept(
            replace(sent, body=before + bit.flipped_in(name + signed[:-1]) + b"}")
        )
    )


@examples
@given(form=st.sampled_from(FORMS), bit=one_bit)
def test_no_bit_of_a_form_can_be_changed_so_that_it_says_something_else(
    form: bytes, bit: Bit
) -> None:
    """Twilio signs names and values as they are once decoded: `%2b` and `%2B` are the same."""
    sender = SENDERS["twilio"]
    sent = sender.send(form)
    changed = bit.flipped_in(form)
    signed = replace(sent, headers=FORM | dict(sent.headers))
    try:
        sender.accept(replace(signed, body=changed))
    except InvalidSignature:
        return
    assert parse_form(changed) == parse_form(form)


def test_a_form_that_is_not_changed_is_genuine() -> None:
    sender = SENDERS["twilio"]
    for form in FORMS:
        sent = sender.send(form)
        sender.accept(replace(sent, headers=FORM | dict(sent.headers)))


@pytest.mark.parametrize("name", [name for name in SENDERS if name != "mailgun"])
@examples
@given(data=st.data(), body=bodies, bit=one_bit)
def test_no_bit_of_a_header_can_be_changed(
    name: str, data: st.DataObject, body: bytes, bit: Bit
) -> None:
    sender = SENDERS[name]
    sent = sender.send(body)
    headers = dict(sent.headers)
    field = data.draw(st.sampled_from(sorted(headers)))
    # The words Bearer and Basic may be written in any case (RFC 9110, section 11.1).
    start = len(f"{name} ") if name in {"basic", "bearer"} else 0
    changed = headers[field][:start] + bit.flipped_in_text(headers[field][start:])
    refused(lambda: sender.accept(replace(sent, headers={**headers, field: changed})))


def at_address(name: str, url: str = URL, query: str | None = None) -> Callable[[], Any]:
    """Checks a request that was signed for URL and came in at this address."""
    sender = Sender(name, publicUrl=None)
    sent = signed_for_its_address(name)
    received = request(sent.headers, sent.body, sent.query if query is None else query, url=url)
    return lambda: sender.scheme.verify(received, [SENDERS[name].secret], sender.settings, NOW)


def signed_for_its_address(name: str) -> Sent:
    return SENDERS[name].send(BODIES[0])


ADDRESSED = ["hubspot", "square", "twilio"]


@pytest.mark.parametrize("name", ADDRESSED)
@examples
@given(bit=one_bit)
def test_no_bit_of_a_signed_address_can_be_changed(name: str, bit: Bit) -> None:
    at_address(name)()
    refused(at_address(name, url=bit.flipped_in_text(URL)))


@examples
@given(bit=one_bit)
def test_no_bit_of_a_signed_query_can_be_changed(bit: Bit) -> None:
    query = signed_for_its_address("twilio").query
    refused(at_address("twilio", query=bit.flipped_in_text(query)))


def retimed(value: str, shift: int) -> str:
    """A header with the time in it moved by so many seconds."""
    moved = value.replace(str(NOW), str(NOW + shift))
    return moved.replace(macs.iso_time(NOW), macs.iso_time(NOW + shift))


@pytest.mark.parametrize("name", TIMED)
@examples
@given(body=bodies, shift=st.integers(-(10**6), 10**6).filter(bool))
def test_a_signature_holds_for_its_own_time_only(name: str, body: bytes, shift: int) -> None:
    """Wherever it stands: in a header, or with Linear and Mailgun in the body."""
    sender = SENDERS[name]
    sent = sender.send(body)
    headers = {field: retimed(value, shift) for field, value in dict(sent.headers).items()}
    moved = sent.body.replace(str(NOW).encode(), str(NOW + shift).encode())
    assert (headers, moved) != (sent.headers, sent.body)
    refused(lambda: sender.accept(replace(sent, headers=headers, body=moved), now=NOW + shift))
