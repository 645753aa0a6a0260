from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shared.logs import current_request_id, log_as_json
from shared.responses import RequestIds, log_facts

logger = logging.getLogger("tests.logs")


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    """What log_as_json changes is put back. Each test calls it itself: it takes standard output as it then is."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def ask(path: str, **headers: str) -> httpx.Response:
    async def answer(request: Request) -> Response:
        logger.warning("within")
        log_facts(request, event_id="an-event")
        if request.url.path == "/broken":
            raise RuntimeError("broken")
        return Response(status_code=202)

    log_as_json()
    app = Starlette(
        routes=[Route(path, answer) for path in ("/shop", "/broken")],
        middleware=[Middleware(RequestIds)],
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get(path, headers=headers)


def test_a_line_is_one_object_with_what_was_given_along(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log_as_json()
    logger.error("two\nlines of %s", "text", extra={"stage": "classify", "count": 3})

    (line,) = lines(capsys)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "severity": "ERROR",
        "logger": "tests.logs",
        "message": "two\nlines of text",
        "stage": "classify",
        "count": 3,
    }


def test_an_exception_is_part_of_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    log_as_json()
    try:
        int("no")
    except ValueError:
        logger.exception("failed")

    (line,) = lines(capsys)
    assert "ValueError: invalid literal" in line["exception"]


async def test_a_request_is_one_line_and_all_within_have_its_id(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer = await ask("/shop?secret=1", **{"X-Request-Id": "mine", "Authorization": "hidden"})

    within, request = lines(capsys)
    assert answer.headers["x-request-id"] == within["request_id"] == request["request_id"] == "mine"
    assert request["duration_ms"] >= 0
    assert {name: request[name] for name in ("method", "path", "status", "event_id")} == {
        "method": "GET",
        "path": "/shop",
        "status": 202,
        "event_id": "an-event",
    }
    assert "secret" not in str(request)
    assert "hidden" not in str(request)


async def test_a_request_that_breaks_is_logged_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    await ask("/broken")

    assert [line["status"] for line in lines(capsys) if line["message"] == "request"] == [500]


async def test_no_id_is_left_behind(capsys: pytest.CaptureFixture[str]) -> None:
    await ask("/shop")

    assert current_request_id.get() == ""


def test_the_servers_own_lines_are_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    server = logging.getLogger("uvicorn.error")
    server.addHandler(logging.StreamHandler())

    log_as_json()
    server.info("Started")

    assert [line["message"] for line in lines(capsys)] == ["Started"]
