"""How PostgreSQL runs claims and finishes of deliveries beside finished ones: by index, never through the table."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.database.deliveries import (
    Webhook,
    claim_deliveries,
    make_deliveries,
    make_delivery,
    make_webhook,
    publish,
    results,
)
from tests.database.factories import make_user
from tests.database.rpcs import Connection, call
from tests.database.test_claim_plan import Node, forget_statistics, plans

LIMITS = {"p_limit": 50, "p_per_webhook": 100, "p_lease_seconds": 60}
TABLES = {
    "published_events",
    "webhook_deliveries",
    "webhook_logs",
    "webhook_secrets",
    "webhook_states",
    "webhooks",
}
UNFINISHED = {
    "webhook_deliveries_due_idx",
    "webhook_deliveries_leased_idx",
    "webhook_deliveries_tests_idx",
}
REFERENCE = "(id = $1)"
"""How PostgreSQL itself looks up what a new row refers to."""
OWNERS = "public.webhooks, private.webhook_states"
ANALYZED = ["", OWNERS, f"{OWNERS}, public.published_events"]
"""What autovacuum may have seen of a new project: first of all that there are few webhooks."""
BY_ID = {"webhook_deliveries_pkey", "webhook_deliveries_webhook_id_idx"}


@pytest.fixture(scope="module", params=ANALYZED)
def busy(hosted_database_url: str, request: pytest.FixtureRequest) -> Iterator[Connection]:
    """20,000 finished deliveries and 500 due ones of one webhook, one due one of each of ten others.

    The functions' plans are made while the tables are almost empty, as in a new project.
    """
    with psycopg.connect(hosted_database_url, row_factory=dict_row) as connection:
        forget_statistics(connection)
        owner = make_user(connection)
        webhook = make_webhook(connection, owner)
        _plan(connection, webhook)
        if request.param:
            connection.execute(f"analyze {request.param}")
            _plan(connection, webhook)
        connection.execute("set local session_replication_role = replica")
        make_deliveries(connection, webhook, 20_000, status="delivered", finished_at="now")
        connection.execute("set local session_replication_role = origin")
        make_deliveries(connection, webhook, 500)
        for _ in range(10):
            make_delivery(connection, make_webhook(connection))
        try:
            yield connection
        finally:
            connection.rollback()


def _plan(connection: Connection, webhook: Webhook) -> None:
    """Runs each function often enough for PostgreSQL to keep its plans."""
    for _ in range(7):
        publish(connection, webhook.user_id)
        call(connection, "finish_deliveries", p_results=results(claim_deliveries(connection)))
        named = [make_delivery(connection, webhook)]
        batch = claim_deliveries(connection, delivery_ids=named)
        call(connection, "finish_deliveries", p_results=results(batch))


@pytest.fixture
def finished(busy: Connection) -> Iterator[Connection]:
    """The same for each test: what one does is undone."""
    with busy.transaction(force_rollback=True):
        yield busy


def indexes(nodes: list[Node]) -> set[str]:
    """Indexes of deliveries that are read."""
    names = {node.get("Index Name", "") for node in nodes}
    return {name for name in names if name.startswith("webhook_deliveries")}


def sequential(nodes: list[Node]) -> set[str]:
    """Tables of deliveries that are read from end to end."""
    return {
        node["Relation Name"]
        for node in nodes
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in TABLES
    }


def rows_read(nodes: list[Node], names: set[str]) -> int:
    return int(
        sum(
            node["Actual Rows"] * node["Actual Loops"]
            for node in nodes
            if node.get("Index Name") in names
        )
    )


@pytest.mark.parametrize("analyzed", [False, True])
def test_a_claim_finds_due_deliveries_through_the_index_of_unfinished_ones(
    finished: Connection, analyzed: bool
) -> None:
    if analyzed:
        finished.execute("analyze public.webhook_deliveries, public.published_events")

    nodes = plans(finished, "claim_deliveries", **LIMITS)

    assert sequential(nodes) == set()
    assert "webhook_deliveries_due_idx" in indexes(nodes)
    assert indexes(nodes) <= UNFINISHED | BY_ID
    assert 50 <= rows_read(nodes, UNFINISHED) < 200
    assert rows_read(nodes, BY_ID) < 500


def test_a_claim_that_finds_nothing_reads_next_to_nothing(finished: Connection) -> None:
    claim_deliveries(finished, 1000, 1000)

    nodes = plans(finished, "claim_deliveries", **LIMITS)

    assert sequential(nodes) == set()
    assert rows_read(nodes, UNFINISHED) < 50


def test_a_claim_by_name_reads_what_is_named(finished: Connection) -> None:
    row = finished.execute("select id from public.webhook_deliveries where status = 'pending'")
    named = [found["id"] for found in row.fetchmany(20)]

    nodes = plans(finished, "claim_deliveries", **LIMITS, p_delivery_ids=named)

    assert sequential(nodes) == set()
    assert indexes(nodes) == {"webhook_deliveries_pkey"}


@pytest.mark.parametrize("state", ["delivered", "retry", "failed"])
def test_a_finish_reads_its_own_deliveries_only(finished: Connection, state: str) -> None:
    reports = results(claim_deliveries(finished, 50), state)

    nodes = plans(finished, "finish_deliveries", p_results=reports)

    assert sequential(nodes) == set()
    assert indexes(nodes) == {"webhook_deliveries_pkey"}


def test_publishing_reads_its_own_event_and_the_owners_webhooks(finished: Connection) -> None:
    owner = finished.execute("select user_id from public.published_events limit 1").fetchone()
    assert owner is not None

    nodes = plans(finished, "publish_event", p_type="a.b", p_data={}, p_user_id=owner["user_id"])

    assert sequential(nodes) == set()
    webhooks = [node for node in nodes if node.get("Relation Name") == "webhooks"]
    found = {node["Index Cond"]: node["Actual Rows"] * node["Actual Loops"] for node in webhooks}
    assert found == {"(created_by = e.user_id)": 1, REFERENCE: 1}
    assert indexes(nodes) <= {
        "webhook_deliveries_published_event_id_webhook_id_key",
        "webhook_deliveries_pkey",
    }
