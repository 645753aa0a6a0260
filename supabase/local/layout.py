"""Where a local stack keeps its things, on which ports it answers, and which secrets it made.

Everything can be chosen by environment, so that several stacks run side by side:
SWITCHHOOK_STACK_DIR, ENV_FILE, SWITCHHOOK_POSTGRES_PORT, SWITCHHOOK_API_PORT and
SWITCHHOOK_FUNCTIONS_PORT. A port once written to .env stays chosen.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import env_file
from processes import StackError, free_port

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ROOT / "supabase" / "local"
MIGRATIONS = ROOT / "supabase" / "migrations"
SQL = ROOT / "sql"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Secrets:
    """What the stack keeps to itself; the keys that people use stand in .env."""

    admin_password: str = field(repr=False)
    database_password: str = field(repr=False)
    jwt_secret: str = field(repr=False)


@dataclass(frozen=True)
class Stack:
    directory: Path
    env_path: Path
    postgres_port: int
    api_port: int
    functions_port: int
    secrets: Secrets

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def functions_url(self) -> str:
        return f"http://127.0.0.1:{self.functions_port}"

    def database_url(self, database: str = "postgres") -> str:
        """As hosted projects give it out: the role `postgres`, which is no superuser."""
        return self._url("postgres", self.secrets.database_password, database)

    def admin_url(self, database: str = "postgres") -> str:
        """As Supabase's own services connect: the superuser `supabase_admin`."""
        return self._url("supabase_admin", self.secrets.admin_password, database)

    def _url(self, user: str, password: str, database: str) -> str:
        host = f"127.0.0.1:{self.postgres_port}"
        return f"postgresql://{user}:{password}@{host}/{database}?sslmode=disable"

    def is_own(self, values: Mapping[str, str]) -> bool:
        """Whether .env names this stack's database and API, or none at all.

        Any other address is one that a person chose: a hosted project, or the Supabase CLI's stack.
        """
        url, database = values.get("SUPABASE_URL"), values.get("DATABASE_URL", "")
        if url is None:
            return True
        ours = urlsplit(database).password == self.secrets.database_password
        return ours and urlsplit(url).hostname in LOOPBACK

    def serves(self, functions_url: str | None) -> bool:
        """Whether this address is the gateway's to choose: none yet, or one on this machine."""
        return functions_url is None or urlsplit(functions_url).hostname in LOOPBACK


def open_stack(environment: Mapping[str, str] = os.environ) -> Stack:
    """The stack that the environment and .env describe; makes its folder on first use."""
    directory = Path(environment.get("SWITCHHOOK_STACK_DIR") or ROOT / ".stack").absolute()
    env_path = Path(environment.get("ENV_FILE") or ROOT / ".env").absolute()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory.stat().st_uid != os.geteuid():
        raise StackError(
            f"{directory} belongs to another user. Run as that user, remove the folder, or choose "
            "another with SWITCHHOOK_STACK_DIR."
        )
    values = env_file.read(env_path)

    def port(setting: str, name: str, default: int) -> int:
        return _port(environment.get(setting), setting) or _written(values.get(name)) or default

    return Stack(
        directory=directory,
        env_path=env_path,
        postgres_port=port("SWITCHHOOK_POSTGRES_PORT", "DATABASE_URL", 54322),
        api_port=port("SWITCHHOOK_API_PORT", "SUPABASE_URL", 54321),
        functions_port=port("SWITCHHOOK_FUNCTIONS_PORT", "FUNCTIONS_URL", 8000),
        secrets=_secrets(directory / "secrets.json", values),
    )


def on_free_ports(folder: Path) -> dict[str, str]:
    """An environment for `open_stack` that gives a stack beside all others."""
    return {
        "SWITCHHOOK_STACK_DIR": str(folder / "stack"),
        "ENV_FILE": str(folder / ".env"),
        "SWITCHHOOK_POSTGRES_PORT": str(free_port()),
        "SWITCHHOOK_API_PORT": str(free_port()),
        "SWITCHHOOK_FUNCTIONS_PORT": str(free_port()),
    }


def apart(url: str) -> tuple[str, dict[str, str]]:
    """A database URL without its password, and the password as libpq's environment variable.

    Everybody on a machine can read the arguments of a running program, but not its environment.
    """
    parts = urlsplit(url)
    if parts.password is None:
        return url, {}
    user, _, host = parts.netloc.rpartition("@")
    netloc = f"{user.partition(':')[0]}@{host}"
    return parts._replace(netloc=netloc).geturl(), {"PGPASSWORD": unquote(parts.password)}


def _port(text: str | None, setting: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise StackError(f"{setting}={text} is not a port.")
    return int(text)


def _written(url: str | None) -> int | None:
    parts = urlsplit(url or "")
    return parts.port if parts.hostname in LOOPBACK else None


def _secrets(path: Path, values: Mapping[str, str]) -> Secrets:
    if path.exists():
        return Secrets(**json.loads(path.read_text()))
    made = Secrets(
        admin_password=secrets.token_urlsafe(24),
        database_password=_kept_password(values) or secrets.token_urlsafe(24),
        jwt_secret=secrets.token_urlsafe(48),
    )
    env_file.write_private(path, json.dumps(asdict(made)))
    return made


def _kept_password(values: Mapping[str, str]) -> str | None:
    """The password that .env has for a stack whose folder was removed, so that .env still fits.

    The Supabase CLI's own stack always uses the password `postgres`: that one is never taken over.
    """
    parts = urlsplit(values.get("DATABASE_URL", ""))
    kept = parts.hostname in LOOPBACK and parts.password not in (None, "postgres")
    return parts.password if kept else None
