"""Every table, tried as anon, as another user, as the owner and as an admin, on both kinds of hosted project."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege
from psycopg.types.json import Jsonb

from tests.database.factories import insert
from tests.database.rpcs import Connection, Row, acting, one
from tests.database.tenants import (
    PRIVATE_TABLES,
    TABLES,
    Tenants,
    columns_for,
    key_columns,
    owner_column,
    this_row,
)

OPERATIONS = ["select", "insert", "update", "delete"]


def run(connection: Connection, query: sql.Composed) -> int:
    """How many rows the statement saw or touched."""
    return connection.execute(query).rowcount


def select_from(table: str, row: Row) -> sql.Composed:
    return sql.SQL("select from public.{} where {}").format(
        sql.Identifier(table), this_row(table, row)
    )


def delete_from(table: str, row: Row) -> sql.Composed:
    return sql.SQL("delete from public.{} where {}").format(
        sql.Identifier(table), this_row(table, row)
    )


def update_of(table: str, row: Row) -> sql.Composed:
    """Sets every column that users may set to what it is."""
    return sql.SQL("update public.{} set {} where {}").format(
        sql.Identifier(table),
        sql.SQL(", ").join(
            sql.SQL("{0} = {0}").format(sql.Identifier(column))
            for column in columns_for(table, "update", row)
        ),
        this_row(table, row),
    )


def copy_of(table: str, row: Row) -> sql.Composed:
    """Inserts the row once more under another key, in the name of its owner."""
    fresh: dict[str, Any] = {"id": uuid.uuid4(), "tag": "other", "role": "other"}
    values = row | {name: fresh[name] for name in key_columns(table) if name in fresh}
    return sql.SQL("insert into public.{} ({}) values ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(
            sql.Literal(Jsonb(value) if isinstance(value, dict) else value)
            for value in values.values()
        ),
    )


STATEMENTS = {
    "select": select_from,
    "insert": copy_of,
    "update": update_of,
    "delete": delete_from,
}


def test_every_table_is_tried(hosted_database: Connection) -> None:
    found = hosted_database.execute(
        "select schemaname, tablename from pg_tables where schemaname in ('public', 'private')"
    ).fetchall()

    assert {row["tablename"] for row in found if row["schemaname"] == "public"} == set(TABLES)
    private = {row["tablename"] for row in found if row["schemaname"] == "private"}
    assert private == set(PRIVATE_TABLES)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_anon_may_do_nothing(tenants: Tenants, table: str, operation: str) -> None:
    statement = STATEMENTS[operation](table, tenants.rows[table])

    with pytest.raises(InsufficientPrivilege), acting(tenants.connection, "anon"):
        run(tenants.connection, statement)


@pytest.mark.parametrize("table", TABLES)
def test_another_user_sees_no_row_of_the_owners(tenants: Tenants, table: str) -> None:
    with acting(tenants.connection, "authenticated", tenants.other):
        assert run(tenants.connection, select_from(table, tenants.rows[table])) == 0


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("operation", ["update", "delete"])
def test_another_user_changes_no_row_of_the_owners(
    tenants: Tenants, table: str, operation: str
) -> None:
    statement = STATEMENTS[operation](table, tenants.rows[table])

    if operation in TABLES[table]:
        with acting(tenants.connection, "authenticated", tenants.other):
            assert run(tenants.connection, statement) == 0
    else:
        with (
            pytest.raises(InsufficientPrivilege),
            acting(tenants.connection, "authenticated", tenants.other),
        ):
            run(tenants.connection, statement)


@pytest.mark.parametrize("table", TABLES)
def test_another_user_inserts_nothing_in_the_owners_name(tenants: Tenants, table: str) -> None:
    with (
        pytest.raises(InsufficientPrivilege),
        acting(tenants.connection, "authenticated", tenants.other),
    ):
        run(tenants.connection, copy_of(table, tenants.rows[table]))


@pytest.mark.parametrize("who", ["owner", "admin"])
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("operation", ["select", "update", "delete"])
def test_owner_and_admin_may_do_what_the_table_allows(
    tenants: Tenants, who: str, table: str, operation: str
) -> None:
    statement = STATEMENTS[operation](table, tenants.rows[table])
    user = getattr(tenants, who)

    if operation in TABLES[table]:
        with acting(tenants.connection, "authenticated", user):
            assert run(tenants.connection, statement) == 1
    else:
        with (
            pytest.raises(InsufficientPrivilege),
            acting(tenants.connection, "authenticated", user),
        ):
            run(tenants.connection, statement)


@pytest.mark.parametrize("who", ["owner", "other"])
@pytest.mark.parametrize("table", TABLES)
def test_no_row_can_be_given_away(tenants: Tenants, table: str, who: str) -> None:
    giver, taker = getattr(tenants, who), tenants.admin
    statement = sql.SQL("update public.{} set {} = {}").format(
        sql.Identifier(table), sql.Identifier(owner_column(table)), taker
    )
    query = sql.SQL("select from public.{} where {} = {}").format(
        sql.Identifier(table), sql.Identifier(owner_column(table)), taker
    )
    try:
        with acting(tenants.connection, "authenticated", giver):
            run(tenants.connection, statement)
    except InsufficientPrivilege:
        pass

    assert run(tenants.connection, query) == 0


@pytest.mark.parametrize("table", TABLES)
def test_a_token_without_a_user_sees_what_ships_and_no_more(tenants: Tenants, table: str) -> None:
    query = sql.SQL("select from public.{} where {} is not null").format(
        sql.Identifier(table), sql.Identifier(owner_column(table))
    )
    with acting(tenants.connection, "authenticated"):
        assert run(tenants.connection, query) == 0


@pytest.mark.parametrize("role", ["anon", "authenticated"])
@pytest.mark.parametrize("table", PRIVATE_TABLES)
def test_private_tables_are_closed(tenants: Tenants, table: str, role: str) -> None:
    query = sql.SQL("select from private.{}").format(sql.Identifier(table))

    with pytest.raises(InsufficientPrivilege), acting(tenants.connection, role, tenants.admin):
        run(tenants.connection, query)


def test_a_shipped_type_belongs_to_nobody(tenants: Tenants) -> None:
    change = "update public.entity_types set description = 'Mine' where user_id is null"
    removal = "delete from public.entity_types where user_id is null"

    with acting(tenants.connection, "authenticated", tenants.other):
        assert tenants.connection.execute(change).rowcount == 0
        assert tenants.connection.execute(removal).rowcount == 0


def test_nobody_ships_a_type_with_a_token_that_names_no_user(tenants: Tenants) -> None:
    columns = {"name": "lead", "description": "A lead", "target_table": "orders"}

    with pytest.raises(InsufficientPrivilege), acting(tenants.connection, "authenticated"):
        insert(tenants.connection, "public.entity_types", **columns)


def test_an_admin_is_made_by_the_databases_owner_only(tenants: Tenants) -> None:
    for role in ("anon", "authenticated", "service_role"):
        with pytest.raises(InsufficientPrivilege), acting(tenants.connection, role, tenants.other):
            insert(tenants.connection, "private.admins", user_id=tenants.other)


def test_an_admin_who_was_removed_sees_nothing_more(tenants: Tenants) -> None:
    tenants.connection.execute("delete from private.admins")

    with acting(tenants.connection, "authenticated", tenants.admin):
        seen = one(tenants.connection, "select count(*) from public.webhook_events")
    assert seen["count"] == 0
