"""A process that works through the queue until it is killed: worker functions, called over and over.

    python -m tests.acceptance.worker_process pipeline | dispatch

It prints a line when it has started and begins to work when it is sent one. Configuration comes from
the environment, as for any function.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

import httpx
from starlette.applications import Starlette

from functions.classify.app import app as classify
from functions.dispatch.app import app as dispatch
from functions.prepare_for_rules.app import app as prepare_for_rules
from functions.process_rules.app import app as process_rules
from shared.settings import PipelineSettings


async def drive(app: Starlette, secret: str) -> None:
    """Calls one function again and again, as a scheduler would."""
    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://worker", headers=headers, timeout=60
    ) as client:
        while True:
            (await client.post("/", json={})).raise_for_status()
            await asyncio.sleep(0.05)


FUNCTIONS = {"pipeline": [classify, prepare_for_rules, process_rules], "dispatch": [dispatch]}


async def main(apps: list[Starlette]) -> None:
    """Runs them until the process ends."""
    secret = PipelineSettings.from_environment().functions_secret.get_secret_value()
    async with contextlib.AsyncExitStack() as stack:
        for app in apps:
            await stack.enter_async_context(app.router.lifespan_context(app))
        print("started", flush=True)  # noqa: T201 (what the test waits for)
        await asyncio.to_thread(sys.stdin.readline)
        await asyncio.gather(*(drive(app, secret) for app in apps))


if __name__ == "__main__":
    asyncio.run(main(FUNCTIONS[sys.argv[1]]))
