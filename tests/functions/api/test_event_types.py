"""The catalogue of outgoing events over HTTP, on a real database."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.functions.api.conftest import Account, all_of, data_of, refused


def unused() -> str:
    return f"own.{uuid.uuid4().hex}"


async def saved(account: Account, name: str, **fields: Any) -> dict[str, Any]:
    url = f"/api/event-types/{name}"
    event_type: dict[str, Any] = await data_of(account.client.put(url, json=fields))
    return event_type


async def catalogue(account: Account, **query: Any) -> dict[str, list[dict[str, Any]]]:
    """All types by name."""
    types: dict[str, list[dict[str, Any]]] = {}
    cursor: dict[str, str] = {}
    while True:
        params = {"limit": 100} | query | cursor
        page = await data_of(account.client.get("/api/event-types", params=params))
        for one in page["items"]:
            types.setdefault(one["name"], []).append(one)
        if page["nextCursor"] is None:
            return types
        cursor = {"cursor": page["nextCursor"]}


async def test_the_shipped_types_have_description_and_example(anna: Account) -> None:
    shipped = [one for (one, *_) in (await catalogue(anna)).values() if one["isShipped"]]
    assert len(shipped) >= 36
    for one in shipped:
        assert one["description"]
        assert one["example"]
        assert (one["userId"], one["schema"]) == (None, None)


async def test_a_type_is_made_and_replaced_under_its_name(anna: Account) -> None:
    name = unused()
    fields: dict[str, Any] = {
        "description": "A booking.",
        "schema": {"type": "object", "required": ["room"]},
        "example": {"room": "204", "nights": 3},
    }
    made = await saved(anna, name, **fields)
    assert {key: made[key] for key in fields} == fields
    assert (made["name"], made["isShipped"]) == (name, False)
    assert made["userId"] == str(anna.user.id)
    assert list(made["example"]) == ["room", "nights"]
    replaced = await saved(anna, name, description="Another.")
    assert (replaced["id"], replaced["createdAt"]) == (made["id"], made["createdAt"])
    told = (replaced["description"], replaced["schema"], replaced["example"])
    assert told == ("Another.", None, None)
    assert await data_of(anna.client.get(f"/api/event-types/{name}")) == replaced


async def test_an_own_type_hides_the_shipped_one_from_its_owner(
    anna: Account, ben: Account
) -> None:
    await saved(anna, "user.logout", description="Mine")
    (mine,) = (await catalogue(anna, limit=1))["user.logout"]
    (theirs,) = (await catalogue(ben))["user.logout"]
    assert (mine["description"], mine["isShipped"]) == ("Mine", False)
    assert theirs["isShipped"]
    one = await data_of(anna.client.get("/api/event-types/user.logout"))
    assert one["description"] == "Mine"
    await data_of(anna.client.delete("/api/event-types/user.logout"))
    (back,) = (await catalogue(anna))["user.logout"]
    assert back["isShipped"]


async def test_the_types_are_listed_by_name_in_pages(anna: Account) -> None:
    mine = [await saved(anna, f"own.{n}") for n in ("c", "a", "b")]
    listed = await all_of(anna, "/api/event-types", limit=7)
    names = [one["name"] for one in listed]
    assert names == sorted(names)
    assert {one["name"] for one in mine} <= set(names)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"description": "x" * 2001}, "description"),
        ({"description": None}, "description"),
        ({"schema": {"type": "strin"}}, "schema: type: "),
        ({"schema": {"$ref": "https://example.com/a"}}, "schema: $ref: it must begin with #/"),
        ({"schema": {"properties": {"a": {"pattern": "("}}}}, "schema: properties.a.pattern: "),
        ({"schema": True}, "schema"),
        ({"schema": {"title": "x" * 65_536}}, "schema: A schema has at most"),
        ({"example": [1]}, "example"),
        ({"example": {"a": "x" * 65_536}}, "example: it has at most"),
        ({"schema": {"required": ["a"]}, "example": {}}, 'example: "a" is a required property'),
        ({"name": "a"}, "name"),
        ({"json_schema": {}}, "json_schema"),
    ],
)
async def test_a_bad_field_is_refused_by_name(
    fields: dict[str, Any], told: str, anna: Account
) -> None:
    url = f"/api/event-types/{unused()}"
    words = await refused(anna.client.put(url, json=fields), 400, "invalid_request")
    assert words.startswith(told)


@pytest.mark.parametrize("name", ["a b", "a..b", "a.*", "%00", "é", "x" * 129])
async def test_a_bad_name_is_refused_or_not_found(name: str, anna: Account) -> None:
    url = f"/api/event-types/{name}"
    words = await refused(anna.client.put(url, json={}), 400, "invalid_request")
    assert words.startswith("name")
    await refused(anna.client.get(url), 404, "not_found")
    await refused(anna.client.delete(url), 404, "not_found")


async def test_a_shipped_type_cannot_be_deleted(anna: Account) -> None:
    url = "/api/event-types/ticket.created"
    words = await refused(anna.client.delete(url), 403, "forbidden")
    assert words == "Shipped event types cannot be deleted"
    assert (await data_of(anna.client.get(url)))["isShipped"]


async def test_another_users_type_is_not_found(anna: Account, ben: Account) -> None:
    name = unused()
    mine = await saved(anna, name)
    await refused(ben.client.get(f"/api/event-types/{name}"), 404, "not_found")
    await refused(ben.client.delete(f"/api/event-types/{name}"), 404, "not_found")
    assert name not in await catalogue(ben, owner="all")
    theirs = await saved(ben, name)
    assert theirs["id"] != mine["id"]


async def test_an_admin_sees_everybodys_types_and_saves_their_own(
    anna: Account, admin: Account
) -> None:
    name = unused()
    mine = await saved(anna, name, description="Anna's")
    await refused(admin.client.get(f"/api/event-types/{name}"), 404, "not_found")
    (seen,) = (await catalogue(admin, owner="all"))[name]
    assert seen == mine
    own = await saved(admin, name)
    assert own["userId"] == str(admin.user.id)
    assert (await data_of(anna.client.get(f"/api/event-types/{name}")))["description"] == "Anna's"
