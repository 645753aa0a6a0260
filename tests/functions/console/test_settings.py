"""Settings on their page: what goes to Slack, and how long things are kept."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.database.hosted_extensions import add_cron, jobs
from tests.functions.console.conftest import WEBHOOK, Browser, Connection, create_webhook, words_of
from tests.running_stack import RunningStack

SLACK = WEBHOOK | {
    "name": "Support channel",
    "kind": "slack",
    "url": "https://hooks.slack.com/services/T0/B0/secret-of-slack",
    "events": "ticket.*",
}


@pytest.fixture
def cron(stack: RunningStack) -> Iterator[Connection]:
    """A project in which pg_cron deletes."""
    url = stack.stack.admin_url()
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        # To the stack whoever grants as this user is its API server, which shall not.
        connection.execute("set event_triggers = off")
        add_cron(connection)
        connection.execute("select private.schedule()")
        yield connection
        connection.execute("drop schema cron cascade")


async def test_what_goes_to_slack_is_listed_and_more_is_made_from_there(anna: Browser) -> None:
    assert "No event goes to Slack yet" in words_of(await anna.get("/settings"))
    await create_webhook(anna, **SLACK)
    await create_webhook(anna, name="Not for Slack")
    page = await anna.get("/settings")
    assert "Support channel" in page.text
    assert "ticket.*" in page.text
    assert "Not for Slack" not in page.text
    assert "secret-of-slack" not in page.text
    form = (await anna.get("/webhooks/new?kind=slack")).text
    assert '<option value="slack" selected>' in form
    assert '<option value="http" selected>' in (await anna.get("/webhooks/new")).text


async def test_what_goes_to_slack_has_no_secret_to_keep(anna: Browser) -> None:
    page = await anna.get(f"/webhooks/{await create_webhook(anna, **SLACK)}")
    assert "Send a test to see it in Slack" in words_of(page)
    assert "Rotate the secret" not in page.text
    assert "Signature" not in page.text
    page = await anna.get(f"/webhooks/{await create_webhook(anna)}")
    assert "Rotate the secret" in page.text


async def test_where_nothing_deletes_that_is_said(anna: Browser, admin: Browser) -> None:
    for browser in (anna, admin):
        page = await browser.get("/settings")
        assert "Nothing is deleted by itself" in words_of(page)
        assert "keepDays" not in page.text
    answer = await admin.post("/settings/retention", keepDays="30")
    assert answer.status_code == 409
    assert "pg_cron is not there" in words_of(answer)


async def test_an_admin_chooses_how_long_things_are_kept_and_others_are_told(
    anna: Browser, admin: Browser, cron: Connection
) -> None:
    assert "deleted 90 days after" in words_of(await anna.get("/settings"))
    answer = await admin.post("/settings/retention", keepDays="30")
    assert answer.status_code == 303
    assert jobs(cron)["switchhook-retention"]["command"] == "select private.delete_old(30)"
    page = await anna.get("/settings")
    assert "deleted 30 days after" in words_of(page)
    assert "keepDays" not in page.text
    assert (
        'name="keepDays" min="0" max="3650" step="1" required value="30"'
        in (await admin.get("/settings")).text
    )
    await admin.post("/settings/retention", keepDays="0")
    assert "Everything is kept for ever" in words_of(await anna.get("/settings"))
    for wrong in ("", "-1", "1.5", "9" * 30, "soon"):
        assert (await admin.post("/settings/retention", keepDays=wrong)).status_code == 400
    answer = await anna.post("/settings/retention", keepDays="1")
    assert answer.status_code == 403
    assert "Only admins" in words_of(answer)
    assert jobs(cron)["switchhook-retention"]["command"] == "select private.delete_old(0)"
