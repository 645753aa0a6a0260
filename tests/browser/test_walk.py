"""One reader's walk through the console, from an address to a record, and out again."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from receiver import Receiver, Reply
from tests.browser.conftest import Connection, Console
from tests.browser.scenery import Account, add_past, order, post_with_curl


def create_endpoint(page: Page, name: str) -> tuple[str, str]:
    """Fills in the form; address and secret as they are shown, once."""
    page.get_by_role("link", name="Endpoints").click()
    page.get_by_role("link", name="Create an endpoint").first.click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("How it proves who it is").select_option("webhook_signature")
    expect(page.get_by_text("X-Webhook-Signature, bare or after")).to_be_visible()
    page.get_by_role("button", name="Create the endpoint").click()
    expect(page.get_by_text("This is shown once")).to_be_visible()
    return page.inner_text("#url"), page.inner_text("#secret-text")


def test_from_an_address_to_a_processed_event_without_reloading(
    console: Console, make_account: Callable[[], Account]
) -> None:
    account = make_account()
    page = console.open(account.user).page
    expect(page.get_by_text("Nothing comes in yet")).to_be_visible()
    url, secret = create_endpoint(page, "Corner shop")
    page.get_by_role("link", name="Go on to the endpoint").click()
    assert secret not in page.content()

    page.get_by_role("link", name="Queue").click()
    expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    page.evaluate("window.stayed = true")
    event_id = post_with_curl(url, "webhook_signature", secret, order(1))
    row = page.locator(f"#event-{event_id}")
    expect(row).to_be_visible()
    expect(page.locator("#review-count")).to_contain_text("1")

    row.get_by_label("Type of order.completed").select_option("invoice")
    expect(row.get_by_text("set by hand")).to_be_visible()
    row.get_by_label("Type of order.completed").select_option("order")
    was_pressed = row.locator("[data-person]").get_attribute("aria-pressed")
    row.locator("[data-person]").click()
    expect(row.locator("[data-person]")).not_to_have_attribute("aria-pressed", was_pressed or "")
    row.get_by_text("Payload").click()
    expect(row.get_by_text("ada1@example.com")).to_be_visible()
    row.get_by_role("button", name="Approve").click()
    expect(row).to_have_count(0)
    expect(page.locator("#review-count")).to_be_hidden()
    assert page.evaluate("window.stayed")

    page.get_by_role("link", name="Log").click()
    logged = page.locator(f"#event-{event_id}")
    expect(logged.get_by_text("processed")).to_be_visible()
    logged.get_by_role("link", name="order.completed").click()
    for step in ("Received", "Classify", "Override", "Approve", "Create entity"):
        expect(page.locator("#trace").get_by_text(step).first).to_be_visible()


def test_a_test_event_goes_in_signed_and_turns_up(
    console: Console, make_account: Callable[[], Account]
) -> None:
    account = make_account()
    page = console.open(account.user).page
    for scheme in ("standard_webhooks", "stripe", "github"):
        made = account.create_endpoint(name=scheme, scheme=scheme)
        page.goto(f"{console.base}/endpoints/{made['id']}")
        page.get_by_role("button", name="Send a test event").click()
        expect(page.locator("#test-result")).to_contain_text("Taken with 202")
    page.get_by_role("link", name="Follow the event").click()
    expect(page.locator("h1")).to_contain_text("waiting for review")


def test_a_webhook_that_fails_is_recovered(
    console: Console,
    make_account: Callable[[], Account],
    receiver: Receiver,
    database: Connection,
) -> None:
    account = make_account()
    page = console.open(account.user).page
    page.get_by_role("link", name="Webhooks").click()
    page.get_by_role("link", name="Create a webhook").first.click()
    page.get_by_label("Name", exact=True).fill("Warehouse")
    page.get_by_label("Address").fill(receiver.url)
    page.get_by_role("textbox", name="Events", exact=True).fill("order.*")
    page.get_by_role("button", name="Create the webhook").click()
    expect(page.locator("#secret-text")).to_contain_text("whsec_")
    page.get_by_role("link", name="Go on to the webhook").click()

    page.locator("#eventType").fill("order.packed")
    page.get_by_role("button", name="Send a test").click()
    expect(page.locator("#test-result")).to_contain_text("the receiver answered 200")

    receiver.reply = Reply(503, body=b"<script>alert(1)</script> away")
    published = account.publish("order.packed", id="ord_1")
    row = page.locator("#deliveries tr").first
    expect(row).to_contain_text("503")
    database.execute(
        "update public.webhook_deliveries set status = 'failed', finished_at = now(), lease_id = null, "
        "leased_until = null where published_event_id = %s",
        [published],
    )
    expect(row).to_contain_text("failed")
    row.get_by_role("link", name="order.packed").click()
    page.get_by_text("Request and answer").first.click()
    expect(page.get_by_text("<script>alert(1)</script> away").first).to_be_visible()
    page.get_by_role("link", name="Warehouse").click()

    receiver.reply = Reply()
    page.get_by_role("button", name="Recover").click()
    expect(page.get_by_text("1 deliveries are on their way again")).to_be_visible()
    expect(page.locator("#deliveries tr").first).to_contain_text("delivered")
    page.get_by_role("button", name="Send again").first.click()
    expect(page.get_by_text("order.packed is on its way again")).to_be_visible()


def test_a_rule_is_made_moved_and_run(
    console: Console, make_account: Callable[[], Account]
) -> None:
    account = make_account()
    page = console.open(account.user).page
    for name in ("First", "Second"):
        page.get_by_role("link", name="Rules").click()
        page.get_by_role("link", name="Create a rule").first.click()
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_label("For events that become").select_option("order")
        page.get_by_label("If optional").fill("event.data.total >")
        expect(page.locator("#condition-checked .bad-text")).to_be_visible()
        page.get_by_label("If optional").fill("event.data.total > 10")
        expect(page.get_by_text("This can be saved.")).to_be_visible()
        page.get_by_role("button", name="Add an action").click()
        page.get_by_label("Tags").fill(f"{name.lower()}, big")
        page.get_by_role("button", name="Save the rule").click()
        expect(page.get_by_text(f"{name} is saved")).to_be_visible()
    page.get_by_role("button", name="Move Second up").click()
    expect(page.locator("#rules > li").first).to_contain_text("Second")

    endpoint = account.create_endpoint(processingMode="automatic", defaultEntityTable="order")
    event_id = account.send(endpoint, **order(2))
    account.wait_until(event_id, status="processed")
    page.goto(f"{console.base}/log/{event_id}")
    steps = page.locator("#trace-steps")
    expect(steps.get_by_text("Tag", exact=True)).to_have_count(2)


def test_many_events_are_chosen_by_keyboard_and_processed(
    console: Console, make_account: Callable[[], Account]
) -> None:
    account = make_account()
    endpoint = account.create_endpoint(defaultEntityTable="order")
    ids = [account.send(endpoint, **order(number)) for number in range(10, 14)]
    for event_id in ids:
        account.wait_until(event_id, stage="review")
    page = console.open(account.user).page
    page.goto(f"{console.base}/queue")
    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    for key in ("j", "x", "j", "j", "k", "x"):
        page.keyboard.press(key)
    expect(page.locator("#chosen-words")).to_have_text("2 events chosen")
    page.keyboard.press("a")
    expect(page.get_by_text("2 sent on")).to_be_visible()
    expect(page.locator("#events > .event")).to_have_count(2)

    page.get_by_role("button", name="Process all 2").click()
    page.locator("#confirm").get_by_role("button", name="Process all").click()
    expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    for event_id in ids:
        account.wait_until(event_id, status="processed")


def test_deleting_asks_first(console: Console, make_account: Callable[[], Account]) -> None:
    account = make_account()
    endpoint = account.create_endpoint(name="Old shop")
    page = console.open(account.user).page
    page.goto(f"{console.base}/endpoints/{endpoint['id']}")
    page.get_by_role("button", name="Delete the endpoint").click()
    page.get_by_role("button", name="Cancel").click()
    assert account.api("GET", f"/endpoints/{endpoint['id']}")["name"] == "Old shop"
    page.get_by_role("button", name="Delete the endpoint").click()
    page.locator("#confirm").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("The endpoint is deleted")).to_be_visible()
    expect(page.get_by_text("No endpoint yet")).to_be_visible()


def test_what_changes_swaps_alone_and_nothing_jumps(
    console: Console, make_account: Callable[[], Account]
) -> None:
    account = make_account()
    endpoint = account.create_endpoint(defaultEntityTable="order")
    first = account.send(endpoint, **order(20))
    account.wait_until(first, stage="review")
    page = console.open(account.user).page
    page.goto(f"{console.base}/queue")
    row = page.locator(f"#event-{first}")
    row.get_by_text("Payload").click()
    expect(row.get_by_text("ada20@example.com")).to_be_visible()
    row.locator(".choose").check()
    page.evaluate("(id) => { document.getElementById(id).mark = 'the same' }", f"event-{first}")
    before = row.bounding_box()
    second = account.send(endpoint, **order(21))
    expect(page.get_by_text("1 new, shown once the pointer is elsewhere")).to_be_visible()
    expect(page.locator(f"#event-{second}")).to_have_count(0)
    assert row.bounding_box() == before
    page.mouse.move(5, 5)
    expect(page.locator(f"#event-{second}")).to_be_visible()
    assert page.evaluate("(id) => document.getElementById(id).mark", f"event-{first}") == "the same"
    expect(row.locator(".choose")).to_be_checked()
    expect(row.get_by_text("ada20@example.com")).to_be_visible()


def test_an_old_event_is_found_by_its_text_and_by_when_it_came(
    console: Console, make_account: Callable[[], Account], database: Connection
) -> None:
    account = make_account()
    endpoint = account.create_endpoint(defaultEntityTable="order")
    needle = add_past(database, account, endpoint["id"], events=2500)
    page = console.open(account.user, timezone_id="Asia/Kolkata").page
    page.goto(f"{console.base}/log")
    page.get_by_label("Text").fill("haystack needle")
    page.get_by_role("button", name="Show").click()
    row = page.locator(f"#event-{needle}")
    expect(row).to_be_visible()
    expect(row.locator("time")).not_to_contain_text("UTC")
    expect(page.get_by_text("That is all: every event was looked at.")).to_be_visible()

    page.goto(f"{console.base}/log")
    page.get_by_label("From").fill("2026-03-01T05:30:00")
    page.get_by_label("To", exact=True).fill("2026-03-01T05:30:59")
    page.get_by_role("button", name="Show").click()
    # Midnight in London is half past five in Kolkata.
    assert "from=2026-03-01T00%3A00%3A00.000Z" in page.url
    expect(page.locator("#events tr")).to_have_count(1)
    expect(row).to_be_visible()
    expect(page.get_by_label("From")).to_have_value("2026-03-01T05:30")
    page.reload()
    expect(row).to_be_visible()
