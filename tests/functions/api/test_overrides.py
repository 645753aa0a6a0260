"""Remembered overrides over HTTP, on a real database."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.functions.api.conftest import Account, MakeEvent, all_of, data_of, refused


@pytest.fixture
async def endpoint(anna: Account) -> dict[str, Any]:
    return await anna.create_endpoint(name="Shop")


async def override(account: Account, event_id: str, **to: Any) -> None:
    await data_of(account.client.patch(f"/api/queue/{event_id}", json=to))


async def listed(account: Account, **query: Any) -> list[dict[str, Any]]:
    return await all_of(account, "/api/overrides", limit=2, **query)


async def test_what_was_decided_in_the_queue_is_shown(
    anna: Account, endpoint: dict[str, Any], make_event: MakeEvent
) -> None:
    await override(anna, make_event(endpoint, event_type="order.paid"), entityTable="invoice")
    (item,) = await listed(anna, endpointId=endpoint["id"])
    assert item.pop("createdAt").endswith("Z")
    assert item.pop("updatedAt").endswith("Z")
    assert item.pop("id") == item.pop("_id")
    assert item == {
        "endpoint": {name: endpoint[name] for name in ("id", "_id", "name", "slug")},
        "eventType": "order.paid",
        "entityTable": "invoice",
        "isPerson": None,
        "decidedBy": str(anna.user.id),
    }


async def test_decisions_come_newest_first_in_pages(
    anna: Account, endpoint: dict[str, Any], make_event: MakeEvent
) -> None:
    for event_type in ("a", "b", "c", "d", "e", "a"):
        await override(anna, make_event(endpoint, event_type=event_type), isPerson=True)
    found = [item["eventType"] for item in await listed(anna, endpointId=endpoint["id"])]
    assert found == ["a", "e", "d", "c", "b"]


async def test_a_decision_can_be_taken_back(
    anna: Account, endpoint: dict[str, Any], make_event: MakeEvent
) -> None:
    await override(anna, make_event(endpoint), entityTable="invoice")
    (item,) = await listed(anna, endpointId=endpoint["id"])
    gone = await data_of(anna.client.delete(f"/api/overrides/{item['id']}"))
    assert gone == {"id": item["id"], "_id": item["id"]}
    assert await listed(anna, endpointId=endpoint["id"]) == []
    await refused(anna.client.delete(f"/api/overrides/{item['id']}"), 404, "not_found")


async def test_nobody_else_sees_or_takes_back_a_decision(
    anna: Account, ben: Account, endpoint: dict[str, Any], make_event: MakeEvent
) -> None:
    await override(anna, make_event(endpoint), entityTable="invoice")
    (item,) = await listed(anna, endpointId=endpoint["id"])
    for owner in ("me", "all"):
        assert await listed(ben, owner=owner) == []
    for unknown in (item["id"], str(uuid.uuid4())):
        words = await refused(ben.client.delete(f"/api/overrides/{unknown}"), 404, "not_found")
        assert words == "There is no such remembered override"
    assert await listed(anna, endpointId=endpoint["id"]) == [item]


async def test_an_admin_sees_everybodys_when_asked(
    anna: Account, admin: Account, endpoint: dict[str, Any], make_event: MakeEvent
) -> None:
    await override(anna, make_event(endpoint), entityTable="invoice")
    assert await listed(admin, endpointId=endpoint["id"]) == []
    (item,) = await listed(admin, endpointId=endpoint["id"], owner="all")
    assert item["decidedBy"] == str(anna.user.id)


@pytest.mark.parametrize("query", ["endpointId=x", "limit=0", "cursor=x", "owner=you"])
async def test_a_bad_filter_is_refused(query: str, anna: Account) -> None:
    words = await refused(anna.client.get(f"/api/overrides?{query}"), 400, "invalid_request")
    assert words.startswith(query.partition("=")[0])
