"""The routes that the README lists are those that the functions answer on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import cast

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Route

import gateway
from functions.api.docs import describe
from tests.docs.documents import README, codes, document

APPS = gateway.import_functions()
ROWS = README.table("Routes", "method")
ASSETS = "/api/docs/"
"""What the page /api/docs loads."""


def routes_of(app: Starlette) -> Iterator[tuple[str, str]]:
    """Method and path of each route, a health page's function left open as in the README."""
    for route in app.routes:
        if isinstance(route, Route) and not route.path.startswith(ASSETS):
            path = re.sub(
                r"^/functions/v1/[a-z-]+/healthz$", "/functions/v1/{function}/healthz", route.path
            )
            yield from ((method, path) for method in (route.methods or set()) - {"HEAD"})


def told() -> list[tuple[str, str]]:
    return [
        (method, path)
        for row in ROWS
        for method in codes(row["method"])
        for path in codes(row["path"])
    ]


def operations() -> Iterator[tuple[str, str]]:
    """Method and path of what the API's own description lists."""
    for path, methods in describe(cast(FastAPI, APPS["api"]))["paths"].items():
        yield from ((method.upper(), path) for method in methods)


def test_every_route_is_told_and_every_route_told_is_there() -> None:
    there = {route for app in APPS.values() for route in routes_of(app)} | set(operations())

    assert set(told()) == there
    assert len(told()) == len(there)


@pytest.mark.parametrize("name", gateway.FUNCTIONS)
def test_each_function_is_told_under_the_name_it_is_deployed_as(name: str) -> None:
    rows = [row for row in document("functions/README.md").tables[0].rows if row["deployed as"]]
    deployed = {codes(row["folder"])[0]: codes(row["deployed as"])[0] for row in rows}

    assert f"/functions/v1/{deployed[f'{name}/']}" in gateway.FUNCTIONS[name]
    assert len(rows) == len(gateway.FUNCTIONS)
