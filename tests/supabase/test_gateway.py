from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, request_response

from gateway import FUNCTIONS, create_gateway
from shared import telemetry
from tests.shared.telemetry.collector import collecting

PATHS = {
    "/functions/v1/ingest/shop": "ingest",
    "/functions/v1/webhook-ingest/shop": "ingest",
    "/functions/v1/webhooks/shop": "ingest",
    "/api/webhooks/receive": "ingest",
    "/api/webhooks/received": "api",
    "/api/webhooks": "api",
    "/api/docs": "api",
    "/api/queue/with%0Abreak": "api",
    "/functions/v1/classify": "classify",
    "/functions/v1/prepare-for-rules": "prepare_for_rules",
    "/functions/v1/process-rules": "process_rules",
    "/functions/v1/process-rules/healthz": "process_rules",
}


class Function:
    """A function that answers everything with its name and notes its start and shutdown."""

    def __init__(self, name: str, notes: list[str], health: int = 200) -> None:
        async def answer(request: Request) -> Response:
            return PlainTextResponse(f"{name} {quote(request.scope['path'])}")

        async def healthz(_: Request) -> Response:
            return Response(status_code=health)

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            notes.append(f"{name} starts")
            yield
            notes.append(f"{name} ends")

        self.app = Starlette(routes=[Route("/healthz", healthz)], lifespan=lifespan)
        self.app.router.default = request_response(answer)


def client(notes: list[str], **health: int) -> tuple[Starlette, httpx.AsyncClient]:
    app = create_gateway(
        {name: Function(name, notes, health.get(name, 200)).app for name in FUNCTIONS}
    )
    return app, httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@pytest.mark.parametrize(("path", "function"), PATHS.items())
async def test_a_function_gets_the_requests_under_its_paths_unchanged(
    path: str, function: str
) -> None:
    _, http = client([])
    async with http:
        assert (await http.get(path)).text == f"{function} {path}"


@pytest.mark.parametrize("path", ["/", "/functions/v1/unknown", "/functions/v1/classifyx", "/apis"])
async def test_an_unknown_path_is_answered_as_functions_do(path: str) -> None:
    _, http = client([])
    async with http:
        response = await http.get(path)

    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("GET", "/apis", 404), ("POST", "/healthz", 405), ("GET", "/healthz", 503)],
)
async def test_every_error_of_its_own_has_the_id_of_its_request(
    method: str, path: str, status: int
) -> None:
    _, http = client([], classify=503)
    async with http:
        first = await http.request(method, path)
        given = await http.request(method, path, headers={"X-Request-Id": "mine"})

    assert (first.status_code, given.status_code) == (status, status)
    assert first.json()["requestId"] == first.headers["x-request-id"] != ""
    assert given.json()["requestId"] == given.headers["x-request-id"] == "mine"


async def test_a_functions_request_is_left_to_it() -> None:
    _, http = client([])
    async with http:
        assert "x-request-id" not in (await http.get("/api/docs")).headers


async def test_every_function_is_started_and_shut_down() -> None:
    notes: list[str] = []
    app, _ = client(notes)

    async with app.router.lifespan_context(app):
        assert notes == [f"{name} starts" for name in FUNCTIONS]

    assert notes[len(FUNCTIONS) :] == [f"{name} ends" for name in reversed(list(FUNCTIONS))]


async def test_the_gateway_is_healthy_only_when_every_function_is() -> None:
    _, healthy = client([])
    _, ailing = client([], classify=503)
    async with healthy, ailing:
        assert (await healthy.get("/healthz")).status_code == 200
        assert (await ailing.get("/healthz")).status_code == 503


async def test_all_functions_in_one_process_are_one_service_whose_end_sends_what_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with telemetry.recording("ingest"):
            yield

    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
        app = create_gateway({"ingest": Starlette(lifespan=lifespan)})
        async with app.router.lifespan_context(app):
            with telemetry.wake("classify", "http://test"):
                pass
            assert collector.spans == []

    assert [span.service for span in collector.spans] == ["switchhook-gateway"]
    assert telemetry.current is None
