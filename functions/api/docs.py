"""The API's description: OpenAPI as JSON, and Swagger UI to read and try it.

Everything comes from this server. FastAPI's own page would load its scripts from a CDN, and Swagger UI
would by itself ask validator.swagger.io about the description.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from shared.responses import json_response

DESCRIPTION = """\
Endpoints that take webhooks in, the queue of what came, the log of what was done, and the rules for it.
Webhooks that go out, the events that are published to them, and what became of each delivery.

Sign in with Supabase Auth, or by `/api/auth/login`, and send the access token: `Authorization: Bearer
<token>`. Everybody sees what is their own. All paths are there under `/api/v1` too. Every refusal has the
same body, whose `code` stays the same for the same error.
"""

PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Switchhook API</title>
<link rel="icon" href="docs/assets/favicon-32x32.png">
<link rel="stylesheet" href="docs/assets/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/assets/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

START = """\
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  validatorUrl: null,
  persistAuthorization: true,
  displayRequestDuration: true,
});
"""

# Swagger UI sets styles on elements and shows images that it holds as data.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def routes(app: FastAPI) -> list[BaseRoute]:
    """`/api/openapi.json`, `/api/docs` and what that page loads."""

    async def openapi(_: Request) -> Response:
        return json_response(describe(app))

    async def page(_: Request) -> Response:
        return HTMLResponse(PAGE, headers=HEADERS)

    async def start(_: Request) -> Response:
        return Response(START, media_type="text/javascript", headers=HEADERS)

    assets = StaticFiles(packages=[("fastapi_swagger", "resources")])
    return [
        Route("/api/openapi.json", openapi, methods=["GET"]),
        Route("/api/docs", page, methods=["GET"]),
        Route("/api/docs/start.js", start, methods=["GET"]),
        Mount("/api/docs/assets", assets),
    ]


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, without FastAPI's own idea of a validation error: ours is a 400.

    Made when first asked for, as that takes longer than all the rest of a start.
    """
    app.description = DESCRIPTION
    document = app.openapi()
    for methods in document["paths"].values():
        for operation in methods.values():
            operation["responses"].pop("422", None)
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    return document
