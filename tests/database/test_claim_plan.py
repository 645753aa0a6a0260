"""How PostgreSQL runs a claim beside finished work: through the index of unfinished events, never through the table.

auto_explain tells the plans of the very statements inside the functions, as they are run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.database.factories import make_endpoint, make_event, make_events
from tests.database.pipeline import claim
from tests.database.rpcs import Connection, call

STAGES = ["classify", "prepare", "rules"]
Node = dict[str, Any]


@pytest.fixture(scope="module")
def busy(hosted_database_url: str) -> Iterator[Connection]:
    """20,000 finished events of one owner; in each stage 500 of theirs that are due, and one of somebody else."""
    with psycopg.connect(hosted_database_url, row_factory=dict_row) as connection:
        forget_statistics(connection)
        endpoint = make_endpoint(connection)
        end = {"status": "processed", "stage": "done", "processed_at": "now"}
        # 20,000 look-ups of one and the same endpoint prove nothing and take seconds.
        connection.execute("set local session_replication_role = replica")
        make_events(connection, endpoint, 20_000, **end)
        connection.execute("set local session_replication_role = origin")
        for stage in STAGES:
            make_events(connection, endpoint, 500, stage=stage)
            make_event(connection, make_endpoint(connection), stage=stage)
        connection.execute("analyze public.webhook_events")
        try:
            yield connection
        finally:
            connection.rollback()


@pytest.fixture
def finished(busy: Connection) -> Iterator[Connection]:
    """The same for each test: what one does is undone."""
    with busy.transaction(force_rollback=True):
        yield busy


def plans(connection: Connection, function: str, **arguments: object) -> list[Node]:
    """Every node of every plan that a service RPC runs."""
    texts: list[str] = []
    connection.execute("load 'auto_explain'")
    connection.execute(
        "select set_config('auto_explain.' || name, value, true) from (values "
        "('log_nested_statements', 'on'), ('log_analyze', 'on'), ('log_timing', 'off'), "
        "('log_format', 'json'), ('log_level', 'notice'), ('log_min_duration', '0')) "
        "as settings (name, value)"
    )
    connection.add_notice_handler(lambda notice: texts.append(notice.message_primary or ""))
    call(connection, function, **arguments)
    explained = [text.partition("plan:\n")[2] for text in texts if "plan:\n" in text]
    return [node for plan in explained for node in _nodes(json.loads(plan)["Plan"])]


def forget_statistics(connection: Connection) -> None:
    """For the transaction, what PostgreSQL knows of tables is what it knows in a new project: nothing.

    What autovacuum has made of rows that other tests wrote and rolled back differs from run to run.
    """
    connection.execute(
        "with forgotten as (update pg_class set relpages = 0, reltuples = -1, relallvisible = 0"
        " where relkind in ('r', 'i') and relnamespace in ('public'::regnamespace, 'private'::regnamespace)"
        " returning oid)"
        " delete from pg_statistic where starelid in (select oid from forgotten)"
    )


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)


def scans(nodes: list[Node]) -> list[tuple[str, str]]:
    """How webhook_events is read: kind of scan and index."""
    return [
        (node["Node Type"], node.get("Index Name", ""))
        for node in nodes
        if node.get("Relation Name") == "webhook_events" and node["Node Type"] != "ModifyTable"
    ]


@pytest.mark.parametrize("stage", STAGES)
def test_a_claim_finds_due_events_through_the_index_of_unfinished_ones(
    finished: Connection, stage: str
) -> None:
    found = scans(plans(finished, f"claim_{stage}", p_limit=50, p_lease_seconds=60))

    assert ("Index Scan", "webhook_events_due_idx") in found
    assert {index for _, index in found} <= {"webhook_events_due_idx", "webhook_events_pkey"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_finish_reads_its_own_events_only(finished: Connection, stage: str) -> None:
    batch = claim(finished, stage, limit=50)
    results = [{"id": event["id"], "error": "No"} for event in batch["events"]]

    found = scans(
        plans(finished, f"finish_{stage}", p_lease_id=batch["lease_id"], p_results=results)
    )

    assert found
    assert {index for _, index in found} == {"webhook_events_pkey"}


def test_a_claim_reads_no_more_rows_than_it_looks_at_owners_and_events(
    finished: Connection,
) -> None:
    nodes = plans(finished, "claim_classify", p_limit=50, p_lease_seconds=60)

    read = sum(
        node["Actual Rows"] * node["Actual Loops"]
        for node in nodes
        if node.get("Index Name") == "webhook_events_due_idx"
    )
    assert 50 <= read < 500
