from __future__ import annotations

import os
import signal
import socket
import stat
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import psycopg
import pytest

import api_server
import env_file
import postgres
import stack as local_stack
from layout import Stack, apart, on_free_ports, open_stack
from processes import StackError, running_pid, started_at, stop
from tests.running_stack import RunningStack


@pytest.fixture(scope="module")
def server() -> Iterator[Stack]:
    """A database server alone, for tests that break it."""
    with postgres.throwaway() as own:
        yield own


def pids(stack: Stack) -> list[int | None]:
    return [running_pid(service) for service in local_stack.services(stack)]


def test_a_fresh_users_token_is_accepted_by_the_data_api(stack: RunningStack) -> None:
    user = stack.sign_up()
    url = f"{stack.api_url}/rest/v1/people?select=id"

    assert httpx.get(url, headers=stack.headers(user)).json() == []
    forged = {**stack.headers(), "Authorization": f"Bearer {user.token[:-4]}AAAA"}
    assert httpx.get(url, headers=forged).status_code == 401


def test_a_request_without_a_key_is_refused(stack: RunningStack) -> None:
    assert httpx.get(f"{stack.api_url}/rest/v1/people").status_code == 401


def test_a_second_start_changes_nothing_and_is_quick(stack: RunningStack) -> None:
    before = pids(stack.stack)
    began = time.monotonic()

    local_stack.up(stack.stack, functions=False)

    assert time.monotonic() - began < 5
    assert pids(stack.stack) == before


def test_commits_are_durable(stack: RunningStack) -> None:
    with psycopg.connect(stack.database_url) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert connection.execute(f"show {setting}").fetchone() == ("on",)


def test_the_roles_are_those_of_a_hosted_project(server: Stack) -> None:
    query = """select rolname, rolsuper, rolbypassrls, rolcanlogin from pg_roles
               where rolname !~ '^pg_' order by rolname"""
    with psycopg.connect(server.database_url()) as connection:
        assert connection.execute(query).fetchall() == [
            ("anon", False, False, False),
            ("authenticated", False, False, False),
            ("authenticator", False, False, True),
            ("postgres", False, True, True),
            ("service_role", False, True, False),
            ("supabase_admin", True, True, True),
        ]


def test_a_wrong_password_is_refused(server: Stack) -> None:
    url = server.database_url().replace(server.secrets.database_password, "postgres")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url)


@pytest.mark.parametrize(
    ("url", "address", "environment"),
    [
        ("postgresql://me:p%40ss@db:1/x?a=b", "postgresql://me@db:1/x?a=b", {"PGPASSWORD": "p@ss"}),
        ("postgresql://me:a@[::1]:1/x", "postgresql://me@[::1]:1/x", {"PGPASSWORD": "a"}),
        ("postgresql://me@db/x", "postgresql://me@db/x", {}),
    ],
)
def test_a_password_is_kept_out_of_command_lines(
    url: str, address: str, environment: dict[str, str]
) -> None:
    assert apart(url) == (address, environment)


def test_a_killed_server_starts_again_with_its_data(server: Stack) -> None:
    with psycopg.connect(server.database_url()) as connection:
        connection.execute("create table kept (id int)")
        connection.execute("insert into kept values (1)")
    pid = running_pid(postgres.service(server))
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while started_at(pid) is not None:
        time.sleep(0.01)

    assert postgres.ensure_running(server)

    with psycopg.connect(server.database_url()) as connection:
        assert connection.execute("select id from kept").fetchall() == [(1,)]


def test_a_lock_left_by_a_dead_server_whose_pid_lives_on_does_not_stop_a_start(
    server: Stack,
) -> None:
    stop(postgres.service(server))
    data = postgres.data_folder(server)
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n")

    assert postgres.ensure_running(server)


def test_a_reset_drops_the_data_and_keeps_the_keys(tmp_path: Path) -> None:
    own = open_stack(on_free_ports(tmp_path))
    try:
        local_stack.up(own, functions=False)
        before = env_file.read(own.env_path)
        RunningStack.of(own).sign_up()

        local_stack.reset(own, functions=False)

        assert env_file.read(own.env_path) == before
        with psycopg.connect(own.database_url()) as connection:
            assert connection.execute("select count(*) from auth.users").fetchone() == (0,)
        assert local_stack.down(own)
        assert not any(pids(own))
        assert not local_stack.down(own)
    finally:
        local_stack.down(own)
        postgres.remove_data(own)


def test_a_proxy_in_the_environment_is_not_asked_about_this_machine(
    stack: RunningStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)

    assert api_server.answers(stack.api_url, stack.publishable_key)
    assert not api_server.answers(stack.api_url, "sb_publishable_wrong")


def test_a_pid_file_that_names_another_program_is_stale(server: Stack) -> None:
    service = replace(postgres.service(server), name="imposter")
    service.pid_file.write_text(f"{os.getpid()} 1\n")

    assert running_pid(service) is None
    assert stop(service) is False
    assert not service.pid_file.exists()


def test_a_port_in_use_is_named_with_the_setting_that_changes_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        own = open_stack(on_free_ports(tmp_path) | {"SWITCHHOOK_POSTGRES_PORT": str(port)})
        with pytest.raises(StackError, match=rf"{port} .*\n?.*SWITCHHOOK_POSTGRES_PORT="):
            postgres.ensure_running(own)


def test_a_server_that_cannot_start_shows_the_end_of_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = open_stack(on_free_ports(tmp_path))
    monkeypatch.setitem(postgres.SETTINGS, "shared_buffers", "nonsense")
    try:
        with pytest.raises(StackError, match=r"invalid value for parameter .shared_buffers."):
            postgres.ensure_running(own)
    finally:
        postgres.remove_data(own)


def test_env_gets_everything_that_is_missing_and_is_private(stack: RunningStack) -> None:
    assert set(env_file.read(stack.stack.env_path)) == {
        "SUPABASE_URL",
        "SUPABASE_PUBLISHABLE_KEY",
        "SUPABASE_SECRET_KEY",
        "DATABASE_URL",
        "FUNCTIONS_URL",
        "FUNCTIONS_SECRET",
        "ENCRYPTION_KEYS",
        "DEMO_EMAIL",
        "DEMO_PASSWORD",
    }
    assert stat.S_IMODE(stack.stack.env_path.stat().st_mode) == 0o600


def test_logs_hold_no_key(stack: RunningStack) -> None:
    logs = "".join(path.read_text() for path in stack.stack.directory.glob("*.log"))

    assert "ready to accept connections" in logs
    assert stack.secret_key not in logs
    assert stack.stack.secrets.jwt_secret not in logs


def env(tmp_path: Path, content: str) -> Stack:
    environment = on_free_ports(tmp_path)
    Path(environment["ENV_FILE"]).write_text(content)
    return open_stack(environment)


def test_what_a_person_wrote_into_env_stays(tmp_path: Path) -> None:
    own = env(tmp_path, "# mine\nDEMO_EMAIL=me@example.com\nOTHER=1\n")

    local_stack.complete_env(own)

    lines = own.env_path.read_text().splitlines()
    assert lines[:3] == ["# mine", "DEMO_EMAIL=me@example.com", "OTHER=1"]
    assert env_file.read(own.env_path)["SUPABASE_URL"] == own.api_url


def test_other_ports_are_written_into_env(tmp_path: Path) -> None:
    environment = on_free_ports(tmp_path)
    local_stack.complete_env(open_stack(environment))
    moved = open_stack(environment | {"SWITCHHOOK_API_PORT": "50001"})

    local_stack.complete_env(moved)

    remembered = {name: environment[name] for name in ("SWITCHHOOK_STACK_DIR", "ENV_FILE")}
    assert open_stack(remembered).api_port == 50001
    assert open_stack(remembered).postgres_port == int(environment["SWITCHHOOK_POSTGRES_PORT"])


HOSTED = """\
SUPABASE_URL=https://project.supabase.co
SUPABASE_PUBLISHABLE_KEY=sb_publishable_x
SUPABASE_SECRET_KEY=sb_secret_x
"""
CLI_STACK = """\
SUPABASE_URL=http://127.0.0.1:54321
SUPABASE_PUBLISHABLE_KEY=sb_publishable_x
SUPABASE_SECRET_KEY=sb_secret_x
DATABASE_URL=postgresql://postgres:postgres@127.0.0.1:54322/postgres
"""


@pytest.mark.parametrize("content", [HOSTED, CLI_STACK], ids=["hosted", "supabase-cli"])
def test_a_project_of_the_users_own_is_left_alone(tmp_path: Path, content: str) -> None:
    own = env(tmp_path, content)

    values = local_stack.complete_env(own)

    assert not own.is_own(values)
    assert own.env_path.read_text().startswith(content)
    assert {"FUNCTIONS_URL", "FUNCTIONS_SECRET", "ENCRYPTION_KEYS"} <= set(values)


def test_a_project_without_its_key_is_refused(tmp_path: Path) -> None:
    own = env(tmp_path, "SUPABASE_URL=https://project.supabase.co\n")

    with pytest.raises(StackError, match="SUPABASE_PUBLISHABLE_KEY"):
        local_stack.complete_env(own)


def test_a_project_that_does_not_answer_is_named(tmp_path: Path) -> None:
    own = env(tmp_path, HOSTED.replace("https://project.supabase.co", "http://127.0.0.1:9"))

    with pytest.raises(StackError, match=r"http://127\.0\.0\.1:9.*does not answer"):
        local_stack.up(own)
    assert not any(pids(own))


def test_env_still_fits_after_the_stacks_folder_was_removed(tmp_path: Path) -> None:
    environment = on_free_ports(tmp_path)
    before = local_stack.complete_env(open_stack(environment))
    Path(environment["SWITCHHOOK_STACK_DIR"]).rename(tmp_path / "removed")

    again = open_stack(environment)

    assert again.is_own(before)
    assert again.database_url() == before["DATABASE_URL"]


def test_a_stack_whose_folder_was_removed_starts_over(tmp_path: Path) -> None:
    environment = on_free_ports(tmp_path)
    first = open_stack(environment)
    try:
        postgres.ensure_running(first)
        stop(postgres.service(first))
        Path(environment["SWITCHHOOK_STACK_DIR"]).rename(tmp_path / "removed")

        assert postgres.ensure_running(open_stack(environment))
    finally:
        stop(postgres.service(open_stack(environment)))
        postgres.remove_data(first)


def test_a_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = on_free_ports(tmp_path)
    open_stack(environment)
    monkeypatch.setattr(os, "geteuid", lambda: 4321)

    with pytest.raises(StackError, match="belongs to another user"):
        open_stack(environment)


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1"])
def test_a_setting_that_is_no_port_is_refused(tmp_path: Path, port: str) -> None:
    with pytest.raises(StackError, match=f"SWITCHHOOK_API_PORT={port} is not a port"):
        open_stack(on_free_ports(tmp_path) | {"SWITCHHOOK_API_PORT": port})
