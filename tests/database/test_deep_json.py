"""What an owner writes into rows of their own, however deep or large, never spoils a batch for others."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from tests.database.factories import insert, make_endpoint, make_user
from tests.database.pipeline import claim, prepared
from tests.database.rpcs import Connection


def nested(depth: int) -> dict[str, Any]:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return {"deep": value}


@pytest.mark.parametrize("table", ["people", "orders"])
def test_a_row_that_is_nested_too_deep_is_claimed_without_what_is_nested(
    hosted_database: Connection, table: str
) -> None:
    endpoint = make_endpoint(hosted_database)
    person, fields = {"email": "ada@example.com"}, {"external_id": "o1"}
    prepared(hosted_database, endpoint, person=person, fields=fields)
    hosted_database.execute(
        f"update public.{table} set metadata = %s",  # noqa: S608
        [json.dumps(nested(500))],
    )
    (given,) = claim(hosted_database, "rules")["events"]
    row = given["person"] if table == "people" else given["entity"]
    assert "metadata" not in row
    assert row["id"] is not None
    assert row["created_at"] is not None


def test_a_row_that_is_too_large_is_claimed_as_its_id(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    prepared(hosted_database, endpoint, fields={"external_id": "o1"})
    hosted_database.execute(
        "update public.orders set metadata = %s", [json.dumps({"text": "x" * 2_000_000})]
    )
    (given,) = claim(hosted_database, "rules")["events"]
    assert set(given["entity"]) == {"id"}


@pytest.mark.parametrize("column", ["scheme_settings", "field_maps"])
def test_settings_of_an_endpoint_are_shallow(hosted_database: Connection, column: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="shallow"):
        make_endpoint(hosted_database, None, **{column: nested(10)})


def test_a_field_map_is_shallow(hosted_database: Connection) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="shallow"):
        insert(
            hosted_database,
            "public.entity_types",
            user_id=make_user(hosted_database),
            name="gadget",
            description="Gadgets",
            target_table="orders",
            field_map={"metadata": nested(10)},
        )


@pytest.mark.parametrize("config", [nested(10), {"title": "x" * 70_000}])
def test_an_actions_config_is_small_and_shallow(
    hosted_database: Connection, config: dict[str, Any]
) -> None:
    user_id = make_user(hosted_database)
    rule = insert(
        hosted_database,
        "public.entity_automation_rules",
        user_id=user_id,
        entity_table="order",
        name="Rule",
    )
    with pytest.raises(psycopg.errors.CheckViolation, match="small_shallow"):
        insert(
            hosted_database,
            "public.entity_rule_actions",
            user_id=user_id,
            rule_id=rule["id"],
            position=1,
            action_type="tag",
            action_config=config,
        )
