"""Migrations: pushed by the Supabase CLI, written from sql/, and proved to lead to the same database.

python migrations.py push
python migrations.py new NAME [--allow-drops]
python migrations.py check
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import psycopg

import env_file
import node
import pgdelta
import postgres
from layout import LOCAL, MIGRATIONS, ROOT, SQL, Stack, apart, open_stack
from processes import StackError

REFERENCE_DATA = SQL / "90_reference_data.sql"
Kind = Literal["strict", "generous"]
"""Of a hosted project: one that grants nothing new by itself, or one that grants everything."""

MOST_ROUNDS = 3
HEADER = "-- Written by `make migration` from sql/. Never edited once it has shipped.\n"


def migration_files() -> list[Path]:
    return sorted(MIGRATIONS.glob("*.sql"))


def sql_files() -> list[Path]:
    return sorted(SQL.glob("*.sql"))


def supabase_cli(stack: Stack, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the Supabase CLI on a database. It keeps its files in the stack's folder, not in a home."""
    address, password = apart(url)
    options = [f"--remote={address}", "--workdir", str(ROOT)]
    home = str(stack.directory / "supabase-cli")
    return subprocess.run(
        [str(node.NODE), str(node.SUPABASE), *arguments, *options],
        env=node.environment(SUPABASE_HOME=home, SUPABASE_NO_UPDATE_NOTIFIER="1", **password),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def is_pending(stack: Stack) -> bool:
    """Whether the set of applied migrations differs from the files; the CLI need not run if not."""
    with psycopg.connect(stack.database_url()) as connection:
        applied = connection.execute("select version from supabase_migrations.schema_migrations")
        versions = {version for (version,) in applied}
    return versions != {file.name.partition("_")[0] for file in migration_files()}


def push(stack: Stack) -> None:
    """Push to the stack's own database."""
    push_to(stack, stack.database_url())


def push_to(stack: Stack, url: str) -> None:
    """Push to any of the stack's databases."""
    answer = _push(stack, url)
    if answer.returncode != 0:
        raise StackError(
            f"The Supabase CLI could not push the migrations:\n{answer.stdout}\n"
            "If they were written anew since the last start, `make reset` starts over."
        )


def push_to_project(stack: Stack) -> None:
    """Push to the database that .env names, the stack's own or a hosted project's."""
    url = env_file.read(stack.env_path).get("DATABASE_URL")
    if url is None:
        raise StackError(f"{stack.env_path} names no DATABASE_URL to push to.")
    # A dry run first: it shows what is about to happen, and fails before anything has.
    for options in (("--dry-run",), ()):
        answer = _push(stack, url, *options)
        if answer.returncode != 0:
            raise StackError(f"The Supabase CLI could not push the migrations:\n{answer.stdout}")
        if options:
            print(answer.stdout.strip())
    print(f"All migrations are on {urlsplit(url).hostname}")


def _push(stack: Stack, url: str, *options: str) -> subprocess.CompletedProcess[str]:
    return supabase_cli(stack, url, "db", "push", "--yes", *options)


@contextlib.contextmanager
def _pair(stack: Stack, kind: Kind) -> Iterator[tuple[str, str]]:
    """Two databases of the same kind of project: one by the migrations, one by sql/."""
    with (
        postgres.scratch_database(stack, f"migrations_{kind}") as migrated,
        postgres.scratch_database(stack, f"sql_{kind}") as wanted,
    ):
        for url in (migrated, wanted):
            if kind == "generous":
                pgdelta.load(url, [LOCAL / "generous.sql"])
        pgdelta.load(migrated, migration_files())
        pgdelta.load(wanted, sql_files())
        yield migrated, wanted


def new(stack: Stack, name: str, *, allow_drops: bool = False) -> list[Path]:
    """Write what sql/ has and the migrations lack. The files written, none if nothing is lacking."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise StackError(
            "A migration needs a name of a-z, 0-9 and _: make migration NAME=add_orders"
        )
    MIGRATIONS.mkdir(exist_ok=True)
    if migration_files():
        scripts = _difference(stack, allow_drops=allow_drops)
    else:
        # Nothing is there to differ from: what was written by hand reads better than what a diff
        # makes of it, and keeps the order of columns.
        scripts = ["\n".join(f"-- sql/{file.name}\n{file.read_text()}" for file in sql_files())]
    now = datetime.now(UTC)
    files = []
    for seconds, script in enumerate(scripts):
        stamp = (now + timedelta(seconds=seconds)).strftime("%Y%m%d%H%M%S")
        file = MIGRATIONS / f"{stamp}_{name}.sql"
        file.write_text(f"{HEADER}\n{script.strip()}\n")
        files.append(file)
    return files


def _difference(stack: Stack, *, allow_drops: bool) -> list[str]:
    with _pair(stack, "strict") as (migrated, wanted):
        scripts = pgdelta.plan(migrated, wanted, allow_drops=allow_drops)
        _run(migrated, scripts)
        if pgdelta.shipped_rows(migrated) != pgdelta.shipped_rows(wanted):
            scripts.append(REFERENCE_DATA.read_text())
    with _pair(stack, "generous") as (migrated, wanted):
        _run(migrated, scripts)
        # Only privileges can differ now: those that such a project gave to what is new. Taking a
        # table's away takes those on its columns too, which the next round gives back.
        for _ in range(MOST_ROUNDS):
            privileges = pgdelta.plan(migrated, wanted, allow_drops=True)
            if not privileges:
                break
            _run(migrated, privileges)
            scripts += privileges
    return scripts


def _run(url: str, scripts: list[str]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for script in scripts:
            connection.execute(script.encode())


def drift(stack: Stack, kinds: tuple[Kind, ...] = ("strict", "generous")) -> str:
    """What sql/ and the migrations disagree about, as SQL and table names; empty if nothing."""
    found: list[str] = []
    for kind in kinds:
        with _pair(stack, kind) as (migrated, wanted):
            found += pgdelta.plan(migrated, wanted, allow_drops=True)
            have, want = pgdelta.shipped_rows(migrated), pgdelta.shipped_rows(wanted)
            found += [f"rows of {table}" for table in want if have.get(table) != want[table]]
    return "\n".join(found)


def advice(stack: Stack) -> str:
    """What Supabase's Security and Performance Advisors warn about; empty if nothing.

    They look at what the API's roles may do, so they are shown a project that grants generously.
    """
    with postgres.scratch_database(stack, "advised") as url:
        pgdelta.load(url, [LOCAL / "generous.sql", *migration_files()])
        answer = supabase_cli(stack, url, "db", "advisors", "--level=warn", "--fail-on=warn")
    return answer.stdout if answer.returncode != 0 else ""


def check(stack: Stack) -> None:
    if difference := drift(stack):
        raise StackError(
            f"sql/ and supabase/migrations/ give different databases:\n{difference}\n"
            "Write a migration: make migration NAME=what_changes"
        )
    if warnings := advice(stack):
        raise StackError(f"Supabase's advisors warn:\n{warnings}")
    print("sql/ and migrations give the same database; Supabase's advisors have nothing to say")


def main(arguments: list[str]) -> None:
    if arguments == ["push"]:
        push_to_project(open_stack())
        return
    with postgres.throwaway() as stack:
        match arguments:
            case ["check"]:
                check(stack)
            case ["new", name, *flags] if set(flags) <= {"--allow-drops"}:
                files = new(stack, name, allow_drops=bool(flags))
                print(
                    "\n".join(str(file.relative_to(ROOT)) for file in files) or "Nothing to migrate"
                )
            case _:
                raise StackError(str(__doc__))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except StackError as error:
        raise SystemExit(str(error)) from None
