"""A change needs a page of ours; a page runs no script but ours."""

from __future__ import annotations

import re
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from functions.console.guards import csrf_token
from functions.console.pages import ROUTES
from tests.functions.console.conftest import Browser, create_endpoint, create_rule, create_webhook
from tests.running_stack import User

CHANGES = sorted({route.path for route in ROUTES if "POST" in (route.methods or ())})
FORM = re.compile(r"<form[^>]*>")
ID = "01a20000-0000-7000-8000-000000000000"


def filled(path: str) -> str:
    for name in ("endpoint_id", "webhook_id", "delivery_id", "event_id", "rule_id", "type_id"):
        path = path.replace(f"{{{name}:uuid}}", ID)
    return path.replace("{name}", "order.packed")


@pytest.mark.parametrize("path", CHANGES)
async def test_no_change_is_made_without_the_token_of_a_page(anna: Browser, path: str) -> None:
    other = csrf_token("another key", "nonce", None)
    for given in ({}, {"csrf": ""}, {"csrf": other}, {"csrf": "é"}):
        answer = await anna.client.post(f"/console{filled(path)}", data=given)
        assert answer.status_code == 403
        assert "Load it again" in answer.text


async def test_the_token_of_another_user_is_none(anna: Browser, ben: Browser) -> None:
    answer = await anna.post("/settings/everybody", csrf=await ben.csrf("/settings"))
    assert answer.status_code == 403


async def test_a_change_from_another_site_is_refused_even_with_the_token(anna: Browser) -> None:
    token = await anna.csrf("/settings")
    for site in ("cross-site", "same-site"):
        answer = await anna.client.post(
            "/console/settings/everybody", data={"csrf": token}, headers={"Sec-Fetch-Site": site}
        )
        assert answer.status_code == 403


async def test_reading_changes_nothing(anna: Browser) -> None:
    for path in set(CHANGES) - {"/sign-in"}:
        answer = await anna.client.get(f"/console{filled(path)}")
        assert answer.status_code in {200, 404, 405}


@pytest.mark.parametrize("path", ["/", "/sign-in", "/nothing", "/static/console.css"])
async def test_every_answer_has_the_policy(anna: Browser, path: str) -> None:
    answer = await anna.client.get(f"/console{path}")
    policy = dict(
        part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    is_file = path.startswith("/static")
    assert (answer.headers["cache-control"] == "no-store") is not is_file


async def test_what_nobody_expected_is_told_in_words_under_the_same_policy(
    anna: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr("functions.console.visits.Visit.navigation", broken)
    answer = await anna.get("/settings", 500)
    assert "It is not your fault" in answer.text
    assert "inside" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_pages_hold_no_script_or_style_of_their_own(anna: Browser) -> None:
    endpoint_id = await create_endpoint(anna)
    for path in ("/", "/queue", "/rules/new", "/webhooks/new", f"/endpoints/{endpoint_id}"):
        page = (await anna.get(path)).text
        assert "<style" not in page
        assert " style=" not in page
        assert " onclick=" not in page
        assert page.count("<script") == page.count("<script src=")
        assert "http://" not in page.replace("http://127.0.0.1", "")


async def test_what_cannot_be_undone_asks_first(anna: Browser) -> None:
    endpoint_id = await create_endpoint(anna)
    webhook_id = await create_webhook(anna)
    rule_id = await create_rule(anna)
    asked = set()
    for path in (
        f"/endpoints/{endpoint_id}",
        f"/webhooks/{webhook_id}",
        f"/rules/{rule_id}/edit",
    ):
        for tag in FORM.findall((await anna.get(path)).text):
            action = tag.partition('action="')[2].partition('"')[0].rpartition("/")[2]
            if action in {"delete", "rotate"}:
                assert "data-confirm=" in tag, tag
                asked.add((path, action))
    assert len(asked) == 5


async def test_every_page_is_there_under_both_addresses(app: Starlette, anna: Browser) -> None:
    bases = [route.path for route in app.routes if isinstance(route, Mount)]
    assert bases == ["/functions/v1/console", "/console"]
    paths = [[one.path for one in route.routes] for route in app.routes if isinstance(route, Mount)]  # type: ignore[attr-defined]
    assert paths[0] == paths[1]
    answer = await anna.client.get("/console")
    assert (answer.status_code, answer.headers["location"]) == (307, "/console/")


async def test_a_form_is_read_within_bounds(anna: Browser, users: tuple[User, ...]) -> None:
    token = await anna.csrf("/settings")
    url = "/console/settings/everybody"
    form = {"content-type": "application/x-www-form-urlencoded", "x-csrf-token": token}
    cases: list[tuple[int, dict[str, Any]]] = [
        (413, {"content": b"x=" + b"1" * 2_000_000, "headers": form}),
        (400, {"content": b"&".join(b"a=1" for _ in range(4000)), "headers": form}),
        (400, {"content": b"a=%00", "headers": form}),
        (400, {"content": b"\xff", "headers": form}),
        (415, {"content": b"{}", "headers": form | {"content-type": "application/json"}}),
    ]
    for status, request in cases:
        answer = await anna.client.post(url, **request)
        assert answer.status_code == status


def test_every_route_is_a_page_or_a_change() -> None:
    assert all(isinstance(route, Route) for route in ROUTES)
    assert all(len((route.methods or set()) - {"HEAD"}) == 1 for route in ROUTES)
