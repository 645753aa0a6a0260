"""The embedded PostgreSQL server: made once, started, tuned, and given what hosted projects have.

PostgreSQL refuses to run as root. When root starts the stack, the server therefore runs as `nobody`,
with its data and a copy of its binaries in a folder of root's under /var/tmp, because `nobody` can
seldom reach a checkout in somebody's home.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from psycopg import sql

import node
from layout import LOCAL, ROOT, Stack, on_free_ports, open_stack
from processes import (
    Service,
    StackError,
    require_free_port,
    running_pid,
    start,
    started_at,
    stop,
)

SERVER_USER = "nobody"
OWNER_FILE = "switchhook-stack"

# fsync and synchronous_commit stay on: an answer of 2xx means that the event survives a power cut.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "fsync": "on",
    "synchronous_commit": "on",
}


def runs_as_root() -> bool:
    return os.geteuid() == 0


def _shared_folder() -> Path:
    """Root's folder for the servers of this checkout. /var/tmp is open to all, so it is checked."""
    name = hashlib.sha256(str(ROOT).encode()).hexdigest()[:12]
    folder = Path("/var/tmp") / f"switchhook-{name}"  # noqa: S108 (owner and mode are checked)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o711)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0 or found.st_mode & 0o022:
        raise StackError(f"{folder} is not a folder that only root can change. Remove it first.")
    folder.chmod(0o711)
    return folder


def data_folder(stack: Stack) -> Path:
    if not runs_as_root():
        return stack.directory / "postgres"
    name = hashlib.sha256(str(stack.directory).encode()).hexdigest()[:12]
    return _shared_folder() / f"postgres-{name}"


def _binaries() -> Path:
    """The folder that holds bin/, lib/ and share/, reachable by the user whom the server runs as."""
    native = node.postgres_package() / "native"
    if not runs_as_root():
        return native
    version = hashlib.sha256((LOCAL / "package-lock.json").read_bytes()).hexdigest()[:12]
    copy = _shared_folder() / f"binaries-{version}"
    if not copy.exists():
        draft = copy.with_name(f"{copy.name}.{os.getpid()}")
        shutil.copytree(native, draft, symlinks=True)
        subprocess.run(["/bin/chmod", "-R", "go+rX", str(draft)], check=True)
        with contextlib.suppress(OSError):  # another process was quicker
            draft.rename(copy)
        shutil.rmtree(draft, ignore_errors=True)
    return copy


def service(stack: Stack) -> Service:
    settings = [f"-c{name}={value}" for name, value in SETTINGS.items()]
    return Service(
        name="postgres",
        command=(
            str(_binaries() / "bin" / "postgres"),
            f"-D{data_folder(stack)}",
            f"-p{stack.postgres_port}",
            *settings,
        ),
        directory=stack.directory,
        is_ready=lambda: _answers(stack),
        environment={"LC_ALL": "C", "TZ": "UTC"},
        user=SERVER_USER if runs_as_root() else None,
        stop_signal=signal.SIGINT,
    )


def _answers(stack: Stack) -> bool:
    try:
        psycopg.connect(stack.admin_url(), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def ensure_running(stack: Stack) -> bool:
    """Start the server unless it runs; make its data on first use. True if it was started now."""
    server = service(stack)
    if running_pid(server) is not None and _answers(stack):
        return False
    stop(server)
    require_free_port(stack.postgres_port, "SWITCHHOOK_POSTGRES_PORT")
    data = data_folder(stack)
    if _is_orphan(stack, data):
        shutil.rmtree(data)
    if not data.exists():
        _initialise(stack, data)
    _forget_killed_server(data)
    start(server)
    _prepare(stack)
    return True


def _initialise(stack: Stack, data: Path) -> None:
    """Make the data folder under another name first, so that an interrupted initdb leaves nothing."""
    draft = data.with_name(f"{data.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    password = draft.with_name(f"{draft.name}.password")
    password.write_text(stack.secrets.admin_password)
    password.chmod(0o600)
    if runs_as_root():
        shutil.chown(draft, SERVER_USER)
        shutil.chown(password, SERVER_USER)
    command = [
        str(_binaries() / "bin" / "initdb"),
        f"--pgdata={draft}",
        "--username=supabase_admin",
        f"--pwfile={password}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
    ]
    try:
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            cwd="/",
            env={**os.environ, "LC_ALL": "C"},
            user=SERVER_USER if runs_as_root() else None,
            extra_groups=[] if runs_as_root() else None,
        )
    except subprocess.CalledProcessError as error:
        raise StackError(f"initdb failed:\n{error.stdout}{error.stderr}") from None
    finally:
        password.unlink()
    (draft / OWNER_FILE).write_text(_owner(stack))
    draft.rename(data)


def _owner(stack: Stack) -> str:
    """What tells this stack from one that had the same folder before it."""
    return hashlib.sha256(stack.secrets.admin_password.encode()).hexdigest()


def _is_orphan(stack: Stack, data: Path) -> bool:
    """Whether the data is of a stack whose folder was removed, and with it the only password.

    That happens to root, whose data is not in the stack's folder.
    """
    owner = data / OWNER_FILE
    return owner.exists() and owner.read_text() != _owner(stack)


def _forget_killed_server(data: Path) -> None:
    """Remove the lock of a server that was killed, in case its pid now belongs to another program.

    PostgreSQL itself only asks whether any process has that pid, and would refuse to start.
    """
    lock = data / "postmaster.pid"
    with contextlib.suppress(FileNotFoundError, IndexError, ValueError):
        pid = int(lock.read_text().splitlines()[0])
        if started_at(pid) is None or not _is_server(pid, data):
            lock.unlink()


def _is_server(pid: int, data: Path) -> bool:
    command = ["/bin/ps", "-o", "args=", "-p", str(pid)]
    arguments = Path(f"/proc/{pid}/cmdline")
    if arguments.exists():
        return str(data) in arguments.read_bytes().decode(errors="replace")
    return str(data) in subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _prepare(stack: Stack) -> None:
    """Roles with their passwords, and the database as a hosted project has it."""
    with psycopg.connect(stack.admin_url(), autocommit=True) as connection:
        connection.execute((LOCAL / "roles.sql").read_bytes())
        for role in ("postgres", "authenticator"):
            connection.execute(
                sql.SQL("alter role {} password {}").format(
                    sql.Identifier(role), sql.Literal(stack.secrets.database_password)
                )
            )
        if connection.execute("select to_regnamespace('extensions')").fetchone() == (None,):
            connection.execute("alter database postgres owner to postgres")
            connection.execute((LOCAL / "database.sql").read_bytes())
        connection.execute((LOCAL / "api_server.sql").read_bytes())


@contextlib.contextmanager
def scratch_database(stack: Stack, name: str) -> Iterator[str]:
    """A database of its own, as an untouched hosted project; gives its URL and drops it at the end."""
    quoted = sql.Identifier(name)
    with psycopg.connect(stack.admin_url(), autocommit=True) as admin:
        admin.execute(sql.SQL("drop database if exists {} with (force)").format(quoted))
        admin.execute(sql.SQL("create database {} owner postgres").format(quoted))
        try:
            with psycopg.connect(stack.admin_url(name), autocommit=True) as connection:
                connection.execute((LOCAL / "database.sql").read_bytes())
                connection.execute((LOCAL / "hosted.sql").read_bytes())
            yield stack.database_url(name)
        finally:
            admin.execute(sql.SQL("drop database if exists {} with (force)").format(quoted))


@contextlib.contextmanager
def throwaway() -> Iterator[Stack]:
    """A server of its own for the time of the block, on a free port, and nothing left afterwards."""
    with TemporaryDirectory(prefix="switchhook-") as folder:
        stack = open_stack(on_free_ports(Path(folder)))
        try:
            ensure_running(stack)
            yield stack
        finally:
            stop(service(stack))
            remove_data(stack)


def remove_data(stack: Stack) -> None:
    """Drop everything in the database. The server must be stopped."""
    shutil.rmtree(data_folder(stack), ignore_errors=True)
    if runs_as_root() and not any(_shared_folder().glob("postgres-*")):
        shutil.rmtree(_shared_folder(), ignore_errors=True)
