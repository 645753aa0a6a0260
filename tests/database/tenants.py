"""An owner with a row in every table, somebody else, and an admin; and what each role may do with each table."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from psycopg import sql

from tests.database.deliveries import make_webhook, publish, work_deliveries
from tests.database.factories import (
    in_review,
    insert,
    make_admin,
    make_endpoint,
    make_user,
    refusal,
)
from tests.database.pipeline import act, action, override, prepared, replay
from tests.database.rpcs import Connection, Row, call, call_as, one

READ = frozenset({"select"})
ALL = frozenset({"select", "insert", "update", "delete"})

TABLES: dict[str, frozenset[str]] = {
    "activity": READ,
    "audit_logs": READ,
    "chat_messages": ALL,
    "classification_overrides": READ | {"delete"},
    "endpoint_reconciliations": READ,
    "entities": ALL,
    "entity_automation_rules": ALL,
    "entity_roles": ALL,
    "entity_rule_actions": ALL,
    "entity_tags": ALL,
    "entity_types": ALL,
    "event_replay_differences": READ,
    "event_replays": READ | {"delete"},
    "event_types": ALL,
    "influencers": ALL,
    "invoices": ALL,
    "notifications": READ | {"update", "delete"},
    "orders": ALL,
    "people": ALL,
    "people_entities": ALL,
    "published_events": READ,
    "subscriptions": ALL,
    "tickets": ALL,
    "webhook_deliveries": READ,
    "webhook_endpoints": ALL,
    "webhook_event_logs": READ,
    "webhook_events": READ | {"delete"},
    "webhook_logs": READ,
    "webhook_refusals": READ,
    "webhooks": ALL,
}
"""Every table in public, with what a signed-in user may do with rows of their own."""

COLUMNS: dict[tuple[str, str], set[str]] = {
    ("entity_types", "insert"): {
        "name",
        "description",
        "target_table",
        "match_columns",
        "field_map",
    },
    ("event_types", "insert"): {"name", "description", "schema", "example"},
    ("notifications", "update"): {"read_at"},
    ("webhook_endpoints", "insert"): {
        "name",
        "slug",
        "description",
        "is_active",
        "scheme",
        "scheme_settings",
        "allowed_object_types",
        "default_entity_table",
        "field_maps",
        "processing_mode",
        "confidence_threshold",
        "rate_limit_per_minute",
        "dedupe_window_seconds",
    },
    ("webhooks", "insert"): {
        "name",
        "url",
        "description",
        "events",
        "active",
        "kind",
        "signature_profile",
        "signature_settings",
        "body_style",
        "slack_settings",
        "filter",
        "timeout_seconds",
        "rate_limit_per_minute",
    },
}
"""Where users may write only some columns."""
COLUMNS[("entity_types", "update")] = COLUMNS[("entity_types", "insert")]
COLUMNS[("event_types", "update")] = COLUMNS[("event_types", "insert")]
COLUMNS[("webhook_endpoints", "update")] = COLUMNS[("webhook_endpoints", "insert")]
COLUMNS[("webhooks", "update")] = COLUMNS[("webhooks", "insert")]

PRIVATE_TABLES: dict[str, frozenset[str]] = {
    "activity_progress": READ | {"insert", "update"},
    "admins": frozenset(),
    "endpoint_secrets": READ,
    "rate_limit_windows": READ | {"insert", "update"},
    "ticket_counters": frozenset(),
    "webhook_bodies": READ | {"insert"},
    "webhook_secrets": READ,
    "webhook_states": READ | {"insert", "update"},
}
"""Every table in private, with what service_role may do. Nobody else may do anything."""


@dataclass(frozen=True)
class Tenants:
    connection: Connection
    owner: uuid.UUID
    other: uuid.UUID
    admin: uuid.UUID
    rows: dict[str, Row]
    """The owner's row in each table."""


def owner_column(table: str) -> str:
    return "created_by" if table in ("webhook_endpoints", "webhooks") else "user_id"


def key_columns(table: str) -> list[str]:
    composite = {
        "activity": ["source_id", "direction", "seconds", "starts_at"],
        "entity_tags": ["entity_id", "tag"],
        "entity_roles": ["entity_id", "role"],
        "event_replay_differences": ["replay_id", "webhook_event_id"],
        "people_entities": ["person_id", "entity_id"],
    }
    return composite.get(table, ["id"])


def columns_for(table: str, operation: str, row: Row) -> list[str]:
    """Columns of a table that a user may insert or update."""
    return sorted(COLUMNS.get((table, operation), row))


def this_row(table: str, row: Row) -> sql.Composed:
    """A condition that only this row fulfils."""
    return sql.SQL(" and ").join(
        sql.SQL("{} = {}").format(sql.Identifier(column), row[column])
        for column in key_columns(table)
    )


def make_tenants(connection: Connection) -> Tenants:
    owner = make_user(connection)
    _make_rows(connection, owner)
    rows = {
        table: one(
            connection,
            sql.SQL("select * from public.{} where {} = {} order by 1 limit 1").format(
                sql.Identifier(table), sql.Identifier(owner_column(table)), owner
            ),
        )
        for table in TABLES
    }
    return Tenants(connection, owner, make_user(connection), make_admin(connection), rows)


def _make_rows(connection: Connection, owner: uuid.UUID) -> None:
    endpoint = make_endpoint(connection, owner)
    event = prepared(
        connection, endpoint, person={"email": "ada@example.com"}, fields={"external_id": "o1"}
    )
    act(
        connection,
        event["id"],
        action("tag", {"tags": ["vip"]}),
        action("assign_role", {"role": "customer"}),
        action("extract_invoice", {"fields": {"number": "R-1"}}),
        action("create_ticket", {"subject": "Help"}),
        action("store_message", {"content": "Hello"}),
        action("send_notification", {"title": "An order"}),
    )
    for table in ("influencers", "subscriptions"):
        insert(connection, f"public.{table}", user_id=owner)
    rule = {"entity_table": "order", "name": "Tag", "actions": [{"action_type": "tag"}]}
    call_as(connection, owner, "save_rule", p_rule_id=None, p_rule=rule)
    insert(
        connection,
        "public.entity_types",
        user_id=owner,
        name="lead",
        description="A lead",
        target_table="people",
    )
    replay(connection, owner, "rules", {"id": event["id"], "error": "No"})
    override(connection, owner, in_review(connection, endpoint), is_person=False)
    insert(connection, "public.event_types", user_id=owner, name="order.packed")
    make_webhook(connection, owner)
    publish(connection, owner)
    work_deliveries(connection)
    connection.execute(
        "insert into public.activity"
        " select * from private.count_events(60, '2026-01-01Z', '2100-01-01Z', %s, null, true)",
        [owner],
    )
    call(connection, "record_refusals", p_refusals=[refusal(endpoint)])
    fetched = make_endpoint(connection, owner, scheme="github")
    call_as(
        connection, owner, "reconcile_endpoint", p_endpoint_id=fetched.id, p_events=[], p_state={}
    )
