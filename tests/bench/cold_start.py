"""How soon each bundle gives its first answer after its process was started, and what memory it has then.

Beside it, for ingest and dispatch, the same bundle with the full `supabase` client and FastAPI imported, as the api's
lock pins them. Bundles hold no compiled modules and are not written to, as on AWS Lambda.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from functions.deploy.bundle import HOT, NAMES
from processes import free_port
from shared.signatures import scheme_named
from tests.bench.ingest import make_target
from tests.functions.deploy.unpacked import PYTHON, Bundles
from tests.running_stack import RunningStack, User

STARTS = 9
START_SECONDS = 120
FULL = "import fastapi, supabase\n\nfrom main import app\n"
WORKERS = {"classify", "prepare_for_rules", "process_rules", "dispatch"}


@dataclass(frozen=True)
class Started:
    """One start."""

    seconds: float
    """From before the process was there to its first answer."""
    processor_seconds: float
    """That it has used by then, which other programs disturb less."""
    megabytes: float
    """Resident."""


def first_request(function: str, stack: RunningStack, user: User) -> bytes:
    """What the function is there for: a webhook, a call to work, else whether it is healthy."""
    if function == "ingest":
        target = make_target(stack, user)
        scheme = scheme_named("webhook_signature")
        body = json.dumps({"event_type": "order.completed", "data": {"total": 5}}).encode()
        headers = scheme.sign(body, target.secret, scheme.settings({}), int(time.time()))
        return _request("POST", f"/{target.slug}", headers, body)
    if function in WORKERS:
        return _request("POST", "/", {"Authorization": f"Bearer {stack.functions_secret}"}, b"{}")
    return _request("GET", "/healthz", {}, b"")


def _request(method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    fixed = {"Host": "bench", "Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in {**fixed, **headers}.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


@contextmanager
def _process(
    port: int, folders: list[Path], app: str, settings: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Killed at the end; it may not answer yet."""
    command = [str(PYTHON), "-S", "-m", "uvicorn", app, f"--port={port}", "--log-level=warning"]
    environment = {
        "PATH": os.defpath,
        "PYTHONPATH": os.pathsep.join(map(str, folders)),
        "PYTHONDONTWRITEBYTECODE": "1",
        **settings,
    }
    with subprocess.Popen(
        command, cwd=folders[0], env=environment, stdout=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def start(folders: list[Path], app: str, settings: Mapping[str, str], request: bytes) -> Started:
    """Starts the application in the first folder, and asks it once."""
    port, began = free_port(), time.perf_counter()
    with _process(port, folders, app, settings) as process:
        status = _first_answer(port, request)
        seconds = time.perf_counter() - began
        if status not in {200, 202}:
            raise RuntimeError(f"{folders[0].name} answered {status}")
        facts = Path("/proc") / str(process.pid)
        return Started(seconds, _processor_seconds(facts), _resident_megabytes(facts))


def _first_answer(port: int, request: bytes) -> int:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=60)
        except ConnectionRefusedError:
            time.sleep(0.002)
            continue
        with connection:
            connection.sendall(request)
            return int(connection.recv(65_536).split(b" ", 2)[1])
    raise RuntimeError("there was no answer")


def _processor_seconds(process: Path) -> float:
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_megabytes(process: Path) -> float:
    pages = int((process / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024 / 1024


def median(starts: list[Started]) -> Started:
    return Started(
        statistics.median(one.seconds for one in starts),
        statistics.median(one.processor_seconds for one in starts),
        statistics.median(one.megabytes for one in starts),
    )


def _line(name: str, one: Started) -> str:
    times = f"{one.seconds * 1000:6.0f} ms, {one.processor_seconds * 1000:5.0f} ms of a processor"
    return f"  {name:40} {times}, {one.megabytes:4.0f} MB"


def report(stack: RunningStack, user: User) -> None:
    """Prints a line per bundle, and for the hot ones how they compare; the two take turns, so as to meet the same."""
    settings = {name: value for name, value in stack.values.items() if name != "ENV_FILE"}
    print(f"From the start of a bundle's process to its first answer, median of {STARTS} starts:")
    with tempfile.TemporaryDirectory(prefix="switchhook-cold-start-") as name:
        bundles = Bundles(Path(name))
        full = Path(name) / "full"
        full.mkdir()
        (full / "full.py").write_text(FULL)
        for function in NAMES:
            own = bundles.unpacked(function)
            request = first_request(function, stack, user)
            variants = {function: ([own], "main:app")}
            if function in HOT:
                beside = [own, bundles.unpacked("api"), full]
                variants[f"{function}, with supabase and FastAPI"] = (beside, "full:app")
            starts: dict[str, list[Started]] = {variant: [] for variant in variants}
            for _ in range(
                STARTS + 1
            ):  # the first reads the files from the disk, and does not count
                for variant, (folders, app) in variants.items():
                    starts[variant].append(start(folders, app, settings, request))
            medians = {variant: median(taken[1:]) for variant, taken in starts.items()}
            for variant, one in medians.items():
                print(_line(variant, one), flush=True)
            if function in HOT:
                _compare(*medians.values())


def _compare(own: Started, full: Started) -> None:
    ratios = (
        f"{own.seconds / full.seconds:.2f} of the time, "
        f"{own.processor_seconds / full.processor_seconds:.2f} of the processor's, "
        f"{own.megabytes / full.megabytes:.2f} of the memory"
    )
    print(f"  {'ratio':40} {ratios}", flush=True)
