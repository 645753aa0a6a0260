"""Delivers what it is asked to, as far as the API's tests need it: one real POST, claimed and finished.

It signs nothing and never retries: how deliveries are made is tested where they are made.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uuid_utils.compat import uuid7

from shared.conditions import compile_filter
from shared.database import Database
from shared.encryption import SecretBox
from shared.expressions import Context
from shared.responses import EXCEPTION_HANDLERS, success
from shared.worker import authorise
from tests.running_stack import RunningStack

PATH = "/functions/v1/dispatch"


def create_app(stack: RunningStack) -> Starlette:
    box = SecretBox.from_setting(stack.encryption_keys)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with (
            Database(stack.api_url, stack.secret_key) as app.state.database,
            httpx.AsyncClient(trust_env=False) as app.state.client,
        ):
            yield

    async def handle(request: Request) -> Response:
        authorise(request, stack.functions_secret)
        ids = json.loads(await request.body() or b"{}").get("delivery_ids")
        database: Database = request.app.state.database
        claim = await database.call(
            "claim_deliveries",
            p_limit=100,
            p_per_webhook=16,
            p_lease_seconds=60,
            p_delivery_ids=None if ids is None else json.dumps(ids),
        )
        results = [
            {
                "id": delivery["id"],
                "lease_id": claim["lease_id"],
                "attempt": delivery["attempt"],
                **await _deliver(request.app.state.client, claim, delivery, box),
            }
            for delivery in claim["deliveries"]
        ]
        if results:
            await database.call("finish_deliveries", p_results=json.dumps(results))
        return success({"claimed": len(results)})

    return Starlette(
        routes=[Route(PATH, handle, methods=["POST"])],
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=lifespan,
    )


async def _deliver(
    client: httpx.AsyncClient, claim: dict[str, Any], delivery: dict[str, Any], box: SecretBox
) -> dict[str, Any]:
    event = next(one for one in claim["events"] if one["id"] == delivery["event_id"])
    webhook = next(one for one in claim["webhooks"] if one["id"] == delivery["webhook_id"])
    seen = {"id": event["id"], "type": event["type"], "data": event["data"]}
    if not compile_filter(webhook["filter"]).holds(Context({"event": seen})):
        return {"state": "filtered"}
    secrets = [one | {"value": box.decrypt(one["ciphertext"])} for one in webhook["secrets"]]
    headers = {one["name"]: one["value"] for one in secrets if one["purpose"] == "header"}
    url = next((one["value"] for one in secrets if one["purpose"] == "url"), webhook["url"])
    content = {"event": event["type"], "timestamp": event["created_at"], "data": event["data"]}
    started = time.monotonic()
    try:
        answer = await client.post(url, json=content, headers=headers)
    except httpx.HTTPError:
        return _attempt("failed", error_code="unreachable", error_message="No answer")
    is_good = answer.is_success
    return _attempt(
        "delivered" if is_good else "failed",
        error_code=None if is_good else "status",
        error_message=None if is_good else f"The receiver answered {answer.status_code}",
        request_url=webhook["url"],
        response_status=answer.status_code,
        response_body=answer.text,
        response_headers={"content-length": answer.headers["content-length"]},
        latency_ms=round((time.monotonic() - started) * 1000, 1),
    )


def _attempt(state: str, **facts: Any) -> dict[str, Any]:
    return {"state": state, "log_id": str(uuid7()), **facts}


@contextmanager
def running_dispatch(stack: RunningStack) -> Iterator[str]:
    """The URL to call."""
    config = uvicorn.Config(create_app(stack), host="127.0.0.1", port=0, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=asyncio.run, args=(server.serve(),))
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}{PATH}"
    finally:
        server.should_exit = True
        thread.join()
