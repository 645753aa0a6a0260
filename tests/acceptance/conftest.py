"""Workers for tests that kill them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.acceptance.workers import StartWorkers, Workers
from tests.running_stack import RunningStack


@pytest.fixture
def workers(stack: RunningStack) -> Iterator[StartWorkers]:
    """Small batches and short leases make many moments at which a kill hurts."""
    started: list[Workers] = []

    def start(functions: str, kills: int, **settings: str) -> Workers:
        group = Workers(functions, kills, os.environ | dict(stack.values) | settings)
        started.append(group)
        group.wait_until_started()
        return group

    yield start
    for group in started:
        group.end()
