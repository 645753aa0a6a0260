"""The rules of group commit, with a store that the test holds in its hand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import pytest

from shared.group_commit import WORTH_HALVING, GroupCommit


class Store:
    """Records groups; commits them when told to."""

    def __init__(self) -> None:
        self.groups: list[list[bytes]] = []
        self.may_commit = asyncio.Event()

    async def __call__(self, rows: Sequence[bytes]) -> Sequence[str]:
        self.groups.append(list(rows))
        await self.may_commit.wait()
        return [row.decode().upper() for row in rows]


def group_commit(
    store: Store, *, rows: int = 10, size: int = 1000, concurrency: int = 1, overlap: int = 1
) -> GroupCommit[str]:
    return GroupCommit(
        store, max_rows=rows, max_bytes=size, concurrency=concurrency, overlap_rows=overlap
    )


async def submitted(group: GroupCommit[str], *rows: bytes) -> list[asyncio.Task[str]]:
    tasks = [asyncio.create_task(group.submit(row)) for row in rows]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_each_request_gets_its_own_result() -> None:
    store = Store()
    store.may_commit.set()
    group = group_commit(store)
    assert await asyncio.gather(*(group.submit(row) for row in (b"a", b"b", b"c"))) == [
        "A",
        "B",
        "C",
    ]


async def test_requests_of_one_moment_share_one_call() -> None:
    store = Store()
    tasks = await submitted(group_commit(store), b"a", b"b", b"c")
    assert store.groups == [[b"a", b"b", b"c"]]
    store.may_commit.set()
    await asyncio.gather(*tasks)


async def test_what_arrives_during_a_call_goes_with_the_next() -> None:
    store = Store()
    group = group_commit(store)
    tasks = await submitted(group, b"a")
    tasks += await submitted(group, b"b")
    tasks += await submitted(group, b"c")
    assert store.groups == [[b"a"]]
    store.may_commit.set()
    assert await asyncio.gather(*tasks) == ["A", "B", "C"]
    assert store.groups == [[b"a"], [b"b", b"c"]]


async def test_nobody_is_answered_before_the_commit() -> None:
    store = Store()
    (task,) = await submitted(group_commit(store), b"a")
    assert store.groups == [[b"a"]]
    assert not task.done()
    store.may_commit.set()
    assert await task == "A"


async def test_a_group_has_no_more_rows_than_the_limit() -> None:
    store = Store()
    store.may_commit.set()
    group = group_commit(store, rows=2)
    await asyncio.gather(*(group.submit(b"x") for _ in range(5)))
    assert [len(rows) for rows in store.groups] == [2, 2, 1]


async def test_a_group_has_no_more_bytes_than_the_limit_but_a_large_row_goes_alone() -> None:
    store = Store()
    store.may_commit.set()
    group = group_commit(store, size=10)
    await asyncio.gather(
        *(group.submit(row) for row in (b"aaaa", b"bbbb", b"cccc", b"d" * 50, b"e"))
    )
    assert [list(map(len, rows)) for rows in store.groups] == [[4, 4], [4], [50], [1]]


async def test_as_many_calls_run_at_once_as_allowed() -> None:
    store = Store()
    group = group_commit(store, rows=1, concurrency=2)
    tasks = await submitted(group, b"a", b"b", b"c")
    assert store.groups == [[b"a"], [b"b"]]
    store.may_commit.set()
    await asyncio.gather(*tasks)


async def test_a_second_call_starts_only_when_enough_wait_for_it() -> None:
    store = Store()
    group = group_commit(store, concurrency=2, overlap=2)
    tasks = await submitted(group, b"a")
    tasks += await submitted(group, b"b")
    assert store.groups == [[b"a"]]
    tasks += await submitted(group, b"c")
    assert store.groups == [[b"a"], [b"b", b"c"]]
    store.may_commit.set()
    await asyncio.gather(*tasks)


async def test_of_many_rows_half_is_stored_while_the_other_half_is_answered() -> None:
    sizes: list[int] = []

    async def store(rows: Sequence[bytes]) -> Sequence[bytes]:
        sizes.append(len(rows))
        await asyncio.sleep(0)
        return rows

    group: GroupCommit[bytes] = GroupCommit(
        store, max_rows=500, max_bytes=1000, concurrency=1, overlap_rows=500
    )

    async def send_and_send_again() -> None:
        for _ in range(10):
            await group.submit(b"x")

    await asyncio.gather(*(send_and_send_again() for _ in range(64)))
    assert sizes[:10] == [32] * 10


async def test_few_rows_are_not_halved() -> None:
    store = Store()
    tasks = await submitted(group_commit(store, rows=100), *[b"x"] * WORTH_HALVING)
    assert list(map(len, store.groups)) == [WORTH_HALVING]
    store.may_commit.set()
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("error", [None, ConnectionError()])
async def test_the_next_call_is_sent_before_anybody_is_answered(error: Exception | None) -> None:
    happened: list[str] = []

    async def store(rows: Sequence[bytes]) -> Sequence[bytes]:
        await asyncio.sleep(0)  # as an HTTP client, which has a task write its request
        happened.append(f"stores {rows[0].decode()}")
        if error is not None:
            raise error
        return rows

    group: GroupCommit[bytes] = GroupCommit(
        store, max_rows=1, max_bytes=1000, concurrency=1, overlap_rows=1
    )

    async def send(row: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            await group.submit(row)
        happened.append(f"answers {row.decode()}")

    await asyncio.gather(send(b"a"), send(b"b"))
    assert happened == ["stores a", "stores b", "answers a", "answers b"]


async def test_a_failed_call_fails_its_group_and_no_other() -> None:
    async def store(rows: Sequence[bytes]) -> Sequence[str]:
        if b"bad" in rows:
            raise ConnectionError("away")
        return [row.decode() for row in rows]

    group: GroupCommit[str] = GroupCommit(
        store, max_rows=2, max_bytes=1000, concurrency=1, overlap_rows=1
    )
    results = await asyncio.gather(
        *(group.submit(row) for row in (b"bad", b"with", b"good")), return_exceptions=True
    )
    assert [type(result) for result in results] == [ConnectionError, ConnectionError, str]


async def test_a_sender_that_hangs_up_takes_nobody_along() -> None:
    store = Store()
    gone, stays = await submitted(group_commit(store), b"a", b"b")
    gone.cancel()
    store.may_commit.set()
    assert await stays == "B"
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert store.groups == [[b"a", b"b"]]


async def test_draining_waits_for_everything_submitted() -> None:
    store = Store()
    group = group_commit(store, rows=1)
    tasks = await submitted(group, b"a", b"b", b"c")
    store.may_commit.set()
    await group.drain()
    assert all(task.done() for task in tasks)
