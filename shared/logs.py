"""Logs as JSON, one object a line, as runtimes' own log services read them."""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime

from typing_extensions import override

from shared import telemetry

current_request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request that is being answered; empty outside of any."""

_OWN_FIELDS = logging.makeLogRecord({}).__dict__.keys() | {"message", "asctime", "taskName"}
"""What every record has; the rest is what the caller gave as `extra`."""

_CHATTY = ("httpx", "httpcore", "mangum", "mangum.http")
"""Libraries that tell of each request once more."""


class JsonFormatter(logging.Formatter):
    """`severity` and `time` are named as Google Cloud Logging wants them; others take any names."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "severity": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if identifier := current_request_id.get():
            line["request_id"] = identifier
        line |= telemetry.log_fields()
        extra = {name: value for name, value in record.__dict__.items() if name not in _OWN_FIELDS}
        line |= extra
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def log_as_json() -> None:
    """From now on everything is logged this way, the server's own lines too, whatever was set up before."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        server = logging.getLogger(name)
        server.handlers.clear()
        server.propagate = True
    for name in (*_CHATTY, "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
