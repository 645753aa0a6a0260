"""Recording what became of attempts, many in one call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson

from functions.dispatch.claimed import Result
from shared.database import Database
from shared.errors import DatabaseUnavailable, SwitchhookError
from shared.group_commit import GroupCommit

MAX_ROWS: Final = 500
MAX_BYTES: Final = 4 * 1024 * 1024
TRIES: Final = 5

logger = logging.getLogger(__name__)


class Recorder:
    """Records results. What comes while the database is busy goes together in the next call."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._group: GroupCommit[bool] = GroupCommit(
            self._finish, max_rows=MAX_ROWS, max_bytes=MAX_BYTES, concurrency=2, overlap_rows=100
        )

    async def record(self, result: Result) -> bool:
        """Whether the delivery was still ours; its attempt is in the log either way.

        What cannot be recorded is told in our log, and delivered once more when its lease has run out.
        """
        try:
            return await self._group.submit(orjson.dumps(result))
        except SwitchhookError:
            logger.error("attempted but not recorded: %s", result.id)  # noqa: TRY400 (the error is known)
            return False

    async def _finish(self, rows: Sequence[bytes]) -> list[bool]:
        results = b"[" + b",".join(rows) + b"]"
        answer = await _patiently(
            lambda: self._database.call("finish_deliveries", p_results=results.decode())
        )
        lost = set(answer["lost"])
        return [orjson.loads(row)["id"] not in lost for row in rows] if lost else [True] * len(rows)


async def _patiently(call: Callable[[], Any]) -> Any:
    """A call that is made again, later each time, while the database is away."""
    for pause in range(1, TRIES):
        try:
            return await call()
        except DatabaseUnavailable:
            await asyncio.sleep(pause / 2)
    return await call()
