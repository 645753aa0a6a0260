"""What a hosted project does by itself: calls of functions, sweeps, and deletion of what is old."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

import pgdelta
import postgres
from migrations import migration_files, sql_files
from tests.database.deliveries import make_webhook, publish
from tests.database.factories import (
    FAILED,
    PROCESSED,
    in_review,
    incoming,
    insert,
    make_endpoint,
    make_event,
)
from tests.database.hosted_extensions import (
    CRON,
    FUNCTIONS_URL,
    SECRET,
    add_cron,
    add_net,
    calls,
    jobs,
)
from tests.database.rpcs import Connection, acting, call, one
from tests.running_stack import RunningStack

LONG_AGO = datetime.now(UTC) - timedelta(days=100)


def urls(connection: Connection) -> list[str]:
    return [row["url"] for row in calls(connection)]


def wake(connection: Connection, function: str) -> None:
    with acting(connection, "service_role"):
        connection.execute("select private.wake(%s)", [function])


def sweep(connection: Connection) -> list[str]:
    names: list[str] = one(connection, "select private.sweep() as names")["names"]
    return names


def old_id() -> uuid.UUID:
    """A time-ordered id of 100 days ago."""
    milliseconds = int(LONG_AGO.timestamp() * 1000)
    return uuid.UUID(int=(milliseconds << 80) | (7 << 76) | (2 << 62) | uuid.uuid4().int >> 66)


def delete_old(connection: Connection, days: int = 90, limit: int = 1000) -> dict[str, int]:
    query = "select private.delete_old(%s, %s) as deleted"
    deleted: dict[str, int] = one(connection, query, [days, limit])["deleted"]
    return deleted


def count(connection: Connection, table: str) -> int:
    query = sql.SQL("select count(*) as n from {}").format(sql.Identifier(*table.split(".")))
    number: int = one(connection, query)["n"]
    return number


def test_work_has_its_function_called_with_the_secret(hosted_database: Connection) -> None:
    add_net(hosted_database)
    endpoint = make_endpoint(hosted_database)

    call(hosted_database, "ingest_events", p_events=[incoming(endpoint)])

    (asked,) = calls(hosted_database)
    assert asked["url"] == f"{FUNCTIONS_URL}/functions/v1/classify"
    assert asked["headers"]["Authorization"] == f"Bearer {SECRET}"
    assert asked["body"] == "{}"


def test_a_function_is_called_by_its_deployed_name(hosted_database: Connection) -> None:
    add_net(hosted_database)

    wake(hosted_database, "prepare_for_rules")

    assert urls(hosted_database) == [f"{FUNCTIONS_URL}/functions/v1/prepare-for-rules"]


def test_a_function_at_an_address_of_its_own_is_called_there(hosted_database: Connection) -> None:
    add_net(
        hosted_database,
        switchhook_functions_url=FUNCTIONS_URL,
        switchhook_dispatch_url="https://dispatch.example.com/",
        switchhook_functions_secret=SECRET,
    )

    wake(hosted_database, "dispatch")
    wake(hosted_database, "classify")

    assert urls(hosted_database) == [
        "https://dispatch.example.com",
        f"{FUNCTIONS_URL}/functions/v1/classify",
    ]


def test_a_transaction_calls_a_function_once(hosted_database: Connection) -> None:
    add_net(hosted_database)

    for function in ("classify", "dispatch", "classify"):
        wake(hosted_database, function)

    assert urls(hosted_database) == [
        f"{FUNCTIONS_URL}/functions/v1/classify",
        f"{FUNCTIONS_URL}/functions/v1/dispatch",
    ]


def test_a_later_transaction_calls_it_again(stack: RunningStack) -> None:
    with postgres.scratch_database(stack.stack, "called_again") as url:
        pgdelta.load(url, migration_files())
        admin = stack.stack.admin_url("called_again")
        with psycopg.connect(admin, autocommit=True, row_factory=dict_row) as connection:
            add_net(connection)
            for _ in range(2):
                wake(connection, "classify")

            assert len(calls(connection)) == 2


@pytest.mark.parametrize("missing", ["switchhook_functions_url", "switchhook_functions_secret"])
def test_nothing_is_called_that_vault_does_not_tell_of(
    hosted_database: Connection, missing: str
) -> None:
    add_net(hosted_database)
    hosted_database.execute("delete from vault.secrets where name = %s", [missing])

    wake(hosted_database, "classify")

    assert calls(hosted_database) == []


def test_a_broken_extension_costs_the_caller_nothing(hosted_database: Connection) -> None:
    add_net(hosted_database)
    hosted_database.execute("drop function net.http_post")
    endpoint = make_endpoint(hosted_database)

    (stored,) = call(hosted_database, "ingest_events", p_events=[incoming(endpoint)])

    assert stored["state"] == "accepted"


def test_without_extensions_an_event_is_stored_as_ever(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)

    (stored,) = call(hosted_database, "ingest_events", p_events=[incoming(endpoint)])

    assert stored["state"] == "accepted"
    assert one(hosted_database, "select private.functions_are_known() as are")["are"] is False


def test_whoever_wakes_cannot_read_the_secret(hosted_database: Connection) -> None:
    add_net(hosted_database)

    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        acting(hosted_database, "service_role"),
    ):
        hosted_database.execute("select * from vault.decrypted_secrets")


@pytest.mark.parametrize(
    ("stage", "function"),
    [
        ("classify", "classify"),
        ("prepare", "prepare_for_rules"),
        ("rules", "process_rules"),
    ],
)
def test_a_sweep_makes_up_for_a_call_that_was_lost(
    hosted_database: Connection, stage: str, function: str
) -> None:
    make_event(hosted_database, make_endpoint(hosted_database), stage=stage)
    add_net(hosted_database)

    assert sweep(hosted_database) == [function]
    (asked,) = urls(hosted_database)
    assert asked.endswith(function.replace("_", "-"))


def test_a_sweep_calls_dispatch_for_a_delivery_that_is_due(hosted_database: Connection) -> None:
    publish(hosted_database, make_webhook(hosted_database).user_id)
    add_net(hosted_database)

    assert sweep(hosted_database) == ["dispatch"]
    assert len(calls(hosted_database)) == 1


def test_a_sweep_takes_up_what_a_dead_worker_had_leased(hosted_database: Connection) -> None:
    make_event(hosted_database, make_endpoint(hosted_database))
    call(hosted_database, "claim_classify", p_limit=1, p_lease_seconds=60)
    assert sweep(hosted_database) == []

    hosted_database.execute("update public.webhook_events set leased_until = now()")

    assert sweep(hosted_database) == ["classify"]


def test_a_sweep_over_nothing_calls_nothing(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    in_review(hosted_database, endpoint)
    make_event(hosted_database, endpoint, run_after="2999-01-01")
    make_event(hosted_database, endpoint, **FAILED)
    add_net(hosted_database)

    assert sweep(hosted_database) == []
    assert calls(hosted_database) == []


def test_cron_is_told_to_sweep_to_count_and_to_delete(hosted_database: Connection) -> None:
    add_cron(hosted_database)

    answer = one(hosted_database, "select private.schedule() as answer")["answer"]

    assert answer == {"scheduled": True, "keep_days": 90, "calls": False}
    told = jobs(hosted_database)
    assert told["switchhook-sweep"]["schedule"] == "5 seconds"
    assert told.keys() == {
        "switchhook-sweep",
        "switchhook-activity",
        "switchhook-retention",
        "switchhook-history",
    }


def test_every_job_runs(hosted_database: Connection) -> None:
    add_cron(hosted_database)
    hosted_database.execute("select private.schedule()")
    for ended in ("2 days", "1 hour"):
        hosted_database.execute(
            "insert into cron.job_run_details (jobid, end_time) "
            "select jobid, now() - %s::interval from cron.job where jobname = 'switchhook-sweep'",
            [ended],
        )

    hosted_database.execute("set local role postgres")
    for job in jobs(hosted_database).values():
        hosted_database.execute(job["command"].encode())

    assert count(hosted_database, "cron.job_run_details") == 1


def test_an_older_cron_sweeps_every_minute(hosted_database: Connection) -> None:
    add_cron(hosted_database, seconds=False)

    hosted_database.execute("select private.schedule()")

    assert jobs(hosted_database)["switchhook-sweep"]["schedule"] == "* * * * *"


def test_scheduling_again_keeps_what_was_chosen(hosted_database: Connection) -> None:
    add_cron(hosted_database)

    for days in ("7", ""):
        hosted_database.execute(f"select private.schedule({days})".encode())

    assert (
        jobs(hosted_database)["switchhook-retention"]["command"] == "select private.delete_old(7)"
    )
    assert len(jobs(hosted_database)) == 4


def test_without_cron_scheduling_says_so(hosted_database: Connection) -> None:
    answer = one(hosted_database, "select private.schedule() as answer")["answer"]

    assert answer["scheduled"] is False
    assert "pg_cron" in answer["reason"]


@pytest.mark.parametrize("files", ["migrations", "sql"])
def test_the_schema_schedules_by_itself_where_cron_is(stack: RunningStack, files: str) -> None:
    with postgres.scratch_database(stack.stack, "with_cron") as url:
        admin = stack.stack.admin_url("with_cron")
        with psycopg.connect(admin, autocommit=True, row_factory=dict_row) as connection:
            connection.execute(CRON.replace("{seconds}", "true").encode())
            pgdelta.load(url, migration_files() if files == "migrations" else sql_files())

            assert "switchhook-sweep" in jobs(connection)


def test_old_finished_events_go_with_bodies_and_logs(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    finished = PROCESSED | {"processed_at": LONG_AGO}
    event = old_id()
    make_event(hosted_database, endpoint, id=event, **finished)
    make_event(hosted_database, endpoint, id=old_id(), **FAILED, run_after=LONG_AGO)
    insert(hosted_database, "private.webhook_bodies", webhook_event_id=event, body=b"{}")

    assert delete_old(hosted_database)["events"] == 2
    assert count(hosted_database, "private.webhook_bodies") == 0


@pytest.mark.parametrize(
    "columns",
    [
        {"stage": "classify"},
        {"stage": "review", "entity_table": "order", "is_person": True},
        PROCESSED,
        FAILED,
    ],
    ids=["waits", "in review", "processed lately", "failed lately"],
)
def test_an_old_event_that_is_not_long_finished_stays(
    hosted_database: Connection, columns: dict[str, object]
) -> None:
    make_event(hosted_database, make_endpoint(hosted_database), id=old_id(), **columns)

    assert delete_old(hosted_database)["events"] == 0


def published_long_ago(connection: Connection, **columns: object) -> uuid.UUID:
    webhook = make_webhook(connection)
    event = insert(
        connection,
        "public.published_events",
        id=old_id(),
        user_id=webhook.user_id,
        type="order.completed",
        data={"id": 1},
    )
    insert(
        connection,
        "public.webhook_deliveries",
        published_event_id=event["id"],
        webhook_id=webhook.id,
        user_id=webhook.user_id,
        **columns,
    )
    return uuid.UUID(str(event["id"]))


def test_old_published_events_go_with_their_deliveries(hosted_database: Connection) -> None:
    published_long_ago(hosted_database, status="delivered", finished_at=LONG_AGO)

    assert delete_old(hosted_database)["published_events"] == 1
    assert count(hosted_database, "public.webhook_deliveries") == 0


@pytest.mark.parametrize(
    "columns",
    [{"status": "pending"}, {"status": "failed", "error_message": "No", "finished_at": "now"}],
    ids=["not delivered yet", "failed lately"],
)
def test_an_old_published_event_stays_with_a_delivery_that_is_not_long_finished(
    hosted_database: Connection, columns: dict[str, object]
) -> None:
    published_long_ago(hosted_database, **columns)

    assert delete_old(hosted_database)["published_events"] == 0
    assert count(hosted_database, "public.webhook_deliveries") == 1


def test_a_batch_deletes_no_more_than_it_was_told(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    for _ in range(3):
        finished = PROCESSED | {"processed_at": LONG_AGO}
        make_event(hosted_database, endpoint, id=old_id(), **finished)

    assert [delete_old(hosted_database, limit=2)["events"] for _ in range(3)] == [2, 1, 0]


def test_zero_days_keep_everything(hosted_database: Connection) -> None:
    finished = PROCESSED | {"processed_at": LONG_AGO}
    make_event(hosted_database, make_endpoint(hosted_database), id=old_id(), **finished)

    assert delete_old(hosted_database, days=0)["events"] == 0


def test_deletion_passes_over_what_is_locked_and_waits_for_nobody(
    committed: Connection, hosted_database_url: str
) -> None:
    finished = PROCESSED | {"processed_at": LONG_AGO}
    endpoint = make_endpoint(committed)
    held = old_id()
    make_event(committed, endpoint, id=held, **finished)
    make_event(committed, endpoint, id=old_id(), **finished)
    published = published_long_ago(committed, status="delivered", finished_at=LONG_AGO)

    with psycopg.connect(hosted_database_url) as other:
        other.execute("select from public.webhook_events where id = %s for update", [held])
        other.execute(
            "select from public.webhook_deliveries where published_event_id = %s for update",
            [published],
        )
        committed.execute("set lock_timeout = '2s'")

        assert delete_old(committed) == {"events": 1, "published_events": 0}


def test_ingest_stores_beside_a_deletion_under_way(
    committed: Connection, hosted_database_url: str
) -> None:
    finished = PROCESSED | {"processed_at": LONG_AGO}
    endpoint = make_endpoint(committed)
    make_event(committed, endpoint, id=old_id(), **finished)

    with psycopg.connect(hosted_database_url) as other:
        other.execute("select private.delete_old(90)")
        committed.execute("set lock_timeout = '2s'")
        (stored,) = call(committed, "ingest_events", p_events=[incoming(endpoint)])

    assert stored["state"] == "accepted"
