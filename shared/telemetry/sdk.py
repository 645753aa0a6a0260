"""OpenTelemetry's SDK, set up and used. Nothing else imports it, and this is imported only when it is wanted.

The providers are ours alone and not the process's: a library that speaks OpenTelemetry of its own accord would
put addresses with their queries into spans, which hold what must not leave.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.metrics import NoOpMeter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, NoOpTracer, SpanKind, Status, StatusCode
from typing_extensions import override

from shared.telemetry.exporting import (
    Collector,
    InBackground,
    MetricExporter,
    SpanExporter,
    resource_of,
    silence_the_sdk,
)
from shared.telemetry.instruments import (
    ERROR_TYPE,
    OUTCOME,
    STAGE,
    CountedReceipt,
    Instruments,
    error_type,
)
from shared.telemetry.spans import Receipt, Span, Value
from shared.version import VERSION

SCOPE = "switchhook"
METHODS = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"}
)
MAX_IDS = 100
"""Of the events of a batch."""


class RecordedSpan(Span):
    """The current span while its block runs. Of an exception only the kind is told: its words may quote anything."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @override
    def __enter__(self) -> Self:
        self._token = contexts.attach(trace.set_span_in_context(self._span))
        return self

    @override
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self.fail(error_type(error))
        contexts.detach(self._token)
        self._span.end()

    @override
    def set(self, attributes: Mapping[str, Value]) -> None:
        self._span.set_attributes(attributes)

    @override
    def fail(self, error_type: str) -> None:
        self._span.set_attribute(ERROR_TYPE, error_type)
        self._span.set_status(Status(StatusCode.ERROR))

    @override
    def rename(self, name: str) -> None:
        self._span.update_name(name)


class Telemetry:
    """What one process records, and how it leaves.

    Args:
        function: deployed name, for the name of the service where the environment gives none.
        signals: traces, metrics or both.
    """

    def __init__(self, function: str, signals: Collection[str]) -> None:
        silence_the_sdk()
        self._collector = Collector()
        resource = resource_of(function)
        self._tracers = self._meters = None
        self._tracer: trace.Tracer = NoOpTracer()
        self._instruments = Instruments(NoOpMeter(SCOPE))
        if "traces" in signals:
            self._tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
            exporter = SpanExporter(self._collector)
            self._tracers.add_span_processor(BatchSpanProcessor(exporter))
            self._tracer = self._tracers.get_tracer(SCOPE, VERSION)
        if "metrics" in signals:
            reader = PeriodicExportingMetricReader(MetricExporter(self._collector))
            self._meters = MeterProvider([reader], resource, shutdown_on_exit=False)
            self._instruments = Instruments(self._meters.get_meter(SCOPE, VERSION))
        self._flushing = InBackground(self._flush)
        self._stopping = InBackground(self._shut_down)

    def span(
        self,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Value],
        parent: Context | None = None,
        links: Sequence[Link] = (),
    ) -> RecordedSpan:
        return RecordedSpan(self._tracer.start_span(name, parent, kind, attributes, links))

    def request(self, scope: Mapping[str, Any]) -> RecordedSpan:
        """In the trace that the caller names, if it does."""
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        method = _method(scope)
        about = {"http.request.method": method, "url.scheme": scope["scheme"]}
        return self.span(method, SpanKind.SERVER, about, propagate.extract(headers))

    def answered(
        self, span: Span, scope: Mapping[str, Any], route: str | None, status: int, seconds: float
    ) -> None:
        method = _method(scope)
        about: dict[str, str | int] = {"http.response.status_code": status}
        if route is not None:
            about["http.route"] = route
            span.rename(f"{method} {route}")
        facts: dict[str, str] = scope["state"].get("facts", {})
        span.set({**about, **{_fact(name): value for name, value in facts.items()}})
        if status >= 500:
            about[ERROR_TYPE] = str(status)
            span.fail(str(status))
        common = {"http.request.method": method, "url.scheme": scope["scheme"]}
        self._instruments.served(seconds, common | about)

    def rpc(self, function: str, url: str) -> RecordedSpan:
        about: dict[str, Value] = {
            "db.system.name": "postgresql",
            "db.stored_procedure.name": function,
        }
        return self.span(function, SpanKind.CLIENT, about | _server(url))

    def query(self, of_table: Any) -> RecordedSpan:
        url = of_table.request.path
        table = url.name
        about: dict[str, Value] = {"db.system.name": "postgresql", "db.collection.name": table}
        return self.span(table, SpanKind.CLIENT, about | _server(str(url)))

    def group(self, submitted: Sequence[Context]) -> RecordedSpan:
        """Below the request that its first row came with, and with links to the others."""
        first = trace.get_current_span(submitted[0]).get_span_context()
        others = {
            found.span_id: found
            for context in submitted
            if (found := trace.get_current_span(context).get_span_context()).is_valid
        }
        others.pop(first.span_id, None)
        about = {"switchhook.group.size": len(submitted)}
        links = [Link(other) for other in others.values()]
        return self.span("group commit", SpanKind.INTERNAL, about, submitted[0], links)

    def receipt(self) -> Receipt:
        return CountedReceipt(self._instruments)

    def batch(self, stage: str, events: Sequence[Mapping[str, Any]]) -> RecordedSpan:
        about: dict[str, Value] = {
            STAGE: stage,
            "switchhook.event.ids": [str(event["id"]) for event in events[:MAX_IDS]],
        }
        return self.span(f"{stage} batch", SpanKind.INTERNAL, about)

    def worked(
        self, span: Span, stage: str, claimed: int, seconds: float, outcomes: Mapping[str, int]
    ) -> None:
        counts = {"claimed": claimed, **outcomes}
        span.set({f"switchhook.batch.{name}": events for name, events in counts.items()})
        self._instruments.worked(stage, claimed, seconds, outcomes)

    def attempt(
        self, url: str, webhook_id: str, delivery_id: str, event_id: str, number: int
    ) -> RecordedSpan:
        about: dict[str, Value] = {
            "http.request.method": "POST",
            "switchhook.webhook.id": webhook_id,
            "switchhook.delivery.id": delivery_id,
            "switchhook.event.id": event_id,
            "switchhook.delivery.attempt": number,
        }
        return self.span("deliver", SpanKind.CLIENT, about | _server(url))

    def attempted(
        self,
        span: Span,
        outcome: str,
        error_type: str | None,
        status: int | None,
        seconds: float | None,
        waited_seconds: float | None,
    ) -> None:
        span.set({OUTCOME: outcome})
        if status is not None:
            span.set({"http.response.status_code": status})
        if error_type is not None:
            span.fail(error_type)
        self._instruments.attempted(outcome, error_type, seconds, waited_seconds)

    def wake(self, function: str, url: str) -> RecordedSpan:
        about: dict[str, Value] = {"http.request.method": "POST", "switchhook.function": function}
        return self.span(f"wake {function}", SpanKind.CLIENT, about | _server(url))

    @staticmethod
    def here() -> Context:
        return contexts.get_current()

    @staticmethod
    def ids() -> dict[str, str]:
        found = trace.get_current_span().get_span_context()
        if not found.is_valid:
            return {}
        return {
            "trace_id": trace.format_trace_id(found.trace_id),
            "span_id": trace.format_span_id(found.span_id),
        }

    @staticmethod
    def outgoing_headers() -> dict[str, str]:
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        return carrier

    def flush(self, *, within_seconds: float) -> None:
        """Sends what there is, unless the collector did not take the last."""
        if self._collector.is_worth_waiting_for and not self._flushing.run(
            within_seconds=within_seconds
        ):
            self._collector.avoid()

    def stop(self, *, within_seconds: float) -> None:
        """Sends what there is, unless the collector did not take the last, and records nothing more."""
        patience = within_seconds if self._collector.is_worth_waiting_for else 0.0
        self._stopping.run(within_seconds=patience)

    def _flush(self) -> None:
        if self._tracers is not None:
            self._tracers.force_flush()
        if self._meters is not None:
            self._meters.force_flush()

    def _shut_down(self) -> None:
        if self._tracers is not None:
            self._tracers.shutdown()
        if self._meters is not None:
            self._meters.shutdown()


@functools.lru_cache(1_000)
def _server(url: str) -> dict[str, Value]:
    """Host and port of an address, without what else it holds."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return {}
    return {"server.address": parts.hostname or "", "server.port": port}


def _method(scope: Mapping[str, Any]) -> str:
    """Anybody may invent methods; the conventions have one word for them all."""
    method: str = scope["method"]
    return method if method in METHODS else "_OTHER"


def _fact(name: str) -> str:
    """`event_id`, as log lines have it, as an attribute."""
    return f"switchhook.{name.replace('_', '.')}"
