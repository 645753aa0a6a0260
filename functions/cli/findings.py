"""What `doctor` finds out, and what it is told to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import httpx
import psycopg

from functions.cli.settings import CliSettings

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    check: str
    """A name that stays the same whatever was found."""
    level: Level
    says: str
    remedy: str = ""
    """What to do; empty where nothing has to be done."""


@dataclass(frozen=True)
class Subject:
    """A set-up that is looked at."""

    settings: CliSettings
    client: httpx.AsyncClient
    now: Callable[[], datetime]
    migrations: Sequence[str]
    """Versions of the migrations that this checkout has."""
    database: psycopg.AsyncConnection[tuple[object, ...]] | None = None


def ok(check: str, says: str) -> Finding:
    return Finding(check, "ok", says)


def warning(check: str, says: str, remedy: str) -> Finding:
    return Finding(check, "warning", says, remedy)


def error(check: str, says: str, remedy: str) -> Finding:
    return Finding(check, "error", says, remedy)
