"""Programs in the background: started once, known by a pid file, stopped gently, never confused.

A pid file holds the pid and when that process started, so that a file left behind by a crash, whose
number now belongs to some other program, is seen as stale and that program is never signalled.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

MAX_LOG_BYTES = 5_000_000
"""A longer log is set aside at the next start; the one set aside before it is dropped."""

_children: dict[int, subprocess.Popen[bytes]] = {}
"""What this process started itself, which it therefore has to reap."""


class StackError(Exception):
    """Something a person has to know or decide; the message says what."""


@dataclass(frozen=True)
class Service:
    """One background program and how to tell that it is up."""

    name: str
    command: tuple[str, ...]
    directory: Path
    is_ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: Path = Path("/")
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    logs_output: bool = True
    """False for a program that prints keys when it starts: then only its errors are logged."""
    sources: tuple[Path, ...] = ()
    """Files that make a running process out of date when they are newer than its start."""

    @property
    def pid_file(self) -> Path:
        return self.directory / f"{self.name}.pid"

    @property
    def log_file(self) -> Path:
        return self.directory / f"{self.name}.log"


def started_at(pid: int) -> str | None:
    """When the process started, as the system words it; None if it is gone or only a zombie."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else fields[19]
    command = ["/bin/ps", "-o", "lstart=", "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def running_pid(service: Service) -> int | None:
    """The pid of the service's process, if the one that was started still runs."""
    try:
        pid, _, start = service.pid_file.read_text().strip().partition(" ")
        return int(pid) if started_at(int(pid)) == start else None
    except (FileNotFoundError, ValueError):
        return None


def is_current(service: Service) -> bool:
    """Whether it runs, and started after its sources were last changed."""
    if running_pid(service) is None:
        return False
    start = service.pid_file.stat().st_mtime
    return all(source.stat().st_mtime <= start for source in service.sources if source.exists())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def require_free_port(port: int, setting: str) -> None:
    """Raises StackError, naming the setting to change, when another program has the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise StackError(
                f"Port {port} is in use by another program. Stop that program, or choose another "
                f"port: {setting}={port + 1000} make up"
            ) from None


def start(service: Service, seconds: float = 60) -> None:
    """Start the service and wait until it is ready."""
    launch(service)
    wait_until_ready(service, seconds)


def launch(service: Service) -> None:
    """Start the service and go on, so that it and others get ready side by side."""
    if service.log_file.exists() and service.log_file.stat().st_size > MAX_LOG_BYTES:
        service.log_file.replace(service.log_file.with_suffix(".log.old"))
    with service.log_file.open("ab") as log:
        process = subprocess.Popen(
            service.command,
            stdin=subprocess.DEVNULL,
            stdout=log if service.logs_output else subprocess.DEVNULL,
            stderr=log,
            cwd=service.working_directory,
            env={**os.environ, **service.environment},
            start_new_session=True,
            user=service.user,
            group=None if service.user is None else pwd.getpwnam(service.user).pw_gid,
            extra_groups=None if service.user is None else [],
        )
    _children[process.pid] = process
    service.pid_file.write_text(f"{process.pid} {started_at(process.pid)}\n")


def wait_until_ready(service: Service, seconds: float = 60) -> None:
    """Raises a StackError with the end of its log if it ends, or takes longer than `seconds`."""
    deadline = time.monotonic() + seconds
    while running_pid(service) is not None and time.monotonic() < deadline:
        if service.is_ready():
            took = time.time() - service.pid_file.stat().st_mtime
            print(f"  {service.name:<10} ready in {took:.1f} s", file=sys.stderr)
            return
        time.sleep(0.05)
    reason = f"was not ready in {seconds:g} s" if stop(service) else "ended"
    raise StackError(f"{service.name} {reason}. The end of {service.log_file}:\n{tail(service)}")


def tail(service: Service, lines: int = 20) -> str:
    with contextlib.suppress(OSError):
        return "\n".join(service.log_file.read_text(errors="replace").splitlines()[-lines:])
    return "(no log)"


def stop(service: Service, seconds: float = 15) -> bool:
    """Ask the service to end, insist after `seconds`; False if it did not run."""
    pid = running_pid(service)
    _reap()
    if pid is not None:
        _signal(pid, service.stop_signal)
        if not _ended(pid, seconds):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            _ended(pid, 5)
    service.pid_file.unlink(missing_ok=True)
    return pid is not None


def _reap() -> None:
    """Take leave of children that ended, or they stay as zombies."""
    for pid in [pid for pid, child in _children.items() if child.poll() is not None]:
        del _children[pid]


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _ended(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        gone = started_at(pid) is None
        _reap()
        if gone:
            return True
        time.sleep(0.02)
    return False
