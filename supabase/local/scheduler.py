"""Wakes the workers: at once when the database says that there is work, and by a sweep if it does not.

    python scheduler.py READY_FILE

Hosted, pg_net and pg_cron do this. Here the functions' names come as notifications on the channel
`switchhook` (sql: private.wake). A lost notification costs one sweep interval, never an event.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import signal
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from shared import telemetry
from shared.logs import log_as_json

CHANNEL = "switchhook"
WORKERS = {
    "classify": "classify",
    "prepare_for_rules": "prepare-for-rules",
    "process_rules": "process-rules",
    "dispatch": "dispatch",
}
"""What a notification says, and the deployed name of the function that it means."""

CALLS = {"dispatch": 2}
"""Calls in flight at once, where not one: a call to dispatch lasts as long as the slowest receiver, and
another tells it to look again.
"""

SWEEP_SECONDS = 5.0
COUNT_SECONDS = 15.0
MIN_ALARM_SECONDS = 0.5
MAX_PAUSE_SECONDS = 30.0

logger = logging.getLogger("scheduler")


class Worker:
    """One function: few calls in flight, and one more after them if anything woke it meanwhile."""

    def __init__(self, client: httpx.AsyncClient, url: str, calls: int = 1) -> None:
        self._client = client
        self._url = url
        self._calls = calls
        self._due: asyncio.Queue[None] = asyncio.Queue(maxsize=1)
        self._alarm: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            self._due.put_nowait(None)

    async def run(self) -> None:
        """Call the function whenever it is due, until cancelled."""
        await asyncio.gather(*(self._run() for _ in range(self._calls)))

    async def _run(self) -> None:
        """Failures pause it, longer each time."""
        failures = 0
        while True:
            await self._due.get()
            if await self._call():
                failures = 0
                continue
            failures += 1
            self.wake()
            await asyncio.sleep(pause(failures))

    async def _call(self) -> bool:
        try:
            response = await self._post()
        except httpx.HTTPError as error:
            logger.warning("%s cannot be reached: %s", self._url, type(error).__name__)
            return False
        if response.is_success:
            self._set_alarm(response)
            return True
        logger.warning("%s answered %d", self._url, response.status_code)
        return False

    async def _post(self) -> httpx.Response:
        with telemetry.wake(self._url.rpartition("/")[2], self._url) as span:
            headers = telemetry.outgoing_headers()
            response = await self._client.post(self._url, json={}, headers=headers)
            span.set({"http.response.status_code": response.status_code})
            if not response.is_success:
                span.fail(str(response.status_code))
            return response

    def _set_alarm(self, response: httpx.Response) -> None:
        """Wake it when it says that there will be more to do; the sweep may come before."""
        with contextlib.suppress(ValueError, KeyError, TypeError):
            next_at = datetime.fromisoformat(response.json()["data"]["next_at"])
            wait = (next_at - datetime.now(UTC)).total_seconds()
            if self._alarm is not None:
                self._alarm.cancel()
            loop = asyncio.get_running_loop()
            self._alarm = loop.call_later(max(wait, MIN_ALARM_SECONDS), self.wake)


def pause(failures: int) -> float:
    """Seconds to wait after so many failures in a row: doubling from half a second, with jitter."""
    longest = min(MAX_PAUSE_SECONDS, 0.5 * 2.0 ** min(failures - 1, 10))
    return longest * (0.5 + random.random() / 2)  # noqa: S311 (spreads load, guards nothing)


async def sweep(workers: Iterable[Worker], seconds: float = SWEEP_SECONDS) -> None:
    """Wake every worker now and then, for what no notification told."""
    while True:
        for worker in workers:
            worker.wake()
        await asyncio.sleep(seconds)


async def listen(database_url: str, workers: dict[str, Worker], ready: Callable[[], None]) -> None:
    """Wake workers by name as the database notifies; connect again, for ever, when it goes away."""
    failures = 0
    while True:
        try:
            connection = await psycopg.AsyncConnection.connect(database_url, autocommit=True)
            async with connection:
                await connection.execute(f"listen {CHANNEL}")
                failures = 0
                ready()
                for worker in workers.values():
                    worker.wake()
                async for notification in connection.notifies():
                    if notification.payload in workers:
                        workers[notification.payload].wake()
        except psycopg.OperationalError:
            logger.warning("the database cannot be reached")
        failures += 1
        await asyncio.sleep(pause(failures))


async def count_activity(database_url: str, seconds: float = COUNT_SECONDS) -> None:
    """Have what came in and went out counted now and then, as pg_cron does hosted."""
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(
                database_url, autocommit=True
            ) as connection:
                while True:
                    await connection.execute("select private.count_activity()")
                    await asyncio.sleep(seconds)
        except psycopg.Error as error:
            logger.warning("activity cannot be counted: %s", type(error).__name__)
        await asyncio.sleep(seconds)


async def serve(
    database_url: str, functions_url: str, secret: str, ready: Callable[[], None]
) -> None:
    """Run until SIGTERM or SIGINT. Without a database URL, only the sweep wakes the workers."""
    headers = {"Authorization": f"Bearer {secret}"}
    timeout = httpx.Timeout(120, connect=5)
    # The functions are on this machine: no proxy that the environment names is asked.
    async with (
        telemetry.recording("scheduler"),
        httpx.AsyncClient(headers=headers, timeout=timeout, trust_env=False) as client,
    ):
        workers = {
            word: Worker(client, f"{functions_url}/functions/v1/{name}", CALLS.get(word, 1))
            for word, name in WORKERS.items()
        }
        jobs = [worker.run() for worker in workers.values()]
        jobs.append(sweep(workers.values()))
        if database_url:
            jobs.append(listen(database_url, workers, ready))
            jobs.append(count_activity(database_url))
        else:
            ready()
        tasks = asyncio.gather(*jobs)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, tasks.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await tasks


def main(ready: Path) -> None:
    log_as_json()
    ready.unlink(missing_ok=True)
    environment = os.environ
    asyncio.run(
        serve(
            environment.get("DATABASE_URL", ""),
            environment["FUNCTIONS_URL"],
            environment["FUNCTIONS_SECRET"],
            ready.touch,
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
