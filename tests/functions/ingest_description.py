"""What ingest promises to whoever posts, as OpenAPI."""

from __future__ import annotations

from typing import Any

from functions.ingest.receive import PATHS
from shared.errors import SwitchhookError, error_classes

REFUSED = (400, 401, 403, 404, 408, 413, 415, 429, 431, 503)
GREETING_REFUSED = (403, 404, 405, 431, 503)
TEXT = {"type": "string"}
SLUG = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _one_of(*values: object) -> dict[str, Any]:
    return {"enum": list(values)}


STORED = _object(id={"type": "string", "format": "uuid"}, state=_one_of("accepted", "duplicate"))
BATCH = _object(state=_one_of("accepted", "duplicate"), events={"type": "array", "items": STORED})
ACCEPTED = _object(status=_one_of("success"), data={"oneOf": [STORED, BATCH]})


def _refusals(*statuses: int) -> dict[str, Any]:
    return {str(status): _answer(_failure(status)) for status in statuses}


def _failure(status: int) -> dict[str, Any]:
    codes = {error.code for error in error_classes(SwitchhookError) if error.status == status}
    code = _one_of(*sorted(codes))
    return _object(status=_one_of("error"), error=TEXT, code=code, requestId=TEXT)


def _answer(schema: dict[str, Any]) -> dict[str, Any]:
    headers = {"X-Request-Id": {"required": True, "schema": TEXT}}
    content = {"application/json": {"schema": schema}}
    return {"description": "", "headers": headers, "content": content}


HANDSHAKE: dict[str, Any] = {
    "description": "A vendor's question before it sends, answered.",
    "content": {"application/json": {}, "text/plain": {}},
}


def _path(path: str) -> dict[str, Any]:
    slug = {"in": "path", "name": "slug", "required": True, "schema": TEXT | {"pattern": SLUG}}
    greeting = [
        {"in": "query", "name": f"hub.{name}", "required": name == "mode", "schema": TEXT}
        for name in ("mode", "verify_token", "challenge")
    ]
    event = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
    return {
        "parameters": [slug] if "{slug}" in path else [],
        "post": {
            "requestBody": event,
            "responses": {"200": HANDSHAKE, "202": _answer(ACCEPTED), **_refusals(*REFUSED)},
        },
        "get": {
            "parameters": greeting,
            "responses": {"200": HANDSHAKE, **_refusals(*GREETING_REFUSED)},
        },
    }


def describe_ingest() -> dict[str, Any]:
    """All its paths behind a gateway."""
    paths = {path: _path(path) for path in PATHS if path != "/{slug}"}
    info = {"title": "ingest", "version": "1"}
    return {"openapi": "3.1.0", "info": info, "paths": paths}
