"""How long each page of the console takes beside many events, as a ratio to the same page beside few."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import httpx
import psycopg

import functions_server
from processes import stop
from tests.bench.past import Past
from tests.running_stack import RunningStack, User

SIZES = (1_000, 100_000)
ROUNDS = 15
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


def page_ms(client: httpx.Client, path: str) -> float:
    """Median milliseconds until a page is there whole."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        client.get(f"/console{path}").raise_for_status()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def report(stack: RunningStack, user: User) -> None:
    """Prints what each page takes beside few and many, and the ratio."""
    functions_server.ensure_gateway(stack.stack, stack.values)
    taken: dict[str, list[float]] = {}
    try:
        with (
            psycopg.connect(stack.database_url, autocommit=True) as database,
            httpx.Client(base_url=stack.functions_url, timeout=60) as client,
        ):
            sign_in(client, user)
            past = Past.of(database, user)
            there = 0
            for size in SIZES:
                past.grow(size - there)
                there = size
                for name, path in pages(past).items():
                    taken.setdefault(name, []).append(page_ms(client, path))
            database.execute("truncate public.webhook_events, public.published_events cascade")
    finally:
        stop(functions_server.gateway(stack.stack, stack.values))
    _print(taken)


def _print(taken: Mapping[str, list[float]]) -> None:
    few, many = SIZES
    print(
        f"Pages of the console beside {few:,} and {many:,} events and deliveries, medians of {ROUNDS}:"
    )
    for name, (first, last) in taken.items():
        mark = "" if last / first <= MOST else f"   more than {MOST}"
        print(f"  {name:32} {first:7.1f} ms {last:7.1f} ms   ratio {last / first:6.2f}{mark}")
    worst = max(last / first for first, last in taken.values())
    print(f"  {'the highest ratio':32} {worst:28.2f}", flush=True)
