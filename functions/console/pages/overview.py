"""What came in and went out, how fast, and what is in trouble."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from functions.console.visits import Visit, get
from shared.database import run


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time up to now, cut into pieces that begin at round times."""

    words: str
    piece: timedelta
    points: int
    refresh_seconds: int
    """The longer it is, the more there is to count, and the less one moment changes."""

    def arguments(self, now: datetime) -> dict[str, Any]:
        """What the RPCs take that count activity."""
        seconds = int(self.piece.total_seconds())
        until = datetime.fromtimestamp((now.timestamp() // seconds + 1) * seconds, UTC)
        return {"p_seconds": seconds, "p_until": until.isoformat(), "p_points": self.points}

    @property
    def minutes(self) -> float:
        return self.piece.total_seconds() * self.points / 60


WINDOWS: Mapping[str, Window] = {
    "hour": Window("the last hour", timedelta(minutes=1), 60, 5),
    "day": Window("the last 24 hours", timedelta(minutes=30), 48, 15),
    "week": Window("the last 7 days", timedelta(hours=3), 56, 60),
}


async def enter(request: Request) -> Response:
    """The address without a slash at its end leads to the one with it."""
    return RedirectResponse(f"{request.url.path}/", 307)


async def show(visit: Visit) -> Response:
    name = visit.request.query_params.get("window", "hour")
    window = WINDOWS.get(name, WINDOWS["hour"])
    told = await visit.session.database.call(
        "get_overview",
        **window.arguments(datetime.now(UTC)),
        p_everybody=visit.wants_everybody,
    )
    for direction in ("in", "out"):
        read_times(told[direction]["series"])
    has_endpoint = await _has_any(visit, "webhook_endpoints")
    return await visit.live_page(
        "overview.html",
        "overview_live.html",
        windows=WINDOWS,
        chosen=name if name in WINDOWS else "hour",
        window=window,
        told=told,
        has_endpoint=has_endpoint,
    )


def read_times(series: list[dict[str, Any]]) -> None:
    """Makes times of what stands for them in JSON."""
    for point in series:
        point["at"] = datetime.fromisoformat(point["at"])


async def _has_any(visit: Visit, table: str) -> bool:
    query = visit.session.database.table(table).select("id").eq("created_by", visit.session.user_id)
    return bool(await run(query.limit(1)))


ROUTES = (get("/", show),)
