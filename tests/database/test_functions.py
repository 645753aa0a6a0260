"""Every function, tried as anon, as a user and as the service: exactly the listed ones may be called."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from tests.database.deliveries import make_webhook, publish, work_deliveries
from tests.database.factories import (
    FAILED,
    in_review,
    make_admin,
    make_endpoint,
    make_event,
    make_user,
)
from tests.database.rpcs import Connection, Row, acting, call_as
from tests.running_stack import RunningStack, User

USER_RPCS = {
    "approve_events",
    "create_webhook",
    "create_webhook_endpoint",
    "find_deliveries",
    "get_action_problems",
    "get_event_trace",
    "get_events_for_rules",
    "get_field_problems",
    "get_endpoint_activity",
    "get_navigation",
    "get_overview",
    "get_retention",
    "get_webhook_activity",
    "get_webhook_health",
    "get_webhook_stats",
    "lend_endpoint_secret",
    "override_event",
    "publish_event",
    "reconcile_endpoint",
    "recover_webhook",
    "replay_event",
    "reprocess_events",
    "retry_delivery",
    "rotate_endpoint_secret",
    "rotate_webhook_secret",
    "save_rule",
    "start_replay",
    "search_events",
    "set_retention",
    "test_webhook",
    "update_webhook",
    "update_webhook_endpoint",
}
SERVICE_RPCS = {
    "claim_classify",
    "claim_deliveries",
    "claim_prepare",
    "claim_replay",
    "claim_rules",
    "finish_classify",
    "finish_deliveries",
    "finish_prepare",
    "finish_replay",
    "finish_rules",
    "get_ingest_endpoint",
    "ingest_events",
    "record_refusals",
}
RPCS_FOR_BOTH = {"publish_event"}
PRIVATE_FOR_USERS = {
    "action_problem",
    "activity_between",
    "activity_series",
    "approve_events",
    "are_event_patterns",
    "as_uuids",
    "body_facts",
    "count_attempts",
    "count_events",
    "counted_until",
    "entity_type",
    "field_problem",
    "first_id_at",
    "is_admin",
    "is_deliverable",
    "is_event_name",
    "lend_endpoint_secret",
    "may_pass",
    "no_such_field",
    "override_event",
    "owns",
    "piece_of",
    "publish_event",
    "readable",
    "records",
    "require_window",
    "queue_depth",
    "reconcile_endpoint",
    "recover_webhook",
    "replay_event",
    "reprocess_events",
    "retention",
    "retry_delivery",
    "rotate_webhook_secret",
    "rules_batch",
    "set_retention",
    "start_replay",
    "store_endpoint_secret",
    "store_webhook_secrets",
    "streak",
    "target_of",
    "target_problem",
    "test_webhook",
    "trace_deliveries",
    "trace_finding",
    "trace_label",
    "trace_outgoing",
    "trace_rules",
    "trace_step",
    "writable_columns",
}
"""What policies, triggers and the users' RPCs call in the user's name."""
PRIVATE_NOT_FOR_THE_SERVICE = {
    "approve_events",
    "body_facts",
    "lend_endpoint_secret",
    "override_event",
    "reconcile_endpoint",
    "recover_webhook",
    "replay_event",
    "reprocess_events",
    "retention",
    "retry_delivery",
    "rotate_webhook_secret",
    "set_retention",
    "start_replay",
    "schedule",
    "store_webhook_secrets",
    "test_webhook",
    "track_table",
}
TRIGGERS = {
    "add_webhook_state",
    "check_entity_type",
    "check_field_maps",
    "complete_ticket",
    "publish_rows",
    "register_entity",
    "settle_webhook",
    "touch_updated_at",
    "unregister_entity",
}
DEFINERS = {
    "add_webhook_state",
    "approve_events",
    "body_facts",
    "call_function",
    "complete_ticket",
    "counted_until",
    "is_admin",
    "lend_endpoint_secret",
    "override_event",
    "publish_event",
    "publish_rows",
    "reconcile_endpoint",
    "recover_webhook",
    "replay_event",
    "reprocess_events",
    "retention",
    "retry_delivery",
    "rotate_webhook_secret",
    "set_retention",
    "settle_webhook",
    "start_replay",
    "store_endpoint_secret",
    "store_webhook_secrets",
    "test_webhook",
}
"""What runs with its owner's rights. The reason stands beside each in sql/."""


@pytest.fixture(params=["hosted", "generous"])
def project(request: pytest.FixtureRequest) -> Connection:
    """A project that grants nothing by itself, and one that grants everything."""
    connection: Connection = request.getfixturevalue(f"{request.param}_database")
    return connection


def functions(connection: Connection, schema: str) -> list[Row]:
    return connection.execute(
        "select p.oid, p.proname as name, p.prosecdef as definer, p.proconfig as settings, "
        "p.prorettype = 'trigger'::regtype as is_trigger, obj_description(p.oid, 'pg_proc') as words, "
        "array(select format_type(t, null) from unnest(p.proargtypes) t) as types "
        "from pg_proc p where p.pronamespace = %s::regnamespace order by p.proname",
        [schema],
    ).fetchall()


def callable_by(connection: Connection, role: str, schema: str) -> set[str]:
    return {
        str(found["name"])
        for found in functions(connection, schema)
        if connection.execute(
            "select has_function_privilege(%s, %s::oid, 'execute') as may", [role, found["oid"]]
        ).fetchall()[0]["may"]
    }


def call_with_nothing(connection: Connection, schema: str, found: Row) -> None:
    """The function called with a null for every argument."""
    nulls = sql.SQL(", ").join(sql.SQL("null::{}").format(sql.SQL(kind)) for kind in found["types"])
    query = sql.SQL("select {}({})").format(sql.Identifier(schema, found["name"]), nulls)
    connection.execute(query)


def test_the_api_has_the_rpcs_that_are_listed(hosted_database: Connection) -> None:
    found = [found["name"] for found in functions(hosted_database, "public")]

    assert sorted(found) == sorted(USER_RPCS | SERVICE_RPCS)


@pytest.mark.parametrize("schema", ["public", "private"])
def test_anon_may_call_nothing(project: Connection, schema: str) -> None:
    assert callable_by(project, "anon", schema) == set()


def test_users_may_call_their_rpcs_and_what_these_stand_on(project: Connection) -> None:
    assert callable_by(project, "authenticated", "public") == USER_RPCS
    assert callable_by(project, "authenticated", "private") == PRIVATE_FOR_USERS


def test_the_service_may_call_its_rpcs_and_what_these_stand_on(
    hosted_database: Connection,
) -> None:
    private = {found["name"] for found in functions(hosted_database, "private")}

    assert callable_by(hosted_database, "service_role", "public") == SERVICE_RPCS | RPCS_FOR_BOTH
    assert callable_by(hosted_database, "service_role", "private") == (
        private - TRIGGERS - PRIVATE_NOT_FOR_THE_SERVICE
    )


@pytest.mark.parametrize(
    ("role", "schema"),
    [(r, s) for r in ("anon", "authenticated", "service_role") for s in ("public", "private")],
)
def test_a_call_that_is_not_allowed_is_refused_before_anything_else(
    project: Connection, role: str, schema: str
) -> None:
    allowed = callable_by(project, role, schema)
    closed = [f for f in functions(project, schema) if f["name"] not in allowed]
    for found in closed:
        if found["is_trigger"]:
            continue  # cannot be called at all
        with pytest.raises(InsufficientPrivilege), acting(project, role, uuid.uuid4()):
            call_with_nothing(project, schema, found)


BY_INDEX = {"enable_seqscan=off", "enable_hashjoin=off", "enable_mergejoin=off"}
"""What the RPCs for whole batches set besides; sql/README.md, "Plans"."""
PLANNED_ANEW = {"plan_cache_mode=force_custom_plan"}
"""What those set besides that read a stretch of an index whose bounds may be left open."""


@pytest.mark.parametrize("schema", ["public", "private"])
def test_every_function_is_explained_and_has_no_search_path(
    hosted_database: Connection, schema: str
) -> None:
    found = functions(hosted_database, schema)

    assert [f["name"] for f in found if not f["words"]] == []
    assert [
        f["name"]
        for f in found
        if set(f["settings"]) - BY_INDEX - PLANNED_ANEW != {'search_path=""'}
    ] == []


def test_only_listed_functions_run_with_their_owners_rights(hosted_database: Connection) -> None:
    assert [f["name"] for f in functions(hosted_database, "public") if f["definer"]] == []
    private = {f["name"] for f in functions(hosted_database, "private") if f["definer"]}
    assert private == DEFINERS


def test_every_function_with_its_owners_rights_says_why(project_root: Path) -> None:
    text = "".join(file.read_text() for file in sorted((project_root / "sql").glob("*.sql")))
    heads = re.findall(
        r"((?:^--[^\n]*\n)*)^create function \w+\.(\w+)(.*?)as \$\$", text, re.MULTILINE | re.DOTALL
    )

    said = {name: words for words, name, head in heads if "security definer" in head}
    assert set(said) == DEFINERS
    assert [name for name, words in said.items() if "-- Security definer:" not in words] == []


@dataclass(frozen=True)
class Target:
    """What an owner has that their RPCs can name."""

    owner: uuid.UUID
    review: uuid.UUID
    failed: uuid.UUID
    endpoint: uuid.UUID
    fetched: uuid.UUID
    rule: str
    webhook: uuid.UUID
    delivery: uuid.UUID
    published: uuid.UUID


SEARCH: Row = {
    "p_statuses": "processed,failed",
    "p_endpoint_id": None,
    "p_entity_table": None,
    "p_since": None,
    "p_until": None,
    "p_before": None,
    "p_everybody": True,
    "p_limit": 10,
    "p_look": 1000,
}

ARGUMENTS: dict[str, Callable[[Target], Row]] = {
    "approve_events": lambda target: {"p_event_ids": [target.review]},
    "override_event": lambda target: {
        "p_event_id": target.review,
        "p_entity_table": "invoice",
        "p_is_person": None,
    },
    "get_action_problems": lambda target: {
        "p_event_ids": f'["{target.failed}"]',
        "p_action_types": '["set_field"]',
        "p_configs": '[{"field": "user_id"}]',
    },
    "get_event_trace": lambda target: {"p_event_id": target.failed},
    "get_events_for_rules": lambda target: {
        "p_user_id": target.owner,
        "p_entity_table": "order",
        "p_event_id": target.failed,
        "p_limit": 1,
    },
    "get_field_problems": lambda target: {
        "p_event_ids": f'["{target.failed}"]',
        "p_configs": '[{"field": "user_id"}]',
    },
    "get_endpoint_activity": lambda target: {
        "p_endpoint_ids": [target.endpoint],
        "p_since": "2026-01-01T00:00:00Z",
    },
    "find_deliveries": lambda target: {
        "p_webhook_id": target.webhook,
        "p_status": "failed",
        "p_before": None,
        "p_limit": 10,
        "p_look": 10,
    },
    "get_webhook_activity": lambda target: {
        "p_webhook_id": target.webhook,
        "p_seconds": 60,
        "p_until": "2026-01-02T00:00:00Z",
        "p_points": 60,
    },
    "get_webhook_health": lambda target: {
        "p_webhook_ids": [target.webhook],
        "p_since": "2026-01-01T00:00:00Z",
    },
    "get_webhook_stats": lambda target: {
        "p_webhook_id": target.webhook,
        "p_since": "2026-01-01T00:00:00Z",
        "p_until": "2026-01-02T00:00:00Z",
        "p_points": 2,
    },
    "lend_endpoint_secret": lambda target: {
        "p_endpoint_id": target.endpoint,
        "p_secret_ciphertext": "cipher",
    },
    "reconcile_endpoint": lambda target: {
        "p_endpoint_id": target.fetched,
        "p_events": "[]",
        "p_state": "{}",
    },
    "recover_webhook": lambda target: {
        "p_webhook_id": target.webhook,
        "p_since": "2026-01-01T00:00:00Z",
    },
    "replay_event": lambda target: {"p_event_id": target.published},
    "reprocess_events": lambda target: {"p_event_ids": [target.failed]},
    "retry_delivery": lambda target: {"p_delivery_id": target.delivery},
    "rotate_endpoint_secret": lambda target: {
        "p_endpoint_id": target.endpoint,
        "p_secret_ciphertext": "cipher",
        "p_overlap_seconds": 0,
    },
    "rotate_webhook_secret": lambda target: {
        "p_webhook_id": target.webhook,
        "p_secret_ciphertext": "cipher",
        "p_overlap_seconds": 0,
    },
    "save_rule": lambda target: {
        "p_rule_id": target.rule,
        "p_rule": {"entity_table": "order", "name": "Changed", "actions": []},
    },
    "start_replay": lambda target: {
        "p_replay": {"stage": "rules", "endpoint_id": str(target.endpoint)}
    },
    "search_events": lambda target: SEARCH | {"p_text": str(target.failed)},
    "test_webhook": lambda target: {"p_webhook_id": target.webhook},
    "update_webhook": lambda target: {
        "p_webhook_id": target.webhook,
        "p_changes": {"name": "Changed"},
        "p_secrets": {"signing": "cipher"},
    },
    "update_webhook_endpoint": lambda target: {
        "p_endpoint_id": target.endpoint,
        "p_scheme": "none",
        "p_changes": {"name": "Changed"},
        "p_secret_ciphertext": None,
    },
}


def make_target(connection: Connection) -> Target:
    endpoint = make_endpoint(connection)
    rule = {"entity_table": "order", "name": "Rule", "actions": []}
    saved = call_as(connection, endpoint.user_id, "save_rule", p_rule_id=None, p_rule=rule)
    webhook = make_webhook(connection, endpoint.user_id)
    published = publish(connection, endpoint.user_id)
    (delivery,) = work_deliveries(connection, state="failed")
    return Target(
        owner=endpoint.user_id,
        review=in_review(connection, endpoint),
        failed=make_event(connection, endpoint, **FAILED),
        endpoint=endpoint.id,
        fetched=make_endpoint(connection, endpoint.user_id, scheme="github").id,
        rule=saved["id"],
        webhook=webhook.id,
        delivery=delivery["id"],
        published=published,
    )


def reaches(connection: Connection, user_id: uuid.UUID, name: str, target: Target) -> bool:
    """Whether this user's call finds what it names."""
    try:
        answer = call_as(connection, user_id, name, **ARGUMENTS[name](target))
    except psycopg.Error as error:
        assert error.diag.message_detail == "WH007"  # noqa: PT017 (any other error is a failure)
        return False
    if isinstance(answer, list):
        return (
            any(answer) or name == "reconcile_endpoint"
        )  # which answers for each event it is given
    return bool(answer.get("ids", True)) and not answer.get("skipped")


def test_every_rpc_that_names_something_is_tried() -> None:
    # What is created is the caller's; whom one may publish for is told in test_publish.py, what is
    # counted for whom in test_overview.py, and who says how long things are kept in test_retention.py.
    assert set(ARGUMENTS) == USER_RPCS - {
        "create_webhook",
        "create_webhook_endpoint",
        "get_navigation",
        "get_overview",
        "get_retention",
        "publish_event",
        "set_retention",
    }


@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_rpc_reaches_what_is_the_callers_and_everything_for_an_admin(
    project: Connection, name: str
) -> None:
    target = make_target(project)
    assert not reaches(project, make_user(project), name, target)

    for user_id in (target.owner, make_admin(project)):
        with project.transaction(force_rollback=True):
            assert reaches(project, user_id, name, target)


SERVICE_ARGUMENTS: dict[str, dict[str, object]] = {
    **{
        f"claim_{s}": {"p_limit": 1, "p_lease_seconds": 1} for s in ("classify", "prepare", "rules")
    },
    **{
        f"finish_{stage}": {"p_lease_id": str(uuid.uuid4()), "p_results": "[]"}
        for stage in ("classify", "prepare", "rules")
    },
    "claim_replay": {"p_stage": "rules", "p_limit": 1, "p_lease_seconds": 1},
    "finish_replay": {"p_lease_id": str(uuid.uuid4()), "p_results": "[]"},
    "claim_deliveries": {"p_limit": 1, "p_per_webhook": 1, "p_lease_seconds": 1},
    "finish_deliveries": {"p_results": "[]"},
    "get_ingest_endpoint": {"p_slug": "nowhere"},
    "ingest_events": {"p_events": "[]"},
    "record_refusals": {"p_refusals": "[]"},
}


@pytest.mark.parametrize("name", sorted(SERVICE_RPCS))
def test_the_running_api_keeps_service_rpcs_for_the_service(
    stack: RunningStack, new_user: Callable[[], User], name: str
) -> None:
    def status(headers: dict[str, str]) -> int:
        url = f"{stack.api_url}/rest/v1/rpc/{name}"
        return httpx.post(url, headers=headers, json=SERVICE_ARGUMENTS[name]).status_code

    assert status(stack.headers()) in {401, 403}
    assert status(stack.headers(new_user())) == 403
    assert status(stack.service_headers()) == 200
