"""The local Data API and Auth: `@supabase/lite`, which speaks as PostgREST and GoTrue do.

It reads tables and functions when it starts and never again, so it is restarted after a migration. It may grant
nothing: the rights of the API's roles are those that the migrations give, as on a hosted project.
One process is enough: its pool holds ten connections, and callers group what they send.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import httpx

import env_file
import node
from layout import LOOPBACK, Stack
from processes import Service, is_current, require_free_port, running_pid, start, stop

KEYS = ("SUPABASE_PUBLISHABLE_KEY", "SUPABASE_SECRET_KEY")

CONFIG = """\
project_id = "switchhook"

[api]
port = {api_port}
schemas = ["public"]
max_rows = 1000

[db]
driver = "postgres"
url = {database_url}

[auth]
enabled = true
enable_signup = true
jwt_expiry = 3600
jwt_secret = {jwt_secret}
publishable_key = "env(SUPABASE_PUBLISHABLE_KEY)"
secret_key = "env(SUPABASE_SECRET_KEY)"

[auth.email]
enable_confirmations = false
"""


def schema_mark(stack: Stack) -> Path:
    """A file that is touched when the schema changes: a server older than it must restart."""
    return stack.directory / "schema-changed"


def service(stack: Stack, values: Mapping[str, str]) -> Service:
    return Service(
        name="api",
        command=(
            str(node.NODE),
            str(node.LITE),
            "start",
            f"--config={_config(stack)}",
            "--no-admin",
        ),
        directory=stack.directory,
        is_ready=lambda: answers(stack.api_url, values["SUPABASE_PUBLISHABLE_KEY"]),
        environment=node.environment(
            # It keeps nothing of the user's, and should leave nothing in the user's home.
            HOME=str(stack.directory),
            **{name: values[name] for name in KEYS if name in values},
        ),
        working_directory=stack.directory,
        logs_output=False,
        sources=(_config(stack), stack.env_path, schema_mark(stack)),
    )


def answers(url: str, key: str) -> bool:
    """Whether a Supabase API accepts this key at this address."""
    # A proxy that the environment names is for the world outside, not for this machine.
    outside = urlsplit(url).hostname not in LOOPBACK
    health, headers = f"{url}/auth/v1/health", {"apikey": key}
    try:
        response = httpx.get(health, headers=headers, timeout=5, trust_env=outside)
    except httpx.HTTPError:
        return False
    return response.status_code == httpx.codes.OK


def _config(stack: Stack) -> Path:
    return stack.directory / "lite" / "config.toml"


def ensure_running(stack: Stack, values: Mapping[str, str]) -> bool:
    """Start the server, or restart it if keys, config or schema changed. True if started now."""
    _write_config(stack)
    server = service(stack, values)
    if is_current(server) and server.is_ready():
        return False
    if running_pid(server) is not None:
        stop(server)
    require_free_port(stack.api_port, "SWITCHHOOK_API_PORT")
    start(server)
    _ask_first(stack, values["SUPABASE_PUBLISHABLE_KEY"])
    return True


def _ask_first(stack: Stack, key: str) -> None:
    """The server's first request, with which it would grant what is not to be granted; see api_server.sql.

    It fails, if there are tables by then, and so nobody else's does.
    """
    httpx.get(
        f"{stack.api_url}/rest/v1/webhooks?limit=1",
        headers={"apikey": key},
        timeout=30,
        trust_env=False,
    )


def _write_config(stack: Stack) -> None:
    path = _config(stack)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    content = CONFIG.format(
        api_port=stack.api_port,
        database_url=json.dumps(stack.admin_url()),
        jwt_secret=json.dumps(stack.secrets.jwt_secret),
    )
    if not path.exists() or path.read_text() != content:
        env_file.write_private(path, content)
