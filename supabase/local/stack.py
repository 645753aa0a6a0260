"""The local stack: PostgreSQL, the Data API and Auth, every function, and what wakes the workers.

    python stack.py up | down | reset | status | run

`up` returns when all of it is healthy. `run` also plays the demo, then serves until Ctrl-C, or with
ONCE=1 ends with the demo's status. A project of your own in .env (see .env.example) takes the place
of the embedded database and API.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping

import api_server
import env_file
import functions_server
import migrations
import postgres
from layout import LOCAL, ROOT, Stack, open_stack
from processes import Service, StackError, running_pid, stop


@contextlib.contextmanager
def alone(stack: Stack) -> Iterator[None]:
    """Let nobody else start or stop this stack meanwhile; a second caller waits."""
    with (stack.directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def complete_env(stack: Stack) -> dict[str, str]:
    """Write into .env what is missing. Its values as they are now."""
    values = env_file.read(stack.env_path)
    made = env_file.made_for_functions()
    addresses: dict[str, str] = {}
    if stack.is_own(values):
        made |= env_file.made_for_api()
        addresses = {"SUPABASE_URL": stack.api_url, "DATABASE_URL": stack.database_url()}
    else:
        _require(stack, values)
    if stack.serves(values.get("FUNCTIONS_URL")):
        addresses["FUNCTIONS_URL"] = stack.functions_url
    # What a person wrote stays; the stack's own addresses follow its ports.
    wanted = addresses | made | values | addresses
    changes = {name: value for name, value in wanted.items() if values.get(name) != value}
    if changes:
        env_file.write(stack.env_path, changes)
    return values | changes


def _require(stack: Stack, values: Mapping[str, str]) -> None:
    for name in ("SUPABASE_PUBLISHABLE_KEY", "SUPABASE_SECRET_KEY"):
        if name not in values:
            raise StackError(f"{stack.env_path} names a Supabase project but no {name}.")


def _require_answer(url: str, key: str) -> None:
    if not api_server.answers(url, key):
        raise StackError(f"{url}, which .env names, does not answer or refuses its key.")


def start_embedded(stack: Stack, values: Mapping[str, str]) -> None:
    """Database, API, migrations. The API server makes `auth`, which migrations refer to; so it runs
    before them, and again after them.
    """
    postgres.ensure_running(stack)
    api_server.ensure_running(stack, values)
    if migrations.is_pending(stack):
        migrations.push(stack)
        api_server.schema_mark(stack).touch()
        api_server.ensure_running(stack, values)


def up(stack: Stack, *, functions: bool = True) -> None:
    """Start what does not run and wait until all is healthy."""
    with alone(stack):
        values = complete_env(stack)
        own = stack.is_own(values)
        if not own:
            _require_answer(values["SUPABASE_URL"], values["SUPABASE_PUBLISHABLE_KEY"])
        if functions:  # loading all of them takes longest, so it begins first
            functions_server.launch_gateway(stack, values)
        if own:
            start_embedded(stack, values)
        if functions:
            functions_server.ensure_gateway(stack, values)
            functions_server.ensure_scheduler(stack, values)


def services(stack: Stack) -> list[Service]:
    """Everything that may run, in the order in which it is stopped."""
    values = env_file.read(stack.env_path)
    return [
        functions_server.scheduler(stack, values),
        functions_server.gateway(stack, values),
        api_server.service(stack, values),
        postgres.service(stack),
    ]


def down(stack: Stack) -> bool:
    with alone(stack):
        stopped = [stop(service) for service in services(stack)]
        return any(stopped)


def reset(stack: Stack, *, functions: bool = True) -> None:
    """Stop, drop the data, keep .env (the keys and passwords stay good), start again."""
    down(stack)
    postgres.remove_data(stack)
    shutil.rmtree(stack.directory / "lite", ignore_errors=True)
    up(stack, functions=functions)


def status(stack: Stack) -> bool:
    """Print what runs. True if everything does that this .env asks for."""
    values = env_file.read(stack.env_path)
    own = stack.is_own(values)
    healthy = True
    for service in services(stack):
        if not own and service.name in ("postgres", "api"):
            continue
        pid = running_pid(service)
        works = pid is not None and service.is_ready()
        healthy = healthy and works
        print(f"{service.name:10} {'healthy' if works else 'down':8} {pid or ''}")
    return healthy


def describe(stack: Stack) -> None:
    values = env_file.read(stack.env_path)
    print(f"Functions  {values['FUNCTIONS_URL']}   (all of it in {stack.env_path})")
    print(f"Supabase   {values['SUPABASE_URL']}")
    if stack.is_own(values):
        print(f"Database   127.0.0.1:{stack.postgres_port}   (DATABASE_URL in .env)")
    else:
        print("Your own project: its database is left alone. `make push` pushes the migrations.")


def run(stack: Stack) -> int:
    """Start, play the demo, serve. The status to exit with."""
    once = os.environ.get("ONCE") == "1"
    fresh = not any(running_pid(service) for service in services(stack))
    began = time.monotonic()
    print("Starting the local stack …", flush=True)
    try:
        up(stack)
        print(f"Ready after {time.monotonic() - began:.1f} s", flush=True)
        ended = subprocess.run(
            [sys.executable, str(LOCAL / "demo.py")],
            cwd=ROOT,
            env={**os.environ, **env_file.read(stack.env_path), "ENV_FILE": str(stack.env_path)},
            check=False,
        ).returncode
        if once:
            return ended
        describe(stack)
        print(
            "Serving. Ctrl-C stops." if fresh else "Serving. Ctrl-C leaves it running.", flush=True
        )
        signal.pause()
    except KeyboardInterrupt:
        print()
    finally:
        if fresh:
            down(stack)
    return 0


def _end(*_: object) -> None:
    raise KeyboardInterrupt


def main(arguments: list[str]) -> int:
    signal.signal(signal.SIGTERM, _end)
    stack = open_stack()
    match arguments:
        case ["up"]:
            up(stack)
            describe(stack)
        case ["down"]:
            print("Stopped" if down(stack) else "Nothing ran")
        case ["reset"]:
            reset(stack)
            describe(stack)
        case ["status"]:
            return 0 if status(stack) else 1
        case ["run"]:
            return run(stack)
        case _:
            raise StackError(str(__doc__))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except StackError as error:
        sys.exit(str(error))
