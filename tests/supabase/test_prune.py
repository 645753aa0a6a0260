from __future__ import annotations

import os
import subprocess
import sys
import uuid

import pytest

import prune
from layout import LOCAL
from tests.database.factories import PROCESSED, make_endpoint, make_event
from tests.database.rpcs import Connection
from tests.running_stack import RunningStack

OLD_ID = uuid.UUID("018cc251-f400-7000-8000-000000000000")  # made on 1 January 2024
LONG_AGO = "2024-01-01"


def run(stack: RunningStack, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(LOCAL / "prune.py"), *arguments],
        env={**os.environ, **stack.values, "SWITCHHOOK_STACK_DIR": str(stack.stack.directory)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_is_long_finished_is_deleted_and_counted(
    stack: RunningStack, database: Connection
) -> None:
    finished = PROCESSED | {"processed_at": LONG_AGO}
    make_event(database, make_endpoint(database), id=OLD_ID, **finished)

    answer = run(stack, "365")

    assert "Deleted 1 events and 0 published events" in answer.stdout, answer.stderr
    query = "select from public.webhook_events where id = %s"
    assert database.execute(query, [OLD_ID]).fetchall() == []


def test_batches_go_on_until_nothing_is_left(stack: RunningStack, database: Connection) -> None:
    endpoint = make_endpoint(database)
    finished = PROCESSED | {"processed_at": LONG_AGO}
    for number in range(1, 1003):
        make_event(database, endpoint, id=uuid.UUID(int=OLD_ID.int + number), **finished)

    assert prune.prune(stack.database_url, 365) == {"events": 1002, "published_events": 0}


@pytest.mark.parametrize("days", ["", "0", "-1", "all"])
def test_without_a_number_of_days_nothing_is_deleted(stack: RunningStack, days: str) -> None:
    answer = run(stack, days)

    assert answer.returncode == 1
    assert "DAYS=90" in answer.stderr
