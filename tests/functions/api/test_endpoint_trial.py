"""`POST /api/endpoints/{id}/try` over HTTP."""

from __future__ import annotations

import base64
import time
from typing import Any

import pytest

from shared.signatures import scheme_named
from tests.functions.api.conftest import Account, Connection, data_of, refused
from tests.functions.api.test_requests import SOME_ID

BODY = '{"event_type":"order.completed","external_id":"1001"}'


async def tried(account: Account, endpoint: dict[str, Any], **request: Any) -> dict[str, Any]:
    url = f"/api/endpoints/{endpoint['id']}/try"
    data: dict[str, Any] = await data_of(account.client.post(url, json=request))
    return data


def signed(endpoint: dict[str, Any], body: str = BODY) -> dict[str, str]:
    scheme = scheme_named(endpoint["scheme"])
    settings = scheme.settings(endpoint["schemeSettings"])
    return scheme.sign(body.encode(), endpoint["secret"], settings, int(time.time()))


def amiss(trial: dict[str, Any]) -> dict[str, str]:
    return {check["part"]: check["words"] for check in trial["checks"] if check["matches"] is False}


async def test_a_request_with_its_secret_is_checked_whole(anna: Account) -> None:
    endpoint = await anna.create_endpoint(scheme="webhook_signature")
    request = {"headers": signed(endpoint), "body": BODY, "secret": endpoint["secret"]}
    trial = await tried(anna, endpoint, **request)
    assert trial["matches"] is True
    assert trial["events"] == [
        {"eventType": "order.completed", "externalId": "1001", "deliveryId": None}
    ]
    assert endpoint["secret"] not in str(trial)


async def test_without_the_secret_the_signature_is_left_open(anna: Account) -> None:
    endpoint = await anna.create_endpoint(scheme="webhook_signature")
    trial = await tried(anna, endpoint, headers=signed(endpoint), body=BODY)
    assert trial["matches"] is None
    open_ones = [check["part"] for check in trial["checks"] if check["matches"] is None]
    assert open_ones == ["signature"]


async def test_the_stored_secret_plays_no_part(anna: Account) -> None:
    """Else the route would tell a thief of a token whether a guess is right."""
    endpoint = await anna.create_endpoint(scheme="github")
    other = {**endpoint, "secret": "another-secret"}
    request = {"headers": signed(other), "body": BODY, "secret": "another-secret"}
    assert (await tried(anna, endpoint, **request))["matches"] is True


async def test_the_part_that_differs_is_named(anna: Account) -> None:
    endpoint = await anna.create_endpoint(scheme="stripe")
    request = {
        "headers": signed(endpoint),
        "body": BODY + "\n",
        "secret": endpoint["secret"],
        "url": endpoint["url"] + "s",
        "method": "put",
    }
    trial = await tried(anna, endpoint, **request)
    assert trial["matches"] is False
    assert amiss(trial).keys() == {"method", "url", "body"}
    assert endpoint["url"] in amiss(trial)["url"]


async def test_bytes_and_a_time_of_the_past_can_be_given(anna: Account) -> None:
    endpoint = await anna.create_endpoint(scheme="slack")
    scheme = scheme_named("slack")
    at, body = 1_780_000_000, b'{"event_id":"Ev1","text":"\xff"}'
    headers = scheme.sign(body, endpoint["secret"], scheme.settings({}), at)
    request = {
        "headers": headers,
        "bodyBase64": base64.b64encode(body).decode(),
        "secret": endpoint["secret"],
    }
    then = await tried(anna, endpoint, receivedAt="2026-05-28T20:26:41Z", **request)
    assert amiss(then).keys() == {"body"}
    assert "UTF-8" in amiss(then)["body"]
    assert amiss(await tried(anna, endpoint, **request)).keys() == {"body", "time"}


async def test_a_query_and_repeated_headers_can_be_given(anna: Account) -> None:
    endpoint = await anna.create_endpoint(scheme="square")
    settings = scheme_named("square").settings({"publicUrl": endpoint["url"]})
    headers = scheme_named("square").sign(BODY.encode(), endpoint["secret"], settings, 0)
    (value,) = headers.values()
    request = {"body": BODY, "secret": endpoint["secret"]}
    assert (await tried(anna, endpoint, headers=headers, **request))["matches"] is True
    with_query = {**request, "url": f"{endpoint['url']}?shop=1#top"}
    trial = await tried(anna, endpoint, headers=headers, **with_query)
    assert "query" in amiss(trial)["url"]
    twice = {"x-square-hmacsha256-signature": [value, value]}
    assert (
        "more than once" in amiss(await tried(anna, endpoint, headers=twice, **request))["headers"]
    )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"body": "a", "bodyBase64": "YQ=="}, "either"),
        ({"bodyBase64": "?"}, "bodyBase64"),
        ({"bodyBase64": "YQ¾="}, "bodyBase64"),
        ({"url": "http://[x"}, "url"),
        ({"method": "P OST"}, "method"),
        ({"headers": {"a": 1}}, "headers"),
        ({"receivedAt": "2026-05-28T20:26:41"}, "receivedAt"),
        ({"key": "x"}, "key"),
    ],
)
async def test_a_malformed_question_is_refused(
    body: dict[str, Any], words: str, anna: Account
) -> None:
    endpoint = await anna.create_endpoint()
    response = anna.client.post(f"/api/endpoints/{endpoint['id']}/try", json=body)
    assert words in await refused(response, 400, "invalid_request")


async def test_a_secret_is_never_repeated_in_a_refusal(anna: Account) -> None:
    endpoint = await anna.create_endpoint()
    request = {"secret": ["canary-secret"], "body": 7}
    response = anna.client.post(f"/api/endpoints/{endpoint['id']}/try", json=request)
    assert "canary" not in await refused(response, 400, "invalid_request")


async def test_the_endpoint_of_another_is_not_found(ben: Account, anna: Account) -> None:
    endpoint = await anna.create_endpoint()
    for endpoint_id in (endpoint["id"], SOME_ID):
        response = ben.client.post(f"/api/endpoints/{endpoint_id}/try", json={})
        await refused(response, 404, "not_found")


async def test_nothing_is_stored(anna: Account, database: Connection) -> None:
    endpoint = await anna.create_endpoint()
    assert (await tried(anna, endpoint, body=BODY))["matches"] is True
    for table in ("webhook_events", "webhook_refusals"):
        row = database.execute(
            f"select count(*) from public.{table} where endpoint_id = %s",  # noqa: S608
            [endpoint["id"]],
        ).fetchone()
        assert row == {"count": 0}
