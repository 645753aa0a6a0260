"""The functions as background services of the local stack: the gateway and the scheduler."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from layout import LOCAL, ROOT, Stack
from processes import (
    Service,
    is_current,
    launch,
    require_free_port,
    running_pid,
    start,
    stop,
    wait_until_ready,
)


def gateway(stack: Stack, values: Mapping[str, str]) -> Service:
    return Service(
        name="gateway",
        command=(sys.executable, str(LOCAL / "gateway.py"), str(stack.functions_port)),
        directory=stack.directory,
        is_ready=lambda: _is_healthy(stack),
        environment=_environment(stack, values),
        working_directory=ROOT,
        sources=(stack.env_path, LOCAL / "gateway.py", *_code()),
    )


def scheduler(stack: Stack, values: Mapping[str, str]) -> Service:
    ready = stack.directory / "scheduler.ready"
    return Service(
        name="scheduler",
        command=(sys.executable, str(LOCAL / "scheduler.py"), str(ready)),
        directory=stack.directory,
        is_ready=ready.exists,
        environment=_environment(stack, values),
        working_directory=ROOT,
        sources=(stack.env_path, LOCAL / "scheduler.py"),
    )


def launch_gateway(stack: Stack, values: Mapping[str, str]) -> Service:
    """Start the gateway, or restart it if code or .env changed since it started. Does not wait."""
    functions = gateway(stack, values)
    if not is_current(functions):
        if running_pid(functions) is not None:
            stop(functions)
        require_free_port(stack.functions_port, "SWITCHHOOK_FUNCTIONS_PORT")
        launch(functions)
    return functions


def ensure_gateway(stack: Stack, values: Mapping[str, str]) -> None:
    """Start the gateway unless it runs, and wait until every function is healthy."""
    functions = launch_gateway(stack, values)
    if not functions.is_ready():
        wait_until_ready(functions)


def ensure_scheduler(stack: Stack, values: Mapping[str, str]) -> None:
    """Start the scheduler, or restart it if its code or .env changed since it started."""
    waker = scheduler(stack, values)
    if not is_current(waker):
        stop(waker)
        (stack.directory / "scheduler.ready").unlink(missing_ok=True)
        start(waker)


def _environment(stack: Stack, values: Mapping[str, str]) -> dict[str, str]:
    """What .env says, except that the scheduler calls this machine and not a public address.

    Receivers on this machine are for trying things out, so they are allowed unless .env says otherwise.
    """
    return {
        "DELIVERY_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
        **values,
        "ENV_FILE": str(stack.env_path),
        "FUNCTIONS_URL": stack.functions_url,
    }


def _code() -> tuple[Path, ...]:
    console = ROOT / "functions" / "console"
    kept = (*(console / "templates").iterdir(), *(console / "static").glob("*.*"))
    code = (path for folder in ("functions", "shared") for path in (ROOT / folder).rglob("*.py"))
    return (*code, *kept)


def _is_healthy(stack: Stack) -> bool:
    try:
        response = httpx.get(f"{stack.functions_url}/healthz", timeout=10, trust_env=False)
    except httpx.HTTPError:
        return False
    return response.status_code == httpx.codes.OK
