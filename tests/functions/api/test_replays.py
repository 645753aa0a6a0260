"""Replays over HTTP: begun, followed, listed, stopped. What workers make of them: tests/acceptance/test_replays.py."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from tests.database.factories import insert
from tests.functions.api.conftest import Account, Connection, MakeEvent, all_of, data_of, refused

THROUGH: dict[str, Any] = {"stage": "done", "status": "processed", "processed_at": "now"}


async def begun(account: Account, **fields: Any) -> dict[str, Any]:
    response = await account.client.post("/api/queue/replay", json={"stage": "rules"} | fields)
    assert response.status_code == 202, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


def work(database: Connection, user_id: object, *results: dict[str, Any]) -> None:
    """One batch of the user's replay, decided so."""
    database.execute(
        "update public.event_replays set run_after = now() + interval '1 hour' where user_id <> %s",
        [user_id],
    )
    (row,) = database.execute("select public.claim_replay('rules', 100, 60) as batch").fetchall()
    database.execute(
        "select public.finish_replay(%s, %s)", [row["batch"]["lease_id"], json.dumps(results)]
    )


async def test_a_replay_is_dry_unless_told_otherwise(
    newcomer: Account, make_event: MakeEvent
) -> None:
    endpoint = await newcomer.create_endpoint()
    make_event(endpoint, **THROUGH)
    range_ = {"since": "2026-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"}

    made = await begun(newcomer, endpointId=endpoint["id"], entityTable="order", **range_)

    assert (made["stage"], made["dryRun"], made["status"]) == ("rules", True, "pending")
    assert (made["endpointId"], made["entityTable"]) == (endpoint["id"], "order")
    assert {name: made[name] for name in range_} == range_
    assert (made["total"], made["examined"], made["different"]) == (1, 0, 0)
    assert made["_id"] == made["id"]
    assert await data_of(newcomer.client.get(f"/api/queue/replays/{made['id']}")) == made


async def test_a_replay_is_followed_to_its_differences(
    newcomer: Account, make_event: MakeEvent, database: Connection
) -> None:
    endpoint = await newcomer.create_endpoint()
    record = insert(database, "public.orders", user_id=newcomer.user.id)
    ids = [make_event(endpoint, **THROUGH, entity_id=record["id"]) for _ in range(3)]
    made = await begun(newcomer, dryRun=False)
    url = f"/api/queue/replays/{made['id']}"
    tag = {
        "rule_id": str(uuid.uuid4()),
        "action_id": str(uuid.uuid4()),
        "action_type": "tag",
        "action_config": {"tags": ["vip"]},
    }
    acting = [{"id": event_id, "actions": [tag]} for event_id in ids[:2]]
    work(database, newcomer.user.id, *acting, {"id": ids[2], "actions": []})

    found = await data_of(newcomer.client.get(url))
    assert (found["status"], found["examined"], found["different"]) == ("running", 3, 2)
    assert (found["dryRun"], found["requeued"]) == (False, 2)
    first = await data_of(newcomer.client.get(f"{url}/differences?limit=1"))
    rest = await data_of(
        newcomer.client.get(f"{url}/differences", params={"cursor": first["nextCursor"]})
    )
    assert [item["eventId"] for item in first["items"] + rest["items"]] == ids[:2]
    assert rest["nextCursor"] is None
    assert first["items"][0]["before"] == {"status": "processed"}
    assert first["items"][0]["after"] == {"actions": [tag]}


async def test_replays_are_listed_newest_first(newcomer: Account) -> None:
    made = [(await begun(newcomer))["id"] for _ in range(3)]
    assert [replay["id"] for replay in await all_of(newcomer, "/api/queue/replays", limit=1)] == (
        made[::-1]
    )


async def test_a_deleted_replay_is_gone(newcomer: Account) -> None:
    made = await begun(newcomer)
    url = f"/api/queue/replays/{made['id']}"
    assert (await data_of(newcomer.client.delete(url)))["id"] == made["id"]
    await refused(newcomer.client.get(url), 404, "not_found")
    await refused(newcomer.client.get(f"{url}/differences"), 404, "not_found")
    await refused(newcomer.client.delete(url), 404, "not_found")


async def test_a_sixth_replay_waits_for_one_of_five(newcomer: Account) -> None:
    for _ in range(5):
        await begun(newcomer)
    words = await refused(
        newcomer.client.post("/api/queue/replay", json={"stage": "rules"}), 409, "invalid_state"
    )
    assert words == "Five replays are under way: wait for one, or delete one"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "stage: "),
        ({"stage": "review"}, "stage: "),
        ({"stage": "rules", "since": "yesterday"}, "since: "),
        ({"stage": "rules", "since": "2026-11-25T10:00:00"}, "since: "),
        (
            {"stage": "rules", "since": "2026-02-01T00:00:00Z", "until": "2026-02-01T00:00:00Z"},
            "since: must be before until",
        ),
        ({"stage": "rules", "endpointId": "shop"}, "endpointId: "),
        ({"stage": "rules", "dryRun": "no"}, "dryRun: "),
        ({"stage": "rules", "dryrun": False}, "dryrun: "),
    ],
)
async def test_what_cannot_be_replayed_is_refused_with_the_field(
    body: dict[str, Any], told: str, anna: Account
) -> None:
    words = await refused(anna.client.post("/api/queue/replay", json=body), 400, "invalid_request")
    assert told in words


async def test_nobody_replays_or_follows_what_is_anothers(
    newcomer: Account, ben: Account, admin: Account
) -> None:
    endpoint = await newcomer.create_endpoint()
    body = {"stage": "rules", "endpointId": endpoint["id"]}
    await refused(ben.client.post("/api/queue/replay", json=body), 404, "not_found")
    made = await begun(newcomer)
    url = f"/api/queue/replays/{made['id']}"
    await refused(ben.client.get(url), 404, "not_found")
    await refused(ben.client.get(f"{url}/differences"), 404, "not_found")
    await refused(ben.client.delete(url), 404, "not_found")
    assert await data_of(admin.client.get(url)) == made
    mine = {replay["id"] for replay in await all_of(admin, "/api/queue/replays")}
    everybodys = {r["id"] for r in await all_of(admin, "/api/queue/replays", owner="all")}
    assert made["id"] in everybodys - mine
