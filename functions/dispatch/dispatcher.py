"""The loop: claim what is due, deliver all of it at once, until nothing is due and nothing is under way.

Claiming, delivering and recording go on beside each other, so that what hangs holds up nobody.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from functions.dispatch.batch import Batch, Targets
from functions.dispatch.claimed import Claim, Delivery, Event, Result, Webhook
from functions.dispatch.deliver import deliver
from functions.dispatch.recording import Recorder
from functions.dispatch.sender import Sender
from functions.dispatch.settings import DispatchSettings
from shared import telemetry
from shared.database import Database

CLAIMED_AT_ONCE: Final = 128
"""So that one claim is delivered while the one before it is recorded and the next is made. Half of what may be
under way for a single webhook (settings.py)."""


@dataclass(slots=True)
class Counts:
    """What one call did.

    Attributes:
        claimed: attempts begun; they ended as delivered, retried (later), failed or filtered.
        lost: attempts whose lease had gone to another worker by their end, or that could not be recorded.
        joined: whether another call to this process was at work, and does what was due.
        next_at: when something will be due next, if anything.
    """

    claimed: int = 0
    delivered: int = 0
    retried: int = 0
    failed: int = 0
    filtered: int = 0
    lost: int = 0
    joined: bool = False
    next_at: datetime | None = None

    def add(self, result: Result, *, was_ours: bool) -> None:
        """One attempt has ended."""
        if not was_ours:
            self.lost += 1
        elif result.state == "retry":
            self.retried += 1
        else:
            setattr(self, result.state, getattr(self, result.state) + 1)


class Dispatcher:
    """All deliveries of one process."""

    def __init__(
        self, database: Database, sender: Sender, targets: Targets, settings: DispatchSettings
    ) -> None:
        self._database, self._sender, self._targets = database, sender, targets
        self._settings = settings
        self._recorder = Recorder(database)
        self._is_working = False
        self._wake = asyncio.Event()
        """Something may have come that can be claimed."""

    async def work(self) -> Counts:
        """Delivers until nothing is due and nothing under way, or the time budget is used up.

        A call that finds another at work tells it to look again, and returns.

        Raises DatabaseUnavailable where nothing could be claimed.
        """
        self._wake.set()
        if self._is_working:
            return Counts(joined=True)
        self._is_working = True
        try:
            return await self._work_until_idle()
        finally:
            self._is_working = False

    async def deliver(self, delivery_ids: list[str]) -> Counts:
        """Delivers these at once, as far as they wait to be."""
        flight = _Flight(self._attempt)
        flight.start(await self._claim(len(delivery_ids), delivery_ids), was_full=False)
        await flight.landed()
        return flight.counts

    async def _work_until_idle(self) -> Counts:
        deadline = time.monotonic() + self._settings.dispatch_time_budget_seconds
        flight = _Flight(self._attempt)
        try:
            while time.monotonic() < deadline:
                room = self._settings.dispatch_concurrency - flight.size
                if room > 0 and (self._wake.is_set() or flight.may_go_on()):
                    self._wake.clear()
                    wanted = min(room, CLAIMED_AT_ONCE)
                    batch = await self._claim(wanted)
                    flight.start(batch, was_full=len(batch.claim.deliveries) == wanted)
                elif flight.size == 0:
                    break
                else:
                    await flight.change(self._wake if room > 0 else None, until=deadline)
        finally:
            await flight.landed()
        return flight.counts

    async def _claim(self, limit: int, delivery_ids: list[str] | None = None) -> Batch:
        named = {"p_delivery_ids": orjson.dumps(delivery_ids).decode()} if delivery_ids else {}
        answer = await self._database.call(
            "claim_deliveries",
            p_limit=limit,
            p_per_webhook=self._settings.dispatch_per_webhook,
            p_lease_seconds=self._settings.dispatch_lease_seconds,
            **named,
        )
        return Batch(Claim.model_validate(answer), self._targets)

    async def _attempt(
        self, batch: Batch, delivery: Delivery, webhook: Webhook, event: Event
    ) -> tuple[Result, bool]:
        with telemetry.attempt(
            webhook.url,  # without what is secret about it
            webhook_id=webhook.id,
            delivery_id=delivery.id,
            event_id=event.id,
            number=delivery.attempt,
        ) as span:
            result = await deliver(self._sender, batch, delivery, webhook, event)
            telemetry.attempted(
                span,
                result.state,
                error_type=result.error_code,
                status=result.response_status,
                seconds=None if result.latency_ms is None else result.latency_ms / 1000,
                waited_seconds=_waited(result, event),
            )
        return result, await self._recorder.record(result)


class _Flight:
    """The attempts of one call that are under way."""

    def __init__(self, attempt: Any) -> None:
        self.counts = Counts()
        self._attempt = attempt
        self._tasks: set[asyncio.Task[tuple[Result, bool]]] = set()
        self._changed = asyncio.Event()
        self._last_claimed = 0
        self._was_full = False
        self._landed_since = 0
        self._alarm: float | None = None
        """When something will be due next, by the clock that only goes forward."""

    @property
    def size(self) -> int:
        return len(self._tasks)

    def start(self, batch: Batch, *, was_full: bool) -> None:
        """Begins an attempt for each delivery of a claim. was_full: it got all that it asked for."""
        self._last_claimed = len(batch.claim.deliveries)
        self._was_full = was_full
        self._landed_since = 0
        self.counts.claimed += self._last_claimed
        self.counts.next_at = batch.claim.next_at
        self._alarm = _alarm(batch.claim.next_at)
        for what in batch:
            task = asyncio.create_task(self._attempt(batch, *what))
            self._tasks.add(task)
            task.add_done_callback(self._on_landed)

    def may_go_on(self) -> bool:
        """Whether another claim may find something: the last got all that it asked for; what has ended made
        way for what a cap held back, or is to be tried again; or what was to come is due by now.
        """
        if self._was_full:
            return True
        if self._landed_since and 2 * self._landed_since >= self._last_claimed:
            return True
        return self._alarm is not None and self._alarm <= time.monotonic()

    async def change(self, wake: asyncio.Event | None, *, until: float) -> None:
        """Waits until an attempt has ended, something was woken, or the time has come."""
        self._changed.clear()
        left = min(until, self._alarm or until) - time.monotonic()
        events = [self._changed, *([wake] if wake else [])]
        waiters = [asyncio.ensure_future(event.wait()) for event in events]
        await asyncio.wait(waiters, timeout=max(left, 0), return_when=asyncio.FIRST_COMPLETED)
        for waiter in waiters:
            waiter.cancel()

    async def landed(self) -> None:
        """Waits for all that is under way. Raises what an attempt raised, which is a fault of ours."""
        await asyncio.gather(*self._tasks)

    def _on_landed(self, task: asyncio.Task[tuple[Result, bool]]) -> None:
        self._tasks.discard(task)
        self._landed_since += 1
        self._changed.set()
        if not task.cancelled() and task.exception() is None:
            result, was_ours = task.result()
            self.counts.add(result, was_ours=was_ours)


def _waited(result: Result, event: Event) -> float | None:
    """Seconds from the event's publication, for a first attempt."""
    if result.attempt > 1 or result.attempted_at is None:
        return None
    return (result.attempted_at - event.created_at).total_seconds()


def _alarm(next_at: datetime | None) -> float | None:
    # What is due and could not be claimed is held back by a cap or a lock: no clock tells when it can be.
    wait = -1.0 if next_at is None else (next_at - datetime.now(UTC)).total_seconds()
    return time.monotonic() + wait if wait > 0 else None
