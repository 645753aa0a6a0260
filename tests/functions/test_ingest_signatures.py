"""What ingest makes of signatures: right, wrong, old and repeated ones, and those of a secret that changes."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from types import SimpleNamespace

import httpx
import pytest

from functions.ingest.app import create_app
from functions.ingest.receive import REFRESH_SECONDS
from functions.ingest.settings import IngestSettings
from shared.encryption import SecretBox
from shared.signatures import SCHEMES
from tests.functions.conftest import Connection, Endpoint, MakeEndpoint
from tests.functions.test_ingest import assert_refused, body_of, post, post_sent, stored
from tests.shared.signatures.counting import counted_work
from tests.shared.signatures.factories import NOW, SETTINGS, Sent

VERIFYING = sorted(SCHEMES.keys() - {"none"})
WITH_SECRET = [name for name in VERIFYING if SCHEMES[name].needs_secret]

SIGNS_NO_BODY = {"basic", "bearer", "gitlab", "mailgun"}


@pytest.mark.parametrize(
    ("scheme", "fault"),
    [
        (scheme, fault)
        for scheme in VERIFYING
        for fault in ("wrong", "missing", "truncated", "other body")
        if fault != "other body" or scheme not in SIGNS_NO_BODY
    ],
)
async def test_whatever_is_wrong_with_a_signature_the_answer_is_the_same(
    scheme: str,
    fault: str,
    ingest: httpx.AsyncClient,
    database: Connection,
    make_endpoint: MakeEndpoint,
) -> None:
    endpoint = make_endpoint(scheme)
    sent = with_fault(endpoint.sent(body_of()), fault)
    response = await post_sent(ingest, endpoint, sent)
    assert_refused(response, 401, "invalid_signature")
    assert response.json()["error"] == "Invalid signature"
    assert stored(database, endpoint) == []


def with_fault(sent: Sent, fault: str) -> Sent:
    """The same request with something wrong in its proof, which Mailgun has in the body."""
    proofs = {k: v for k, v in dict(sent.headers).items() if k != "Content-Type"}
    body = json.loads(sent.body)
    if not proofs:
        proofs = {"signature": body["signature"]["signature"]}
    match fault:
        case "wrong":
            proofs = {k: v[:-4] + "AAAA" * (v[-4:] != "AAAA") for k, v in proofs.items()}
        case "truncated":
            proofs = {name: value[:-5] for name, value in proofs.items()}
        case "missing":
            proofs = {}
        case "other body":
            body |= {"n": "other"}
    if "signature" in body:
        body["signature"] = {**body["signature"], "signature": proofs.pop("signature", "")}
        return Sent({"Content-Type": "application/json"}, json.dumps(body).encode())
    other = sent.body if fault != "other body" else json.dumps(body).encode()
    return replace(sent, headers={"Content-Type": "application/json", **proofs}, body=other)


@pytest.mark.parametrize("scheme", VERIFYING)
async def test_every_answer_to_a_bad_signature_has_the_same_bytes_but_for_its_id(
    scheme: str, ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint(scheme)
    answers = set()
    for fault in ("wrong", "missing", "truncated"):
        sent = with_fault(endpoint.sent(body_of()), fault)
        answer = await post_sent(ingest, endpoint, sent, **{"X-Request-Id": "same"})
        assert answer.status_code == 401
        answers.add((answer.content, json.dumps(sorted(answer.headers.items()))))
    assert len(answers) == 1


@pytest.mark.parametrize("scheme", [name for name in WITH_SECRET if name != "mailgun"])
async def test_every_bad_signature_costs_the_running_function_the_same_work(
    scheme: str,
    ingest: httpx.AsyncClient,
    make_endpoint: MakeEndpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Counted instead of timed: codes that are computed, and comparisons."""
    work = counted_work(monkeypatch)
    endpoint = make_endpoint(scheme)
    sent = endpoint.sent(body_of(), delivery_id="d1")
    costs = []
    for fault in ("wrong", "truncated", "mangled", "missing"):
        work.clear()
        await post_sent(ingest, endpoint, proof_changed(sent, SCHEMES[scheme].name, fault))
        costs.append(list(work))
    assert costs[0]
    assert costs == [costs[0]] * 4


def proof_changed(sent: Sent, scheme: str, fault: str) -> Sent:
    """The same request with something wrong in the header that proves it, and in no other."""
    settings = SCHEMES[scheme].settings(SETTINGS.get(scheme, {}))
    proofs = SCHEMES[scheme].proof_headers(settings)
    headers = dict(sent.headers)
    for name in [name for name in headers if name.lower() in proofs]:
        match fault:
            case "wrong":
                headers[name] = headers[name][:-4] + "AAAA"
            case "truncated":
                headers[name] = headers[name][:-5]
            case "mangled":
                headers[name] = "?"
            case "missing":
                del headers[name]
    assert headers != sent.headers
    return replace(sent, headers=headers)


TIMED = [
    name
    for name in VERIFYING
    if "tolerance_seconds" in SCHEMES[name].settings_model.model_fields and name != "gitlab"
]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The function's clock, which stands still until a test sets it."""
    clock = SimpleNamespace(now=NOW)
    monkeypatch.setattr(
        "functions.ingest.receive.time", SimpleNamespace(time=lambda: clock.now + 0.5)
    )
    return clock


def window_of(scheme: str) -> int:
    """How many seconds off a time may be: 300, unless the vendor says otherwise."""
    default = SCHEMES[scheme].settings_model.model_fields["tolerance_seconds"].default
    assert isinstance(default, int)
    return default


@pytest.mark.parametrize("scheme", TIMED)
async def test_a_signature_is_good_to_the_second_within_its_window_either_way(
    scheme: str, ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint, clock: SimpleNamespace
) -> None:
    endpoint = make_endpoint(scheme)
    answers = {}
    for direction in (-1, 1):
        for beyond in (-1, 0, 1):
            sent = endpoint.sent(body_of(), now=NOW)
            clock.now = NOW + direction * (window_of(scheme) + beyond)
            answers[direction * beyond, direction] = await post_sent(ingest, endpoint, sent)
    assert {place: answer.status_code for place, answer in answers.items()} == {
        (direction * beyond, direction): 401 if beyond > 0 else 202
        for direction in (-1, 1)
        for beyond in (-1, 0, 1)
    }


@pytest.mark.parametrize("scheme", TIMED)
async def test_a_replay_is_a_duplicate_inside_the_window_and_401_outside(
    scheme: str,
    ingest: httpx.AsyncClient,
    database: Connection,
    make_endpoint: MakeEndpoint,
    clock: SimpleNamespace,
) -> None:
    endpoint = make_endpoint(scheme)
    captured = endpoint.sent(body_of(id="evt_1", event_id="evt_1", type="a.b"), now=NOW)
    states = []
    for later in (0, 1, window_of(scheme)):
        clock.now = NOW + later
        answer = await post_sent(ingest, endpoint, captured)
        states.append(answer.json()["data"]["state"])
    assert states == ["accepted", "duplicate", "duplicate"]
    for later in (window_of(scheme) + 1, 10**6):
        clock.now = NOW + later
        assert_refused(await post_sent(ingest, endpoint, captured), 401, "invalid_signature")
    assert len(stored(database, endpoint)) == 1


@pytest.mark.parametrize("scheme", WITH_SECRET)
async def test_during_a_rotation_both_secrets_verify_then_only_the_new_one(
    scheme: str,
    ingest: httpx.AsyncClient,
    database: Connection,
    make_endpoint: MakeEndpoint,
    secrets: SecretBox,
) -> None:
    old = make_endpoint(scheme)
    new = replace(old, secret=SCHEMES[scheme].generate_secret())
    database.execute(
        "update private.endpoint_secrets set expires_at = now() + interval '1 hour' where endpoint_id = %s",
        [old.id],
    )
    database.execute(
        "insert into private.endpoint_secrets (endpoint_id, ciphertext) values (%s, %s)",
        [old.id, secrets.encrypt(new.secret)],
    )
    for endpoint in (old, new):
        assert (await post(ingest, endpoint, body_of())).status_code == 202
    database.execute(
        "update private.endpoint_secrets set expires_at = now() where endpoint_id = %s and expires_at is not null",
        [old.id],
    )
    assert_refused(await post(ingest, old, body_of()), 401, "invalid_signature")
    assert (await post(ingest, new, body_of())).status_code == 202


async def test_a_new_secret_verifies_although_the_endpoint_is_cached(
    ingest_settings: IngestSettings,
    database: Connection,
    make_endpoint: MakeEndpoint,
    secrets: SecretBox,
) -> None:
    endpoint = make_endpoint()
    rotated = Endpoint(endpoint.id, endpoint.slug, endpoint.scheme, "the-new-secret")
    app = create_app(ingest_settings.model_copy(update={"endpoint_cache_seconds": 60}))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://ingest") as client,
    ):
        assert (await post(client, endpoint, body_of())).status_code == 202
        database.execute(
            "insert into private.endpoint_secrets (endpoint_id, ciphertext) values (%s, %s)",
            [endpoint.id, secrets.encrypt(rotated.secret)],
        )
        await asyncio.sleep(REFRESH_SECONDS)
        assert (await post(client, rotated, body_of())).status_code == 202
        assert (await post(client, endpoint, body_of())).status_code == 202
