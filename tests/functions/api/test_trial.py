"""The diagnosis of a request: it names the part that differs, for every scheme."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from functions.api.trial import Question, events_of, examine
from shared.signatures import SCHEMES, EventDescription, Headers
from tests.shared.signatures.factories import BODY, NOW, URL, Sender, Sent, request

JSON_TYPE = {"Content-Type": "application/json"}
WITH_SECRET = [name for name in sorted(SCHEMES) if SCHEMES[name].needs_secret]
SIGNING = [name for name in WITH_SECRET if name not in {"basic", "bearer", "gitlab", "mailgun"}]


def question(sender: Sender, sent: Sent | None = None, **changes: Any) -> Question:
    """A request that matches, unless something is changed."""
    given = sent or sender.send()
    received = request(JSON_TYPE | dict(given.headers), given.body, given.query)
    secret = sender.secret if sender.scheme.needs_secret else None
    return replace(
        Question(received, sender.scheme, sender.settings, True, [URL], secret, NOW), **changes
    )


def findings(asked: Question) -> dict[str, bool | None]:
    return {finding.part: finding.matches for finding in examine(asked)}


def amiss(asked: Question) -> dict[str, str]:
    """The parts that do not match, and the words for it."""
    return {finding.part: finding.words for finding in examine(asked) if finding.matches is False}


def with_headers(asked: Question, headers: dict[str, str]) -> Question:
    pairs = Headers((JSON_TYPE | headers).items())
    return replace(asked, request=replace(asked.request, headers=pairs))


def with_body(asked: Question, body: bytes) -> Question:
    return replace(asked, request=replace(asked.request, body=body))


@pytest.mark.parametrize("name", sorted(SCHEMES))
def test_a_request_that_matches_matches_in_every_part(name: str) -> None:
    found = findings(question(Sender(name)))
    assert set(found.values()) == {True}
    assert {"endpoint", "method", "url", "headers", "signature", "body"} <= found.keys()


@pytest.mark.parametrize("name", WITH_SECRET)
def test_without_the_secret_all_but_the_signature_is_checked(name: str) -> None:
    found = findings(question(Sender(name), secret=None))
    assert found.pop("signature") is None
    assert set(found.values()) == {True}


@pytest.mark.parametrize("name", WITH_SECRET)
def test_another_secret_is_a_signature_that_does_not_match(name: str) -> None:
    asked = question(Sender(name), secret=Sender(name).secret)
    assert amiss(asked).keys() == {"signature"}


@pytest.mark.parametrize("name", WITH_SECRET)
def test_no_finding_tells_the_secret_or_a_code(name: str) -> None:
    sender, other = Sender(name), Sender(name)
    words = repr(examine(question(sender, secret=other.secret)))
    assert sender.secret not in words
    assert other.secret not in words
    for value in dict(other.send().headers).values():
        assert len(value) < 20 or value not in words


TIMED = [
    n for n in sorted(SCHEMES) if "tolerance_seconds" in SCHEMES[n].settings_model.model_fields
]


@pytest.mark.parametrize("name", [name for name in TIMED if name != "gitlab"])
@pytest.mark.parametrize("shift", [-100_000, 100_000])
def test_an_old_or_early_request_is_amiss_in_its_time_alone(name: str, shift: int) -> None:
    found = amiss(question(Sender(name), now=NOW + shift))
    assert found.keys() == {"time"}
    assert "100000 seconds" in found["time"]


@pytest.mark.parametrize("name", [n for n in TIMED if n not in {"gitlab", "linear", "mailgun"}])
def test_a_missing_time_is_told(name: str) -> None:
    sender = Sender(name)
    headers = {k: v for k, v in dict(sender.send().headers).items() if "ime" not in k}
    if len(headers) == len(dict(sender.send().headers)):  # the time is in the signature's header
        headers = dict.fromkeys(headers, "v1=00")
    assert "time" in amiss(with_headers(question(sender), headers))


@pytest.mark.parametrize("name", [n for n in sorted(SCHEMES) if n not in {"mailgun", "none"}])
def test_missing_headers_are_told_by_name(name: str) -> None:
    sender = Sender(name)
    found = amiss(with_headers(question(sender), {}))
    proofs = sender.scheme.proof_headers(sender.settings)
    assert any(proof in found["headers"] for proof in proofs)


def test_a_repeated_header_is_told() -> None:
    sender = Sender("github")
    asked = question(sender)
    pairs = [*dict(sender.headers()).items()] * 2
    found = amiss(replace(asked, request=replace(asked.request, headers=Headers(pairs))))
    assert "more than once" in found["headers"]


def test_a_wrong_media_type_is_told() -> None:
    sender = Sender("github")
    headers = {"Content-Type": "text/plain"} | sender.headers()
    assert "application/json" in amiss(with_headers(question(sender), headers))["headers"]


SPACED = json.dumps(json.loads(BODY)).encode()


@pytest.mark.parametrize("name", SIGNING)
@pytest.mark.parametrize(
    ("sent", "received", "words"),
    [
        (BODY, BODY + b"\n", "without the space"),
        (BODY + b"\n", BODY, "with a line break"),
        (b'{\n"id":1}', b'{\r\n"id":1}', "other line breaks"),
        (b'{\r\n"id":1}', b'{\n"id":1}', "other line breaks"),
        (SPACED, json.dumps(json.loads(BODY), ensure_ascii=False).encode(), "written anew"),
    ],
)
def test_a_body_that_was_changed_on_the_way_is_told(
    name: str, sent: bytes, received: bytes, words: str
) -> None:
    if name == "linear":  # which writes the time into the body first
        return _linear_is_told(sent, received, words)
    sender = Sender(name)
    found = amiss(with_body(question(sender, sender.send(sent)), received))
    assert words in found["body"]
    return None


def _linear_is_told(sent: bytes, received: bytes, words: str) -> None:
    sender = Sender("linear")
    signed, came = (
        body.replace(b"{", b'{"webhookTimestamp": %d000, ' % NOW, 1) for body in (sent, received)
    )
    found = amiss(with_body(question(sender, Sent(sender.headers(signed), signed)), came))
    assert words in found["body"]


def test_a_body_that_is_no_json_is_told() -> None:
    sender = Sender("github")
    found = amiss(question(sender, sender.send(b"{")))
    assert found.keys() == {"body"}
    assert "not valid JSON" in found["body"]


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("github", lambda secret: f" {secret}", "space"),
        ("stripe", lambda secret: secret.removeprefix("whsec_"), "with whsec_"),
        ("github", lambda secret: f"whsec_{secret}", "without whsec_"),
    ],
)
def test_a_clumsily_copied_secret_is_told(name: str, change: Any, words: str) -> None:
    sender = Sender(name)
    assert words in amiss(question(sender, secret=change(sender.secret)))["secret"]


@pytest.mark.parametrize(
    ("name", "field", "change", "words"),
    [
        ("github", "X-Hub-Signature-256", lambda v: v.removeprefix("sha256="), "lacks its sha256="),
        ("chatbots", "X-Chatbots-Signature", lambda v: v.upper(), "capitals"),
        ("slack", "X-Slack-Signature", lambda v: v.removeprefix("v0="), "lacks its v0="),
        ("shopify", "X-Shopify-Hmac-Sha256", lambda v: f"sha256={v[:-1]}", "match"),
        ("linear", "Linear-Signature", lambda v: f"sha256={v}", "a beginning too many"),
        ("intercom", "X-Hub-Signature", lambda v: v.removeprefix("sha1="), "lacks its sha1="),
    ],
)
def test_a_signature_that_is_written_otherwise_is_told(
    name: str, field: str, change: Any, words: str
) -> None:
    sender = Sender(name)
    sent = sender.send()
    headers = dict(sent.headers) | {field: change(dict(sent.headers)[field])}
    found = amiss(question(sender, replace(sent, headers=headers)))
    assert words in (found.get("headers") or found["signature"])


@pytest.mark.parametrize("name", ["hubspot", "square", "twilio"])
@pytest.mark.parametrize("url", [URL + "/", URL.replace("https", "http"), "https://old.example/x"])
def test_an_address_that_was_signed_instead_is_told(name: str, url: str) -> None:
    ours, theirs = Sender(name), Sender(name, publicUrl=url)
    sent = Sender(name, ours.secret, publicUrl=url).send()
    asked = question(ours, sent, addresses=[URL, "https://old.example/x"])
    assert amiss(asked) == {"url": f"It was signed for the address {url}"}
    assert theirs.settings.public_url == url


def test_an_address_that_leads_elsewhere_is_told() -> None:
    found = amiss(question(Sender("github"), addresses=["https://other.example/x"]))
    assert found == {"url": "This endpoint's address is https://other.example/x"}


def test_a_query_that_was_not_signed_is_told() -> None:
    sender = Sender("square")
    asked = question(sender, replace(sender.send(), query="x=1"))
    assert "without its query" in amiss(asked)["url"]


def test_another_method_is_told() -> None:
    asked = question(Sender("hubspot"))
    found = examine(replace(asked, request=replace(asked.request, method="PUT")))
    amiss_parts = [finding for finding in found if finding.matches is False]
    assert {finding.part for finding in amiss_parts} == {"method"}


def test_an_endpoint_that_is_off_is_told() -> None:
    assert amiss(question(Sender("github"), is_active=False)).keys() == {"endpoint"}


def test_it_is_told_what_the_request_would_become() -> None:
    sender = Sender("sendgrid")
    items = [{"event": "open", "sg_event_id": f"e{n}", "sg_message_id": "m"} for n in range(12)]
    asked = question(sender, sender.send(json.dumps(items).encode()))
    assert events_of(asked) == [EventDescription("open", "m", f"e{n}") for n in range(10)]
    assert events_of(with_body(asked, b"[")) == []
