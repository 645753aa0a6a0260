"""Entity types over HTTP, on a real database."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.functions.api.conftest import Account, all_of, created, data_of, refused

SHIPPED = {"person", "influencer", "subscription", "order", "invoice", "ticket"}


def fields(**more: Any) -> dict[str, Any]:
    """A type of one's own, over a shipped table."""
    return {
        "name": f"deal_{uuid.uuid4().hex}",
        "description": "Deals that were won",
        "targetTable": "orders",
        "matchColumns": ["external_id"],
        "fieldMap": {"external_id": "text(data.id)", "total": "data.amount"},
    } | more


async def create(account: Account, **more: Any) -> dict[str, Any]:
    return await created(account.client.post("/api/entity-types", json=fields(**more)))


async def listed(account: Account, **query: Any) -> list[dict[str, Any]]:
    return await all_of(account, "/api/entity-types", limit=5, **query)


async def test_the_shipped_types_are_there_for_everybody(anna: Account) -> None:
    items = await listed(anna)
    names = [item["name"] for item in items]
    assert names == sorted(names)
    assert {item["name"] for item in items if item["isShipped"]} == SHIPPED
    order = next(item for item in items if item["name"] == "order" and item["isShipped"])
    assert (order["targetTable"], order["userId"]) == ("orders", None)
    assert await data_of(anna.client.get(f"/api/entity-types/{order['id']}")) == order


async def test_a_type_of_one_s_own_is_kept(anna: Account, ben: Account) -> None:
    body = fields()
    made = await created(anna.client.post("/api/entity-types", json=body))
    assert {name: made[name] for name in body} == body
    assert (made["isShipped"], made["userId"]) == (False, str(anna.user.id))
    assert made["_id"] == made["id"]
    assert made in await listed(anna)
    for owner in ("me", "all"):
        assert made not in await listed(ben, owner=owner)


@pytest.mark.parametrize(
    ("more", "code", "told"),
    [
        ({"name": "Deal"}, "invalid_request", "name"),
        ({"description": ""}, "invalid_request", "description"),
        ({"targetTable": "nowhere"}, "invalid_request", "target_table must be a table"),
        ({"targetTable": "webhook_events"}, "invalid_request", "target_table must be a table"),
        ({"targetTable": "a;b"}, "invalid_request", "targetTable"),
        ({"matchColumns": ["nothing"]}, "invalid_request", "target_table has no column nothing"),
        ({"fieldMap": {"user_id": "data.id"}}, "invalid_request", "has no column user_id"),
        ({"fieldMap": {"total": "data."}}, "invalid_expression", "column total, character 6"),
        ({"fieldMap": {"total": 1}}, "invalid_request", "fieldMap.total"),
        ({"userId": None}, "invalid_request", "userId"),
    ],
)
async def test_a_type_that_does_not_work_is_refused(
    more: dict[str, Any], code: str, told: str, anna: Account
) -> None:
    response = anna.client.post("/api/entity-types", json=fields(**more))
    assert told in await refused(response, 400, code)


async def test_two_types_of_one_owner_have_two_names(anna: Account, ben: Account) -> None:
    made = await create(anna)
    response = anna.client.post("/api/entity-types", json=fields(name=made["name"]))
    await refused(response, 409, "conflict")
    other = await create(anna)
    url = f"/api/entity-types/{other['id']}"
    await refused(anna.client.patch(url, json={"name": made["name"]}), 409, "conflict")
    assert (await create(ben, name=made["name"]))["name"] == made["name"]


async def test_put_replaces_and_patch_changes(anna: Account) -> None:
    made = await create(anna)
    url = f"/api/entity-types/{made['id']}"
    changed = await data_of(anna.client.patch(url, json={"description": "Deals"}))
    assert changed == made | {"description": "Deals", "updatedAt": changed["updatedAt"]}
    assert await data_of(anna.client.patch(url, json={})) == changed
    body = {"name": made["name"], "description": "New", "targetTable": "people"}
    replaced = await data_of(anna.client.put(url, json=body))
    assert (replaced["matchColumns"], replaced["fieldMap"]) == ([], {})
    assert replaced["targetTable"] == "people"


async def test_what_is_shipped_cannot_be_changed_but_by_an_admin(
    anna: Account, admin: Account
) -> None:
    order = next(item for item in await listed(anna) if item["name"] == "ticket")
    url = f"/api/entity-types/{order['id']}"
    await refused(anna.client.delete(url), 403, "forbidden")
    await refused(anna.client.patch(url, json={"description": "x"}), 403, "forbidden")
    await refused(anna.client.put(url, json=fields()), 403, "forbidden")
    same = {"description": order["description"]}
    assert (await data_of(admin.client.patch(url, json=same)))["isShipped"]


async def test_a_deleted_type_is_gone(anna: Account) -> None:
    made = await create(anna)
    url = f"/api/entity-types/{made['id']}"
    assert await data_of(anna.client.delete(url)) == {"id": made["id"], "_id": made["id"]}
    await refused(anna.client.get(url), 404, "not_found")
    await refused(anna.client.delete(url), 404, "not_found")


async def test_a_type_may_be_called_true(anna: Account) -> None:
    made = await create(anna, name="true")
    endpoint = await anna.create_endpoint(allowedObjectTypes=["true", "order"])
    assert endpoint["allowedObjectTypes"] == ["true", "order"]
    assert (await data_of(anna.client.get("/api/queue?entityTable=true")))["items"] == []
    await data_of(anna.client.delete(f"/api/entity-types/{made['id']}"))


async def test_nobody_reaches_the_types_of_another(
    anna: Account, ben: Account, admin: Account
) -> None:
    made = await create(anna)
    url = f"/api/entity-types/{made['id']}"
    await refused(ben.client.get(url), 404, "not_found")
    await refused(ben.client.put(url, json=fields()), 404, "not_found")
    await refused(ben.client.patch(url, json={"description": "x"}), 404, "not_found")
    await refused(ben.client.delete(url), 404, "not_found")
    assert await data_of(anna.client.get(url)) == made
    assert made in await listed(admin, owner="all")
