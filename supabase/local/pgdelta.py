"""What differs between two databases, as SQL: Supabase's `pgdelta`, and the rows that ship with us.

`sql/` says what the schema is, `supabase/migrations/` how a database gets there. Both are compared on
two kinds of hosted project, because defaults decide what a migration has to say: projects that grant
nothing by themselves need every grant, those that grant everything need every revoke by name.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from psycopg import sql
from psycopg.rows import scalar_row

import node
from layout import apart
from processes import StackError

Rows = dict[str, list[str]]


def load(url: str, files: Iterable[Path]) -> None:
    """Run SQL files, each as one transaction, in the order given."""
    with psycopg.connect(url, autocommit=True) as connection:
        for file in files:
            try:
                connection.execute(file.read_bytes())
            except psycopg.Error as error:
                raise StackError(f"{file.name}: {error}") from None


def _pgdelta(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    answer = subprocess.run(
        [str(node.NODE), str(node.PGDELTA), *arguments],
        env=node.environment(**environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        raise StackError(f"pgdelta {arguments[0]} failed:\n{answer.stdout}{answer.stderr}")
    return answer


def plan(source: str, desired: str, *, allow_drops: bool) -> list[str]:
    """The SQL that turns `source` into `desired`: a list of scripts, each a migration of its own.

    There is more than one only where PostgreSQL cannot do it all in one transaction. Without
    `allow_drops`, a StackError says what would be dropped or revoked.
    """
    with TemporaryDirectory() as folder:
        plan_file, base = Path(folder) / "plan.json", Path(folder) / "out.sql"
        (source, password), (desired, _) = apart(source), apart(desired)  # one server, one password
        ends = ("--source", source, "--desired", desired)
        options = ("--renames", "off", "--strict-coverage", "--out", str(plan_file))
        _pgdelta("plan", *ends, *options, **password)
        if not json.loads(plan_file.read_text())["actions"]:
            return []
        render = ["render", "--plan", str(plan_file), "--out", str(base)]
        if allow_drops:
            render.append("--allow-drops")
        answer = _pgdelta(*render)
        written = json.loads(answer.stdout.strip().splitlines()[-1])
        return [Path(entry["path"]).read_text() for entry in written["files"]]


def shipped_rows(url: str) -> Rows:
    """Every row of a database that nobody has used yet, without what differs from run to run."""
    with psycopg.connect(url, row_factory=scalar_row) as connection:
        tables = connection.execute(
            """select format('%I.%I', schemaname, tablename) from pg_catalog.pg_tables
               where schemaname in ('public', 'private') order by 1"""
        ).fetchall()
        return {table: _rows(connection, table) for table in tables}


def _rows(connection: psycopg.Connection[object], table: str) -> list[str]:
    query = sql.SQL(
        "select (to_jsonb(t) - array['created_at', 'updated_at'])::text from {} t order by 1"
    ).format(sql.Identifier(*table.split(".")))
    return [str(row) for row in connection.execute(query)]
