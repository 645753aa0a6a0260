"""Recording what became of attempts, many in one call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import orjson

from functions.dispatch.claimed import Result
from shared.database import Database
from shared.errors import DatabaseUnavailable, InvalidRequest
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

        What cannot be recorded is logged here, and delivered once more when its lease has run out.
        """
        try:
            return await self._submit(result)
        except InvalidRequest:
            # Something in a result of the group is beyond the database; the others shall not wait for it.
            return await self._alone(result)
        except DatabaseUnavailable:
            logger.error("attempted but not recorded: %s", result.id)
            return False

    async def _alone(self, result: Result) -> bool:
        for attempted in (result, _bare(result)):
            try:
                return (await self._finish([_json(attempted)]))[0]
            except InvalidRequest:
                continue
            except DatabaseUnavailable:
                break
        logger.error("attempted but not recorded: %s", result.id)
        return False

    async def _submit(self, result: Result) -> bool:
        return await self._group.submit(_json(result))

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


def _json(result: Result) -> bytes:
    return orjson.dumps(result)


def _bare(result: Result) -> Result:
    """A result without what came from outside."""
    words = result.error_message and "The attempt's details cannot be stored"
    return replace(result, error_message=words, response_headers=None, response_body=None)
