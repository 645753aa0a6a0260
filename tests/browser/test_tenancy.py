"""What one user has, another does not see in the console, and an admin does."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from receiver import Receiver
from tests.browser.conftest import Connection, Console
from tests.browser.scenery import Account, order

LISTS = ("/endpoints", "/queue", "/log", "/webhooks", "/rules", "/")


def test_a_second_user_sees_none_of_it_and_an_admin_all(
    console: Console,
    make_account: Callable[[], Account],
    receiver: Receiver,
    database: Connection,
) -> None:
    anna, ben, admin = make_account(), make_account(), make_account()
    database.execute("insert into private.admins (user_id) values (%s)", [admin.user.id])
    endpoint = anna.create_endpoint(name="Anna's shop")
    webhook = anna.create_webhook(receiver.url, name="Anna's warehouse")
    rule = anna.api("POST", "/rules", {"name": "Anna's rule", "entityTable": "order"})
    event_id = anna.send(endpoint, **order(1))
    through = anna.send(endpoint, **order(2))
    for one in (event_id, through):
        anna.wait_until(one, stage="review")
    anna.api("POST", f"/queue/{through}/approve")
    anna.wait_until(through, status="processed")
    pages = (
        f"/endpoints/{endpoint['id']}",
        f"/webhooks/{webhook['id']}",
        f"/rules/{rule['id']}/edit",
        f"/log/{event_id}",
        f"/log/{through}",
    )

    reader = console.open(ben.user)
    for path in LISTS:
        reader.go(path)
        assert "Anna" not in reader.page.content()
    for path in pages:
        response = reader.page.goto(f"{console.base}{path}")
        assert response is not None
        assert response.status == 404
        assert "Anna" not in reader.page.content()
    expect(reader.page.get_by_text("There is nothing here")).to_be_visible()
    reader.go("/settings")
    expect(reader.page.get_by_text("You are an admin")).to_have_count(0)

    page = console.open(admin.user).page
    page.goto(f"{console.base}/endpoints")
    expect(page.get_by_text("Anna's shop")).to_have_count(0)
    page.goto(f"{console.base}/")
    expect(page.get_by_text("Nothing comes in yet")).to_be_visible()
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("button", name="Show everybody's rows").click()
    for path, words in (
        ("/endpoints", "Anna's shop"),
        ("/webhooks", "Anna's warehouse"),
        ("/rules", "Anna's rule"),
        ("/queue", "Anna's shop"),
        ("/log", "Anna's shop"),
        (f"/log/{through}", "Create entity"),
    ):
        page.goto(f"{console.base}{path}")
        expect(page.locator("#live").get_by_text(words).first).to_be_visible()
    page.goto(f"{console.base}/")
    tile = page.locator("#tiles > div").filter(has_text="Events in")
    expect(tile.locator("dd").first).not_to_have_text("0")
    page.get_by_role("button", name="Show mine only").click()
    page.goto(f"{console.base}/endpoints")
    expect(page.get_by_text("Anna's shop")).to_have_count(0)
