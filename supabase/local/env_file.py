"""The project's .env: read, completed with what is missing, never overwritten where a person chose."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from cryptography.fernet import Fernet
from dotenv import dotenv_values

HEADER = "# Written by `make up` for the embedded stack. It holds secrets: keep it to yourself.\n"


def read(path: Path) -> dict[str, str]:
    return {name: value for name, value in dotenv_values(path).items() if value}


def write(path: Path, values: Mapping[str, str]) -> None:
    """Set the given names, keep every other line as it stands. The file ends readable by its owner only."""
    lines = path.read_text().splitlines() if path.exists() else HEADER.splitlines()
    missing = dict(values)
    for number, line in enumerate(lines):
        name = line.removeprefix("export ").partition("=")[0].strip()
        if name in missing:
            lines[number] = f"{name}={missing.pop(name)}"
    lines += [f"{name}={value}" for name, value in missing.items()]
    write_private(path, "\n".join(lines) + "\n")


def write_private(path: Path, content: str) -> None:
    """Replace the file as a whole; nobody but its owner can read it at any moment."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
    draft.replace(path)


def api_key(kind: str) -> str:
    """A key of the shape Supabase gives out: `sb_publishable_…` or `sb_secret_…`."""
    return f"sb_{kind}_{secrets.token_urlsafe(24)[:22]}_{secrets.token_urlsafe(6)}"


def made_for_api() -> dict[str, str]:
    return {
        "SUPABASE_PUBLISHABLE_KEY": api_key("publishable"),
        "SUPABASE_SECRET_KEY": api_key("secret"),
    }


def made_for_functions() -> dict[str, str]:
    return {
        "FUNCTIONS_SECRET": secrets.token_urlsafe(32),
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "DEMO_EMAIL": "demo@example.com",
        "DEMO_PASSWORD": secrets.token_urlsafe(15),
    }
