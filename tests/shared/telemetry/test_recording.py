"""What is recorded, as a collector gets it."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import threading
from collections.abc import Iterator, Sequence

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from processes import free_port
from shared import telemetry
from shared.database import Database
from shared.errors import DatabaseUnavailable
from shared.group_commit import GroupCommit
from shared.logs import JsonFormatter
from shared.responses import EXCEPTION_HANDLERS, RequestIds, log_facts
from tests.shared.telemetry.collector import Collector, collecting

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{CALLER}-01"
CANARY = "canary-8ad21f"

logger = logging.getLogger("tests.telemetry")


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as started:
        yield started


@pytest.fixture(autouse=True)
def _recording(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sends when it is told to, and not before; at the end nothing goes on in the background."""
    before = set(threading.enumerate())
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "3600000")
    assert telemetry.start("test")
    yield
    collector.seconds = 0
    telemetry.stop()
    for thread in set(threading.enumerate()) - before:
        thread.join(30)


async def answer(request: Request) -> Response:
    logger.warning("within")
    log_facts(request, event_id="an-event")
    if "broken" in request.url.path:
        raise RuntimeError(CANARY)
    return Response(status_code=202)


async def ask(path: str, method: str = "GET", **headers: str) -> httpx.Response:
    routes = [
        Route("/healthz", answer),
        Route("/shops/{name}", answer, methods=["GET", "POST"]),
        Mount("/console", routes=[Route("/events/{id}", answer)]),
    ]
    app = Starlette(
        routes=routes, middleware=[Middleware(RequestIds)], exception_handlers=EXCEPTION_HANDLERS
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, path, headers=headers)


async def test_a_request_is_a_span_in_its_callers_trace(collector: Collector) -> None:
    await ask(f"/shops/{CANARY}?key={CANARY}", traceparent=TRACEPARENT, authorization=CANARY)
    telemetry.flush()

    span = collector.span("GET /shops/{name}")
    assert (span.kind, span.trace_id, span.parent_id) == ("SERVER", TRACE, CALLER)
    assert span.service == "switchhook-test"
    assert not span.is_error
    assert span.attributes == {
        "http.request.method": "GET",
        "http.route": "/shops/{name}",
        "http.response.status_code": 202,
        "url.scheme": "http",
        "switchhook.event.id": "an-event",
    }
    assert CANARY not in collector.text


async def test_requests_are_timed_by_route(collector: Collector) -> None:
    for name in ("one", "two"):
        await ask(f"/shops/{name}")
    telemetry.flush()

    point = collector.values("http.server.request.duration")["GET", 202, "/shops/{name}", "http"]
    assert (point.count, point.unit) == (2, "s")


async def test_what_breaks_is_told_by_its_kind_and_never_in_its_words(collector: Collector) -> None:
    await ask("/shops/broken", method="POST")
    telemetry.flush()

    span = collector.span("POST /shops/{name}")
    assert span.is_error
    assert span.attributes["error.type"] == "RuntimeError"
    assert span.attributes["http.response.status_code"] == 500
    assert CANARY not in collector.text


async def test_the_route_below_a_mount_is_whole(collector: Collector) -> None:
    await ask("/console/events/1")
    await ask("/console/nowhere")
    telemetry.flush()

    assert collector.found("GET /console/events/{id}")
    assert collector.found("GET /console/{path}")


async def test_paths_and_methods_that_strangers_invent_have_no_name(collector: Collector) -> None:
    await ask(f"/{CANARY}", method=CANARY.upper())
    telemetry.flush()

    assert collector.span("_OTHER").attributes["http.response.status_code"] == 404
    assert CANARY.upper() not in collector.text


async def test_looking_whether_it_is_healthy_is_no_trace(collector: Collector) -> None:
    await ask("/healthz")
    await ask("/shops/one")
    telemetry.flush()

    assert [span.name for span in collector.spans] == ["GET /shops/{name}"]


async def test_a_log_line_has_the_trace_that_it_belongs_to(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(JsonFormatter())
    logging.getLogger().addHandler(handler)
    try:
        with caplog.at_level(logging.INFO):
            await ask("/shops/one", traceparent=TRACEPARENT)
            logger.warning("outside")
    finally:
        logging.getLogger().removeHandler(handler)
    telemetry.flush()

    lines = [json.loads(line) for line in handler.stream.getvalue().splitlines()]
    traces = {line["message"]: line.get("trace_id") for line in lines}
    assert (traces["within"], traces["request"], traces["outside"]) == (TRACE, TRACE, None)
    assert lines[0]["span_id"] == collector.span("GET /shops/{name}").id


async def test_a_group_is_below_its_first_request_and_linked_to_the_others(
    collector: Collector,
) -> None:
    may_end = asyncio.Event()

    async def store(rows: Sequence[bytes]) -> Sequence[int]:
        with telemetry.rpc("store_rows", "http://database:3000"):
            await may_end.wait()
            return [len(row) for row in rows]

    group = GroupCommit(store, max_rows=9, max_bytes=99, concurrency=1, overlap_rows=9)

    async def submit(name: str) -> None:
        with telemetry.wake(name, "http://x"):
            await group.submit(b"row")

    # The first goes alone; what comes meanwhile goes together, and was started by the first's end.
    names = ("alone", "one", "two", "three")
    submitted = []
    for name in names:
        submitted.append(asyncio.create_task(submit(name)))
        await asyncio.sleep(0.01)
    may_end.set()
    await asyncio.gather(*submitted)
    telemetry.flush()

    _, first, *others = (collector.span(f"wake {name}") for name in names)
    (commit,) = collector.found("group commit", **{"group.size": 3})
    (rpc,) = (span for span in collector.spans if span.parent_id == commit.id)
    assert commit.parent_id == first.id
    assert commit.links == [other.id for other in others]
    assert rpc.kind == "CLIENT"
    assert rpc.attributes == {
        "db.system.name": "postgresql",
        "db.stored_procedure.name": "store_rows",
        "server.address": "database",
        "server.port": 3000,
    }


async def test_a_call_that_fails_says_its_code_and_nothing_of_its_arguments(
    collector: Collector,
) -> None:
    async with Database(f"http://127.0.0.1:{free_port()}", CANARY) as database:
        with pytest.raises(DatabaseUnavailable):
            await database.call("claim_classify", p_secret=CANARY)
    telemetry.flush()

    span = collector.span("claim_classify")
    assert span.is_error
    assert span.attributes["error.type"] == "database_unavailable"
    assert CANARY not in collector.text


def test_an_address_that_cannot_be_read_is_left_out(collector: Collector) -> None:
    with telemetry.attempt(
        "http://host:***/hook", webhook_id="w", delivery_id="d", event_id="e", number=1
    ):
        pass
    telemetry.flush()

    assert "server.address" not in collector.span("deliver").attributes


def test_a_flush_waits_for_a_slow_collector_once_within_bounds_and_then_no_more(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry, "FLUSH_SECONDS", 1.5)
    collector.seconds = 4
    for _ in range(3):
        with telemetry.wake("classify", "http://x"):
            pass
        telemetry.flush()

    assert collector.requests == 0


def test_a_collector_that_takes_nothing_is_told_once_and_so_is_its_return(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    current = telemetry.current
    assert current is not None

    def export() -> list[str]:
        caplog.clear()
        with telemetry.wake("classify", "http://x"), telemetry.receipt():
            pass
        current._flush()
        return sorted(record.getMessage() for record in caplog.records)

    collector.status = 400
    lost = "the OTLP endpoint does not take {}; they are lost until it does"
    assert export() == [lost.format("metrics"), lost.format("spans")]
    assert export() == []
    collector.status = 200
    again = "the OTLP endpoint takes {} again"
    assert export() == [again.format("metrics"), again.format("spans")]


async def test_requests_are_answered_while_the_collector_is_away(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    telemetry.stop()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    assert telemetry.start("test")

    answers = [await ask("/shops/one") for _ in range(20)]

    assert {one.status_code for one in answers} == {202}


def test_what_the_environment_says_of_the_service_is_so(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    telemetry.stop()
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop-webhooks")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=mine")
    assert telemetry.start("test")
    with telemetry.wake("classify", "http://x"):
        pass
    telemetry.flush()

    assert collector.span("wake classify").service == "shop-webhooks"
    assert collector.headers[-1]["x-api-key"] == "mine"


def test_sampling_is_for_the_environment_to_say(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    telemetry.stop()
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    assert telemetry.start("test")
    with telemetry.wake("classify", "http://x"):
        flags = telemetry.outgoing_headers()["traceparent"].rpartition("-")[2]
    telemetry.flush()

    assert int(flags, 16) % 2 == 0, "it is marked as sampled"
    assert collector.spans == []
