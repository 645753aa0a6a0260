"""What is counted and timed. Attributes have few values: no ids, slugs, names that users gave, or addresses."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType

from opentelemetry.metrics import Meter
from typing_extensions import override

from shared.telemetry.spans import Receipt

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Buckets of HTTP's semantic conventions, https://opentelemetry.io/docs/specs/semconv/http/http-metrics/."""
LONG_SECONDS = (*SECONDS, 30.0, 60.0, 300.0, 3600.0)
EVENTS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)

OUTCOME, STAGE, ERROR_TYPE = "switchhook.outcome", "switchhook.stage", "error.type"


class Instruments:
    """One set for a process."""

    def __init__(self, meter: Meter) -> None:
        count, time_ = meter.create_counter, meter.create_histogram
        self._requests = time_(
            "http.server.request.duration",
            "s",
            "Duration of HTTP server requests.",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        self._ingest_events = count(
            "switchhook.ingest.events", "{event}", "Webhooks that came, by what became of them."
        )
        self._ingest_duration = time_(
            "switchhook.ingest.duration",
            "s",
            "From a webhook's arrival until its commit or refusal.",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        self._stage_events = count(
            "switchhook.stage.events", "{event}", "Events that a stage has worked on."
        )
        self._stage_size = time_(
            "switchhook.stage.batch.size",
            "{event}",
            "Events in one batch of a stage.",
            explicit_bucket_boundaries_advisory=EVENTS,
        )
        self._stage_duration = time_(
            "switchhook.stage.batch.duration",
            "s",
            "From a batch's claim until its results are recorded.",
            explicit_bucket_boundaries_advisory=LONG_SECONDS,
        )
        self._attempts = count(
            "switchhook.delivery.attempts", "{attempt}", "Attempts to deliver, by their outcome."
        )
        self._delivery_duration = time_(
            "switchhook.delivery.duration",
            "s",
            "Until the receiver's answer has come.",
            explicit_bucket_boundaries_advisory=LONG_SECONDS,
        )
        self._delivery_wait = time_(
            "switchhook.delivery.wait",
            "s",
            "From an event's publication until the first attempt of its delivery.",
            explicit_bucket_boundaries_advisory=LONG_SECONDS,
        )

    def served(self, seconds: float, attributes: Mapping[str, str | int]) -> None:
        self._requests.record(seconds, attributes)

    def received(self, outcome: str, error_type: str | None, events: int = 1) -> None:
        self._ingest_events.add(events, _attributes(outcome, error_type))

    def answered(self, outcome: str, seconds: float) -> None:
        self._ingest_duration.record(seconds, {OUTCOME: outcome})

    def worked(self, stage: str, claimed: int, seconds: float, outcomes: Mapping[str, int]) -> None:
        self._stage_size.record(claimed, {STAGE: stage})
        self._stage_duration.record(seconds, {STAGE: stage})
        for outcome, events in outcomes.items():
            if events:
                self._stage_events.add(events, {STAGE: stage, OUTCOME: outcome})

    def attempted(
        self,
        outcome: str,
        error_type: str | None,
        seconds: float | None,
        waited_seconds: float | None,
    ) -> None:
        """`seconds` is None where nothing was sent, `waited_seconds` for all but first attempts."""
        attributes = _attributes(outcome, error_type)
        self._attempts.add(1, attributes)
        if seconds is not None:
            self._delivery_duration.record(seconds, attributes)
        if waited_seconds is not None:
            self._delivery_wait.record(max(waited_seconds, 0.0))


def _attributes(outcome: str, error_type: str | None) -> dict[str, str]:
    return {OUTCOME: outcome} if error_type is None else {OUTCOME: outcome, ERROR_TYPE: error_type}


class CountedReceipt(Receipt):
    """Counts a webhook, and how long it took: stored, or refused and why."""

    __slots__ = ("_began", "_instruments", "_outcome")

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._began = time.perf_counter()
        self._outcome = "handshake"
        """A set-up request of the source's, which stores nothing."""

    @override
    def stored(self, states: Sequence[str]) -> None:
        for state in ("accepted", "duplicate"):
            if events := states.count(state):
                self._instruments.received(state, None, events)
                self._outcome = state if self._outcome != "accepted" else "accepted"

    @override
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self._outcome = "refused" if getattr(error, "status", 500) < 500 else "failed"
            self._instruments.received(self._outcome, error_type(error))
        self._instruments.answered(self._outcome, time.perf_counter() - self._began)


def error_type(error: BaseException) -> str:
    """The code of an error of ours, or the class of any other; never its words."""
    code = getattr(error, "code", None)
    return code if isinstance(code, str) else type(error).__name__
