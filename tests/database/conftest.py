"""One connection for all tests, each in a transaction of its own; and one that commits, for tests that need several."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.database.rpcs import Connection
from tests.database.tenants import Tenants, make_tenants


@pytest.fixture(scope="session")
def hosted_connection(hosted_database_url: str) -> Iterator[Connection]:
    """A new session would have to plan every function anew."""
    with psycopg.connect(
        hosted_database_url, row_factory=dict_row, prepare_threshold=None
    ) as connection:
        yield connection


@pytest.fixture
def hosted_database(hosted_connection: Connection) -> Iterator[Connection]:
    """A transaction on the hosted stand-in, rolled back at the end."""
    try:
        yield hosted_connection
    finally:
        hosted_connection.rollback()


@pytest.fixture
def committed(hosted_database_url: str) -> Iterator[Connection]:
    """The hosted stand-in, committed at every statement. All users and what is theirs go at the end."""
    with psycopg.connect(hosted_database_url, autocommit=True, row_factory=dict_row) as connection:
        try:
            yield connection
        finally:
            connection.execute("delete from auth.users")
            connection.execute("delete from public.audit_logs")


@pytest.fixture(scope="module", params=["hosted", "generous"])
def populated(request: pytest.FixtureRequest) -> Iterator[Tenants]:
    """On a project that grants nothing by itself, and on one that grants everything."""
    url: str = request.getfixturevalue(f"{request.param}_database_url")
    with psycopg.connect(url, row_factory=dict_row) as connection:
        try:
            yield make_tenants(connection)
        finally:
            connection.rollback()


@pytest.fixture
def tenants(populated: Tenants) -> Iterator[Tenants]:
    """The same for each test: what one does is undone."""
    with populated.connection.transaction(force_rollback=True):
        yield populated
