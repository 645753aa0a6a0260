"""Deliveries, their log and statistics over HTTP, on a real database."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.functions.api.conftest import Account, Connection, all_of, data_of, refused
from tests.functions.api.receiver import Answer, Receiver
from tests.running_stack import RunningStack

Deliver = Callable[[], Awaitable[None]]


@pytest.fixture
def deliver(stack: RunningStack, dispatch_url: str, database: Connection) -> Deliver:
    """Has everything delivered that is due, on its last try, so that what fails has failed for good."""

    async def call() -> None:
        database.execute(
            "update public.webhook_deliveries set attempts_before = attempts - 10"
            " where status = 'pending'"
        )
        headers = {"Authorization": f"Bearer {stack.functions_secret}"}
        async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
            while (await data_of(client.post(dispatch_url, json={})))["claimed"]:
                pass

    return call


async def webhook_at(account: Account, receiver: Receiver, **fields: Any) -> tuple[Any, str]:
    """A webhook for events of its own that leads to the receiver, and its path there."""
    word = uuid.uuid4().hex
    events = fields.pop("events", [f"own.{word}"])
    webhook = await account.create_webhook(url=f"{receiver.url}/{word}", events=events, **fields)
    return webhook, f"/{word}"


async def published_to(account: Account, webhook: dict[str, Any], **data: Any) -> str:
    """Publishes what the webhook subscribes to; the event's id."""
    event_id: str = (await account.publish(webhook["events"][0], **data))["id"]
    return event_id


async def deliveries_of(account: Account, webhook: dict[str, Any], **query: Any) -> list[Any]:
    return await all_of(account, f"/api/webhooks/{webhook['id']}/deliveries", **query)


async def logs_of(account: Account, webhook: dict[str, Any], **query: Any) -> list[Any]:
    return await all_of(account, f"/api/webhooks/{webhook['id']}/logs", **query)


async def test_a_delivery_waits_and_then_has_arrived(
    anna: Account, receiver: Receiver, deliver: Deliver
) -> None:
    webhook, path = await webhook_at(anna, receiver)
    event_id = await published_to(anna, webhook, n=1)
    (waiting,) = await deliveries_of(anna, webhook)
    expected = {
        "webhookId": webhook["id"],
        "eventId": event_id,
        "eventType": webhook["events"][0],
        "isTest": False,
        "status": "pending",
        "attempts": 0,
        "responseStatus": None,
        "error": None,
        "finishedAt": None,
    }
    assert {name: waiting[name] for name in expected} == expected
    assert waiting["nextAttemptAt"].endswith("Z")
    await deliver()
    (arrived,) = await deliveries_of(anna, webhook)
    assert (arrived["status"], arrived["attempts"], arrived["responseStatus"]) == (
        "delivered",
        1,
        200,
    )
    assert (arrived["nextAttemptAt"], arrived["finishedAt"] is None) == (None, False)
    assert len(receiver.at(path)) == 1


async def test_one_delivery_shows_the_events_data_and_its_attempts(
    anna: Account, receiver: Receiver, deliver: Deliver
) -> None:
    webhook, path = await webhook_at(anna, receiver)
    receiver.answers[path] = Answer(503, "Not now")
    event_id = await published_to(anna, webhook, b=1, a=2)
    await deliver()
    (listed,) = await deliveries_of(anna, webhook)
    url = f"/api/webhooks/{webhook['id']}/deliveries/{listed['id']}"
    await data_of(anna.client.post(f"{url}/retry"))
    receiver.answers[path] = Answer(200, "Now")
    await deliver()
    shown = await data_of(anna.client.get(url))
    assert list(shown["data"].items()) == [("b", 1), ("a", 2)]
    assert [(one["attempt"], one["success"], one["responseStatus"]) for one in shown["log"]] == [
        (1, False, 503),
        (2, True, 200),
    ]
    assert {one["eventId"] for one in shown["log"]} == {event_id}
    first = shown["log"][0]
    assert (first["responseBody"], first["outcome"], first["error"]) == (
        "Not now",
        "failed",
        "The receiver answered 503",
    )


async def test_deliveries_are_listed_newest_first_by_status_in_pages(
    anna: Account, receiver: Receiver, deliver: Deliver
) -> None:
    webhook, path = await webhook_at(anna, receiver)
    arrived = [await published_to(anna, webhook, n=n) for n in range(2)]
    await deliver()
    receiver.answers[path] = Answer(500)
    failed = [await published_to(anna, webhook, n=n) for n in range(3)]
    await deliver()

    def events(deliveries: list[Any]) -> list[str]:
        return [one["eventId"] for one in deliveries]

    assert events(await deliveries_of(anna, webhook, limit=2)) == [*arrived, *failed][::-1]
    assert events(await deliveries_of(anna, webhook, status="failed", limit=2)) == failed[::-1]
    assert events(await deliveries_of(anna, webhook, status="delivered")) == arrived[::-1]
    assert await deliveries_of(anna, webhook, status="pending") == []


async def test_a_delivery_under_way_is_not_retried(anna: Account, receiver: Receiver) -> None:
    webhook, _ = await webhook_at(anna, receiver)
    await published_to(anna, webhook)
    (waiting,) = await deliveries_of(anna, webhook)
    url = f"/api/webhooks/{webhook['id']}/deliveries/{waiting['id']}/retry"
    await refused(anna.client.post(url), 409, "invalid_state")


async def test_a_delivery_is_found_under_its_own_webhook_only(
    anna: Account, ben: Account, receiver: Receiver
) -> None:
    webhook, _ = await webhook_at(anna, receiver)
    await published_to(anna, webhook)
    (delivery,) = await deliveries_of(anna, webhook)
    others = await ben.create_webhook()
    second = await anna.create_webhook()
    for account, under in ((ben, webhook), (ben, others), (anna, second)):
        url = f"/api/webhooks/{under['id']}/deliveries/{delivery['id']}"
        await refused(account.client.get(url), 404, "not_found")
        await refused(account.client.post(f"{url}/retry"), 404, "not_found")


async def test_what_failed_within_a_time_is_recovered(
    anna: Account, receiver: Receiver, deliver: Deliver, database: Connection
) -> None:
    webhook, path = await webhook_at(anna, receiver)
    receiver.answers[path] = Answer(500)
    for n in range(3):
        await published_to(anna, webhook, n=n)
    await deliver()
    for day, delivery in enumerate((await deliveries_of(anna, webhook))[::-1], start=1):
        database.execute(
            "update public.webhook_deliveries set created_at = %s where id = %s",
            [f"2026-01-0{day}T12:00:00Z", delivery["id"]],
        )
    url = f"/api/webhooks/{webhook['id']}/recover"
    window = {"since": "2026-01-02T00:00:00Z", "until": "2026-01-02T23:00:00+01:00"}
    assert await data_of(anna.client.post(url, json=window)) == {"queued": 1}
    assert len(await deliveries_of(anna, webhook, status="pending")) == 1
    later = {"since": "2026-01-02T00:00:00Z"}
    assert await data_of(anna.client.post(url, json=later)) == {"queued": 1}
    receiver.answers[path] = Answer(200)
    await deliver()
    assert len(await deliveries_of(anna, webhook, status="delivered")) == 2


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "since: Field required"),
        ({"since": "yesterday"}, "since"),
        ({"since": 1764000000}, "since: must be a text"),
        ({"since": "2026-01-01T00:00:00"}, "since"),
        ({"since": "2026-01-01T00:00:00Z", "until": "x"}, "until"),
        ({"since": "2026-01-01T00:00:00Z", "more": 1}, "more"),
    ],
)
async def test_a_bad_time_to_recover_is_refused_by_field(
    body: dict[str, Any], told: str, anna: Account
) -> None:
    webhook = await anna.create_webhook()
    response = anna.client.post(f"/api/webhooks/{webhook['id']}/recover", json=body)
    assert (await refused(response, 400, "invalid_request")).startswith(told)


async def test_the_log_is_narrowed_by_each_filter(
    anna: Account, receiver: Receiver, deliver: Deliver, database: Connection
) -> None:
    webhook, path = await webhook_at(anna, receiver)
    good = await published_to(anna, webhook)
    await deliver()
    receiver.answers[path] = Answer(500)
    bad = await published_to(anna, webhook)
    await deliver()
    url = f"/api/webhooks/{webhook['id']}/test"
    await data_of(anna.client.post(url, json={"eventType": "true"}))
    database.execute(
        "update public.webhook_logs set attempted_at = '2026-01-01T12:00:00Z'"
        " where published_event_id = %s",
        [good],
    )

    async def seen(**query: Any) -> list[str]:
        return [one["eventId"] for one in await logs_of(anna, webhook, **query)]

    delivery = (await logs_of(anna, webhook, success=True))[0]["deliveryId"]
    (tried,) = await seen(eventType="true")
    assert await seen() == [tried, bad, good]
    assert await seen(limit=1) == [tried, bad, good]
    assert await seen(success=True) == [good]
    assert await seen(success=False) == [tried, bad]
    assert await seen(outcome="failed", eventType=webhook["events"][0]) == [bad]
    assert await seen(outcome="unknown") == []
    assert await seen(deliveryId=delivery) == [good]
    assert await seen(since="2026-01-01T12:00:00Z", until="2026-01-01T12:00:01Z") == [good]
    assert await seen(until="2026-01-01T12:00:00Z") == []
    assert await seen(since="2026-01-02T00:00:00+01:00") == [tried, bad]


@pytest.mark.parametrize(
    "query",
    [
        "success=maybe",
        "outcome=x",
        "eventType=a b",
        "deliveryId=1",
        "since=yesterday",
        "until=x",
        "owner=all",
        "cursor=x",
        "limit=0",
    ],
)
async def test_a_bad_filter_of_the_log_is_refused(query: str, anna: Account) -> None:
    webhook = await anna.create_webhook()
    response = anna.client.get(f"/api/webhooks/{webhook['id']}/logs?{query}")
    words = await refused(response, 400, "invalid_request")
    assert words.startswith(query.partition("=")[0])


@pytest.mark.parametrize("query", ["status=done", "owner=all", "cursor=x"])
async def test_a_bad_filter_of_deliveries_is_refused(query: str, anna: Account) -> None:
    webhook = await anna.create_webhook()
    response = anna.client.get(f"/api/webhooks/{webhook['id']}/deliveries?{query}")
    words = await refused(response, 400, "invalid_request")
    assert words.startswith(query.partition("=")[0])


async def test_statistics_tell_rates_latencies_and_their_course(
    anna: Account, receiver: Receiver, deliver: Deliver
) -> None:
    webhook, path = await webhook_at(anna, receiver)
    for n in range(3):
        await published_to(anna, webhook, n=n)
    await deliver()
    receiver.answers[path] = Answer(500)
    await published_to(anna, webhook)
    await deliver()
    url = f"/api/webhooks/{webhook['id']}/stats"
    stats = await data_of(anna.client.get(url))
    counts = {"attempts": 4, "succeeded": 3, "failed": 1, "successRate": 0.75}
    assert {name: stats[name] for name in counts} == counts
    assert 0 < stats["latencyP50Ms"] <= stats["latencyP95Ms"]
    assert stats["streak"] == {"success": False, "length": 1}
    assert stats["deliveries"]["delivered"] == 3
    assert stats["deliveries"]["failed"] == 1
    assert len(stats["series"]) == 48
    last = stats["series"][-1]
    assert (last["succeeded"], last["failed"]) == (3, 1)
    assert stats["series"][0]["at"] == stats["since"]
    assert set(last) == {
        "at",
        "succeeded",
        "failed",
        "latencyP50Ms",
        "latencyP95Ms",
    }


async def test_statistics_are_of_the_time_asked_for(anna: Account) -> None:
    webhook = await anna.create_webhook()
    url = f"/api/webhooks/{webhook['id']}/stats"
    since, until = "2026-01-01T00:00:00Z", "2026-01-01T04:00:00Z"
    query = httpx.QueryParams(since=since, until=until, points=4)
    stats = await data_of(anna.client.get(url, params=query))
    assert (stats["since"], stats["until"]) == (since, until)
    hours = [f"2026-01-01T0{hour}:00:00Z" for hour in range(4)]
    assert [one["at"] for one in stats["series"]] == hours
    assert (stats["attempts"], stats["successRate"], stats["streak"]) == (0, None, None)
    day = await data_of(anna.client.get(url, params={"until": "2026-01-02T00:00:00Z"}))
    assert day["since"] == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("points=0", "points"),
        ("points=201", "points"),
        ("since=yesterday", "since"),
        ("until=0001-01-01T00:00:00Z", "until: this is too early"),
        ("since=2999-01-01T00:00:00Z", "The time ends after it begins"),
        ("typo=1", "typo"),
    ],
)
async def test_a_bad_time_for_statistics_is_refused(query: str, told: str, anna: Account) -> None:
    webhook = await anna.create_webhook()
    response = anna.client.get(f"/api/webhooks/{webhook['id']}/stats?{query}")
    assert (await refused(response, 400, "invalid_request")).startswith(told)
