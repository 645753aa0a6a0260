"""What holds for every page: accessible, no wider than a phone, light, at peace with its own policy."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Dialog, expect

from functions.ingest.settings import IngestSettings
from receiver import Receiver
from tests.browser.browsing import DESKTOP, PHONE, Reader
from tests.browser.conftest import Connection, Console
from tests.browser.scenery import Account
from tests.browser.sights import EMPTY_PAGES, Sights, furnish

UNFOLD = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
MAX_PAGE_BYTES = 250_000
MAX_BODY_BYTES = IngestSettings.model_fields["max_body_bytes"].default

HOSTILE: dict[str, Any] = {
    "event_type": "</script><script>alert(1)</script>",
    "external_id": "{{ 7 * 7 }}{% raw %}<img src=x onerror=alert(1)>",
    "data": {
        "id": "\"'><svg onload=alert(1)>",
        "name": "{{ config }} ${7*7} <b onclick=alert(1)>bold</b>",
        "javascript:alert(1)": "data:text/html,<script>alert(1)</script>",
        "__proto__": {"hx-get": "http://example.com", "style": "color:red"},
        "text": "<script>alert(1)</script>",
    },
}
# As large as ingest takes it.
HOSTILE["data"]["text"] += "x" * (MAX_BODY_BYTES - len(json.dumps(HOSTILE)))


@pytest.fixture
def sights(make_account: Callable[[], Account], receiver: Receiver, database: Connection) -> Sights:
    return furnish(make_account(), receiver, database)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_breaks_wcag(
    console: Console, sights: Sights, make_account: Callable[[], Account], scheme: str
) -> None:
    found: dict[str, list[str]] = {}
    full = console.open(sights.account.user, color_scheme=scheme)
    found |= breaches(full, sights.paths, "full")
    empty = console.open(make_account().user, color_scheme=scheme)
    found |= breaches(empty, EMPTY_PAGES, "empty")
    out = console.open(color_scheme=scheme)
    found |= breaches(out, {"sign in": "/sign-in"}, "out")

    assert found == {}, "\n".join(f"{name}: {one}" for name, one in found.items())


def breaches(reader: Reader, paths: dict[str, str], kind: str) -> dict[str, list[str]]:
    found = {}
    for name, path in paths.items():
        reader.go(path)
        reader.wait_until_found()
        reader.page.evaluate(UNFOLD)
        if problems := reader.breaches_of_wcag():
            found[f"{kind}: {name}"] = problems
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_open_dialog_breaks_wcag(console: Console, sights: Sights, scheme: str) -> None:
    reader = console.open(sights.account.user, color_scheme=scheme)
    page = reader.go(sights.paths["endpoint"])
    page.get_by_role("button", name="Delete the endpoint").click()
    expect(page.locator("#confirm")).to_be_visible()
    assert reader.breaches_of_wcag() == []
    reader.go("/queue")
    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_be_visible()
    assert reader.breaches_of_wcag() == []


def test_every_page_fits_a_phone_and_a_desk(console: Console, sights: Sights) -> None:
    reader = console.open(sights.account.user)
    wide = []
    for name, path in sights.paths.items():
        for size in (PHONE, DESKTOP):
            reader.page.set_viewport_size(size)
            reader.go(path)
            if reader.overflows():
                wide.append(f"{name} at {size['width']}")

    assert wide == []


def test_every_page_is_light(console: Console, sights: Sights) -> None:
    reader = console.open(sights.account.user)
    heavy = {name: reader.weight(path) for name, path in sights.paths.items()}

    assert {name: size for name, size in heavy.items() if size > MAX_PAGE_BYTES} == {}


def test_a_hostile_payload_breaks_nothing(
    console: Console, make_account: Callable[[], Account]
) -> None:
    account = make_account()
    endpoint = account.create_endpoint(
        name="<script>alert(1)</script>{{ 7*7 }}", defaultEntityTable="order"
    )
    event_id = account.send(endpoint, **HOSTILE)
    account.wait_until(event_id, stage="review")
    reader = console.open(account.user)
    dialogs: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    reader.page.on("dialog", dismiss)
    page = reader.go("/queue")
    row = page.locator(f"#event-{event_id}")
    expect(row.get_by_role("link")).to_have_text(HOSTILE["event_type"])
    expect(row.get_by_text("{{ 7 * 7 }}{% raw %}")).to_be_visible()
    row.get_by_text("Payload").click()
    expect(row.get_by_text("{{ config }} ${7*7}")).to_be_visible()
    reader.go(f"/log/{event_id}")
    expect(page.get_by_text(f"{len(HOSTILE['data']['text']):,} characters in all")).to_be_visible()
    assert len(page.content()) < 100_000
    row.wait_for(state="detached")
    for path in ("/endpoints", f"/endpoints/{endpoint['id']}", "/log", "/"):
        reader.go(path)
        page.wait_for_timeout(100)
    # Put together by the template, so that nothing of the payload became part of the page.
    assert page.locator("b[onclick], svg[onload], img[onerror]").count() == 0
    assert dialogs == []


def test_the_switch_keeps_its_theme(console: Console, make_account: Callable[[], Account]) -> None:
    reader = console.open(make_account().user, color_scheme="light")
    page = reader.page
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Switch between light and dark").click()
    dark = page.evaluate(ground)
    assert dark != light
    reader.go("/queue")
    assert page.evaluate(ground) == dark


def test_times_are_in_the_readers_zone_with_the_exact_one_on_hover(
    console: Console, make_account: Callable[[], Account]
) -> None:
    account = make_account()
    endpoint = account.create_endpoint(defaultEntityTable="order")
    event_id = account.send(endpoint, event_type="order.completed", data={"id": 1})
    event = account.wait_until(event_id, stage="review")
    page = console.open(account.user, timezone_id="Pacific/Kiritimati", locale="en-GB").page
    page.goto(f"{console.base}/queue")
    time = page.locator(f"#event-{event_id} time")
    expect(time).not_to_contain_text("UTC")
    exact = time.get_attribute("title") or ""
    assert "GMT+14" in exact
    assert event["createdAt"][:19] in exact
