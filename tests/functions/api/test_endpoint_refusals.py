"""`GET /api/endpoints/{id}/refusals` over HTTP."""

from __future__ import annotations

from typing import Any

from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from tests.functions.api.conftest import Account, Connection, all_of, data_of, refused
from tests.functions.api.test_requests import SOME_ID


def make_refusal(database: Connection, endpoint: dict[str, Any], **columns: Any) -> str:
    row = {
        "id": uuid7(),
        "endpoint_id": endpoint["id"],
        "user_id": endpoint["createdBy"],
        "status": 401,
        "code": "invalid_signature",
        "reason": "no X-Hub-Signature-256 matches",
        "method": "POST",
        "headers": Jsonb({"x-hub-signature-256": "sha256=00", "cookie": "[hidden]"}),
        "body_bytes": 2,
        "created_at": "2026-05-28T20:26:40Z",
    } | columns
    names, marks = ", ".join(row), ", ".join(["%s"] * len(row))
    database.execute(
        f"insert into public.webhook_refusals ({names}) values ({marks})",  # noqa: S608
        list(row.values()),
    )
    return str(row["id"])


def url(endpoint: dict[str, Any]) -> str:
    return f"/api/endpoints/{endpoint['id']}/refusals"


async def test_a_refusal_is_told_with_its_reason(anna: Account, database: Connection) -> None:
    endpoint = await anna.create_endpoint()
    refusal_id = make_refusal(database, endpoint, body_start="ew==")
    page = await data_of(anna.client.get(url(endpoint)))
    assert page == {
        "items": [
            {
                "id": refusal_id,
                "_id": refusal_id,
                "status": 401,
                "code": "invalid_signature",
                "reason": "no X-Hub-Signature-256 matches",
                "method": "POST",
                "headers": {"x-hub-signature-256": "sha256=00", "cookie": "[hidden]"},
                "bodyBytes": 2,
                "bodyStart": "ew==",
                "createdAt": "2026-05-28T20:26:40Z",
            }
        ],
        "nextCursor": None,
    }


async def test_refusals_come_in_pages_newest_first(anna: Account, database: Connection) -> None:
    endpoint, other = await anna.create_endpoint(), await anna.create_endpoint()
    made = [make_refusal(database, endpoint) for _ in range(5)]
    make_refusal(database, other)
    listed = await all_of(anna, url(endpoint), limit=2)
    assert [item["id"] for item in listed] == made[::-1]


async def test_the_refusals_of_another_are_not_found(
    anna: Account, ben: Account, admin: Account, database: Connection
) -> None:
    endpoint = await anna.create_endpoint()
    refusal_id = make_refusal(database, endpoint)
    await refused(ben.client.get(url(endpoint)), 404, "not_found")
    await refused(ben.client.get(url({"id": SOME_ID})), 404, "not_found")
    page = await data_of(admin.client.get(url(endpoint)))
    assert [item["id"] for item in page["items"]] == [refusal_id]


async def test_a_bad_query_is_refused(anna: Account) -> None:
    endpoint = await anna.create_endpoint()
    for query in ("limit=0", "limit=101", "cursor=x", "owner=all"):
        response = anna.client.get(f"{url(endpoint)}?{query}")
        await refused(response, 400, "invalid_request")
