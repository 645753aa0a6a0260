"""The API's description and the page that shows it."""

from __future__ import annotations

import re

import httpx
import pytest
from fastapi import FastAPI

from functions.api.docs import describe
from shared.errors import error_classes


async def test_the_page_loads_nothing_from_elsewhere(anonymous: httpx.AsyncClient) -> None:
    page = await anonymous.get("/api/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(links) == 4
    for link in links:
        assert "//" not in link
        loaded = await anonymous.get(str(httpx.URL("http://api/api/docs").join(link)))
        assert (loaded.status_code, bool(loaded.content)) == (200, True)
    start = await anonymous.get("/api/docs/start.js")
    assert "validatorUrl: null" in start.text
    assert "//" not in start.text


async def test_the_description_is_served_to_everybody(
    app: FastAPI, anonymous: httpx.AsyncClient
) -> None:
    answer = await anonymous.get("/api/openapi.json")
    assert answer.json() == describe(app)
    assert answer.json()["openapi"].startswith("3.")


async def test_every_route_documents_its_refusals(app: FastAPI) -> None:
    document = describe(app)
    failure = {"$ref": "#/components/schemas/Failure"}
    for path, methods in document["paths"].items():
        for operation in methods.values():
            answers = operation["responses"]
            assert {"401", "503"} <= answers.keys()
            assert "422" not in answers
            is_public = path == "/api/auth/login"
            assert operation.get("security") == (None if is_public else [{"HTTPBearer": []}])
            has_body = "requestBody" in operation
            assert ({"400", "408", "413", "415"} <= answers.keys()) == has_body
            for status, answer in answers.items():
                schema = answer["content"]["application/json"]["schema"]
                assert (schema == failure) == (int(status) >= 400)


async def test_every_code_in_the_description_exists(app: FastAPI) -> None:
    codes = {error.code for error in error_classes()}
    told = {
        code
        for methods in describe(app)["paths"].values()
        for operation in methods.values()
        for status, answer in operation["responses"].items()
        if int(status) >= 400
        for code in re.findall(r"`(\w+)`", answer["description"])
    }
    assert told
    assert told <= codes


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
async def test_fastapi_s_own_pages_are_off(path: str, anonymous: httpx.AsyncClient) -> None:
    assert (await anonymous.get(path)).status_code == 404
