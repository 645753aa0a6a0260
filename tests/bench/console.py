"""How long each page of the console takes beside many events, as a ratio to the same page beside few."""

from __future__ import annotations

import re
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg

import functions_server
import postgres
import stack as local_stack
from layout import on_free_ports, open_stack
from processes import stop
from tests.bench.past import Past
from tests.running_stack import RunningStack, User

SIZES = (1_000, 100_000)
ROUNDS = 22
MOST = 1.5
"""What a page may take at most, beside what it took with few."""
CSRF = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


def pages(past: Past) -> Mapping[str, str]:
    """Every page that shows what there is much of, and settings and rules as those that do not."""
    span = {
        "from": _local(datetime.now(UTC) - timedelta(days=6)),
        "to": _local(datetime.now(UTC) - timedelta(days=5)),
    }
    webhook = f"/webhooks/{past.webhooks[0]}"
    delivery = past.newest("webhook_deliveries")
    row = past.database.execute(
        "select webhook_id from public.webhook_deliveries where id = %s", [delivery]
    ).fetchone()
    assert row is not None
    return {
        "overview, hour": "/?window=hour",
        "overview, day": "/?window=day",
        "overview, week": "/?window=week",
        "endpoints": "/endpoints",
        "endpoint": f"/endpoints/{past.endpoints[0]}",
        "queue": "/queue",
        "queue, an endpoint's": f"/queue?endpoint={past.endpoints[0]}",
        "queue, a rare type": "/queue?type=ticket",
        "log": "/log",
        "log, failed": "/log?status=failed",
        "log, processed": "/log?status=processed",
        "log, an endpoint's": f"/log?endpoint={past.endpoints[0]}",
        "log, a quiet endpoint's": f"/log?endpoint={past.quiet_endpoint}",
        "log, a type": "/log?type=order",
        "log, a rare type": "/log?type=ticket",
        "log, the last day": "/log?span=day",
        "log, from and to": f"/log?{httpx.QueryParams(span)}",
        "log, a text of all": "/log?text=currency",
        "log, a rare text": "/log?text=needle",
        "log, a text of none": "/log?text=haystack",
        "log, all filters at once": f"/log?text=needle&status=failed&type=order&{httpx.QueryParams(span)}",
        "trace": f"/log/{past.newest('webhook_events')}",
        "webhooks": "/webhooks",
        "webhook, day": f"{webhook}?window=day",
        "webhook, week": f"{webhook}?window=week",
        "deliveries, failed": f"{webhook}?status=failed",
        "deliveries, pending": f"{webhook}?status=pending",
        "delivery": f"/webhooks/{row[0]}/deliveries/{delivery}",
        "rules": "/rules",
        "settings": "/settings",
    }


def _local(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M")


def sign_in(client: httpx.Client, user: User) -> None:
    found = CSRF.search(client.get("/console/sign-in").text)
    assert found is not None
    form = {"csrf": found[1], "email": user.email, "password": user.password}
    answer = client.post("/console/sign-in", data=form)
    if answer.status_code != 303:
        raise RuntimeError(f"signing in was answered with {answer.status_code}")


@dataclass(frozen=True)
class Reader:
    """Somebody signed in to the console, and the pages that they look at."""

    client: httpx.Client
    pages: Mapping[str, str]

    def page_ms(self, name: str) -> float:
        """Milliseconds until a page is there whole."""
        started = time.perf_counter()
        self.client.get(f"/console{self.pages[name]}").raise_for_status()
        return (time.perf_counter() - started) * 1000


@contextmanager
def reading(stack: RunningStack, size: int) -> Iterator[Reader]:
    """A reader with so many events and deliveries."""
    functions_server.ensure_gateway(stack.stack, stack.values)
    user = stack.sign_up()
    try:
        with (
            psycopg.connect(stack.database_url, autocommit=True) as database,
            httpx.Client(base_url=stack.functions_url, timeout=60) as client,
        ):
            sign_in(client, user)
            past = Past.of(database, user)
            past.grow(size)
            yield Reader(client, pages(past))
            database.execute("truncate public.webhook_events, public.published_events cascade")
    finally:
        stop(functions_server.gateway(stack.stack, stack.values))


@contextmanager
def another_stack() -> Iterator[RunningStack]:
    with tempfile.TemporaryDirectory(prefix="switchhook-bench-") as folder:
        own = open_stack(on_free_ports(Path(folder)))
        try:
            local_stack.up(own, functions=False)
            yield RunningStack.of(own)
        finally:
            local_stack.down(own)
            postgres.remove_data(own)


def report(stack: RunningStack) -> None:
    """Prints what each page takes beside few and many, and the ratio.

    Few and many are in databases of their own and are asked in turn, so that a busy moment of the machine hits both; of
    each, the fastest quarter counts.
    """
    few, many = SIZES
    with (
        another_stack() as second,
        reading(stack, few) as before_few,
        reading(second, many) as before_many,
    ):
        taken = {}
        for name in before_few.pages:
            times = [(before_few.page_ms(name), before_many.page_ms(name)) for _ in range(ROUNDS)]
            # The first is for plans and caches.
            taken[name] = tuple(
                statistics.quantiles(side)[0] for side in zip(*times[1:], strict=True)
            )
    print(
        f"Pages of the console beside {few:,} and {many:,} events and deliveries, lower quartiles of {ROUNDS - 1}:"
    )
    for name, (first, last) in taken.items():
        mark = "" if last / first <= MOST else f"   more than {MOST}"
        print(f"  {name:32} {first:7.1f} ms {last:7.1f} ms   ratio {last / first:6.2f}{mark}")
    worst = max(last / first for first, last in taken.values())
    print(f"  {'the highest ratio':32} {worst:34.2f}", flush=True)
