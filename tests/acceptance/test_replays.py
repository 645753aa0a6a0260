"""Replays with the real workers: 10,000 past events tried without a trace, and a few done for real."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from functions.classify.classify import decide as classify
from functions.prepare_for_rules.prepare import decide as prepare
from functions.process_rules.process_rules import decide as process_rules
from shared.database import Database
from shared.replays import replay_batch
from shared.settings import WorkerSettings
from shared.worker import Decide
from tests.acceptance.test_pipeline import DEADLINE_SECONDS, Connection, api
from tests.database.factories import insert
from tests.running_stack import RunningStack, User

COUNT = 10_000
DECIDE: dict[str, Decide] = {
    "classify": classify,
    "prepare": prepare,
    "rules": process_rules,
}
NOT_WATCHED = {"event_replays", "event_replay_differences", "audit_logs"}
"""What a replay writes about itself."""


def make_endpoint(url: str, user: User) -> str:
    made = api(url, user, "POST", "/endpoints", {"name": f"Shop {uuid.uuid4()}", "scheme": "none"})
    endpoint_id: str = made["id"]
    return endpoint_id


def make_orders(database: Connection, user: User, endpoint_id: str, count: int) -> None:
    """Orders that are through, with totals from 1 on, and all have come to the same record."""
    record = insert(database, "public.orders", user_id=user.id)
    database.execute(
        """
        insert into public.webhook_events (id, endpoint_id, user_id, event_type, payload, scheme,
          dedupe_key, status, stage, entity_table, is_person, processed_at, entity_id)
        select u.id, %s, %s, 'order.completed',
          jsonb_build_object('event', 'order.completed', 'data', jsonb_build_object('total', u.n)),
          'none', 'id:' || u.id, 'processed', 'done', 'order', false, now(), %s
        from unnest(%s::uuid[]) with ordinality as u (id, n)""",
        [endpoint_id, user.id, record["id"], [uuid7() for _ in range(count)]],
    )


def make_rule(url: str, user: User, above: int) -> None:
    tag = {"actionType": "tag", "actionConfig": {"tags": ["{{ event.data.total }}"]}}
    rule = {
        "name": "Large",
        "entityTable": "order",
        "condition": f"event.data.total > {above}",
        "actions": [tag],
    }
    api(url, user, "POST", "/rules", rule)


def all_rows(database: Connection) -> dict[str, str]:
    """A hash of each table, which tells any change of any row, also one to the same values."""
    tables = database.execute(
        "select schemaname || '.' || tablename as name from pg_tables"
        " where schemaname in ('public', 'private') and tablename <> all (%s)",
        [list(NOT_WATCHED)],
    ).fetchall()
    hashes = {}
    for table in (row["name"] for row in tables):
        query = f"select md5(string_agg(t.xmin::text || t::text, '' order by t::text)) as hash from {table} t"  # noqa: S608
        hashes[table] = database.execute(query).fetchall()[0]["hash"]
    return hashes


@pytest.fixture
def settings(stack: RunningStack) -> WorkerSettings:
    return WorkerSettings(
        supabase_url=stack.api_url,
        supabase_secret_key=stack.secret_key,
        functions_secret=stack.functions_secret,
    )


async def progress(
    url: str, user: User, settings: WorkerSettings, replay: dict[str, Any]
) -> list[int]:
    """How many events had been looked at after each batch, as the API tells."""
    examined = []
    key = settings.supabase_secret_key.get_secret_value()
    stage = replay["stage"]
    async with Database(settings.supabase_url, key, timeout_seconds=60) as database:
        while await replay_batch(database, stage, DECIDE[stage], settings):
            examined.append(api(url, user, "GET", f"/queue/replays/{replay['id']}")["examined"])
    return examined


@pytest.mark.parametrize("stage", DECIDE)
async def test_a_dry_run_over_10_000_events_tells_its_differences_and_changes_no_row(
    stage: str,
    functions_url: str,
    database: Connection,
    new_user: Callable[[], User],
    settings: WorkerSettings,
) -> None:
    database.execute("delete from public.event_replays")
    user = new_user()
    make_orders(database, user, make_endpoint(functions_url, user), COUNT)
    make_rule(functions_url, user, above=COUNT - 1000)
    before = all_rows(database)

    started = api(functions_url, user, "POST", "/queue/replay", {"stage": stage})
    examined = await progress(functions_url, user, settings, started)

    path = f"/queue/replays/{started['id']}"
    found = api(functions_url, user, "GET", path)
    assert (found["status"], found["total"], found["examined"]) == ("done", COUNT, COUNT)
    assert examined == list(range(200, COUNT + 1, 200))
    assert (found["failing"], found["requeued"]) == (0, 0)
    assert all_rows(database) == before
    listed = api(functions_url, user, "GET", f"{path}/differences?limit=100")["items"]
    assert len(listed) == min(found["different"], 100)
    if stage == "rules":
        assert found["different"] == 1000
        totals = [one["after"]["actions"][0]["action_config"]["tags"] for one in listed]
        assert totals == [[str(COUNT - 1000 + n)] for n in range(1, 101)]


def wait_until_done(url: str, user: User, replay: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        found: dict[str, Any] = api(url, user, "GET", f"/queue/replays/{replay['id']}")
        if found["status"] == "done":
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def test_what_a_dry_run_lists_is_done_for_real_once(
    pipeline_url: str, database: Connection, new_user: Callable[[], User]
) -> None:
    user = new_user()
    make_orders(database, user, make_endpoint(pipeline_url, user), 300)
    database.execute("insert into public.people (user_id, name) values (%s, 'Ada')", [user.id])
    database.execute(
        "update public.webhook_events e set person_id = p.id from public.people p"
        " where p.user_id = e.user_id and e.user_id = %s",
        [user.id],
    )
    tag = {
        "actionType": "tag",
        "actionConfig": {"tags": ["{{ event.data.total }}"], "target": "person"},
    }
    rule = {"name": "Large", "entityTable": "order", "condition": "event.data.total > 290"}
    api(pipeline_url, user, "POST", "/rules", rule | {"actions": [tag]})

    def replayed(**fields: Any) -> dict[str, Any]:
        started = api(pipeline_url, user, "POST", "/queue/replay", {"stage": "rules"} | fields)
        return wait_until_done(pipeline_url, user, started)

    def tags() -> list[int]:
        rows = database.execute(
            "select tag from public.entity_tags where user_id = %s", [user.id]
        ).fetchall()
        return sorted(int(row["tag"]) for row in rows)

    def settle() -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        query = "select from public.webhook_events where user_id = %s and status <> 'processed'"
        while database.execute(query, [user.id]).fetchall():
            assert time.monotonic() < deadline
            time.sleep(0.1)

    dry = replayed()
    assert (dry["different"], dry["requeued"], tags()) == (10, 0, [])
    real = replayed(dryRun=False)
    assert (real["different"], real["requeued"]) == (10, 10)
    settle()
    assert tags() == list(range(291, 301))
    again = replayed(dryRun=False)
    assert (again["different"], again["requeued"]) == (0, 0)
    assert tags() == list(range(291, 301))
