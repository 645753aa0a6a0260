from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest

import scheduler
from layout import LOCAL
from tests.running_stack import RunningStack
from tests.shared.telemetry.collector import collecting

CLASSIFY, RULES = "/functions/v1/classify", "/functions/v1/process-rules"
DISPATCH = "/functions/v1/dispatch"


class Functions:
    """A real HTTP server in the functions' place, which notes who calls it and how."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.in_flight: Counter[str] = Counter()
        self.most_at_once = 0
        self.authorizations: set[str | None] = set()
        self.traceparents: set[str | None] = set()
        self.bodies: set[bytes] = set()
        self.statuses: dict[str, list[int]] = {}
        self.seconds = 0.0
        self.answer: dict[str, Any] = {}
        self._lock = threading.Lock()
        noted = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                noted.take(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["content-length"]))
        with self._lock:
            self.calls[handler.path] += 1
            self.in_flight[handler.path] += 1
            self.most_at_once = max(self.most_at_once, self.in_flight[handler.path])
            self.authorizations.add(handler.headers["authorization"])
            self.traceparents.add(handler.headers["traceparent"])
            self.bodies.add(body)
            statuses = self.statuses.get(handler.path)
            status = statuses.pop(0) if statuses else 200
        time.sleep(self.seconds)
        with self._lock:
            self.in_flight[handler.path] -= 1
        answer = json.dumps({"data": self.answer}).encode()
        handler.send_response(status)
        handler.send_header("content-length", str(len(answer)))
        handler.end_headers()
        handler.wfile.write(answer)


@pytest.fixture
def functions() -> Iterator[Functions]:
    functions = Functions()
    thread = threading.Thread(target=functions.server.serve_forever, args=(0.01,))
    thread.start()
    yield functions
    functions.server.shutdown()
    functions.server.server_close()
    thread.join()


@pytest.fixture
def running(
    stack: RunningStack, functions: Functions, tmp_path: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """The real scheduler as a process, listening, its first sweep done."""
    ready = tmp_path / "ready"
    with subprocess.Popen(
        [sys.executable, str(LOCAL / "scheduler.py"), str(ready)],
        env=os.environ | dict(stack.values) | {"FUNCTIONS_URL": functions.url},
    ) as process:
        try:
            wait_for(ready.exists)
            wait_for(
                lambda: len(functions.calls) == len(scheduler.WORKERS) and not +functions.in_flight
            )
            yield process
        finally:
            process.kill()


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def notify(database: psycopg.Connection[Any], payload: str) -> None:
    database.execute("select pg_notify('switchhook', %s)", [payload])


def test_a_notification_wakes_its_function_at_once(
    running: object, functions: Functions, database: psycopg.Connection[Any], stack: RunningStack
) -> None:
    before = functions.calls[RULES]

    notify(database, "process_rules")

    wait_for(lambda: functions.calls[RULES] > before, seconds=2)
    assert functions.authorizations == {f"Bearer {stack.functions_secret}"}
    assert functions.bodies == {b"{}"}


def test_a_burst_makes_one_call_at_a_time_and_at_least_one_after_the_last(
    running: object, functions: Functions, database: psycopg.Connection[Any]
) -> None:
    functions.seconds = 0.3
    before = functions.calls[CLASSIFY]
    for _ in range(100):
        notify(database, "classify")

    wait_for(lambda: functions.calls[CLASSIFY] >= before + 2)
    time.sleep(0.7)

    assert functions.most_at_once == 1
    assert functions.calls[CLASSIFY] <= before + 4


def test_dispatch_is_told_to_look_again_while_it_is_at_work(
    running: object, functions: Functions, database: psycopg.Connection[Any]
) -> None:
    functions.seconds = 3
    notify(database, "dispatch")
    wait_for(lambda: functions.in_flight[DISPATCH] == 1)

    notify(database, "dispatch")

    wait_for(lambda: functions.in_flight[DISPATCH] == 2, seconds=2.9)


def test_a_function_is_called_when_it_said_that_there_would_be_more(
    running: object, functions: Functions, database: psycopg.Connection[Any]
) -> None:
    def soon_and_called() -> tuple[datetime, datetime]:
        soon = datetime.now(UTC) + timedelta(seconds=0.7)
        functions.answer = {"next_at": soon.isoformat()}
        asked = functions.calls[DISPATCH]
        notify(database, "dispatch")
        wait_for(lambda: functions.calls[DISPATCH] > asked and not functions.in_flight[DISPATCH])
        functions.answer = {}
        before = functions.calls[DISPATCH]
        wait_for(lambda: functions.calls[DISPATCH] > before, seconds=2)
        return soon, datetime.now(UTC)

    swept = functions.calls[CLASSIFY]
    soon, called = soon_and_called()
    time.sleep(1)
    if functions.calls[CLASSIFY] > swept:
        # The sweep came first, and leaves the second try alone.
        soon, called = soon_and_called()
    assert called >= soon


def test_an_unknown_notification_is_ignored(
    running: subprocess.Popen[bytes], functions: Functions, database: psycopg.Connection[Any]
) -> None:
    notify(database, "something-else")
    before = functions.calls[CLASSIFY]
    notify(database, "classify")

    wait_for(lambda: functions.calls[CLASSIFY] > before)
    assert running.poll() is None


def test_a_function_that_fails_is_called_again(
    running: object, functions: Functions, database: psycopg.Connection[Any]
) -> None:
    functions.statuses = {CLASSIFY: [503, 500]}
    before = functions.calls[CLASSIFY]

    notify(database, "classify")

    wait_for(lambda: functions.calls[CLASSIFY] >= before + 3, seconds=4)


def test_it_listens_again_after_its_connection_was_cut(
    running: object,
    functions: Functions,
    database: psycopg.Connection[Any],
    stack: RunningStack,
) -> None:
    listening = "select pid from pg_stat_activity where query = 'listen switchhook'"
    first = {row["pid"] for row in database.execute(listening)}
    with psycopg.connect(stack.stack.admin_url(), autocommit=True) as admin:
        for pid in first:
            admin.execute("select pg_terminate_backend(%s)", [pid])

    def listens_again() -> bool:
        return bool({row["pid"] for row in database.execute(listening)} - first)

    wait_for(listens_again)
    before = functions.calls[RULES]
    notify(database, "process_rules")
    wait_for(lambda: functions.calls[RULES] > before, seconds=2)


def test_it_has_activity_counted(
    running: subprocess.Popen[bytes], database: psycopg.Connection[Any]
) -> None:
    database.execute("update private.activity_progress set counted_until = '2026-01-01Z'")

    def is_counted() -> bool:
        row = database.execute(
            "select counted_until > '2026-01-01Z' as counted from private.activity_progress"
        ).fetchone()
        return row is not None and row["counted"]

    wait_for(is_counted, seconds=40)


def test_sigterm_ends_it_cleanly(running: subprocess.Popen[bytes]) -> None:
    running.send_signal(signal.SIGTERM)

    assert running.wait(5) == 0


async def test_the_sweep_wakes_every_worker_without_any_notification() -> None:
    class Woken:
        times = 0

        def wake(self) -> None:
            self.times += 1

    workers = [Woken(), Woken()]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(scheduler.sweep(workers, seconds=0.02), 0.2)  # type: ignore[arg-type]

    assert all(3 <= worker.times <= 12 for worker in workers)


def test_pauses_grow_and_are_bounded() -> None:
    assert all(0.25 <= scheduler.pause(1) <= 0.5 for _ in range(50))
    assert all(15 <= scheduler.pause(100) <= 30 for _ in range(50))


def test_a_wake_up_is_a_span_that_the_function_is_told_of(
    functions: Functions, tmp_path: Path
) -> None:
    with collecting() as collector:
        telemetry = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        own = {"FUNCTIONS_URL": functions.url, "FUNCTIONS_SECRET": "canary", "DATABASE_URL": ""}
        with subprocess.Popen(
            [sys.executable, str(LOCAL / "scheduler.py"), str(tmp_path / "ready")],
            env=os.environ | own | telemetry,
        ) as process:
            try:
                span = collector.span("wake process-rules")
            finally:
                process.kill()

    assert f"00-{span.trace_id}-{span.id}-03" in functions.traceparents
    assert (span.service, span.kind) == ("switchhook-scheduler", "CLIENT")
    assert span.attributes["http.response.status_code"] == 200
    assert "canary" not in collector.text
