"""Group commit: requests that arrive while the database is busy share the next call to it.

Each caller waits for its own result, and gets it only after the group's transaction has committed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from shared import telemetry

Result = TypeVar("Result")


@dataclass(slots=True)
class _Waiting(Generic[Result]):
    row: bytes
    future: asyncio.Future[Result]
    submitted: Any
    """Where in which trace."""


WORTH_HALVING = 24
"""Rows below which one call for all of them is quicker than two that each go while the other's are read."""


class GroupCommit(Generic[Result]):
    """Collects rows and stores them in groups.

    No timer is involved: an idle database gets a row at once, a busy one gets what came meanwhile. Of many rows it
    gets half: while it stores them, senders get the answers to the other half and send again. With all rows
    in one group the database and this process would work in turn.

    Args:
        store: stores rows in one transaction and returns one result per row, in order.
        max_rows: rows in a group.
        max_bytes: bytes in a group; a single larger row goes alone.
        concurrency: groups under way at once.
        overlap_rows: rows that must wait before a group starts beside one under way.
    """

    def __init__(
        self,
        store: Callable[[Sequence[bytes]], Awaitable[Sequence[Result]]],
        *,
        max_rows: int,
        max_bytes: int,
        concurrency: int,
        overlap_rows: int,
    ) -> None:
        self._store = store
        self._max_rows, self._max_bytes = max_rows, max_bytes
        self._concurrency, self._overlap_rows = concurrency, overlap_rows
        self._waiting: deque[_Waiting[Result]] = deque()
        self._under_way = 0
        """Calls."""
        self._answered_rows = 0
        """In the group that was committed last: their senders may send again soon."""
        self._groups: set[asyncio.Task[None]] = set()

    async def submit(self, row: bytes) -> Result:
        """Stores a row; returns its result once it is committed. Raises what `store` raises."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(row, loop.create_future(), telemetry.here())
        self._waiting.append(waiting)
        # On the loop's next turn, so that requests read in this turn go together.
        loop.call_soon(self._start_groups)
        result: Result = await waiting.future
        return result

    async def drain(self) -> None:
        """Waits for everything submitted so far."""
        while self._waiting or self._groups:
            self._start_groups()
            await asyncio.gather(*self._groups)

    def _start_groups(self) -> None:
        while self._waiting and (not self._under_way or self._may_overlap()):
            self._under_way += 1
            task = asyncio.create_task(self._commit(self._next_group()))
            self._groups.add(task)
            task.add_done_callback(self._groups.discard)

    def _may_overlap(self) -> bool:
        """Whether another call may start beside those under way.

        Each has a price of its own, so a few rows wait; but many do not wait for a call that takes long.
        """
        return len(self._waiting) >= self._overlap_rows and self._under_way < self._concurrency

    def _next_group(self) -> list[_Waiting[Result]]:
        rows = min(self._max_rows, len(self._waiting))
        if rows > WORTH_HALVING:
            half = (len(self._waiting) + self._answered_rows + 1) // 2
            rows = min(rows, max(half, WORTH_HALVING))
        group: list[_Waiting[Result]] = []
        size = 0
        while len(group) < rows:
            size += len(self._waiting[0].row)
            if group and size > self._max_bytes:
                break
            group.append(self._waiting.popleft())
        return group

    async def _commit(self, group: list[_Waiting[Result]]) -> None:
        results: Sequence[Result] | Exception
        try:
            with telemetry.group([waiting.submitted for waiting in group]):
                results = await self._store([waiting.row for waiting in group])
        except Exception as error:  # noqa: BLE001 (each request raises it for itself)
            results = error
        finally:
            self._under_way -= 1
        self._answered_rows = len(group)
        # The next call is sent first: all that follows from these answers would keep the database waiting.
        self._start_groups()
        await asyncio.sleep(0)
        _answer(group, results)


def _answer(group: list[_Waiting[Result]], results: Sequence[Result] | Exception) -> None:
    # A request whose sender hung up no longer waits; its row is stored all the same.
    if isinstance(results, Exception):
        for waiting in group:
            if not waiting.future.done():
                waiting.future.set_exception(results)
        return
    for waiting, result in zip(group, results, strict=True):
        if not waiting.future.done():
            waiting.future.set_result(result)
