"""What workers do when nothing is due: they decide anew about events of the past that somebody asked about.

A replay (sql/68_replays.sql) goes by batches. The worker's own `decide` decides, so that what is listed is
what would happen; the database compares, and is the only one that changes anything.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import orjson

from shared.database import Database
from shared.errors import InvalidRequest
from shared.settings import WorkerSettings


async def replay_batch(
    database: Database,
    stage: str,
    decide: Callable[[dict[str, Any]], list[dict[str, Any]]],
    settings: WorkerSettings,
) -> int:
    """Works on one batch of one replay of a stage; how many events that were, 0 if no replay is due."""
    batch = await database.call(
        "claim_replay",
        p_stage=stage,
        p_limit=settings.worker_batch_size,
        p_lease_seconds=settings.worker_lease_seconds,
    )
    if not batch["events"]:
        return 0
    results = await asyncio.to_thread(decide, batch)
    try:
        await _finish(database, batch["lease_id"], results)
    except InvalidRequest:
        # Something in one of the results is beyond the database. The rest of the range shall not wait for it.
        unknown = [
            {"id": event["id"], "error": "The outcome cannot be compared"}
            for event in batch["events"]
        ]
        await _finish(database, batch["lease_id"], unknown)
    return len(batch["events"])


async def _finish(database: Database, lease_id: str, results: list[dict[str, Any]]) -> None:
    await database.call("finish_replay", p_lease_id=lease_id, p_results=as_json(results))


def as_json(results: list[dict[str, Any]]) -> str:
    """Results of a batch, as an RPC takes them."""
    try:
        return orjson.dumps(results).decode()
    except TypeError:
        # Integers beyond 64 bits, which orjson does not write; slower, and rare.
        return json.dumps(results)
