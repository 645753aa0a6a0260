from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

import migrations
import pgdelta
import postgres
from layout import Stack
from processes import StackError
from tests.running_stack import RunningStack

WIDGETS = """\
create table public.widgets (id uuid primary key, name text not null);
alter table public.widgets enable row level security;
revoke all on table public.widgets from public, anon, authenticated, service_role;
grant select on table public.widgets to authenticated;
create policy "everybody reads widgets" on public.widgets for select to authenticated using (true);
comment on table public.widgets is 'Things.';
"""
COLUMNS = """\
create table public.gadgets (id uuid primary key, name text not null, size integer);
alter table public.gadgets enable row level security;
revoke all on table public.gadgets from public, anon, authenticated, service_role;
grant select, insert (name), update (name, size) on table public.gadgets to authenticated;
create policy "everybody adds gadgets" on public.gadgets for all to authenticated using (true) with check (true);
comment on table public.gadgets is 'Other things.';
"""
COUNT = """\
create function public.count_widgets() returns bigint
language sql stable set search_path = ''
as $$ select count(*) from public.widgets $$;
revoke execute on function public.count_widgets() from public, anon, authenticated;
grant execute on function public.count_widgets() to service_role;
"""
ROWS = """\
insert into public.widgets (id, name) values ('00000000-0000-4000-8000-000000000001', '{}')
on conflict (id) do update set name = excluded.name;
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one table and one row of reference data, and no migration yet."""
    sql = tmp_path / "sql"
    sql.mkdir()
    (sql / "10_widgets.sql").write_text(WIDGETS)
    (sql / "90_reference_data.sql").write_text(ROWS.format("first"))
    monkeypatch.setattr(migrations, "SQL", sql)
    monkeypatch.setattr(migrations, "REFERENCE_DATA", sql / "90_reference_data.sql")
    monkeypatch.setattr(migrations, "MIGRATIONS", tmp_path / "migrations")
    return tmp_path


@pytest.fixture
def server(stack: RunningStack) -> Stack:
    return stack.stack


def test_sql_and_migrations_give_the_same_database_and_rows(server: Stack) -> None:
    assert migrations.drift(server) == ""


def test_supabases_advisors_have_nothing_to_say(server: Stack) -> None:
    assert migrations.advice(server) == ""


def test_the_cli_applied_every_migration(database: psycopg.Connection[dict[str, str]]) -> None:
    applied = database.execute("select version from supabase_migrations.schema_migrations")

    assert {row["version"] for row in applied} == {
        file.name.partition("_")[0] for file in migrations.migration_files()
    }


def test_the_first_migration_is_sql_as_it_stands(server: Stack, project: Path) -> None:
    (file,) = migrations.new(server, "first")

    assert WIDGETS in file.read_text()
    assert file.name.endswith("_first.sql")
    assert migrations.drift(server) == ""


def test_a_later_migration_brings_grants_and_revokes_for_both_kinds_of_project(
    server: Stack, project: Path
) -> None:
    migrations.new(server, "first")
    (project / "sql" / "20_count.sql").write_text(COUNT)

    files = migrations.new(server, "count_widgets")

    assert len(files) >= 1
    assert migrations.drift(server) == ""


def test_a_later_migration_keeps_grants_on_columns_on_both_kinds_of_project(
    server: Stack, project: Path
) -> None:
    migrations.new(server, "first")
    (project / "sql" / "20_gadgets.sql").write_text(COLUMNS)

    migrations.new(server, "gadgets")

    assert migrations.drift(server) == ""


def test_changed_reference_data_is_shipped_once(server: Stack, project: Path) -> None:
    migrations.new(server, "first")
    (project / "sql" / "90_reference_data.sql").write_text(ROWS.format("second"))

    (file,) = migrations.new(server, "rename_first")

    assert "'second'" in file.read_text()
    assert migrations.new(server, "nothing_more") == []


def test_dropping_needs_to_be_said(server: Stack, project: Path) -> None:
    migrations.new(server, "first")
    for file in (project / "sql").iterdir():
        file.write_text("")

    with pytest.raises(StackError, match="render failed"):
        migrations.new(server, "drop_widgets")
    migrations.new(server, "drop_widgets", allow_drops=True)

    assert migrations.drift(server) == ""


@pytest.mark.parametrize(
    "change",
    [
        "grant insert on public.widgets to authenticated;",
        "alter table public.widgets disable row level security;",
        "create index widgets_name_idx on public.widgets (name);",
        "alter table public.widgets add check (name <> '');",
        "comment on table public.widgets is 'Other things.';",
        'alter policy "everybody reads widgets" on public.widgets using (false);',
        "update public.widgets set name = 'other';",
    ],
)
def test_a_difference_is_found(server: Stack, project: Path, change: str) -> None:
    (file,) = migrations.new(server, "first")
    file.write_text(file.read_text() + change)

    assert migrations.drift(server, kinds=("strict",)) != ""


def test_the_advisors_would_find_a_table_without_row_level_security(
    server: Stack, project: Path
) -> None:
    (file,) = migrations.new(server, "first")
    file.write_text("create table public.open (id int primary key);")

    assert "public.open" in migrations.advice(server)


@pytest.mark.parametrize("name", ["", "Add", "add-orders", "../up", "1st"])
def test_a_migration_has_a_plain_name(server: Stack, project: Path, name: str) -> None:
    with pytest.raises(StackError, match="needs a name"):
        migrations.new(server, name)


def test_a_broken_file_is_named(server: Stack, tmp_path: Path) -> None:
    file = tmp_path / "10_broken.sql"
    file.write_text("create tabel x();")

    with (
        postgres.scratch_database(server, "broken") as url,
        pytest.raises(StackError, match=r"10_broken\.sql: syntax error"),
    ):
        pgdelta.load(url, [file])
