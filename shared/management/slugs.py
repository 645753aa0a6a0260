"""Slugs: the last part of an endpoint's address."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Iterator

PATTERN = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
MAX_LENGTH = 63
RESERVED = frozenset({"healthz"})
"""Paths of ingest's own."""

_SUFFIX_BYTES = 4
_SUFFIXED = 3


def slugs_for(name: str) -> Iterator[str]:
    """Slugs to try for an endpoint of this name: its words alone, then with something random."""
    words = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", words).strip("-")
    if slug and len(slug) <= MAX_LENGTH and slug not in RESERVED:
        yield slug
    room = MAX_LENGTH - 2 * _SUFFIX_BYTES - 1
    beginning = slug[:room].rstrip("-") or "endpoint"
    for _ in range(_SUFFIXED):
        yield f"{beginning}-{secrets.token_hex(_SUFFIX_BYTES)}"
