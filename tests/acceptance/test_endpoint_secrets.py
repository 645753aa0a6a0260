"""Canaries: secrets of endpoints, which show in no answer, page, row or log after they were set."""

from __future__ import annotations

import json
import re
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest

from shared.signatures import SCHEMES
from tests.acceptance.test_pipeline import api
from tests.acceptance.test_secrets import logs_of, rows_of
from tests.conftest import Connection
from tests.functions.conftest import Endpoint
from tests.running_stack import RunningStack, User
from tests.shared.signatures.factories import SETTINGS

WITH_SECRET = [name for name, scheme in SCHEMES.items() if scheme.needs_secret]
ADDRESSED = {"hubspot", "square", "twilio"}
CSRF = re.compile(r'name="csrf" value="([0-9a-f]{64})"')
PAGES = ("", "/queue", "/log", "/endpoints")
ENDPOINT_PAGES = ("/endpoints/{id}", "/endpoints/{id}/edit")
MISPLACED = ("X-Api-Key", "X-Secret", "X-Auth-Token", "X-Gitlab-Token", "X-Hook-Token", "Cookie")
PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class Watch:
    """A user with endpoints, and all that was answered once their secrets were set."""

    url: str
    user: User
    console: httpx.Client
    shown: list[str] = field(default_factory=list)

    def read(self, path: str) -> Any:
        data = api(self.url, self.user, "GET", path)
        self.shown.append(json.dumps(data))
        return data

    def look_at(self, page: str) -> None:
        answer = self.console.get(page, follow_redirects=True)
        assert answer.status_code == 200
        self.shown.append(answer.text)

    def make(self, scheme: str) -> Endpoint:
        settings = dict(SETTINGS.get(scheme, {}))
        settings.pop("publicUrl", None)
        fields = {"name": f"Canary {scheme}", "scheme": scheme, "schemeSettings": settings}
        made = api(self.url, self.user, "POST", "/endpoints", fields)
        address = {"publicUrl": made["url"]} if scheme in ADDRESSED else {}
        return Endpoint(made["id"], made["slug"], scheme, made["secret"], settings | address)

    def send(self, endpoint: Endpoint, request: dict[str, Any]) -> int:
        answer = httpx.post(f"{self.url}{endpoint.path}", **request, timeout=30)
        self.shown.append(answer.text + str(answer.headers))
        return answer.status_code

    def wait_for_refusals(self, endpoint: Endpoint, count: int) -> None:
        """They are written a moment after the answer."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(self.read(f"/endpoints/{endpoint.id}/refusals")["items"]) < count:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.fixture
def watch(functions_url: str, new_user: Callable[[], User]) -> Iterator[Watch]:
    user = new_user()
    with httpx.Client(base_url=f"{functions_url}/console", timeout=30) as console:
        found = CSRF.search(console.get("/sign-in").text)
        assert found
        form = {"csrf": found[1], "email": user.email, "password": user.password}
        assert console.post("/sign-in", data=form).status_code == 303
        yield Watch(functions_url, user, console)


def accepted(endpoint: Endpoint) -> dict[str, Any]:
    sent = endpoint.sent(json.dumps({"event": "a.b", "id": f"evt_{time.time_ns()}"}).encode())
    return {"content": sent.body, "headers": dict(sent.headers), "params": sent.query}


def refused(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    """Requests with the secret where it does not belong, and credentials that are refused."""
    proofs = SCHEMES[endpoint.scheme].proof_headers(
        SCHEMES[endpoint.scheme].settings(endpoint.settings)
    )
    misplaced = dict.fromkeys(MISPLACED, endpoint.secret)
    misplaced |= {"Authorization": f"Token {endpoint.secret}"}
    others = {name: text for name, text in misplaced.items() if name.lower() not in proofs}
    yield {"content": b"{}", "headers": others | {"Content-Type": "application/json"}}
    yield {"content": b"{}", "params": {"token": endpoint.secret}}


def use(watch: Watch, scheme: str) -> list[str]:
    """All that there is to do with an endpoint and two secrets; these, and as Basic writes them."""
    older = watch.make(scheme)
    newer = replace(older, secret=SCHEMES[scheme].generate_secret())
    rotation = {"secret": newer.secret, "overlapSeconds": 3600}
    api(watch.url, watch.user, "POST", f"/endpoints/{older.id}/rotate-secret", rotation)
    for endpoint in (older, newer):
        assert watch.send(endpoint, accepted(endpoint)) == 202
        for request in refused(endpoint):
            assert watch.send(endpoint, request) == 401
    watch.wait_for_refusals(older, 4)
    for path in (f"/endpoints/{older.id}", f"/endpoints/{older.id}/sample-curl"):
        watch.read(path)
    for page in ENDPOINT_PAGES:
        watch.look_at(page.format(id=older.id))
    secrets = [older.secret, newer.secret]
    return [
        *(secret.removeprefix("whsec_") for secret in secrets),
        *(b64encode(f"ada:{secret}".encode()).decode() for secret in secrets),
    ]


def test_secrets_of_endpoints_show_nowhere_after_they_were_set(
    watch: Watch, stack: RunningStack, database: Connection
) -> None:
    canaries = {canary: scheme for scheme in WITH_SECRET for canary in use(watch, scheme)}
    for path in ("/endpoints?limit=100", "/log?limit=100"):
        watch.read(path)
    for event in watch.read("/queue?limit=100")["items"]:
        watch.read(f"/queue/{event['id']}/trace")
    for page in PAGES:
        watch.look_at(page)

    rows, logs = rows_of(stack, watch.user), logs_of(stack)
    shown = "".join(watch.shown)
    assert "Canary stripe" in rows, "nothing was read, so that this test proves nothing"
    assert "Canary stripe" in shown
    for places in (shown, rows, logs):
        assert {scheme for canary, scheme in canaries.items() if canary in places} == set()
    assert tables_with(database, list(canaries)) == []


def tables_with(database: Connection, canaries: list[str]) -> list[str]:
    """The tables, of all there are, in which one stands as text or as bytes."""
    tables = database.execute(
        "select format('%I.%I', schemaname, tablename) as name from pg_tables"
        " where schemaname in ('public', 'private')"
    ).fetchall()
    wanted = canaries + [canary.encode().hex() for canary in canaries]
    return [
        table["name"]
        for table in tables
        if database.execute(
            f"select from {table['name']} t, unnest(%s::text[]) canary"
            " where strpos(t::text, canary) > 0 limit 1",
            [wanted],
        ).fetchone()
        is not None
    ]


def test_a_secret_in_a_row_would_be_found(watch: Watch, database: Connection) -> None:
    fields = {"name": "canary-in-a-name", "scheme": "none"}
    api(watch.url, watch.user, "POST", "/endpoints", fields)

    assert tables_with(database, ["other", "canary-in-a-name"]) == ["public.webhook_endpoints"]
