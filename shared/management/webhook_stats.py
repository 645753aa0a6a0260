"""How a webhook fares: rates, latencies and a series for a chart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.errors import InvalidRequest
from shared.management.models import Resource, Timestamp
from shared.management.session import UserSession

WINDOW = timedelta(hours=24)


class StatsQuery(BaseModel):
    """The time to look at."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    since: AwareDatetime | None = Field(
        default=None, description="Its start; 24 hours before its end unless given."
    )
    until: AwareDatetime | None = Field(default=None, description="Its end; now unless given.")
    points: int = Field(default=48, ge=1, le=200, description="How many pieces the series has.")


class Point(Resource):
    """One piece of the time."""

    at: Timestamp = Field(description="Its start.")
    succeeded: int
    failed: int
    latency_p50_ms: float | None
    latency_p95_ms: float | None


class Streak(Resource):
    """How the latest attempts ended."""

    success: bool
    length: int = Field(description="How many in a row, counted up to 1000.")


class Stats(Resource):
    """How a webhook fares. Test sends do not count."""

    since: Timestamp
    until: Timestamp
    attempts: int
    succeeded: int
    failed: int
    success_rate: float | None = Field(description="0 to 1; null without attempts.")
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    series: list[Point]
    streak: Streak | None
    deliveries: dict[str, int] = Field(description="By status, of those queued within the time.")


async def get_webhook_stats(session: UserSession, webhook_id: UUID, wanted: StatsQuery) -> Stats:
    until = wanted.until or datetime.now(UTC)
    try:
        since = wanted.since or until - WINDOW
    except OverflowError:
        raise InvalidRequest("until: this is too early") from None
    answer = await session.database.call(
        "get_webhook_stats",
        p_webhook_id=str(webhook_id),
        p_since=since.isoformat(),
        p_until=until.isoformat(),
        p_points=wanted.points,
    )
    told = answer | {"since": since.isoformat(), "until": until.isoformat()}
    return Stats.model_validate(told)
