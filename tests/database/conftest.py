"""Tests that need several connections commit, and leave nothing behind."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.database.rpcs import Connection


@pytest.fixture
def committed(hosted_database_url: str) -> Iterator[Connection]:
    """The hosted stand-in, committed at every statement. All users and what is theirs go at the end."""
    with psycopg.connect(hosted_database_url, autocommit=True, row_factory=dict_row) as connection:
        try:
            yield connection
        finally:
            connection.execute("delete from auth.users")
            connection.execute("delete from public.audit_logs")
