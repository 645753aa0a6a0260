"""Going through a vendor's list of what it could not deliver, and storing what is missing.

The list is newest first. A sweep goes from its newest entry back to a certain time, over as many calls
as it takes: after each page, how far it came is stored together with the endpoint.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict

from functions.api.vendors import HeldBack, Missed, MissedPage, StaleCursor, Vendor
from shared.contents import Content
from shared.errors import InvalidRequest
from shared.incoming_events import incoming_event
from shared.management.session import UserSession
from shared.payload import parse
from shared.signatures import Headers, Scheme, SchemeSettings, SignedRequest

Row = dict[str, Any]

MAX_PAGES = 4
MAX_SECONDS = 20.0
"""No page is begun after that."""
MAX_BODY_BYTES = 1024 * 1024
GROUP_ROWS = 25
OVERLAP = timedelta(minutes=10)
"""A sweep goes back to before the one before it: what was under way then may have failed since."""


class Progress(BaseModel):
    """How far a sweep has come; stored as JSON."""

    model_config = ConfigDict(frozen=True)

    source: str
    asked_since: AwareDatetime | None
    """What the caller said, who may say it again to go on."""
    since: AwareDatetime
    started_at: AwareDatetime
    cursor: str | None = None
    is_complete: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """The endpoint that is reconciled."""

    id: UUID
    url: str
    scheme: Scheme[Any]
    settings: SchemeSettings


@dataclass(slots=True)
class Report:
    """What one call has done."""

    progress: Progress
    checked: int = 0
    reached: datetime | None = None
    held_back_seconds: int | None = None
    states: Counter[str] = field(default_factory=Counter)
    """How many events were accepted, duplicate, or skipped."""


def begin(
    before: Progress | None,
    vendor: Vendor,
    asked_since: datetime | None,
    created_at: datetime,
    now: datetime,
) -> Progress:
    """The sweep that is under way, else a new one: from `asked_since`, else from where the last one
    began, else from when the endpoint was made.
    """
    if before is not None and before.source != vendor.source:
        before = None
    if before is not None and not before.is_complete:
        if asked_since in {None, before.asked_since}:
            return before
        before = None
    since = asked_since or (created_at if before is None else before.started_at - OVERLAP)
    return Progress(
        source=vendor.source,
        asked_since=asked_since,
        since=max(since, now - vendor.keeps),
        started_at=now,
    )


async def sweep(session: UserSession, target: Target, vendor: Vendor, progress: Progress) -> Report:
    """Some pages of a sweep.

    Raises InvalidRequest or ServiceUnavailable; what was stored before that stays, and how far it came.
    """
    report = Report(progress)
    until = time.monotonic() + MAX_SECONDS
    for _ in range(MAX_PAGES):
        try:
            page = await _page(vendor, report.progress)
        except HeldBack as error:
            report.held_back_seconds = error.seconds
            break
        await _take(session, target, page, report)
        is_over = report.progress.is_complete or report.held_back_seconds is not None
        if is_over or time.monotonic() > until:
            break
    return report


async def _page(vendor: Vendor, progress: Progress) -> MissedPage:
    try:
        return await vendor.page(progress.cursor, progress.since)
    except StaleCursor:
        # From the top once more: what is there already is a duplicate.
        return await vendor.page(None, progress.since)


async def _take(session: UserSession, target: Target, page: MissedPage, report: Report) -> None:
    # Oldest first, as they would have come.
    rows = [row for missed in page.missed[::-1] if (row := _row(target, missed)) is not None]
    report.checked += page.checked
    report.states["skipped"] += len(page.missed) - len(rows)
    report.held_back_seconds = page.held_back_seconds
    for place in range(0, len(rows), GROUP_ROWS):
        for result in await _store(session, target, rows[place : place + GROUP_ROWS]):
            report.states[result["state"]] += 1
            if result["state"] == "rate_limited":
                report.held_back_seconds = result["retry_after"]
        if report.states["rate_limited"]:
            break
    report.reached = page.oldest or report.reached
    if report.held_back_seconds is None:
        after = {"cursor": page.next_cursor, "is_complete": page.next_cursor is None}
        report.progress = report.progress.model_copy(update=after)
        await _call(session, target, [], report.progress.model_dump_json())


def _row(target: Target, missed: Missed) -> Row | None:
    """As ingest would make it; None for a handshake, and for what ingest would refuse."""
    body = json.dumps(missed.payload, separators=(",", ":")).encode()
    if len(body) > MAX_BODY_BYTES:
        return None
    request = SignedRequest("POST", target.url, Headers(missed.headers.items()), body)
    try:
        content = Content(body, parse(body))
    except InvalidRequest:
        return None
    scheme, settings = target.scheme, target.settings
    if scheme.handshake(request, content.parsed.value, ()) is not None:
        return None
    return incoming_event(request, content, scheme, settings, scheme.credential_headers(settings))


async def _store(session: UserSession, target: Target, rows: Sequence[Row]) -> list[Row]:
    """What became of each. One that the database refuses takes no other down with it."""
    try:
        return await _call(session, target, rows)
    except InvalidRequest:
        if len(rows) == 1:
            return [{"state": "skipped"}]
    return [result for row in rows for result in await _store(session, target, [row])]


async def _call(
    session: UserSession, target: Target, rows: Sequence[Row], state: str | None = None
) -> list[Row]:
    results: list[Row] = await session.database.call(
        "reconcile_endpoint",
        p_endpoint_id=str(target.id),
        p_events=orjson.dumps(rows).decode(),
        p_state=state,
    )
    return results
