"""OpenTelemetry: traces and metrics, if the environment names an OTLP endpoint to send them to.

Without one, nothing is imported and all of this does nothing. Everything is configured by OpenTelemetry's own
variables (OTEL_…), which its SDK reads from the environment, so they are no settings of a function's.

What is recorded is named here, in one place: see what each says before you add an attribute. No attribute holds
a secret, a payload or a part of one, a signature, a query, a header, or anything about a person.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from shared.telemetry.spans import NOT_COUNTED, OFF, Receipt, Span

if TYPE_CHECKING:
    from shared.telemetry.sdk import Telemetry

SIGNALS = ("traces", "metrics")
FLUSH_SECONDS = 1.0
"""What sending may add to a request where the runtime freezes a process between requests."""
STOP_SECONDS = 5.0

logger = logging.getLogger(__name__)

current: Telemetry | None = None
"""Of this process; None while nothing is recorded."""


def wanted(environment: Mapping[str, str]) -> list[str]:
    """The signals that are to be exported."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return []
    for_all = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    return [
        signal
        for signal in SIGNALS
        if (for_all or environment.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"))
        and "otlp" in (environment.get(f"OTEL_{signal.upper()}_EXPORTER") or "otlp")
    ]


def start(function: str) -> bool:
    """Begins to record, if that is wanted and nobody has begun; whether it did. Never raises."""
    global current  # noqa: PLW0603 (one for the process)
    signals = wanted(os.environ)
    if current is not None or not signals:
        return False
    try:
        from shared.telemetry.sdk import Telemetry  # noqa: PLC0415 (see the module's docstring)

        current = Telemetry(function, signals)
    except ModuleNotFoundError as error:
        logger.warning(
            "no telemetry: an OTLP endpoint is set, but the packages of requirements/telemetry.txt are missing (%s)",
            error.name,
        )
    except Exception as error:  # noqa: BLE001 (a function runs, however wrong an OTEL_ variable is)
        logger.warning("no telemetry: the SDK cannot be set up (%s)", type(error).__name__)
    return current is not None


def stop() -> None:
    """Sends what there is, within bounds, and records nothing more."""
    global current
    if current is not None:
        stopped, current = current, None
        stopped.stop(within_seconds=STOP_SECONDS)


@asynccontextmanager
async def recording(function: str) -> AsyncIterator[None]:
    """Around the life of a function. Of several in one process, the first to start is the one that names it."""
    is_ours = start(function)
    try:
        yield
    finally:
        if is_ours:
            await asyncio.to_thread(stop)


def flush() -> None:
    """Sends what there is, within bounds: for a process that may freeze before it would be sent."""
    if current is not None:
        current.flush(within_seconds=FLUSH_SECONDS)


def log_fields() -> dict[str, str]:
    """Trace and span of where a line is logged."""
    return {} if current is None else current.ids()


def outgoing_headers() -> dict[str, str]:
    """For calls among our own functions: what is done there is part of the same trace."""
    return {} if current is None else current.outgoing_headers()


def here() -> Any:
    """Where in which trace this is; for `group`."""
    return None if current is None else current.here()


def request(scope: Mapping[str, Any]) -> Span:
    """A request that is being answered. What checks whether we are healthy is not worth a trace."""
    if current is None or scope["path"] == "/healthz":
        return OFF
    return current.request(scope)


def answered(
    span: Span, scope: Mapping[str, Any], route: str | None, status: int, seconds: float
) -> None:
    """How it was answered. `route` is a template: what the path itself holds is not told."""
    if current is not None:
        current.answered(span, scope, route, status, seconds)


def rpc(function: str, url: str) -> Span:
    """A call to the database, by its name and never with its arguments."""
    return OFF if current is None else current.rpc(function, url)


def query(of_table: Any) -> Span:
    """A query of Supabase's client: the table's name, without what is looked for or changed."""
    return OFF if current is None else current.query(of_table)


def group(submitted: Sequence[Any]) -> Span:
    """Rows of several requests stored in one call; where each was submitted, as `here` told."""
    return OFF if current is None else current.group(submitted)


def receipt() -> Receipt:
    """A webhook on its way in."""
    return NOT_COUNTED if current is None else current.receipt()


def batch(stage: str, events: Sequence[Mapping[str, Any]]) -> Span:
    """Events that a stage of the pipeline has claimed."""
    return OFF if current is None else current.batch(stage, events)


def worked(
    span: Span, stage: str, claimed: int, seconds: float, outcomes: Mapping[str, int]
) -> None:
    """What became of a batch."""
    if current is not None:
        current.worked(span, stage, claimed, seconds, outcomes)


def attempt(url: str, *, webhook_id: str, delivery_id: str, event_id: str, number: int) -> Span:
    """An attempt to deliver. Of the address only the host is told."""
    if current is None:
        return OFF
    return current.attempt(url, webhook_id, delivery_id, event_id, number)


def attempted(
    span: Span,
    outcome: str,
    *,
    error_type: str | None,
    status: int | None,
    seconds: float | None,
    waited_seconds: float | None,
) -> None:
    """What became of it. `seconds` until the answer, if anything was sent; `waited_seconds` from the event's
    publication, for a first attempt.
    """
    if current is not None:
        current.attempted(span, outcome, error_type, status, seconds, waited_seconds)


def wake(function: str, url: str) -> Span:
    """A call that tells a worker that there may be work."""
    return OFF if current is None else current.wake(function, url)
