"""A request's headers as they may be stored and shown: bounded, and without credentials."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache, lru_cache
from typing import Final

from shared.signatures.registry import SCHEMES
from shared.signatures.request import Headers, decoded, printable

MAX_HEADERS = 64
MAX_NAME_LENGTH = 100
MAX_VALUE_LENGTH = 1024
MAX_TOTAL_LENGTH = 8192
"""Characters of all names and values together; what comes after is left out."""

MASK = "[hidden]"

_TELLTALES = ("auth", "cookie", "credential", "key", "passw", "secret", "session", "token")
_HARMLESS: Final = frozenset({"idempotency-key", "i-twilio-idempotency-token"})


def storable_headers(headers: Headers, credentials: Collection[str] = ()) -> dict[str, str]:
    """Names in lower case, repeated values joined by commas, credentials masked.

    `credentials` are the fields that the endpoint's scheme knows to carry one, whatever their name:
    `scheme.credential_headers(settings)`.
    """
    stored: dict[str, str] = {}
    room = MAX_TOTAL_LENGTH
    for raw_name, values in headers:
        if len(raw_name) > MAX_NAME_LENGTH:
            continue
        name, hidden = _reading(raw_name)
        value = MASK if hidden or name in credentials else _joined(values)
        room -= len(name) + len(value)
        if room < 0 or len(stored) == MAX_HEADERS:
            break
        stored[name] = value
    return stored


@lru_cache(maxsize=1024)
def _reading(raw_name: bytes) -> tuple[str, bool]:
    """A field's name as text, and whether it gives away that the value is a credential."""
    name = printable(decoded(raw_name))
    hidden = any(telltale in name for telltale in _TELLTALES) and name not in _harmless()
    return name, hidden


@cache
def _harmless() -> frozenset[str]:
    """Loads every scheme, so it is asked last."""
    return _HARMLESS.union(*(scheme.signature_headers for scheme in SCHEMES.values()))


def _joined(values: list[bytes]) -> str:
    text = decoded(values[0]) if len(values) == 1 else ", ".join(map(decoded, values))
    if len(text) > MAX_VALUE_LENGTH:
        text = text[: MAX_VALUE_LENGTH - 1] + "…"
    return printable(text)
