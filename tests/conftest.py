"""A stack of the tests' own: real PostgreSQL with the migrations, the real Data API and Auth.

It has its own folder, ports and .env, so that a developer's stack may run beside it. The gateway and
the scheduler run only for tests that ask for them.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

import functions_server
import pgdelta
import postgres
import stack as local_stack
from layout import LOCAL, on_free_ports, open_stack
from migrations import migration_files, push_to
from processes import stop
from tests.running_stack import RunningStack, User

Connection = psycopg.Connection[dict[str, Any]]

# A function's app.py makes its application when it is imported, out of the environment. Tests make
# their own, with the settings of the stack below; what stands here only lets the import succeed in a
# checkout without a .env, and keeps a developer's .env out of the tests.
os.environ |= {
    "ENV_FILE": os.devnull,
    "SUPABASE_URL": "http://supabase.invalid",
    "SUPABASE_PUBLISHABLE_KEY": "unused",
    "SUPABASE_SECRET_KEY": "unused",
    "FUNCTIONS_SECRET": "unused",
    "ENCRYPTION_KEYS": "unused",
}


def pytest_report_header() -> str | None:
    """Says what a machine without a browser leaves out. CI leaves nothing out, and fails there."""
    if shutil.which("chromium") is None and "CI" not in os.environ:
        return "tests/browser is left out: it needs Chromium (apt-get install chromium)"
    return None


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """Database, Data API and Auth, with the migrations applied."""
    signal.signal(signal.SIGTERM, _interrupt)  # so that what was started is also stopped then
    own = open_stack(on_free_ports(tmp_path_factory.mktemp("stack")))
    try:
        local_stack.up(own, functions=False)
        yield RunningStack.of(own)
    finally:
        local_stack.down(own)
        postgres.remove_data(own)


@pytest.fixture(scope="session")
def functions_url(stack: RunningStack) -> str:
    """The gateway with every function. Nothing wakes the workers but the test itself."""
    functions_server.ensure_gateway(stack.stack, stack.values)
    return stack.functions_url


@pytest.fixture(scope="module")
def pipeline_url(stack: RunningStack, functions_url: str) -> Iterator[str]:
    """The gateway with the scheduler: events go through all stages by themselves.

    The scheduler stops with the module, or it would take the events of other modules' tests.
    """
    functions_server.ensure_scheduler(stack.stack, stack.values)
    yield functions_url
    stop(functions_server.scheduler(stack.stack, stack.values))


@pytest.fixture
def database(stack: RunningStack) -> Iterator[Connection]:
    """The stack's database as `postgres`, who passes row level security. Commits at once."""
    with psycopg.connect(stack.database_url, autocommit=True, row_factory=dict_row) as connection:
        yield connection


@pytest.fixture(scope="session")
def new_user(stack: RunningStack) -> Callable[[], User]:
    """Signs up a fresh user with every call."""
    return stack.sign_up


@pytest.fixture(scope="session")
def hosted_database_url(stack: RunningStack) -> Iterator[str]:
    """A hosted project of today, which grants nothing by itself, after `supabase db push`.

    The local API server, which grants everything, never touches it. The URL is the superuser's.
    """
    with postgres.scratch_database(stack.stack, "hosted") as url:
        push_to(stack.stack, url)
        yield stack.stack.admin_url("hosted")


@pytest.fixture(scope="session")
def generous_database_url(stack: RunningStack) -> Iterator[str]:
    """The migrations on an older hosted project, which grants all that is new to the API's roles."""
    with postgres.scratch_database(stack.stack, "generous") as url:
        pgdelta.load(url, [LOCAL / "generous.sql", *migration_files()])
        yield stack.stack.admin_url("generous")


@pytest.fixture
def hosted_database(hosted_database_url: str) -> Iterator[Connection]:
    """A transaction on the hosted stand-in, rolled back at the end. See tests.running_stack.act_as."""
    yield from _rolled_back(hosted_database_url)


@pytest.fixture
def generous_database(generous_database_url: str) -> Iterator[Connection]:
    """A transaction on the generous stand-in, rolled back at the end."""
    yield from _rolled_back(generous_database_url)


def _rolled_back(url: str) -> Iterator[Connection]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        try:
            yield connection
        finally:
            connection.rollback()


@pytest.fixture
def project_root() -> Path:
    return Path(__file__).resolve().parents[1]
