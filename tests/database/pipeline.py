"""Events taken through the pipeline by its RPCs, as the functions would."""

from __future__ import annotations

import uuid

from tests.database.factories import Endpoint, make_event
from tests.database.rpcs import Connection, Row, call, call_as, one

WRITTEN = [
    "entities",
    "people",
    "orders",
    "invoices",
    "tickets",
    "people_entities",
    "entity_tags",
    "entity_roles",
    "chat_messages",
    "notifications",
    "published_events",
]


def ingest(connection: Connection, *rows: Row) -> list[Row]:
    answer: list[Row] = call(connection, "ingest_events", p_events=list(rows))
    return answer


def states(answer: list[Row]) -> list[str]:
    """What became of each row of a group."""
    return [result["state"] for result in answer]


def claim(
    connection: Connection, stage: str, limit: int = 10, event_ids: list[uuid.UUID] | None = None
) -> Row:
    """A batch, leased for a minute."""
    answer: Row = call(
        connection, f"claim_{stage}", p_limit=limit, p_lease_seconds=60, p_event_ids=event_ids
    )
    return answer


def claimed_ids(batch: Row) -> set[uuid.UUID]:
    return {uuid.UUID(event["id"]) for event in batch["events"]}


def finish(connection: Connection, stage: str, lease_id: str, *results: Row) -> Row:
    answer: Row = call(connection, f"finish_{stage}", p_lease_id=lease_id, p_results=list(results))
    return answer


def work(connection: Connection, stage: str, event_id: uuid.UUID, **result: object) -> Row:
    """Claims this event, finishes it with this result, and returns what became of it."""
    batch = claim(connection, stage, event_ids=[event_id])
    assert claimed_ids(batch) == {event_id}
    answer = finish(connection, stage, batch["lease_id"], {"id": event_id, **result})
    assert answer == {"finished": [str(event_id)], "lost": []}
    return event(connection, event_id)


def classify(connection: Connection, event_id: uuid.UUID, **result: object) -> Row:
    """Classified as an order with certainty, unless told otherwise."""
    certain = {
        "entity_table": "order",
        "is_person": True,
        "confidence": 1,
        "classified_by": "embedding",
    }
    return work(connection, "classify", event_id, **certain | result)


def event(connection: Connection, event_id: uuid.UUID) -> Row:
    return one(connection, "select * from public.webhook_events where id = %s", [event_id])


def log(connection: Connection, event_id: uuid.UUID) -> list[Row]:
    """What the event's log says, oldest first."""
    return connection.execute(
        "select * from public.webhook_event_logs where webhook_event_id = %s order by processed_at",
        [event_id],
    ).fetchall()


def expire_leases(connection: Connection) -> None:
    """As if every lease had been given long ago."""
    connection.execute(
        "update public.webhook_events set leased_until = now() - interval '1 second' "
        "where lease_id is not null"
    )


def make_due(connection: Connection, event_id: uuid.UUID) -> None:
    """As if the wait before the next attempt were over."""
    connection.execute(
        "update public.webhook_events set run_after = now() where id = %s", [event_id]
    )


def prepare(connection: Connection, event_id: uuid.UUID, **result: object) -> Row:
    return work(connection, "prepare", event_id, **result)


def prepared(
    connection: Connection,
    endpoint: Endpoint,
    entity_table: str = "order",
    *,
    is_person: bool = True,
    **result: object,
) -> Row:
    """A new event, classified as told and prepared with this result."""
    event_id = make_event(
        connection, endpoint, stage="prepare", entity_table=entity_table, is_person=is_person
    )
    return prepare(connection, event_id, **result)


def action(action_type: str, config: Row, **fields: object) -> Row:
    """An action of some rule, rendered, as process_rules reports it."""
    return {
        "rule_id": str(uuid.uuid4()),
        "action_id": str(uuid.uuid4()),
        "action_type": action_type,
        "action_config": config,
        "duration_ms": 0.1,
    } | fields


def act(connection: Connection, event_id: uuid.UUID, *actions: Row) -> Row:
    """The event, claimed for its rules and finished with these actions."""
    return work(connection, "rules", event_id, actions=list(actions))


def send_again(connection: Connection, event: Row, stage: str = "prepare") -> None:
    """The event is through, and its owner sends it on its way again from this stage."""
    connection.execute(
        "update public.webhook_events set status = 'processed', stage = 'done', processed_at = now() "
        "where id = %s and status = 'pending'",
        [event["id"]],
    )
    answer = call_as(
        connection, event["user_id"], "reprocess_events", p_event_ids=[event["id"]], p_stage=stage
    )
    assert answer == {"queued": [str(event["id"])], "skipped": []}


def override(connection: Connection, user_id: uuid.UUID, event_id: uuid.UUID, **to: object) -> Row:
    wanted = {"p_entity_table": None, "p_is_person": None} | {f"p_{k}": v for k, v in to.items()}
    answer: Row = call_as(connection, user_id, "override_event", p_event_id=event_id, **wanted)
    return answer


def approve(connection: Connection, user_id: uuid.UUID, *event_ids: uuid.UUID) -> Row:
    answer: Row = call_as(connection, user_id, "approve_events", p_event_ids=list(event_ids))
    return answer


def reprocess(
    connection: Connection, user_id: uuid.UUID, *event_ids: uuid.UUID, stage: str | None = None
) -> Row:
    answer: Row = call_as(
        connection, user_id, "reprocess_events", p_event_ids=list(event_ids), p_stage=stage
    )
    return answer


def start_replay(connection: Connection, user_id: uuid.UUID, stage: str, **asked: object) -> Row:
    answer: Row = call_as(connection, user_id, "start_replay", p_replay={"stage": stage} | asked)
    return answer


def claim_replay(connection: Connection, stage: str, limit: int = 10) -> Row:
    """A batch of a replay, leased for a minute."""
    answer: Row = call(connection, "claim_replay", p_stage=stage, p_limit=limit, p_lease_seconds=60)
    return answer


def finish_replay(connection: Connection, lease_id: str, *results: Row) -> Row:
    answer: Row = call(connection, "finish_replay", p_lease_id=lease_id, p_results=list(results))
    return answer


def replay(
    connection: Connection, user_id: uuid.UUID, stage: str, *results: Row, **asked: object
) -> Row:
    """A replay of one batch, about which is decided so; what has become of it."""
    started = start_replay(connection, user_id, stage, **asked)
    batch = claim_replay(connection, stage)
    assert claimed_ids(batch) == {result["id"] for result in results}
    finish_replay(connection, batch["lease_id"], *results)
    assert claim_replay(connection, stage)["events"] == []
    return replay_row(connection, started["id"])


def replay_row(connection: Connection, replay_id: str) -> Row:
    return one(connection, "select * from public.event_replays where id = %s", [replay_id])


def differences(connection: Connection, replay_id: object) -> dict[uuid.UUID, Row]:
    """What would be different, by event."""
    rows = connection.execute(
        "select webhook_event_id, before, after from public.event_replay_differences "
        "where replay_id = %s",
        [replay_id],
    ).fetchall()
    return {row["webhook_event_id"]: row for row in rows}


def audits(connection: Connection) -> list[Row]:
    return connection.execute(
        "select user_id, actor_id, action, target_id, details from public.audit_logs"
    ).fetchall()


def overrides(connection: Connection) -> list[Row]:
    """What is remembered, oldest first."""
    return connection.execute(
        "select * from public.classification_overrides order by created_at, id"
    ).fetchall()


def written(connection: Connection) -> dict[str, list[Row]]:
    """All rows that actions write to."""
    return {
        table: connection.execute(
            f"select * from public.{table} order by 1, 2"  # noqa: S608 (a table of ours)
        ).fetchall()
        for table in WRITTEN
    }
