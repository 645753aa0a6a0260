"""Which part of a request does not match its endpoint? Pure: the secret, if any, comes with the question.

The API cannot read an endpoint's secret, and so cannot become an oracle for it: whoever asks either
brings the secret, or gets an answer about everything but the signature.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from shared.contents import check_media_type, contents_of
from shared.errors import InvalidSignature, SwitchhookError
from shared.payload import parse
from shared.signatures import EventDescription, Headers, Scheme, SchemeSettings, SignedRequest
from shared.signatures.request import MAX_HEADER_LENGTH

Part = Literal["endpoint", "method", "url", "headers", "time", "body", "secret", "signature"]

MAX_EVENTS_TOLD = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one part."""

    part: Part
    matches: bool | None
    """None: it could not be checked."""
    words: str


@dataclass(frozen=True, slots=True)
class Question:
    """A request, and the endpoint as far as its owner may see it."""

    request: SignedRequest
    scheme: Scheme[Any]
    settings: SchemeSettings
    is_active: bool
    addresses: Sequence[str]
    """Where the endpoint takes requests, the usual one first."""
    secret: str | None
    now: int
    """Unix seconds at which the request is taken to arrive."""


def examine(question: Question) -> list[Finding]:
    """Finding by finding, in the order in which ingest would look."""
    return [
        _endpoint(question),
        _method(question),
        _url(question),
        _headers(question),
        *_time(question),
        _signature(question),
        _body(question),
    ]


def events_of(question: Question) -> list[EventDescription]:
    """What the request would become, at most ten; nothing if its body cannot be read."""
    request, scheme = question.request, question.scheme
    try:
        contents = contents_of(request, scheme)[:MAX_EVENTS_TOLD]
    except SwitchhookError:
        return []
    return [scheme.describe(request, c.parsed.value, question.settings) for c in contents]


def _endpoint(question: Question) -> Finding:
    words = "The endpoint is active" if question.is_active else "The endpoint is switched off"
    return Finding("endpoint", question.is_active, words)


def _method(question: Question) -> Finding:
    method = question.request.method
    return Finding("method", method == "POST", f"Webhooks are posted; this is a {method[:20]}")


def _url(question: Question) -> Finding:
    if question.request.url in question.addresses:
        return Finding("url", True, "It leads to this endpoint")
    return Finding("url", False, f"This endpoint's address is {question.addresses[0]}")


def _headers(question: Question) -> Finding:
    headers = question.request.headers
    try:
        check_media_type(headers, question.scheme)
    except SwitchhookError as error:
        return Finding("headers", False, error.message)
    needed = sorted(question.scheme.proof_headers(question.settings))
    there = [name for name in needed if name.encode() in headers]
    if needed and not there:
        return Finding("headers", False, f"{' or '.join(needed)} is missing")
    unusable = [name for name in there if not headers.single(name.encode())]
    if unusable:
        words = f"{unusable[0]} is empty, there more than once, or over {MAX_HEADER_LENGTH} bytes"
        return Finding("headers", False, words)
    return Finding("headers", True, f"There: {', '.join(there)}" if there else "None is needed")


def _time(question: Question) -> Iterator[Finding]:
    tolerance = getattr(question.settings, "tolerance_seconds", None)
    sent_at = question.scheme.sent_at(question.request, question.settings)
    if tolerance is None or (sent_at is None and not _needs_time(question)):
        return
    if sent_at is None:
        yield Finding("time", False, "The time at which it was sent is missing or malformed")
        return
    age = question.now - sent_at
    side = "ago" if age >= 0 else "ahead"
    words = f"Sent {abs(age)} seconds {side}; {tolerance} are allowed"
    yield Finding("time", abs(age) <= tolerance, words)


def _needs_time(question: Question) -> bool:
    """Whether a signature of this endpoint's covers a time: `hmac` and `gitlab` may do without."""
    if question.scheme.name == "gitlab":
        return (question.secret or "").startswith("whsec_")
    return getattr(question.settings, "timestamp_header", "") is not None


def _signature(question: Question) -> Finding:
    scheme = question.scheme
    if scheme.name == "none":
        return Finding("signature", True, "Nothing is checked")
    if scheme.needs_secret and question.secret is None:
        words = "Not checked: that takes the secret, which nobody can read back. Send it along"
        return Finding("signature", None, words)
    if _is_genuine(question):
        return Finding("signature", True, "It matches")
    for part, words, variant in _variants(question):
        if _is_genuine(variant):
            return Finding(part, False, words)
    words = "It does not match: another secret, or something that was changed on the way"
    return Finding("signature", False, words)


def _is_genuine(question: Question) -> bool:
    """Apart from its age, which is a finding of its own."""
    request, scheme, settings = question.request, question.scheme, question.settings
    sent_at = scheme.sent_at(request, settings)
    keys = [question.secret] if question.secret else []
    try:
        scheme.verify(request, keys, settings, question.now if sent_at is None else sent_at)
    except InvalidSignature:
        return False
    return True


def _body(question: Question) -> Finding:
    try:
        contents = contents_of(question.request, question.scheme)
    except SwitchhookError as error:
        return Finding("body", False, error.message)
    return Finding("body", True, f"It holds {len(contents)} event{'s' * (len(contents) != 1)}")


Variant = tuple[Part, str, Question]


def _variants(question: Question) -> Iterator[Variant]:
    """The request with one thing put right, each with what that would mean."""
    request = question.request
    for words, body in _bodies(request.body):
        yield "body", words, replace(question, request=replace(request, body=body))
    for words, secret in _secrets(question.secret or ""):
        yield "secret", words, replace(question, secret=secret)
    for words, headers in _proofs(question):
        yield "headers", words, replace(question, request=replace(request, headers=headers))
    if hasattr(question.settings, "public_url"):
        for url in _urls(question):
            other = question.settings.model_copy(update={"public_url": url})
            words = f"It was signed for the address {url}"
            yield "url", words, replace(question, settings=other)
        without = replace(question, request=replace(request, query=""))
        yield "url", "It was signed for the address without its query", without
    posted = replace(question, request=replace(request, method="POST"))
    yield "method", "It was signed for a POST", posted


def _bodies(body: bytes) -> Iterator[tuple[str, bytes]]:
    yield "It was signed without the space around it", body.strip()
    yield "It was signed with a line break at its end", body + b"\n"
    yield "It was signed with other line breaks", body.replace(b"\r\n", b"\n")
    yield "It was signed with other line breaks", body.replace(b"\n", b"\r\n")
    try:
        value = parse(body).value
    except SwitchhookError:
        return
    words = "It was parsed and written anew after it was signed"
    for separators in ((",", ":"), (", ", ": ")):
        for is_ascii in (True, False):
            text = json.dumps(value, separators=separators, ensure_ascii=is_ascii)
            yield words, text.encode("utf-8", "surrogatepass")


def _secrets(secret: str) -> Iterator[tuple[str, str]]:
    yield "The secret has space around it", secret.strip()
    yield "The secret counts without whsec_ here", secret.removeprefix("whsec_")
    yield "The secret counts with whsec_ here", f"whsec_{secret}"


def _proofs(question: Question) -> Iterator[tuple[str, Headers]]:
    """The headers with each signature written in another way."""
    given = question.request.headers
    for name in question.scheme.proof_headers(question.settings):
        value = given.single(name.encode()).decode("latin-1")
        others = [(n, v) for n, values in given for v in values if n != name.encode()]
        for words, text in (
            (f"{name} is in capitals", value.lower()),
            (f"{name} lacks its sha256=", f"sha256={value}"),
            (f"{name} lacks its sha1=", f"sha1={value}"),
            (f"{name} lacks its v0=", f"v0={value}"),
            (f"{name} lacks its v1,", f"v1,{value}"),
            (f"{name} has a beginning too many", value.rpartition("=")[2] or value),
        ):
            yield words, Headers([*others, (name, text)])


def _urls(question: Question) -> list[str]:
    """What senders might take for the address."""
    known = [question.request.url, *question.addresses]
    urls = [u for url in known for u in (url, url + "/", url.rstrip("/"))]
    urls += [url.replace("https://", "http://", 1) for url in urls]
    urls += [url.replace("http://", "https://", 1) for url in urls]
    return list(dict.fromkeys(urls))
