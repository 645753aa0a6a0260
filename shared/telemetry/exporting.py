"""Exporters that trouble nobody: one line in the log when the collector takes nothing, one when it does again."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from typing_extensions import override

from shared.version import VERSION

PAUSE_SECONDS = 60.0
"""How long nobody waits for a collector that did not answer."""

logger = logging.getLogger(__name__)


class Collector:
    """Whether the collector takes what it is sent."""

    def __init__(self) -> None:
        self._failing: set[str] = set()
        self._avoid_until = 0.0

    @property
    def is_worth_waiting_for(self) -> bool:
        return time.monotonic() >= self._avoid_until

    def note(self, what: str, *, was_taken: bool) -> None:
        """One export has ended."""
        if was_taken:
            self._avoid_until = 0.0
            if what in self._failing:
                self._failing.discard(what)
                logger.warning("the OTLP endpoint takes %s again", what)
            return
        self.avoid()
        if what not in self._failing:
            self._failing.add(what)
            logger.warning("the OTLP endpoint does not take %s; they are lost until it does", what)

    def avoid(self) -> None:
        self._avoid_until = time.monotonic() + PAUSE_SECONDS


class SpanExporter(OTLPSpanExporter):
    def __init__(self, collector: Collector) -> None:
        super().__init__()
        self._collector = collector

    @override
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = super().export(spans)
        self._collector.note("spans", was_taken=result is SpanExportResult.SUCCESS)
        return result


class MetricExporter(OTLPMetricExporter):
    def __init__(self, collector: Collector) -> None:
        super().__init__()
        self._collector = collector

    @override
    def export(
        self, metrics_data: MetricsData, timeout_millis: float | None = 10_000, **options: Any
    ) -> MetricExportResult:
        result = super().export(metrics_data, timeout_millis, **options)
        self._collector.note("metrics", was_taken=result is MetricExportResult.SUCCESS)
        return result


def resource_of(function: str) -> Resource:
    """What the environment says of this process goes first."""
    found = Resource.create()
    own: dict[str, Any] = {"service.version": VERSION}
    if str(found.attributes.get("service.name", "")).startswith("unknown_service"):
        return found.merge(Resource(own | {"service.name": f"switchhook-{function}"}))
    return Resource(own).merge(found)


def silence_the_sdk() -> None:
    """It tells of each try to send, and quotes addresses and headers, which may hold a key."""
    for name in ("exporter", "util.re", "baggage.propagation"):
        logging.getLogger(f"opentelemetry.{name}").setLevel(logging.CRITICAL)


class InBackground:
    """Something slow, done in a thread that is waited for only so long; one at a time."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._thread: threading.Thread | None = None

    def run(self, *, within_seconds: float) -> bool:
        """Whether it is done. If not it goes on, and the next call waits for that."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._quietly, daemon=True)
            self._thread.start()
        self._thread.join(within_seconds)
        return not self._thread.is_alive()

    def _quietly(self) -> None:
        # The SDK raises where a reader fails; that is told by the exporters, once.
        with contextlib.suppress(Exception):
            self._work()
