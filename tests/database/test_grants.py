"""Who may do what, read from the catalogue: exactly what is listed here, on both kinds of hosted project."""

from __future__ import annotations

import pytest

from tests.database.rpcs import Connection
from tests.database.tenants import ALL, COLUMNS, PRIVATE_TABLES, READ, TABLES

PRIVILEGES = [
    "select",
    "insert",
    "update",
    "delete",
    "truncate",
    "references",
    "trigger",
    "maintain",
]
SERVICE = dict.fromkeys(TABLES, ALL) | {
    "audit_logs": READ,
    "classification_overrides": READ,
    "endpoint_reconciliations": READ,
    "webhook_refusals": READ | {"insert", "delete"},
}


@pytest.fixture(params=["hosted", "generous"])
def project(request: pytest.FixtureRequest) -> Connection:
    """A project that grants nothing by itself, and one that grants everything."""
    connection: Connection = request.getfixturevalue(f"{request.param}_database")
    return connection


def granted(connection: Connection, role: str, table: str) -> set[str]:
    """What the role may do with the whole table or, for insert and update, with some columns."""
    found = connection.execute(
        "select p from unnest(%(all)s::text[]) p where has_table_privilege(%(role)s, %(table)s, p) "
        "or (p in ('select', 'insert', 'update', 'references') "
        "and has_any_column_privilege(%(role)s, %(table)s, p))",
        {"all": PRIVILEGES, "role": role, "table": table},
    )
    return {row["p"] for row in found}


@pytest.mark.parametrize("schema", ["public", "private"])
@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
def test_roles_have_the_grants_that_are_listed_and_no_others(
    project: Connection, role: str, schema: str
) -> None:
    expected = {
        ("anon", "public"): dict.fromkeys(TABLES, frozenset[str]()),
        ("anon", "private"): dict.fromkeys(PRIVATE_TABLES, frozenset[str]()),
        ("authenticated", "public"): TABLES,
        ("authenticated", "private"): dict.fromkeys(PRIVATE_TABLES, frozenset[str]()),
        ("service_role", "public"): SERVICE,
        ("service_role", "private"): PRIVATE_TABLES,
    }[role, schema]

    assert {table: granted(project, role, f"{schema}.{table}") for table in expected} == expected


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("operation", ["insert", "update"])
def test_users_write_the_columns_that_are_listed(
    project: Connection, table: str, operation: str
) -> None:
    found = project.execute(
        "select attname, has_column_privilege('authenticated', attrelid, attnum, %s) as may "
        "from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped",
        [operation, f"public.{table}"],
    ).fetchall()
    writable = {row["attname"] for row in found if row["may"]}

    if operation not in TABLES[table]:
        assert writable == set()
    else:
        assert writable == COLUMNS.get((table, operation), {row["attname"] for row in found})


def test_public_holds_nothing_but_tables_functions_and_enums(project: Connection) -> None:
    relations = project.execute(
        "select relname from pg_class where relnamespace = 'public'::regnamespace "
        "and relkind not in ('r', 'i')"
    )
    assert relations.fetchall() == []


@pytest.mark.parametrize(
    ("role", "schemas"),
    [
        ("anon", {"public"}),
        ("authenticated", {"public", "private"}),
        ("service_role", {"public", "private"}),
    ],
)
def test_nobody_may_create_anything(project: Connection, role: str, schemas: set[str]) -> None:
    found = project.execute(
        "select n.name, has_schema_privilege(%(role)s, n.name, 'usage') as uses, "
        "has_schema_privilege(%(role)s, n.name, 'create') as creates "
        "from (values ('public'), ('private')) n (name)",
        {"role": role},
    ).fetchall()

    assert {row["name"] for row in found if row["uses"]} == schemas
    assert not any(row["creates"] for row in found)
