"""How many events a second one ingest process takes, beside what it is compared with."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg

from layout import ROOT
from processes import free_port
from shared.encryption import SecretBox
from tests.running_stack import RunningStack, User

CONNECTIONS = 64

VARIANTS = {
    "stores nothing": ("tests.bench.variants:stores_nothing", 20_000),
    "ingest": ("tests.bench.variants:ingest", 20_000),
    "one RPC per request, same HTTP client": (
        "tests.bench.variants:one_rpc_per_request_fast_client",
        2_000,
    ),
    "one RPC per request, plain httpx": ("tests.bench.variants:one_rpc_per_request", 1_000),
}
"""By name: the application, and how many requests it is sent."""


@dataclass(frozen=True)
class Target:
    """An endpoint to send to."""

    slug: str
    secret: str


def make_target(stack: RunningStack, user: User, mode: str = "review") -> Target:
    """An endpoint that verifies X-Webhook-Signature."""
    target = Target(uuid.uuid4().hex, secrets.token_hex(32))
    box = SecretBox.from_setting(stack.encryption_keys)
    with psycopg.connect(stack.database_url, autocommit=True) as database:
        database.execute(
            "with made as (insert into public.webhook_endpoints"
            " (name, slug, scheme, processing_mode, confidence_threshold, created_by)"
            " values ('Bench', %s, 'webhook_signature', %s, 0, %s) returning id)"
            " insert into private.endpoint_secrets (endpoint_id, ciphertext) select id, %s from made",
            [target.slug, mode, user.id, box.encrypt(target.secret)],
        )
    return target


def load(port: int, target: Target, count: int) -> dict[str, Any]:
    """Sends `count` signed events of 400 bytes from a process of its own."""
    command = [sys.executable, "-m", "tests.bench.load", f"--port={port}", f"--slug={target.slug}"]
    command += [f"--secret={target.secret}", f"--count={count}", f"--connections={CONNECTIONS}"]
    command += [f"--first={time.time_ns()}"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    figures: dict[str, Any] = json.loads(answer.stdout)
    if figures["statuses"] != {"202": count}:
        raise RuntimeError(f"not every request was accepted: {figures['statuses']}")
    return figures


def measure(stack: RunningStack, target: Target, app: str, count: int) -> dict[str, Any]:
    """Starts the application, warms it up, loads it."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", app, "--factory", f"--port={port}"]
    command += ["--log-level=warning", "--no-access-log"]
    server = subprocess.Popen(command, cwd=ROOT, env=os.environ | dict(stack.values))
    try:
        for _ in range(100):
            try:
                httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5).raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        load(port, target, max(100, count // 10))
        return load(port, target, count)
    finally:
        server.terminate()
        server.wait()


def report(stack: RunningStack, user: User) -> None:
    """Prints a line per variant and the ratios."""
    target = make_target(stack, user)
    rates: dict[str, float] = {}
    print(f"Ingest, {CONNECTIONS} connections, verified events of 400 bytes:")
    for name, (app, count) in VARIANTS.items():
        figures = measure(stack, target, app, count)
        rates[name] = figures["per_second"]
        times = f"p50 {figures['p50_ms']:.0f} ms, p99 {figures['p99_ms']:.0f} ms"
        print(f"  {name:40} {rates[name]:8.0f} events/s   {times}", flush=True)
    for baseline in list(VARIANTS)[2:]:
        print(f"  ingest / {baseline:31} {rates['ingest'] / rates[baseline]:8.1f}")
    print(f"  ingest / {'stores nothing':31} {rates['ingest'] / rates['stores nothing']:8.2f}")
