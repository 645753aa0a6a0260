"""Publishing events over HTTP, on a real database."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import pytest

from tests.functions.api.conftest import Account, Connection, all_of, data_of, refused


def unused() -> str:
    """The name of an event that nobody has."""
    return f"own.{uuid.uuid4().hex}"


async def published(account: Account, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    answer = await account.client.post("/api/events", json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def shown(account: Account, event_id: str) -> dict[str, Any]:
    event: dict[str, Any] = await data_of(account.client.get(f"/api/events/{event_id}"))
    return event


async def test_an_event_is_queued_for_every_webhook_that_subscribes(
    newcomer: Account, ben: Account
) -> None:
    event = unused()
    subscribed = [await newcomer.create_webhook(events=[pattern]) for pattern in (event, "own.*")]
    await newcomer.create_webhook(events=[f"{event}.more"])
    await newcomer.create_webhook(events=[event], active=False)
    await ben.create_webhook(events=[event])
    answer = await published(newcomer, {"event": event, "data": {"n": 1}})
    assert (answer["state"], answer["deliveries"]) == ("published", 2)
    told = await shown(newcomer, answer["id"])
    assert {one["webhookId"] for one in told["deliveries"]} == {one["id"] for one in subscribed}
    assert {(one["status"], one["eventType"]) for one in told["deliveries"]} == {("pending", event)}


async def test_an_event_shows_its_data_as_it_was_published(anna: Account) -> None:
    event = unused()
    text = '{"z": 1, "a": {"f": 1.5, "u": "é\\ud83d\\ude00"}, "l": [null]}'
    answer = await published(anna, {"event": event, "data": json.loads(text)})
    told = await shown(anna, answer["id"])
    assert told["data"] == json.loads(text)
    assert list(told["data"]) == ["z", "a", "l"]
    facts = {"event": event, "isTest": False, "idempotencyKey": None, "deliveries": []}
    assert {name: told[name] for name in facts} == facts
    assert told["_id"] == told["id"] == answer["id"]
    assert told["createdAt"].endswith("Z")


async def test_an_integer_of_any_length_is_published_with_all_its_digits(
    anna: Account, database: Connection
) -> None:
    answer = await published(anna, {"event": unused(), "data": {"n": 12345678901234567890123}})
    query = "select data ->> 'n' as n from public.published_events where id = %s"
    assert database.execute(query, [answer["id"]]).fetchall() == [{"n": "12345678901234567890123"}]


@pytest.mark.parametrize("where", ["body", "header", "both"])
async def test_a_key_that_was_used_before_publishes_nothing(where: str, anna: Account) -> None:
    key = uuid.uuid4().hex
    body: dict[str, Any] = {"event": unused(), "data": {"n": 1}}
    headers = {} if where == "body" else {"Idempotency-Key": key}
    body |= {} if where == "header" else {"idempotencyKey": key}
    first = await published(anna, body, **headers)
    again = await published(anna, body, **headers)
    assert again == first | {"state": "duplicate"}
    told = await shown(anna, first["id"])
    assert (told["data"], told["idempotencyKey"]) == ({"n": 1}, key)


async def test_a_key_that_was_used_before_for_something_else_is_refused(anna: Account) -> None:
    body = {"event": unused(), "data": {"n": 1}}
    key = {"Idempotency-Key": uuid.uuid4().hex}
    first = await published(anna, body, **key)
    before = await shown(anna, first["id"])

    for other in ({"data": {"n": 2}}, {"event": unused()}):
        response = anna.client.post("/api/events", json=body | other, headers=key)
        words = await refused(response, 409, "idempotency_key_reused")
        assert words == (
            "This idempotency key was used before, for an event with another name or other data"
        )

    assert await shown(anna, first["id"]) == before
    assert await published(anna, body, **key) == first | {"state": "duplicate"}


async def test_a_key_is_each_users_own(anna: Account, ben: Account) -> None:
    body = {"event": unused(), "data": {}, "idempotencyKey": uuid.uuid4().hex}
    assert (await published(anna, body))["state"] == "published"
    assert (await published(ben, body))["state"] == "published"


async def test_of_many_copies_at_once_one_is_published(anna: Account) -> None:
    body = {"event": unused(), "data": {}, "idempotencyKey": uuid.uuid4().hex}
    answers = await asyncio.gather(*(published(anna, body) for _ in range(10)))
    assert sorted(answer["state"] for answer in answers) == ["duplicate"] * 9 + ["published"]
    assert len({answer["id"] for answer in answers}) == 1


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"data": {}}, "event: Field required"),
        ({"event": "a.b"}, "data: Field required"),
        ({"event": "not an event", "data": {}}, "event"),
        ({"event": "a..b", "data": {}}, "event"),
        ({"event": "a.*", "data": {}}, "event"),
        ({"event": "x" * 129, "data": {}}, "event"),
        ({"event": 5, "data": {}}, "event"),
        ({"event": "a", "data": [1]}, "data"),
        ({"event": "a", "data": None}, "data"),
        ({"event": "a", "data": {}, "idempotencyKey": ""}, "idempotencyKey"),
        ({"event": "a", "data": {}, "idempotencyKey": "x" * 256}, "idempotencyKey"),
        ({"event": "a", "data": {}, "eventType": "a"}, "eventType"),
    ],
)
async def test_a_bad_event_is_refused_by_field(
    body: dict[str, Any], told: str, anna: Account
) -> None:
    words = await refused(anna.client.post("/api/events", json=body), 400, "invalid_request")
    assert words.startswith(told)


async def test_two_keys_that_differ_are_refused(anna: Account) -> None:
    body = {"event": unused(), "data": {}, "idempotencyKey": "a"}
    response = anna.client.post("/api/events", json=body, headers={"Idempotency-Key": "b"})
    words = await refused(response, 400, "invalid_request")
    assert words == "idempotencyKey: the header Idempotency-Key says something else"


async def test_data_must_meet_the_schema_of_its_type(anna: Account, ben: Account) -> None:
    event = unused()
    schema = {"properties": {"ticket": {"properties": {"id": {"type": "string"}}}}}
    url = f"/api/event-types/{event}"
    await data_of(anna.client.put(url, json={"schema": schema}))
    body = {"event": event, "data": {"ticket": {"id": 7, "canary": "hunter2"}}}
    response = await anna.client.post("/api/events", json=body)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_request")
    assert response.json()["error"] == 'data: ticket.id: the value is not of type "string"'
    assert "hunter2" not in response.text
    await published(anna, {"event": event, "data": {"ticket": {"id": "7"}}})
    await published(ben, body)  # whose own type it is not


async def test_ones_own_type_decides_before_the_shipped_one(
    anna: Account, ben: Account, database: Connection
) -> None:
    event = unused()
    database.execute(
        "insert into public.event_types (user_id, name, schema) values (null, %s, %s)",
        [event, '{"required": ["shipped"]}'],
    )
    try:
        own = {"schema": {"required": ["own"]}}
        await data_of(anna.client.put(f"/api/event-types/{event}", json=own))
        await published(anna, {"event": event, "data": {"own": 1}})
        response = ben.client.post("/api/events", json={"event": event, "data": {"own": 1}})
        words = await refused(response, 400, "invalid_request")
        assert words == 'data: "shipped" is a required property'
        await data_of(anna.client.put(f"/api/event-types/{event}", json={}))
        await published(anna, {"event": event, "data": {}})
    finally:
        database.execute("delete from public.event_types where name = %s", [event])


async def test_events_are_listed_newest_first_by_name_in_pages(ben: Account) -> None:
    event = unused()
    made = [(await ben.publish(event, n=n))["id"] for n in range(5)]
    other = (await ben.publish(unused()))["id"]
    every = [one["id"] for one in await all_of(ben, "/api/events", limit=2)]
    assert every[:6] == [other, *made[::-1]]
    named = await all_of(ben, "/api/events", event=event, limit=2)
    assert [one["id"] for one in named] == made[::-1]
    assert set(named[0]) == {"id", "_id", "event", "idempotencyKey", "isTest", "createdAt"}


@pytest.mark.parametrize("query", ["event=a b", "cursor=x", "limit=101", "type=a"])
async def test_a_bad_query_is_refused(query: str, anna: Account) -> None:
    words = await refused(anna.client.get(f"/api/events?{query}"), 400, "invalid_request")
    assert words.startswith(query.partition("=")[0])


async def test_an_event_called_true_is_found_by_its_name(anna: Account) -> None:
    made = (await anna.publish("true"))["id"]
    named = await all_of(anna, "/api/events", event="true")
    assert made in {one["id"] for one in named}


async def test_a_replay_goes_also_to_who_has_come_to_subscribe(
    newcomer: Account, database: Connection
) -> None:
    event = unused()
    await newcomer.create_webhook(events=[event])
    made = (await newcomer.publish(event))["id"]
    url = f"/api/events/{made}/replay"
    assert await data_of(newcomer.client.post(url)) == {"id": made, "queued": 0}  # still under way
    database.execute(
        "update public.webhook_deliveries set status = 'delivered', finished_at = now()"
        " where published_event_id = %s",
        [made],
    )
    later = await newcomer.create_webhook(events=[event])
    assert await data_of(newcomer.client.post(url)) == {"id": made, "queued": 2}
    told = await shown(newcomer, made)
    assert [one["status"] for one in told["deliveries"]] == ["pending", "pending"]
    assert later["id"] in {one["webhookId"] for one in told["deliveries"]}


async def test_another_users_event_is_not_found(anna: Account, ben: Account) -> None:
    made = (await anna.publish(unused()))["id"]
    for event_id in (made, str(uuid.uuid4())):
        await refused(ben.client.get(f"/api/events/{event_id}"), 404, "not_found")
        await refused(ben.client.post(f"/api/events/{event_id}/replay"), 404, "not_found")
    assert made not in (await ben.client.get("/api/events?owner=all&limit=100")).text


async def test_an_admin_sees_everybodys_events(anna: Account, admin: Account) -> None:
    made = (await anna.publish(unused(), n=1))["id"]
    assert made in {one["id"] for one in await all_of(admin, "/api/events", owner="all")}
    assert made not in (await admin.client.get("/api/events?limit=100")).text
    assert (await shown(admin, made))["data"] == {"n": 1}
