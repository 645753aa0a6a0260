"""Every event is found by what stands in it, a stretch at a time, and a stretch costs the same beside many."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.database.deliveries import make_webhook, publish
from tests.database.factories import (
    FAILED,
    PROCESSED,
    make_admin,
    make_endpoint,
    make_event,
    make_user,
)
from tests.database.rpcs import Connection, Row, call_as, one
from tests.database.test_functions import SEARCH

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def search(connection: Connection, user_id: uuid.UUID, text: str | None, **filters: Any) -> Row:
    given = SEARCH | {"p_text": text, "p_everybody": False} | filters
    answer: Row = call_as(connection, user_id, "search_events", **given)
    return answer


def found(
    connection: Connection, user_id: uuid.UUID, text: str | None, **filters: Any
) -> list[str]:
    ids: list[str] = search(connection, user_id, text, **filters)["ids"]
    return ids


def make_events_at(connection: Connection, endpoint: Any, *minutes_ago: int) -> list[str]:
    """Events with ids of their time, the newest first."""
    ids = []
    for minutes in sorted(minutes_ago):
        at = NOW - timedelta(minutes=minutes)
        event_id = uuid.UUID(int=(int(at.timestamp() * 1000) << 80) | uuid.uuid4().int >> 48)
        make_event(connection, endpoint, id=event_id, created_at=at, **FAILED)
        ids.append(str(event_id))
    return ids


def test_events_are_found_by_what_stands_in_them(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    ids = [
        str(make_event(hosted_database, endpoint, payload=payload, **FAILED))
        for payload in ({"note": "A Needle"}, {"note": "100%_sure"}, {"note": "hay"})
    ]
    waiting = make_event(hosted_database, endpoint, payload={"note": "needle"})
    user_id = endpoint.user_id

    assert found(hosted_database, user_id, "nEEdle") == [ids[0]]
    assert found(hosted_database, user_id, "100%_s") == [ids[1]]
    assert found(hosted_database, user_id, "0%s") == []
    assert found(hosted_database, user_id, ids[2][:30]) == [ids[2]]
    assert found(hosted_database, user_id, "order.created") == ids[::-1]
    assert found(hosted_database, user_id, None) == ids[::-1]
    assert found(hosted_database, user_id, "order", p_before=ids[1]) == [ids[0]]
    assert str(waiting) not in found(hosted_database, user_id, "needle")
    assert found(hosted_database, make_user(hosted_database), "needle", p_everybody=True) == []
    assert found(hosted_database, make_admin(hosted_database), "A Needle") == []
    everybodys = found(hosted_database, make_admin(hosted_database), "A Needle", p_everybody=True)
    assert ids[0] in everybodys


def test_each_filter_narrows(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    failed = str(make_event(hosted_database, endpoint, **FAILED))
    done = str(make_event(hosted_database, endpoint, **PROCESSED | {"entity_table": "ticket"}))
    user_id = endpoint.user_id

    assert found(hosted_database, user_id, None, p_statuses="failed") == [failed]
    assert found(hosted_database, user_id, None, p_entity_table="ticket") == [done]
    assert found(hosted_database, user_id, None, p_endpoint_id=endpoint.id) == [done, failed]
    assert found(hosted_database, user_id, None, p_endpoint_id=uuid.uuid4()) == []


def test_times_bound_what_is_found(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    ids = make_events_at(hosted_database, endpoint, 10, 20, 30)
    between = {"p_since": NOW - timedelta(minutes=20), "p_until": NOW - timedelta(minutes=10)}

    assert found(hosted_database, endpoint.user_id, None, **between) == [ids[1]]
    assert found(hosted_database, endpoint.user_id, ids[0], **between) == []


def test_a_stretch_ends_and_the_next_goes_on_until_every_event_was_looked_at(
    hosted_database: Connection,
) -> None:
    endpoint = make_endpoint(hosted_database)
    ids = make_events_at(hosted_database, endpoint, *range(25))
    told: list[Row] = []
    before = None
    while before is not None or not told:
        told.append(
            search(hosted_database, endpoint.user_id, ids[-1][-12:], p_look=10, p_before=before)
        )
        before = told[-1]["next"]

    assert [one["ids"] for one in told] == [[], [], [ids[-1]]]
    assert [one["next"] for one in told] == [ids[9], ids[19], None]
    back_to = datetime.fromisoformat(told[0]["looked_back_to"])
    assert back_to == NOW - timedelta(minutes=9)
    assert told[-1]["looked_back_to"] is None


def test_a_page_ends_with_its_last_event(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    ids = make_events_at(hosted_database, endpoint, *range(5))
    first = search(hosted_database, endpoint.user_id, "order", p_limit=3)
    assert first == {"ids": ids[:3], "next": ids[2], "looked_back_to": None}
    rest = search(hosted_database, endpoint.user_id, "order", p_limit=3, p_before=first["next"])
    assert rest == {"ids": ids[3:], "next": None, "looked_back_to": None}


def test_whose_id_is_named_is_told_at_once(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    ids = make_events_at(hosted_database, endpoint, *range(25))
    answer = search(hosted_database, endpoint.user_id, ids[-1].upper(), p_look=5)
    assert answer["ids"] == [ids[-1]]
    on = search(hosted_database, endpoint.user_id, ids[-1], p_before=answer["next"])
    assert on["ids"] == []
    assert found(hosted_database, make_user(hosted_database), ids[-1]) == []


def test_deliveries_are_found_by_status_a_stretch_at_a_time(hosted_database: Connection) -> None:
    owner = make_endpoint(hosted_database).user_id
    webhook = make_webhook(hosted_database, owner)
    published = [publish(hosted_database, owner) for _ in range(5)]
    ids = [
        str(
            one(
                hosted_database,
                "update public.webhook_deliveries set status = %s, finished_at = now()"
                " where published_event_id = %s returning id",
                ["filtered" if place == 0 else "delivered", event_id],
            )["id"]
        )
        for place, event_id in enumerate(published)
    ]
    ids.sort()
    filtered = str(
        one(
            hosted_database,
            "select id from public.webhook_deliveries where published_event_id = %s",
            [published[0]],
        )["id"]
    )

    def find(status: str, **more: Any) -> Row:
        given = {"p_before": None, "p_limit": 10, "p_look": 3} | more
        answer: Row = call_as(
            hosted_database,
            owner,
            "find_deliveries",
            p_webhook_id=webhook.id,
            p_status=status,
            **given,
        )
        return answer

    first = find("filtered")
    assert (first["ids"], first["next"]) == ([], ids[2])
    assert first["looked_back_to"] is not None
    rest = find("filtered", p_before=first["next"])
    assert rest == {"ids": [filtered], "next": None, "looked_back_to": None}
    page = find("delivered", p_limit=2)
    assert page == {"ids": ids[:2:-1], "next": ids[3], "looked_back_to": None}


def test_a_stretch_reads_no_more_than_itself(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    hosted_database.execute(
        "insert into public.webhook_events (id, endpoint_id, user_id, event_type, payload, scheme, dedupe_key)"
        " select private.time_ordered_id(), %s, %s, 'order.created', '{}', 'none', 'id:' || n"
        " from generate_series(1, 5000) n",
        [endpoint.id, endpoint.user_id],
    )
    hosted_database.execute("analyze public.webhook_events")

    def tuples_read() -> int:
        row = hosted_database.execute(
            "select coalesce(seq_tup_read + idx_tup_fetch, 0) as n"
            " from pg_stat_xact_user_tables where relname = 'webhook_events'"
        ).fetchone()
        assert row is not None
        return int(row["n"])

    before = tuples_read()
    for filters in ({}, {"p_endpoint_id": endpoint.id}, {"p_entity_table": "ticket"}):
        search(hosted_database, endpoint.user_id, "haystack", p_look=50, **filters)
    assert 150 <= tuples_read() - before < 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"p_text": ""},
        {"p_text": "x" * 201},
        {"p_limit": 101},
        {"p_limit": None},
        {"p_look": 0},
        {"p_look": 100_001},
        {"p_look": None},
    ],
)
def test_what_is_out_of_bounds_is_refused(hosted_database: Connection, wrong: Row) -> None:
    user_id = make_user(hosted_database)
    with pytest.raises(psycopg.Error) as refused:
        call_as(hosted_database, user_id, "search_events", **SEARCH | {"p_text": "x"} | wrong)
    assert refused.value.diag.message_detail == "WH001"
