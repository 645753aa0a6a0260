"""What holds for every table, read from the catalogue."""

from __future__ import annotations

import pytest

from tests.database.rpcs import Connection

OURS = "('public'::regnamespace, 'private'::regnamespace)"


def names(connection: Connection, query: str) -> list[str]:
    return [row["name"] for row in connection.execute(query)]


@pytest.mark.parametrize(
    "lacking",
    [
        pytest.param("not relrowsecurity", id="row level security"),
        pytest.param("obj_description(oid, 'pg_class') is null", id="a comment"),
        pytest.param(
            "not exists (select from pg_index i where i.indrelid = oid and i.indisprimary)",
            id="a primary key",
        ),
    ],
)
def test_every_table_has(hosted_database: Connection, lacking: str) -> None:
    query = f"""select relname as name from pg_class
        where relnamespace in {OURS} and relkind in ('r', 'p') and {lacking}"""  # noqa: S608
    assert names(hosted_database, query) == []


def test_every_policy_is_for_signed_in_users(hosted_database: Connection) -> None:
    query = """select policyname as name from pg_policies
        where schemaname in ('public', 'private') and roles <> '{authenticated}'"""
    assert names(hosted_database, query) == []


def test_every_policy_asks_for_the_user_once_per_statement(hosted_database: Connection) -> None:
    query = r"""select policyname as name from pg_policies
        where schemaname in ('public', 'private')
          and concat(qual, with_check) ~ '(?<!SELECT )(auth\.uid|private\.is_admin)\(\)'"""
    assert names(hosted_database, query) == []


def test_every_foreign_key_has_an_index(hosted_database: Connection) -> None:
    query = f"""select c.conname as name from pg_constraint c
        where c.contype = 'f' and c.connamespace in {OURS} and not exists (
          select from pg_index i where i.indrelid = c.conrelid
            and (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey)"""  # noqa: S608
    assert names(hosted_database, query) == []


def test_every_owner_is_indexed(hosted_database: Connection) -> None:
    query = """select t.relname as name from pg_class t
        join pg_attribute a on a.attrelid = t.oid and a.attname in ('user_id', 'created_by')
        where t.relnamespace = 'public'::regnamespace and t.relkind = 'r' and not exists (
          select from pg_index i where i.indrelid = t.oid and i.indkey[0] = a.attnum)"""
    assert names(hosted_database, query) == []


def test_every_type_is_explained_or_an_enum(hosted_database: Connection) -> None:
    query = f"""select t.typname as name from pg_type t
        left join pg_class c on c.oid = t.typrelid
        where t.typnamespace in {OURS} and t.typtype not in ('e', 'b')
          and c.relkind = 'c' and obj_description(t.oid, 'pg_type') is null"""  # noqa: S608
    assert names(hosted_database, query) == []
