"""The shape that classify, prepare_for_rules and process_rules share.

A worker is called with `POST {}` (take what is due) or `POST {"event_ids": […]}`. It claims a batch, decides about
it without touching anything, and finishes it, in two RPCs per batch, until nothing is due or its time is up.
Everything that lasts happens in the database: a worker may be killed at any moment.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shared import telemetry
from shared.database import Database
from shared.errors import InvalidRequest, Unauthorized
from shared.garbage import collect_rarely
from shared.replays import as_json, replay_batch
from shared.responses import EXCEPTION_HANDLERS, RequestIds, health_routes, success
from shared.settings import WorkerSettings

logger = logging.getLogger(__name__)


Decide = Callable[[dict[str, Any]], list[dict[str, Any]]]
"""From what a claim RPC returned to the results that the finish RPC takes. Pure, and never raises for one bad event."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the pipeline.

    Attributes:
        name: as in the database: classify, prepare or rules. Its RPCs are claim_<name> and finish_<name>.
        function: deployed name, such as prepare-for-rules.
    """

    name: str
    function: str
    decide: Decide


@dataclass(slots=True)
class Counts:
    """What one call did: events claimed, finished (of these: failed), and lost to another worker."""

    claimed: int = 0
    finished: int = 0
    failed: int = 0
    lost: int = 0
    batches: int = 0
    replayed: int = 0
    """Events of the past that were decided about anew; see shared/replays.py."""


class WorkRequest(BaseModel):
    """The body of a call to a worker."""

    model_config = ConfigDict(extra="forbid")

    event_ids: list[str] | None = Field(default=None, min_length=1, max_length=1000)


async def work(
    database: Database, stage: Stage, settings: WorkerSettings, event_ids: list[str] | None = None
) -> Counts:
    """Works until nothing is due or the time budget is used up. Named events are taken in one batch."""
    counts = Counts()
    deadline = time.monotonic() + settings.worker_time_budget_seconds
    limit = settings.worker_batch_size if event_ids is None else len(event_ids)
    while time.monotonic() < deadline:
        batch = await database.call(
            f"claim_{stage.name}",
            p_limit=limit,
            p_lease_seconds=settings.worker_lease_seconds,
            **({} if event_ids is None else {"p_event_ids": orjson.dumps(event_ids).decode()}),
        )
        if not batch["events"]:
            # What came in goes first; named events are all that was asked for.
            if event_ids is None and await _replay(database, stage, settings, counts):
                continue
            break
        await _finish(database, stage, batch, counts)
        if event_ids is not None:
            break
    return counts


async def _replay(
    database: Database, stage: Stage, settings: WorkerSettings, counts: Counts
) -> bool:
    """Whether there was something of the past to work on."""
    replayed = await replay_batch(database, stage.name, stage.decide, settings)
    counts.replayed += replayed
    return replayed > 0


async def _finish(database: Database, stage: Stage, batch: dict[str, Any], counts: Counts) -> None:
    began = time.perf_counter()
    with telemetry.batch(stage.name, batch["events"]) as span:
        answers = await _decide_and_send(database, stage, batch)
        outcomes = {
            "finished": sum(len(answer["finished"]) for answer in answers),
            "failed": sum(answer["failed"] for answer in answers),
            "lost": sum(len(answer["lost"]) for answer in answers),
        }
        claimed, seconds = len(batch["events"]), time.perf_counter() - began
        telemetry.worked(span, stage.name, claimed, seconds, outcomes)
    counts.batches += 1
    counts.claimed += claimed
    counts.finished += outcomes["finished"]
    counts.failed += outcomes["failed"]
    counts.lost += outcomes["lost"]


async def _decide_and_send(
    database: Database, stage: Stage, batch: dict[str, Any]
) -> list[dict[str, Any]]:
    # In a thread, so that health checks are answered while a batch is being thought about.
    results = await asyncio.to_thread(stage.decide, batch)
    # A decision depends on the event alone: deciding again would end in the same error.
    results = [result | {"final": True} if "error" in result else result for result in results]
    try:
        return [await _send(database, stage, batch["lease_id"], results)]
    except InvalidRequest:
        # Something in one of the results is beyond the database; the others shall not wait for it.
        return [await _send_alone(database, stage, batch["lease_id"], one) for one in results]


async def _send(
    database: Database, stage: Stage, lease_id: str, results: list[dict[str, Any]]
) -> dict[str, Any]:
    answer: dict[str, Any] = await database.call(
        f"finish_{stage.name}", p_lease_id=lease_id, p_results=as_json(results)
    )
    return answer | {"failed": sum("error" in result for result in results)}


async def _send_alone(
    database: Database, stage: Stage, lease_id: str, result: dict[str, Any]
) -> dict[str, Any]:
    try:
        return await _send(database, stage, lease_id, [result])
    except InvalidRequest:
        failed = {"id": result["id"], "error": "The outcome cannot be stored", "final": True}
        return await _send(database, stage, lease_id, [failed])


def authorise(request: Request, secret: str) -> None:
    """Lets callers in that know the functions' secret.

    Raises:
        Unauthorized: without `Authorization: Bearer <secret>`.
    """
    given = request.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {secret}".encode()):
        raise Unauthorized


def create_app(stage: Stage, settings: WorkerSettings) -> Starlette:
    """The ASGI application of a worker function."""

    async def handle(request: Request) -> Response:
        authorise(request, settings.functions_secret.get_secret_value())
        try:
            asked = WorkRequest.model_validate_json(await request.body() or b"{}")
        except ValidationError:
            raise InvalidRequest('Send {} or {"event_ids": [up to 1000 ids]}') from None
        counts = await work(request.app.state.database, stage, settings, asked.event_ids)
        if counts.claimed or counts.replayed:
            logger.info("worked", extra={"stage": stage.name, **asdict(counts)})
        return success(asdict(counts))

    async def ping(request: Request) -> bool:
        database: Database = request.app.state.database
        return await database.ping()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        collect_rarely()
        key = settings.supabase_secret_key.get_secret_value()
        async with (
            telemetry.recording(stage.function),
            Database(settings.supabase_url, key, timeout_seconds=60) as database,
        ):
            app.state.database = database
            yield

    return Starlette(
        routes=[
            *health_routes(stage.function, ping),
            Route("/", handle, methods=["POST"]),
            Route(f"/functions/v1/{stage.function}", handle, methods=["POST"]),
        ],
        middleware=[Middleware(RequestIds)],
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=lifespan,
    )
