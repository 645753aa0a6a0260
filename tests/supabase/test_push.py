from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

import migrations
import postgres
from layout import Stack, open_stack
from processes import StackError
from tests.running_stack import RunningStack


def stack_with(folder: Path, content: str) -> Stack:
    """A stack whose .env says this."""
    (folder / ".env").write_text(content)
    return open_stack(
        {"SWITCHHOOK_STACK_DIR": str(folder / "stack"), "ENV_FILE": str(folder / ".env")}
    )


def test_a_push_brings_the_named_database_up_to_date(
    stack: RunningStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with postgres.scratch_database(stack.stack, "pushed") as url:
        project = stack_with(tmp_path, f"DATABASE_URL={url}\n")

        migrations.push_to_project(project)
        migrations.push_to_project(project)

        with psycopg.connect(url) as connection:
            query = "select version from supabase_migrations.schema_migrations"
            versions = {version for (version,) in connection.execute(query)}
    assert versions == {file.name.partition("_")[0] for file in migrations.migration_files()}
    assert "127.0.0.1" in capsys.readouterr().out


def test_a_push_first_shows_what_it_is_about_to_do(
    stack: RunningStack,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, ...]] = []
    cli = migrations.supabase_cli

    def noted(*arguments: Any) -> Any:
        asked.append(arguments[2:])
        return cli(*arguments)

    monkeypatch.setattr(migrations, "supabase_cli", noted)
    with postgres.scratch_database(stack.stack, "pushed_dry") as url:
        migrations.push_to_project(stack_with(tmp_path, f"DATABASE_URL={url}\n"))

    assert ["--dry-run" in arguments for arguments in asked] == [True, False]
    shown = capsys.readouterr().out
    assert all(file.name in shown for file in migrations.migration_files())
    assert "warn" not in shown.lower()


def test_a_push_without_an_address_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="names no DATABASE_URL"):
        migrations.push_to_project(stack_with(tmp_path, "SUPABASE_URL=https://a.supabase.co\n"))


def test_a_push_that_fails_says_what_the_cli_said(tmp_path: Path) -> None:
    nowhere = "DATABASE_URL=postgresql://postgres:secret@127.0.0.1:9/postgres\n"

    with pytest.raises(StackError, match="could not push") as failure:
        migrations.push_to_project(stack_with(tmp_path, nowhere))

    assert "secret" not in str(failure.value)
