"""Bundles under the programs that runtimes run them by, all asked in the same way."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from processes import free_port
from tests.functions.deploy.runtime_api import runtime_api
from tests.functions.deploy.unpacked import Bundles, linked, running, wait_until_healthy


@dataclass(frozen=True)
class Answer:
    """What a function answered, whoever carried it."""

    status: int
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)


Ask = Callable[..., Answer]
"""With method, path, and perhaps body and headers, whose names are in lower case."""


def _over_http(url: str) -> Ask:
    def ask(
        method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        answer = httpx.request(method, url + path, content=body, headers=headers, timeout=60)
        return Answer(answer.status_code, answer.content)

    return ask


@contextmanager
def under_uvicorn(bundles: Bundles, function: str, settings: dict[str, str]) -> Iterator[Ask]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    arguments = ["uvicorn", "main:app", "--port", str(port), "--log-level", "warning"]
    with running(bundles.unpacked(function), arguments, settings) as process:
        wait_until_healthy(process, url)
        yield _over_http(url)


@contextmanager
def under_lambda(bundles: Bundles, function: str, settings: dict[str, str]) -> Iterator[Ask]:
    folder = bundles.unpacked(function)
    packages = linked(folder.with_name("awslambdaric"), "awslambdaric")
    with runtime_api() as api:
        environment = settings | {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.port}",
            "AWS_LAMBDA_FUNCTION_NAME": function,
        }

        def ask(
            method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
        ) -> Answer:
            answer = api.invoke(method, path, body, headers)
            text: str = answer["body"]
            is_binary = answer["isBase64Encoded"]
            return Answer(
                answer["statusCode"], base64.b64decode(text) if is_binary else text.encode()
            )

        with running(folder, ["awslambdaric", "main.handler"], environment, packages):
            yield ask


@contextmanager
def under_functions_framework(
    bundles: Bundles, function: str, settings: dict[str, str]
) -> Iterator[Ask]:
    folder = bundles.unpacked(function)
    packages = linked(folder.with_name("functions_framework"), "functions-framework")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = settings | {
        "FUNCTION_TARGET": "target",
        "FUNCTION_USE_ASGI": "1",
        "HOST": "127.0.0.1",
        "PORT": str(port),
    }
    with running(folder, ["functions_framework"], environment, packages) as process:
        wait_until_healthy(process, url)
        yield _over_http(url)


Runtime = Callable[[Bundles, str, dict[str, str]], AbstractContextManager[Ask]]

RUNTIMES: Mapping[str, Runtime] = {
    "awslambdaric": under_lambda,
    "functions-framework": under_functions_framework,
    "uvicorn": under_uvicorn,
}
