"""RPCs called as the Data API calls them: with a role, a user's claims, and JSON as text."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from shared.errors import error_classes
from tests.running_stack import act_as

Connection = psycopg.Connection[dict[str, Any]]
Row = dict[str, Any]
Answer = TypeVar("Answer")


@contextmanager
def acting(connection: Connection, role: str, user_id: uuid.UUID | None = None) -> Iterator[None]:
    """The block runs with this role and user, in a transaction (or savepoint) of its own."""
    if not connection.autocommit:
        connection.execute("select")  # begins the transaction that the savepoint is in
    with connection.transaction():
        act_as(connection, role, user_id)
        yield
        # A released savepoint would leave both to the rest of the transaction.
        connection.execute(
            "select set_config('role', 'none', true), set_config('request.jwt.claims', '', true)"
        )


def call(connection: Connection, function: str, **arguments: object) -> Any:
    """A service RPC, called as service_role."""
    with acting(connection, "service_role"):
        return rpc(connection, function, **arguments)


def call_as(connection: Connection, user_id: uuid.UUID, function: str, **arguments: object) -> Any:
    """A user's RPC, called with that user's token."""
    with acting(connection, "authenticated", user_id):
        return rpc(connection, function, **arguments)


def rpc(connection: Connection, function: str, **arguments: object) -> Any:
    """The RPC called as whoever the connection acts for. Lists and dicts go as JSON text, as over HTTP."""
    given = {
        name: json.dumps(value, default=str) if isinstance(value, list | dict) else value
        for name, value in arguments.items()
    }
    query = sql.SQL("select public.{}({}) as answer").format(
        sql.Identifier(function),
        sql.SQL(", ").join(
            sql.SQL("{} => {}").format(sql.Identifier(name), sql.Placeholder(name))
            for name in given
        ),
    )
    return one(connection, query, given)["answer"]


@contextmanager
def refused(code: str, words: str = "") -> Iterator[None]:
    """The block is refused with this number of ours (shared/errors.py), as the Data API's callers see it."""
    with pytest.raises(psycopg.Error) as caught:
        yield
    assert words in str(caught.value.diag.message_primary)
    status = next(error.status for error in error_classes() if error.sqlstate == code)
    assert caught.value.sqlstate == f"PT{status}", caught.value
    assert caught.value.diag.message_detail == code


def one(
    connection: Connection,
    query: str | sql.Composed,
    parameters: Mapping[str, Any] | Sequence[Any] = (),
) -> Row:
    """The single row of a query."""
    (row,) = connection.execute(query, parameters).fetchall()
    return row


def at_once(url: str, times: int, act: Callable[[Connection, int], Answer]) -> list[Answer]:
    """What `act` returns on each of so many connections, all starting at the same moment."""
    barrier = threading.Barrier(times)

    def run(number: int) -> Answer:
        with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
            barrier.wait(timeout=30)
            return act(connection, number)

    with ThreadPoolExecutor(times) as threads:
        return list(threads.map(run, range(times)))


@contextmanager
def listening(url: str) -> Iterator[list[str]]:
    """What the block wakes up; the list is filled when the block is over."""
    woken: list[str] = []
    with psycopg.connect(url, autocommit=True) as listener:
        listener.add_notify_handler(lambda notify: woken.append(notify.payload))
        listener.execute("listen switchhook")
        yield woken
        # Notifications come in the order of their commits, so this one is the last.
        listener.execute("notify switchhook, 'end'")
        while "end" not in woken:
            listener.execute("select")
        woken.remove("end")
