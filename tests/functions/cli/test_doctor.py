"""Broken set-ups, each named with its remedy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.fernet import Fernet
from psycopg.rows import dict_row
from typing_extensions import override

import postgres
from functions.cli.doctor import examine, own_migrations, utc_now
from functions.cli.findings import Finding
from functions.cli.settings import CliSettings
from migrations import push_to
from processes import free_port
from shared.encryption import SecretBox
from shared.version import VERSION
from tests.database.deliveries import make_webhook, publish
from tests.database.factories import insert, make_endpoint, make_event
from tests.database.hosted_extensions import SECRET, add_cron, add_net
from tests.database.rpcs import Connection
from tests.running_stack import RunningStack
from tests.serving import serving


def settings_of(stack: RunningStack, **changes: str) -> CliSettings:
    values = {name.lower(): value for name, value in stack.values.items()} | changes
    return CliSettings.model_validate(
        {name: value for name, value in values.items() if name in CliSettings.model_fields}
    )


@pytest.fixture
def settings(stack: RunningStack, functions_url: str) -> CliSettings:
    """A set-up in which everything runs, and nothing waits that other tests left behind."""
    with psycopg.connect(stack.stack.database_url()) as connection:
        connection.execute("delete from public.webhook_events")
        connection.execute("delete from public.webhooks")
    return settings_of(stack, functions_url=functions_url)


@pytest.fixture
def hosted(stack: RunningStack) -> Iterator[tuple[Connection, str]]:
    """A database with the schema and hosted projects' extensions, scheduled, with a URL of the superuser's."""
    with postgres.scratch_database(stack.stack, "doctored") as url:
        push_to(stack.stack, url)
        admin = stack.stack.admin_url("doctored")
        with psycopg.connect(admin, autocommit=True, row_factory=dict_row) as connection:
            add_cron(connection)
            add_net(connection)
            connection.execute("select private.schedule()")
            yield connection, admin


def changed(settings: CliSettings, **changes: str) -> CliSettings:
    return CliSettings.model_validate(settings.model_dump() | changes)


async def wrong(settings: CliSettings, **options: Any) -> dict[str, Finding]:
    """What has to be mended, by check. Each says how."""
    found = {f.check: f for f in await examine(settings, **options) if f.level == "error"}
    assert all(finding.remedy for finding in found.values())
    return found


async def test_nothing_is_wrong_with_a_stack_that_runs(settings: CliSettings) -> None:
    assert await wrong(settings) == {}


async def test_nothing_is_wrong_with_a_hosted_database(
    settings: CliSettings, hosted: tuple[Connection, str]
) -> None:
    found = await examine(changed(settings, database_url=hosted[1], functions_secret=SECRET))

    levels = {finding.check: finding.level for finding in found}
    assert {levels[check] for check in ("schema", "sweeps", "calls", "waiting")} == {"ok"}


async def test_a_missing_address_is_named(settings: CliSettings) -> None:
    found = await wrong(changed(settings, supabase_url=""))

    assert "SUPABASE_URL is not set" in found["supabase"].says
    assert ".env" in found["supabase"].remedy


async def test_a_project_that_does_not_answer_is_named(settings: CliSettings) -> None:
    found = await wrong(changed(settings, supabase_url=f"http://127.0.0.1:{free_port()}"))

    assert "does not answer" in found["supabase"].says
    assert "make up" in found["supabase"].remedy


async def test_a_wrong_publishable_key_is_named(settings: CliSettings) -> None:
    found = await wrong(changed(settings, supabase_publishable_key="sb_publishable_other"))

    assert found.keys() == {"publishable-key"}
    assert "API keys" in found["publishable-key"].remedy


async def test_a_publishable_key_in_place_of_the_secret_one_is_named(
    settings: CliSettings,
) -> None:
    publishable = settings.supabase_publishable_key.get_secret_value()

    found = await wrong(changed(settings, supabase_secret_key=publishable))

    assert found.keys() == {"secret-key"}
    assert "sb_secret_" in found["secret-key"].remedy


@pytest.mark.parametrize("keys", ["", "no-key"])
async def test_keys_that_are_none_are_named(settings: CliSettings, keys: str) -> None:
    found = await wrong(changed(settings, encryption_keys=keys))

    assert "Fernet" in found["encryption-keys"].remedy


async def test_keys_that_do_not_fit_what_is_stored_are_named(
    settings: CliSettings, database: Connection
) -> None:
    box = SecretBox.from_setting(settings.encryption_keys.get_secret_value())
    endpoint = make_endpoint(database)
    ciphertext = box.encrypt("secret")
    insert(database, "private.endpoint_secrets", endpoint_id=endpoint.id, ciphertext=ciphertext)

    found = await wrong(changed(settings, encryption_keys=Fernet.generate_key().decode()))

    assert found.keys() == {"stored-secrets"}
    assert "ENCRYPTION_KEYS" in found["stored-secrets"].remedy


async def test_functions_that_are_away_are_named(settings: CliSettings) -> None:
    found = await wrong(changed(settings, functions_url=f"http://127.0.0.1:{free_port()}"))

    assert found.keys() == {"functions"}
    assert "FUNCTIONS_URL" in found["functions"].remedy


@contextmanager
def functions_of_which(away: str, database: str = "reachable") -> Iterator[str]:
    """The address of functions, of which one hangs up on whoever asks."""

    class Handler(BaseHTTPRequestHandler):
        @override
        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

        def do_POST(self) -> None:
            if f"/{away}" in self.path:
                self.close_connection = True
                return
            content = json.dumps({"data": {"version": VERSION, "database": database}}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            self.do_POST()

    with serving(Handler) as url:
        yield url


async def test_one_function_that_is_away_is_named(settings: CliSettings) -> None:
    with functions_of_which("dispatch") as url:
        found = await wrong(changed(settings, functions_url=url))

    assert found.keys() == {"function dispatch", "functions-secret"}
    assert "Deploy it" in found["function dispatch"].remedy
    assert "function dispatch" in found["functions-secret"].remedy


async def test_a_console_that_is_away_is_no_failure(settings: CliSettings) -> None:
    with functions_of_which("console") as url:
        found = await examine(changed(settings, functions_url=url))

    levels = {finding.check: finding.level for finding in found}
    assert levels["function console"] == "warning"
    assert "error" not in levels.values()


async def test_a_console_that_runs_is_healthy(settings: CliSettings) -> None:
    found = {finding.check: finding for finding in await examine(settings)}

    assert found["function console"].level == "ok"


async def test_functions_that_do_not_reach_the_database_are_named(settings: CliSettings) -> None:
    with functions_of_which("none", database="unreachable") as url:
        found = await wrong(changed(settings, functions_url=url))

    assert "function ingest" in found
    assert "SUPABASE_URL" in found["function ingest"].remedy


async def test_another_functions_secret_is_named(settings: CliSettings) -> None:
    found = await wrong(changed(settings, functions_secret="other"))

    assert found.keys() == {"functions-secret"}
    assert "same" in found["functions-secret"].remedy


async def test_a_wrong_password_of_the_database_is_named(
    settings: CliSettings, stack: RunningStack
) -> None:
    url = stack.database_url.replace(stack.stack.secrets.database_password, "wrong")

    found = await wrong(changed(settings, database_url=url))

    assert found.keys() == {"database"}
    assert "password" in found["database"].remedy


async def test_a_missing_migration_is_named(
    settings: CliSettings, hosted: tuple[Connection, str]
) -> None:
    connection, url = hosted
    newest = own_migrations()[-1]
    connection.execute(
        "delete from supabase_migrations.schema_migrations where version = %s", [newest]
    )

    found = await wrong(changed(settings, database_url=url, functions_secret=SECRET))

    assert newest in found["schema"].says
    assert "make push" in found["schema"].remedy


async def test_a_database_without_the_schema_is_named(
    settings: CliSettings, stack: RunningStack
) -> None:
    with postgres.scratch_database(stack.stack, "empty") as url:
        found = await wrong(changed(settings, database_url=url))

    assert found.keys() == {"schema"}
    assert "make push" in found["schema"].remedy


async def test_clocks_that_are_apart_are_named(settings: CliSettings) -> None:
    found = await wrong(settings, now=lambda: utc_now() + timedelta(minutes=10))

    assert found.keys() == {"clock"}
    assert "NTP" in found["clock"].remedy


async def test_jobs_that_are_not_scheduled_are_named(
    settings: CliSettings, hosted: tuple[Connection, str]
) -> None:
    connection, url = hosted
    connection.execute("delete from cron.job where jobname = 'switchhook-sweep'")

    found = await wrong(changed(settings, database_url=url))

    assert "private.schedule()" in found["sweeps"].remedy


@pytest.mark.parametrize("name", ["switchhook_functions_url", "switchhook_functions_secret"])
async def test_what_vault_lacks_is_named(
    settings: CliSettings, hosted: tuple[Connection, str], name: str
) -> None:
    connection, url = hosted
    connection.execute("delete from vault.secrets where name = %s", [name])

    found = await wrong(changed(settings, database_url=url))

    assert "Vault" in found["calls"].says
    assert name in found["calls"].remedy


async def test_another_secret_in_vault_is_named(
    settings: CliSettings, hosted: tuple[Connection, str]
) -> None:
    found = await wrong(changed(settings, database_url=hosted[1]))

    assert "another secret" in found["calls"].says
    assert "switchhook_functions_secret" in found["calls"].remedy


async def test_work_that_nobody_does_is_named(
    settings: CliSettings, hosted: tuple[Connection, str]
) -> None:
    connection, url = hosted
    make_event(connection, make_endpoint(connection), run_after="2026-01-01")
    publish(connection, make_webhook(connection).user_id)
    connection.execute("update public.webhook_deliveries set run_after = '2026-01-01'")

    found = await wrong(changed(settings, database_url=url))

    assert "1 in classify" in found["waiting"].says
    assert "1 in dispatch" in found["waiting"].says
    assert "see sweeps, calls" in found["waiting"].remedy


async def test_looking_changes_nothing(
    settings: CliSettings, hosted: tuple[Connection, str]
) -> None:
    connection, url = hosted
    make_event(connection, make_endpoint(connection))
    before = connection.execute("select * from public.webhook_events").fetchall()

    await examine(changed(settings, database_url=url))

    assert connection.execute("select * from public.webhook_events").fetchall() == before
    assert connection.execute("select from net.http_request_queue").fetchall() == []


def run(stack: RunningStack, project_root: Path, *arguments: str, **changes: str) -> Any:
    return subprocess.run(
        [sys.executable, "-m", "functions.cli", *arguments],
        cwd=project_root,
        env={**os.environ, **stack.values, **changes},
        capture_output=True,
        text=True,
        check=False,
    )


def test_programs_get_json(stack: RunningStack, functions_url: str, project_root: Path) -> None:
    answer = run(stack, project_root, "doctor", "--json")

    assert answer.returncode == 0, answer.stdout
    findings = json.loads(answer.stdout)
    assert {finding["check"] for finding in findings} >= {"supabase", "clock", "function api"}
    assert not [
        value for value in stack.values.values() if "sb_" in value and value in answer.stdout
    ]


def test_people_get_a_remedy_and_scripts_a_status(
    stack: RunningStack, functions_url: str, project_root: Path
) -> None:
    answer = run(stack, project_root, "doctor", FUNCTIONS_SECRET="other")

    assert answer.returncode == 1
    assert "error functions-secret" in answer.stdout
    assert "→ Let FUNCTIONS_SECRET be the same" in answer.stdout
