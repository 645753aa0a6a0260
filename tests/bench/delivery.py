"""How many deliveries a second dispatch makes, how soon the first byte arrives, and what a dead receiver does."""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

import httpx
import psycopg
import uvloop

import functions_server
from functions.dispatch.batch import Targets
from functions.dispatch.dispatcher import Dispatcher
from functions.dispatch.sender import Sender
from functions.dispatch.settings import DispatchSettings
from layout import ROOT
from processes import free_port, stop
from shared.database import Database
from shared.encryption import SecretBox
from shared.garbage import collect_rarely
from shared.targets import TargetPolicy
from tests.running_stack import RunningStack, User

DELIVERIES = 10_000
POSTS = 3_000
HANGING = 10_000
TIMED = 300
CONNECTIONS = 64
ROUNDS = 3
LOOPBACK = "127.0.0.0/8"
DATA = {
    "id": "60d21b4667d0d8992e610c86",
    "conversationId": "60d21b4667d0d8992e610c85",
    "sender": {"id": "user123", "type": "user"},
    "content": {"type": "text", "text": "Hello, I need help with my account."},
    "metadata": {"source": "web-client", "clientInfo": {"browser": "Chrome", "os": "Windows"}},
    "createdAt": "2026-05-01T12:05:00Z",
}


@dataclass(frozen=True)
class Bench:
    """What every measurement needs."""

    stack: RunningStack
    database: psycopg.Connection[Any]
    receiver: str

    def add_webhook(self, user: User, path: str = "/hook", timeout_seconds: int = 15) -> uuid.UUID:
        box = SecretBox.from_setting(self.stack.encryption_keys)
        row = self.database.execute(
            "with made as (insert into public.webhooks (name, url, events, timeout_seconds, created_by)"
            " values ('Bench', %s, '{*}', %s, %s) returning id),"
            " secret as (insert into private.webhook_secrets (webhook_id, purpose, ciphertext)"
            " select id, 'signing', %s from made)"
            " select id from made",
            [
                self.receiver + path,
                timeout_seconds,
                user.id,
                box.encrypt(f"whsec_{secrets.token_hex(16)}"),
            ],
        ).fetchone()
        assert row is not None
        webhook_id: uuid.UUID = row[0]
        return webhook_id

    def publish(self, user: User, count: int) -> None:
        """In one transaction."""
        self.database.execute(
            "select private.publish(array(select row(%s, 'message.created', %s, null)::private.outgoing_event"
            " from generate_series(1, %s)))",
            [user.id, json.dumps(DATA), count],
        )
        self.database.execute("analyze public.webhook_deliveries, public.published_events")

    def publish_timed(self, user: User, count: int, pause: float) -> dict[str, float]:
        """One after the other; by event, when it was committed."""
        committed = {}
        for _ in range(count):
            row = self.database.execute(
                "select public.publish_event('message.created', %s, %s) ->> 'id'",
                [json.dumps(DATA), user.id],
            ).fetchone()
            assert row is not None
            committed[row[0]] = time.time()
            time.sleep(pause)
        return committed

    def arrivals(self) -> dict[str, float]:
        answer: dict[str, float] = httpx.get(f"{self.receiver}/arrivals", timeout=30).json()
        return answer

    def latencies_ms(self, committed: dict[str, float]) -> list[float]:
        """From commit to the first byte at the receiver, sorted; waits until all have come."""
        came: dict[str, float] = {}
        deadline = time.monotonic() + 60
        while not committed.keys() <= came.keys():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{len(committed.keys() - came.keys())} events did not arrive")
            time.sleep(0.2)
            came |= self.arrivals()
        return sorted((came[event] - at) * 1000 for event, at in committed.items())

    def clear(self) -> None:
        """In the order in which workers lock, as dispatch may be at work."""
        self.database.execute("delete from public.webhooks")
        self.database.execute("delete from public.published_events")


@contextmanager
def benching(stack: RunningStack) -> Iterator[Bench]:
    """A receiver in a process of its own."""
    port = free_port()
    with (
        subprocess.Popen(
            [sys.executable, "-m", "tests.bench.receiver", str(port)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process,
        psycopg.connect(stack.database_url, autocommit=True) as database,
    ):
        assert process.stdout is not None
        process.stdout.readline()
        yield Bench(stack, database, f"http://127.0.0.1:{port}")


async def plain_posts(url: str) -> float:
    """Posts a second of httpx as it comes, with nothing claimed, signed or recorded."""
    body = json.dumps(
        {"event": "message.created", "timestamp": "2026-01-01T00:00:00Z", "data": DATA}
    )
    left = iter(range(POSTS))
    async with httpx.AsyncClient() as client:

        async def post() -> None:
            for _ in left:
                response = await client.post(
                    url, content=body, headers={"Content-Type": "application/json"}
                )
                response.raise_for_status()

        started = time.perf_counter()
        await asyncio.gather(*(post() for _ in range(CONNECTIONS)))
        return POSTS / (time.perf_counter() - started)


async def deliver_all(stack: RunningStack) -> float:
    """Deliveries a second of one dispatch, from the first claim to the last record."""
    collect_rarely()  # as its application does
    settings = DispatchSettings(
        supabase_url=stack.api_url,
        supabase_secret_key=stack.secret_key,
        functions_secret=stack.functions_secret,
        encryption_keys=stack.encryption_keys,
        delivery_allowed_networks=LOOPBACK,
        dispatch_time_budget_seconds=120,
    )
    targets = Targets(SecretBox.from_setting(stack.encryption_keys))
    policy = TargetPolicy.from_settings("443", LOOPBACK)
    async with (
        Database(stack.api_url, stack.secret_key, timeout_seconds=60) as database,
        Sender(policy, max_connections=settings.dispatch_concurrency) as sender,
    ):
        dispatcher = Dispatcher(database, sender, targets, settings)
        started = time.perf_counter()
        counts = await dispatcher.work()
        elapsed = time.perf_counter() - started
    if counts.delivered != DELIVERIES:
        raise RuntimeError(f"not everything was delivered: {counts}")
    return counts.delivered / elapsed


def report_rate(bench: Bench, user: User) -> None:
    """Deliveries a second, beside plain posts; in rounds, as httpx is at times twice as fast as at others."""
    print("Delivery to a receiver on this machine, claimed, signed and recorded, and plain posts:")
    # First the posts, while Python collects garbage as it comes.
    plain = [uvloop.run(plain_posts(f"{bench.receiver}/hook")) for _ in range(ROUNDS)]
    for rate in plain:
        print(f"  {'httpx as it comes, posts alone':40} {rate:8.0f} posts/s", flush=True)
    rates = []
    for _ in range(ROUNDS):
        bench.add_webhook(user)
        bench.publish(user, DELIVERIES)
        rates.append(uvloop.run(deliver_all(bench.stack)))
        bench.clear()
        print(f"  {'dispatch':40} {rates[-1]:8.0f} deliveries/s", flush=True)
    print(f"  {'ratio of the medians':40} {median(rates) / median(plain):8.1f}", flush=True)


def _percentiles(times: list[float]) -> str:
    return f"p50 {times[len(times) // 2]:7.1f} ms, p99 {times[len(times) * 99 // 100]:7.1f} ms"


def report_latency(bench: Bench, user: User) -> None:
    """From commit to first byte, with nothing else to do and while another user's backlog is delivered."""
    bench.add_webhook(user)
    bench.latencies_ms(bench.publish_timed(user, 20, 0.05))
    print("From commit to the first byte at the receiver:")
    idle = bench.latencies_ms(bench.publish_timed(user, TIMED, 0.02))
    print(f"  {'idle':40} {_percentiles(idle)}", flush=True)
    other = bench.stack.sign_up()
    bench.add_webhook(other)
    bench.publish(other, DELIVERIES)
    loaded = bench.latencies_ms(bench.publish_timed(user, TIMED // 3, 0.02))
    print(f"  {'beside a backlog of 10,000':40} {_percentiles(loaded)}", flush=True)
    bench.clear()


def report_fairness(bench: Bench, user: User) -> None:
    """Others' latency with and without a receiver that hangs and has 10,000 deliveries due."""
    bench.add_webhook(user)
    bench.latencies_ms(bench.publish_timed(user, 20, 0.05))
    alone = bench.latencies_ms(bench.publish_timed(user, TIMED, 0.02))
    dead = bench.stack.sign_up()
    bench.add_webhook(dead, "/hang")
    bench.publish(dead, HANGING)
    time.sleep(1)
    beside = bench.latencies_ms(bench.publish_timed(user, TIMED, 0.02))
    print("Others' first attempts beside a receiver that hangs, 10,000 deliveries due:")
    print(f"  {'without it':40} {_percentiles(alone)}")
    print(f"  {'with it':40} {_percentiles(beside)}")
    place = TIMED * 99 // 100
    print(f"  {'ratio of the p99s':40} {beside[place] / alone[place]:8.2f}", flush=True)
    bench.clear()


def report(stack: RunningStack) -> None:
    """Prints all of it."""
    with benching(stack) as bench:
        report_rate(bench, stack.sign_up())
        functions_server.ensure_gateway(stack.stack, stack.values)
        functions_server.ensure_scheduler(stack.stack, stack.values)
        try:
            report_latency(bench, stack.sign_up())
            report_fairness(bench, stack.sign_up())
        finally:
            stop(functions_server.scheduler(stack.stack, stack.values))
            stop(functions_server.gateway(stack.stack, stack.values))
