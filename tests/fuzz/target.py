"""The fuzzed function: one input, through all that ingest does with a request before it stores it.

Whatever comes, it is accepted, answered or refused as declared; anything else raised here is a fault.
"""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Sequence
from functools import cache

import orjson
from starlette.requests import Request
from starlette.types import Message

from functions.ingest.endpoints import Endpoint
from functions.ingest.ingest import Rows, accept, greet
from functions.ingest.refusals import Refusal
from shared.body import read_body
from shared.errors import (
    InvalidJson,
    InvalidRequest,
    InvalidSignature,
    PayloadTooLarge,
    SwitchhookError,
    UnsupportedMediaType,
)
from shared.forms import form_fields
from shared.signatures import MAX_FACT_LENGTH, Handshake, Headers, SignedRequest
from shared.signatures.request import is_form
from shared.signatures.storable_headers import MAX_HEADERS, MAX_TOTAL_LENGTH
from tests.fuzz.bodies import check_bodies, check_gzip, reading
from tests.fuzz.cases import Case, Line, lines_of, read
from tests.fuzz.endpoints import SECRETS, endpoint, signing_key
from tests.fuzz.json_oracle import is_storable
from tests.shared.signatures.factories import NOW, URL

LIMIT = 128 * 1024
"""Of a body, inflated."""

PART = 8
"""Of a secret: so many characters in a row are nowhere by chance."""

REFUSALS = (
    InvalidJson,
    InvalidRequest,
    InvalidSignature,
    PayloadTooLarge,
    UnsupportedMediaType,
)


def one_input(data: bytes) -> str:
    """What became of it: `accepted`, `answered`, or the code of its refusal."""
    case = read(data)
    receiver = endpoint(case.scheme, case.settings)
    if receiver is None:
        return "settings_refused"
    body: bytes | None = None
    headers = Headers(case.lines)
    check_gzip(case.body, LIMIT)
    try:
        body = read_whole(case)
        check_bodies(body)
        request, is_sound = _request(case, receiver, body)
        headers = request.headers
        taken = _take(request, receiver, is_sound=is_sound)
    except REFUSALS as error:
        refusal = Refusal.of(receiver, error, case.method, headers, body)
        _check_row(orjson.dumps(refusal.row()), data, body)
        return error.code
    if isinstance(taken, Rows):
        for row in taken.json:
            _check_row(row, data, body)
            _check_facts(row)
        return "accepted"
    assert is_storable(taken.json)
    return "answered"


def read_whole(case: Case) -> bytes:
    """The body as ingest reads it: in pieces, within the limit, inflated."""
    size = max(1, len(case.body) // 3)
    pieces = [case.body[start : start + size] for start in range(0, len(case.body), size)]
    messages: list[Message] = [
        {"type": "http.request", "body": piece, "more_body": True} for piece in pieces
    ]
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    coming = iter(messages)

    async def receive() -> Message:
        return next(coming)

    headers = [(name.lower(), value) for name, value in case.lines]
    request = Request({"type": "http", "method": case.method, "headers": headers}, receive)
    body = _loop().run_until_complete(read_body(request, limit=LIMIT, deadline_seconds=3600))
    assert len(body) <= LIMIT
    return body


def _request(case: Case, receiver: Endpoint, body: bytes) -> tuple[SignedRequest, bool]:
    """The request, and whether it is sound: signed by its vendor and not changed since.

    Raises InvalidRequest where the settings lack what the vendor signs.
    """
    query = case.query.decode("latin-1")
    if not case.is_genuine:
        return SignedRequest(case.method, URL, Headers(case.lines), body, query), False
    scheme, key = receiver.scheme, signing_key(case.scheme)
    complete = scheme.complete(body, key, NOW)
    signed = lines_of(scheme.sign(complete, key, receiver.settings, NOW).items())
    headers = Headers([*_without(signed, case.lines), *case.lines])
    request = SignedRequest("POST", URL, headers, complete, scheme.query(complete))
    is_sound = not {name.lower() for name, _ in signed} & _names(case.lines)
    if case.scheme == "twilio":
        is_sound = is_sound and _twilio_signs(request)
    if scheme.has_private_key:
        is_sound = is_sound and _knows_its_vendor(receiver)
    return request, is_sound


def _knows_its_vendor(receiver: Endpoint) -> bool:
    """Whether the settings hold the public key that belongs to the private one."""
    usual = endpoint(receiver.scheme.name, b"{}")
    assert usual is not None
    own, others = (
        each.settings.model_dump(exclude={"tolerance_seconds"}) for each in (receiver, usual)
    )
    return own == others


def _twilio_signs(request: SignedRequest) -> bool:
    """Whether the body is what it is said to be: a form is signed in one way, JSON in another."""
    if is_form(request.headers):
        return not request.query and form_fields(request.body) is not None
    return bool(request.query)


def _without(signed: Sequence[Line], lines: Sequence[Line]) -> list[Line]:
    return [line for line in signed if line[0].lower() not in _names(lines)]


def _names(lines: Sequence[Line]) -> set[bytes]:
    return {name.lower() for name, _ in lines}


def _take(request: SignedRequest, receiver: Endpoint, *, is_sound: bool) -> Rows | Handshake:
    receiver.scheme.sent_at(request, receiver.settings)
    if request.method == "GET":
        answer = greet(request, receiver)
        if answer is None:
            raise InvalidSignature
        return answer
    try:
        return accept(request, receiver, NOW)
    except (InvalidSignature, InvalidJson) as error:
        if is_sound and _must_be_taken(error, request, receiver):
            raise AssertionError("genuine, but refused") from error
        raise


def _must_be_taken(error: SwitchhookError, request: SignedRequest, receiver: Endpoint) -> bool:
    """Whether this refusal of a sound request is wrong."""
    if isinstance(error, InvalidSignature):
        return True
    values = reading(request.body)
    if isinstance(values, list):
        return receiver.scheme.takes_arrays and all(isinstance(value, dict) for value in values)
    return isinstance(values, dict)


def _check_row(row: bytes, data: bytes, body: bytes | None) -> None:
    """It can be stored, is bounded, and tells no secret but one that the sender wrote elsewhere."""
    stored = orjson.loads(row)
    assert is_storable(stored), "jsonb would refuse it"
    names = stored["headers"]
    assert len(names) <= MAX_HEADERS
    assert sum(len(name) + len(value) for name, value in names.items()) <= MAX_TOTAL_LENGTH
    for secret in SECRETS:
        if secret.encode() in row:
            assert _resembles(data + (body or b""), secret), "a secret is told"


def _resembles(given: bytes, secret: str) -> bool:
    """Whether the sender wrote the secret, or what the parsers may have turned into it: escapes, a
    header's name in capitals.
    """
    parts = (secret[start : start + PART] for start in range(0, len(secret), PART))
    return any(part.lower().encode() in given.lower() for part in parts)


def _check_facts(row: bytes) -> None:
    stored = orjson.loads(row)
    assert stored["event_type"]
    assert stored["dedupe_key"]
    for fact in (stored["event_type"], stored["external_id"]):
        assert fact is None or (0 < len(fact) <= MAX_FACT_LENGTH and fact.isprintable())


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()

    @atexit.register
    def close() -> None:
        # A body that was not read to its end is given up in the loop's next round.
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    return loop
