"""How long things are kept: everybody is told, and an admin chooses."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.database.factories import make_admin, make_user
from tests.database.hosted_extensions import add_cron, jobs
from tests.database.rpcs import Connection, call_as

COMMAND = "select private.delete_old({})"


@pytest.fixture
def scheduled(hosted_database: Connection) -> Connection:
    """A database in which pg_cron deletes."""
    add_cron(hosted_database)
    hosted_database.execute("select private.schedule()")
    return hosted_database


def refusal(connection: Connection, days: Any, *, admin: bool) -> tuple[str | None, str | None]:
    """What somebody is told who may not choose so."""
    user_id = make_admin(connection) if admin else make_user(connection)
    with pytest.raises(psycopg.Error) as refused:
        call_as(connection, user_id, "set_retention", p_keep_days=days)
    return refused.value.sqlstate, refused.value.diag.message_detail


def test_everybody_is_told_how_long_things_are_kept(scheduled: Connection) -> None:
    assert call_as(scheduled, make_user(scheduled), "get_retention") == {"keep_days": 90}


def test_nothing_is_told_where_nothing_deletes(hosted_database: Connection) -> None:
    user_id = make_user(hosted_database)
    assert call_as(hosted_database, user_id, "get_retention") == {"keep_days": None}
    assert refusal(hosted_database, 30, admin=True) == ("PT409", "WH011")


@pytest.mark.parametrize("days", [30, 0])
def test_an_admin_chooses(scheduled: Connection, days: int) -> None:
    admin = make_admin(scheduled)
    assert call_as(scheduled, admin, "set_retention", p_keep_days=days) == {"keep_days": days}
    assert jobs(scheduled)["switchhook-retention"]["command"] == COMMAND.format(days)
    assert call_as(scheduled, admin, "get_retention") == {"keep_days": days}


def test_nobody_else_does(scheduled: Connection) -> None:
    assert refusal(scheduled, 1, admin=False) == ("PT403", "WH006")
    assert jobs(scheduled)["switchhook-retention"]["command"] == COMMAND.format(90)


@pytest.mark.parametrize("days", [-1, 3651, None])
def test_a_time_out_of_bounds_is_refused(scheduled: Connection, days: int | None) -> None:
    assert refusal(scheduled, days, admin=True) == ("PT400", "WH001")
