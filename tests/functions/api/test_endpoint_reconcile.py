"""`POST /api/endpoints/{id}/reconcile` over HTTP, with vendors that answer as their references say."""

from __future__ import annotations

import dataclasses
import json
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import respx
from fastapi import FastAPI

from functions.api import reconciliation
from functions.api.vendors import github, stripe
from tests.functions.api.conftest import Account, Connection, data_of, refused
from tests.functions.api.test_requests import SOME_ID

TOKEN = "canary-token"
HOOK = "repos/octo/shop.io/hooks/12"
HOOK_URL = f"{github.API}/{HOOK}/deliveries"
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
async def vendor(app: FastAPI) -> AsyncIterator[respx.MockRouter]:
    """What the API calls outside is answered here; what is not foreseen is an error."""
    router = respx.MockRouter(assert_all_called=False)
    async with httpx.AsyncClient(transport=httpx.MockTransport(router.async_handler)) as http:
        app.state.backend = dataclasses.replace(app.state.backend, http=http)
        yield router


def delivery(number: int, guid: str | None = None, **fields: Any) -> dict[str, Any]:
    """An entry of GitHub's list, the lower the newer; of one that failed."""
    at = NOW - timedelta(minutes=number)
    return {
        "id": number,
        "guid": guid or f"{uuid.uuid4()}",
        "delivered_at": at.isoformat().replace("+00:00", "Z"),
        "redelivery": False,
        "duration": 0.27,
        "status": "Service Unavailable",
        "status_code": 503,
        "event": "issues",
        "action": "opened",
        "installation_id": None,
        "repository_id": 7,
    } | fields


class GitHub:
    """A webhook's deliveries in GitHub's API."""

    def __init__(self, router: respx.MockRouter) -> None:
        self.router = router
        self.details = router.get(url__regex=rf"{HOOK_URL}/\d+$").mock(side_effect=self.detail)
        self.entries: dict[int, dict[str, Any]] = {}
        self.payloads: dict[int, dict[str, Any]] = {}

    def page(
        self, cursor: str | None, *entries: dict[str, Any], then: str | None = None
    ) -> respx.Route:
        self.entries |= {entry["id"]: entry for entry in entries}
        next_url = f"https://elsewhere.example.com/?per_page=25&cursor={then}"
        links = {} if then is None else {"link": f'<{next_url}>; rel="next"'}
        query = {"per_page": "25"} | ({} if cursor is None else {"cursor": cursor})
        route = self.router.get(HOOK_URL, params__eq=query)
        return route.mock(return_value=httpx.Response(200, json=list(entries), headers=links))

    def detail(self, request: httpx.Request) -> httpx.Response:
        entry = self.entries[int(request.url.path.rsplit("/", 1)[1])]
        headers = {
            "Accept": "*/*",
            "X-GitHub-Delivery": entry["guid"],
            "X-GitHub-Event": entry["event"],
            "X-Hub-Signature-256": "sha256=00",
            "content-type": "application/x-www-form-urlencoded",
        }
        usual = {"action": entry["action"], "issue": {"id": entry["id"]}, "n": 2**60}
        payload = self.payloads.get(entry["id"], usual)
        sent = {"headers": headers, "payload": payload}
        answer = entry | {"request": sent, "response": {"headers": {}, "payload": "no"}}
        return httpx.Response(200, json=answer)


@pytest.fixture
def hub(vendor: respx.MockRouter) -> GitHub:
    return GitHub(vendor)


async def reconcile(account: Account, endpoint: dict[str, Any], **fields: Any) -> dict[str, Any]:
    hook = {"hook": HOOK} if endpoint["scheme"] == "github" else {}
    url = f"/api/endpoints/{endpoint['id']}/reconcile"
    body = {"token": TOKEN, "since": (NOW - timedelta(days=1)).isoformat()} | hook | fields
    body = {name: value for name, value in body.items() if value is not None}
    answer: dict[str, Any] = await data_of(account.client.post(url, json=body))
    return answer


def counts(answer: dict[str, Any]) -> tuple[int, int, int, bool]:
    return answer["accepted"], answer["duplicates"], answer["skipped"], answer["complete"]


def stored(database: Connection, endpoint: dict[str, Any]) -> list[dict[str, Any]]:
    return database.execute(
        "select * from public.webhook_events where endpoint_id = %s order by id", [endpoint["id"]]
    ).fetchall()


async def test_what_github_could_not_deliver_is_stored_as_if_it_had_come(
    anna: Account, hub: GitHub, database: Connection
) -> None:
    endpoint = await anna.create_endpoint(scheme="github")
    failed = delivery(2)
    hub.page(None, delivery(1, status_code=202), failed)
    answer = await reconcile(anna, endpoint)
    assert counts(answer) == (1, 0, 0, True)
    assert (answer["checked"], answer["retryAfterSeconds"]) == (2, None)
    assert answer["reached"] == failed["delivered_at"]
    (row,) = stored(database, endpoint)
    assert (row["event_type"], row["external_id"]) == ("issues.opened", "2")
    assert (row["scheme"], row["dedupe_key"]) == ("github", f"id:{failed['guid']}")
    assert row["payload"] == {"action": "opened", "issue": {"id": 2}, "n": 2**60}
    assert row["headers"]["x-github-event"] == "issues"
    assert row["headers"]["content-type"] == "application/json"


async def test_github_gets_the_token_and_nothing_else_does(
    anna: Account, hub: GitHub, database: Connection
) -> None:
    endpoint = await anna.create_endpoint(scheme="github")
    hub.page(None, delivery(1))
    answer = await reconcile(anna, endpoint)
    for call in hub.router.calls:
        assert call.request.headers["authorization"] == f"Bearer {TOKEN}"
        assert call.request.url.host == "api.github.com"
    assert TOKEN not in json.dumps(answer)
    kept = database.execute(
        "select state::text from public.endpoint_reconciliations where endpoint_id = %s",
        [endpoint["id"]],
    ).fetchall()
    assert len(kept) == 1
    assert TOKEN not in str(kept) + str(stored(database, endpoint))


async def test_a_delivery_that_arrived_in_the_end_is_not_fetched(
    anna: Account, hub: GitHub
) -> None:
    endpoint = await anna.create_endpoint(scheme="github")
    guid = str(uuid.uuid4())
    hub.page(None, delivery(1, guid, status_code=200, redelivery=True), delivery(2, guid))
    assert counts(await reconcile(anna, endpoint)) == (0, 0, 0, True)
    assert not hub.details.called


async def test_a_delivery_that_failed_twice_is_fetched_once(anna: Account, hub: GitHub) -> None:
    endpoint = await anna.create_endpoint(scheme="github")
    guid = str(uuid.uuid4())
    hub.page(None, delivery(1, guid, redelivery=True), delivery(2, guid))
    assert counts(await reconcile(anna, endpoint)) == (1, 0, 0, True)
    assert hub.details.call_count == 1


async def test_a_second_time_all_are_duplicates(
    anna: Account, hub: GitHub, database: Connection
) -> None:
    endpoint = await anna.create_endpoint(scheme="github")
    hub.page(None, delivery(1), delivery(2))
    assert counts(await reconcile(anna, endpoint)) == (2, 0, 0, True)
    assert counts(await reconcile(anna, endpoint)) == (0, 2, 0, True)
    assert len(stored(database, endpoint)) == 2


async def test_nothing_missing_is_complete_at_once(anna: Account, hub: GitHub) -> None:
    endpoint = await anna.create_endpoint(scheme="github")
    hub.page(None)
    answer = await reconcile(anna, endpoint)
    assert counts(answer) == (0, 0, 0, True)
    assert (answer["checked"], answer["reached"]) == (0, None)


async def test_a_page_is_stored_oldest_first(
    anna: Account, hub: GitHub, database: Connection
) -> None:
    endpoint = await anna.create_endpoint(scheme="github")
    hub.page(None, *(delivery(number) for number in range(1, 26)))
    assert counts(await reconcile(anna, endpoint)) == (25, 0, 0, True)
    ids = [int(row["external_id"]) for row in stored(database, endpoint)]
    assert ids == list(range(25, 0, -1))


async def test_a_ping_and_what_no_webhook_could_hold_are_skipped(
    anna: Account, hub: GitHub, database: Connection
) -> None:
    endpoint = await anna.create_endpoint(scheme="github")
    ping, deep, large, nul, number = (delivery(place) for place in (1, 2, 3, 4, 5))
    nested: dict[str, Any] = {}
    for _ in range(70):
        nested = {"a": nested}
    hub.page(None, ping | {"event": "ping"}, deep, large, nul, number)
    hub.payloads = {
        1: {"zen": "Keep it logically awesome.", "hook_id": 12},
        2: nested,
        3: {"a": "x" * 1024 * 1024},
        4: {"a": "\x00"},
        5: {"a": 1.5e308},
    }
    assert counts(await reconcile(anna, endpoint)) == (1, 0, 4, True)
    assert [row["payload"] for row in stored(database, endpoint)] == [{"a": "\ufffd"}]


async def test_pages_are_followed_back_to_the_time_asked_for(anna: Account, hub: GitHub) -> None:
    endpoint = await anna.create_endpoint(scheme="github")
    hub.page(None, delivery(1), then="two")
    hub.page("two", delivery(2), delivery(10_000), then="three")
    answer = await reconcile(anna, endpoint)
    assert counts(answer) == (2, 0, 0, True)
    assert answer["checked"] == 2


async def test_a_call_ends_after_some_pages_and_the_next_goes_on_there(
    anna: Account, hub: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "MAX_PAGES", 2)
    endpoint = await anna.create_endpoint(scheme="github")
    first = hub.page(None, delivery(1), then="two")
    hub.page("two", delivery(2), then="three")
    hub.page("three", delivery(3))
    assert counts(await reconcile(anna, endpoint)) == (2, 0, 0, False)
    assert counts(await reconcile(anna, endpoint)) == (1, 0, 0, True)
    assert first.call_count == 1
    # Another webhook, or another time to go back to, begins at the top.
    assert counts(await reconcile(anna, endpoint)) == (0, 2, 0, False)
    earlier = (NOW - timedelta(days=2)).isoformat()
    assert counts(await reconcile(anna, endpoint, since=earlier)) == (0, 2, 0, False)
    assert first.call_count == 3


async def test_the_next_sweep_goes_back_to_where_the_last_began(anna: Account, hub: GitHub) -> None:
    endpoint = await anna.create_endpoint(scheme="github")
    hub.page(None)
    first = await reconcile(anna, endpoint, since=None)
    assert first["since"] == endpoint["createdAt"]
    second = await reconcile(anna, endpoint, since=None)
    began = datetime.fromisoformat(second["since"]) + reconciliation.OVERLAP
    assert datetime.fromisoformat(endpoint["createdAt"]) < began <= datetime.now(UTC)


async def test_it_goes_back_no_further_than_the_vendor_keeps(anna: Account, hub: GitHub) -> None:
    endpoint = await anna.create_endpoint(scheme="github")
    hub.page(None)
    answer = await reconcile(anna, endpoint, since="2020-01-01T00:00:00Z")
    back = datetime.now(UTC) - datetime.fromisoformat(answer["since"])
    assert timedelta(days=3) <= back < timedelta(days=3, hours=1)


@pytest.mark.parametrize(
    ("limit", "seconds"),
    [
        (httpx.Response(429, headers={"Retry-After": "7"}), 7),
        (httpx.Response(429), 60),
        (httpx.Response(403, headers={"Retry-After": "9"}), 9),
        (
            httpx.Response(
                403,
                headers={
                    "X-RateLimit-Remaining": "0",
                    "X-RateLimit-Reset": str(int(time.time()) + 10_000),
                },
            ),
            3600,
        ),
    ],
)
async def test_a_vendor_that_wants_a_pause_gets_one(
    limit: httpx.Response, seconds: int, anna: Account, hub: GitHub
) -> None:
    endpoint = await anna.create_endpoint(scheme="github")
    hub.page(None, delivery(1), then="two")
    held_back = hub.router.get(HOOK_URL, params__eq={"per_page": "25", "cursor": "two"})
    held_back.mock(return_value=limit)
    answer = await reconcile(anna, endpoint)
    assert counts(answer) == (1, 0, 0, False)
    assert answer["retryAfterSeconds"] == seconds
    hub.page("two", delivery(2))
    assert counts(await reconcile(anna, endpoint)) == (1, 0, 0, True)


async def test_a_pause_in_the_middle_of_a_page_loses_nothing(anna: Account, hub: GitHub) -> None:
    endpoint = await anna.create_endpoint(scheme="github")
    hub.page(None, delivery(1), delivery(2))
    hub.details.mock(
        side_effect=[hub.detail(httpx.Request("GET", f"{HOOK_URL}/1")), httpx.Response(429)]
    )
    answer = await reconcile(anna, endpoint)
    assert (*counts(answer), answer["retryAfterSeconds"]) == (1, 0, 0, False, 60)
    hub.details.mock(side_effect=hub.detail)
    assert counts(await reconcile(anna, endpoint)) == (1, 1, 0, True)


async def test_the_endpoints_own_rate_limit_holds_back_too(anna: Account, hub: GitHub) -> None:
    endpoint = await anna.create_endpoint(scheme="github", rateLimitPerMinute=1)
    hub.page(None, delivery(1), delivery(2))
    answer = await reconcile(anna, endpoint)
    assert counts(answer) == (1, 0, 0, False)
    assert 1 <= answer["retryAfterSeconds"] <= 60


async def test_a_cursor_that_the_vendor_has_forgotten_begins_at_the_top(
    anna: Account, hub: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "MAX_PAGES", 1)
    endpoint = await anna.create_endpoint(scheme="github")
    hub.page(None, delivery(1), then="two")
    await reconcile(anna, endpoint)
    hub.page(None, delivery(1))
    forgotten = hub.router.get(HOOK_URL, params__eq={"per_page": "25", "cursor": "two"})
    forgotten.mock(return_value=httpx.Response(422))
    assert (await reconcile(anna, endpoint))["complete"] is True


@pytest.mark.parametrize(
    ("answer", "status", "code", "told"),
    [
        (httpx.Response(401), 400, "invalid_request", "token: "),
        (httpx.Response(403), 400, "invalid_request", "token: "),
        (httpx.Response(404), 400, "invalid_request", "hook: "),
        (httpx.Response(302, headers={"Location": "http://x"}), 400, "invalid_request", "hook: "),
        (httpx.Response(502), 503, "service_unavailable", "GitHub answered 502"),
        (httpx.Response(200, text="<html>"), 503, "service_unavailable", "JSON"),
        (httpx.Response(200, json={}), 503, "service_unavailable", "deliveries"),
        (httpx.ConnectError("No"), 503, "service_unavailable", "cannot be reached"),
    ],
)
async def test_what_a_vendor_refuses_is_told(
    answer: httpx.Response | Exception,
    status: int,
    code: str,
    told: str,
    anna: Account,
    vendor: respx.MockRouter,
) -> None:
    endpoint = await anna.create_endpoint(scheme="github")
    vendor.get(HOOK_URL).mock(side_effect=[answer])
    body = {"token": TOKEN, "hook": HOOK}
    response = anna.client.post(f"/api/endpoints/{endpoint['id']}/reconcile", json=body)
    words = await refused(response, status, code)
    assert told in words
    assert TOKEN not in words


def event(number: int, **fields: Any) -> dict[str, Any]:
    """One of Stripe's events, the lower the newer."""
    return {
        "id": f"evt_{uuid.uuid4().hex}",
        "object": "event",
        "created": int(NOW.timestamp()) - number,
        "type": "invoice.paid",
        "data": {"object": {"id": f"in_{number}", "object": "invoice"}},
    } | fields


def listed(*events: dict[str, Any], more: bool = False) -> httpx.Response:
    return httpx.Response(200, json={"object": "list", "data": events, "has_more": more})


async def test_what_stripe_could_not_deliver_is_stored_page_by_page(
    anna: Account, vendor: respx.MockRouter, database: Connection
) -> None:
    endpoint = await anna.create_endpoint(scheme="stripe")
    first, second = event(1), event(2)
    route = vendor.get(stripe.API).mock(side_effect=[listed(first, more=True), listed(second)])
    answer = await reconcile(anna, endpoint, eventTypes=["invoice.*"])
    assert counts(answer) == (2, 0, 0, True)
    rows = stored(database, endpoint)
    assert [row["dedupe_key"] for row in rows] == [f"id:{e['id']}" for e in (first, second)]
    assert [row["payload"] for row in rows] == [first, second]
    assert {(row["event_type"], row["scheme"]) for row in rows} == {("invoice.paid", "stripe")}
    asked = [dict(call.request.url.params) for call in route.calls]
    since = int((NOW - timedelta(days=1)).timestamp())
    assert asked[0] == {
        "limit": "100",
        "delivery_success": "false",
        "created[gte]": str(since),
        "types[]": "invoice.*",
    }
    assert asked[1] == asked[0] | {"starting_after": first["id"]}


async def test_an_event_of_stripe_that_came_by_itself_is_a_duplicate(
    anna: Account, vendor: respx.MockRouter, database: Connection
) -> None:
    endpoint = await anna.create_endpoint(scheme="stripe")
    events = [event(number) for number in range(60)]
    vendor.get(stripe.API).mock(side_effect=[listed(*events[:1]), listed(*events)])
    assert counts(await reconcile(anna, endpoint)) == (1, 0, 0, True)
    assert counts(await reconcile(anna, endpoint)) == (59, 1, 0, True)
    assert len(stored(database, endpoint)) == 60


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"token": ""}, "token"),
        ({"token": "two words"}, "token"),
        ({"token": "line\nbreak"}, "token"),
        ({"token": "schlüssel"}, "token"),
        ({"hook": None}, "hook"),
        ({"hook": "repos/a/../hooks/1"}, "hook"),
        ({"hook": "repos/../b/hooks/1"}, "hook"),
        ({"hook": "repos/a/b/hooks/1/../2"}, "hook"),
        ({"hook": "https://evil.example.com/"}, "hook"),
        ({"hook": "repos/a/b/hooks/1?x=1"}, "hook"),
        ({"eventTypes": ["push"]}, "eventTypes"),
        ({"since": "yesterday"}, "since"),
        ({"more": 1}, "more"),
    ],
)
async def test_a_malformed_wish_is_refused_before_anybody_is_asked(
    fields: dict[str, Any], told: str, anna: Account, vendor: respx.MockRouter
) -> None:
    endpoint = await anna.create_endpoint(scheme="github")
    body = {"token": TOKEN, "hook": HOOK} | fields
    response = anna.client.post(f"/api/endpoints/{endpoint['id']}/reconcile", json=body)
    assert told in await refused(response, 400, "invalid_request")
    assert not vendor.calls


@pytest.mark.parametrize("fields", [{"scheme": "none"}, {"scheme": "stripe", "isActive": False}])
async def test_an_endpoint_that_cannot_be_reconciled_says_so(
    fields: dict[str, Any], anna: Account, vendor: respx.MockRouter
) -> None:
    endpoint = await anna.create_endpoint(**fields)
    url = f"/api/endpoints/{endpoint['id']}/reconcile"
    await refused(anna.client.post(url, json={"token": TOKEN}), 409, "invalid_state")
    assert not vendor.calls


async def test_the_endpoint_of_another_is_not_found(
    ben: Account, anna: Account, vendor: respx.MockRouter
) -> None:
    endpoint = await anna.create_endpoint(scheme="stripe")
    for endpoint_id in (endpoint["id"], SOME_ID):
        url = f"/api/endpoints/{endpoint_id}/reconcile"
        await refused(ben.client.post(url, json={"token": TOKEN}), 404, "not_found")
    assert not vendor.calls
