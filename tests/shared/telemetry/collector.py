"""A collector: takes what is sent over OTLP as protobuf, and keeps it."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2
from typing_extensions import override

Attributes = dict[str, Any]
Found = TypeVar("Found")


@dataclass(frozen=True)
class Span:
    """One span, ids in hex."""

    service: str
    name: str
    kind: str
    trace_id: str
    id: str
    parent_id: str
    attributes: Attributes
    links: list[str]
    is_error: bool
    text: str = field(repr=False)
    """All of it, to look for what may not be there."""


@dataclass(frozen=True)
class Point:
    """One number of one metric: its sum, and how many values that is the sum of."""

    service: str
    name: str
    unit: str
    attributes: Attributes
    count: int
    total: float


class Collector:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.url = ""
        self.status = 200
        self.seconds = 0.0
        """To wait before each answer."""
        self.requests = 0
        self.headers: list[dict[str, str]] = []
        self.spans: list[Span] = []
        self.points: list[Point] = []
        """Of the newest export of each metric, as all are cumulative."""
        self.text = ""
        """Everything that came."""

    def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        with self._lock:
            self._take(path, headers, body)

    def _take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        self.requests += 1
        self.headers.append(headers)
        if path == "/v1/traces":
            traces = ExportTraceServiceRequest.FromString(body)
            self.text += str(traces)
            self.spans += _spans(traces)
        elif path == "/v1/metrics":
            metrics = ExportMetricsServiceRequest.FromString(body)
            self.text += str(metrics)
            points = list(_points(metrics))
            renewed = {(point.service, point.name) for point in points}
            kept = [one for one in self.points if (one.service, one.name) not in renewed]
            self.points = kept + points

    def span(self, name: str, **about: object) -> Span:
        """The one with this name, once it has come; `about` are ends of its attributes' names."""
        (found,) = self.wait_for(lambda: self.found(name, **about))
        return found

    def parent_of(self, span: Span) -> Span:
        """Once it has come: it ends later."""
        (found,) = self.wait_for(lambda: [one for one in self.spans if one.id == span.parent_id])
        return found

    def found(self, name: str, **about: object) -> list[Span]:
        return [
            span
            for span in self.spans
            if span.name == name
            and all(
                any(k.endswith(part) and v == value for k, v in span.attributes.items())
                for part, value in about.items()
            )
        ]

    def values(self, name: str) -> dict[tuple[object, ...], Point]:
        """Points of a metric by the values of their attributes."""
        return {
            tuple(value for _, value in sorted(point.attributes.items())): point
            for point in self.points
            if point.name == name
        }

    def wait_for(self, look: Callable[[], Found]) -> Found:
        deadline = time.monotonic() + 30
        while not (found := look()):
            assert time.monotonic() < deadline, f"waited in vain; there is {self.spans}"
            time.sleep(0.05)
        return found


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that serves until the block is over."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        @override
        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            time.sleep(collector.seconds)
            if collector.status == 200:
                headers = {name.lower(): value for name, value in self.headers.items()}
                collector.take(self.path, headers, body)
            self.send_response(collector.status)
            self.send_header("content-length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    collector.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in request.resource_spans:
        service = _attributes(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    service=service,
                    name=span.name,
                    kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                    trace_id=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    attributes=_attributes(span.attributes),
                    links=[link.span_id.hex() for link in span.links],
                    is_error=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
                    text=str(span),
                )


def _points(request: ExportMetricsServiceRequest) -> Iterator[Point]:
    for resource in request.resource_metrics:
        service = _attributes(resource.resource.attributes)["service.name"]
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for each in metric.histogram.data_points:
                    about = _attributes(each.attributes)
                    yield Point(service, metric.name, metric.unit, about, each.count, each.sum)
                for one in metric.sum.data_points:
                    about, total = _attributes(one.attributes), one.as_int
                    yield Point(service, metric.name, metric.unit, about, total, total)


def _attributes(pairs: Any) -> Attributes:
    return {pair.key: _value(pair) for pair in pairs}


def _value(pair: KeyValue) -> Any:
    return _plain(pair.value)


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(one) for one in value.array_value.values]
    return getattr(value, kind) if kind else None
