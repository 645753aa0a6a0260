"""What ingest knows of endpoints: read from the database, kept for a few seconds."""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shared.database import Database
from shared.encryption import SecretBox
from shared.signatures import Scheme, SchemeSettings, scheme_named

MAX_CACHED = 10_000
SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint ready to verify requests with; its secrets are in the clear, so it is never logged."""

    id: str
    is_active: bool
    scheme: Scheme[Any]
    settings: SchemeSettings
    keys: tuple[str, ...]
    """Valid secrets, newest first; several during a rotation."""
    credential_headers: frozenset[str]

    def __repr__(self) -> str:
        return f"Endpoint({self.id}, {self.scheme.name})"


def endpoint_from(row: dict[str, Any], secrets: SecretBox) -> Endpoint:
    """An endpoint from what `get_ingest_endpoint` returned."""
    scheme = scheme_named(row["scheme"])
    settings = scheme.settings(row["scheme_settings"])
    return Endpoint(
        id=row["id"],
        is_active=row["is_active"],
        scheme=scheme,
        settings=settings,
        keys=tuple(secrets.decrypt(ciphertext) for ciphertext in row["secrets"]),
        credential_headers=scheme.credential_headers(settings),
    )


class Endpoints:
    """Endpoints by slug. Requests that ask for the same one at once share one read."""

    def __init__(
        self,
        database: Database,
        secrets: SecretBox,
        *,
        keep_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database, self._secrets = database, secrets
        self._keep_seconds, self._clock = keep_seconds, clock
        self._cached: OrderedDict[str, tuple[float, Endpoint | None]] = OrderedDict()
        """By slug: when it was read, and what was there."""
        self._reads: dict[str, asyncio.Task[Endpoint | None]] = {}

    async def get(self, slug: str, *, max_age_seconds: float | None = None) -> Endpoint | None:
        """The endpoint, or None where there is none, which is remembered too.

        What was read longer ago than `max_age_seconds`, or else the usual time, is read again.

        Raises:
            DatabaseUnavailable: it had to be read and could not be.
            InternalError: its secret cannot be decrypted.
        """
        cached = self._cached.get(slug)
        keep = self._keep_seconds if max_age_seconds is None else max_age_seconds
        if cached is not None and self._clock() - cached[0] < keep:
            return cached[1]
        if not SLUG.fullmatch(slug):
            return None
        read = self._reads.get(slug)
        if read is None:
            read = self._reads[slug] = asyncio.create_task(self._read(slug))
            read.add_done_callback(lambda _: self._reads.pop(slug, None))
        # Shielded: one sender hanging up must not fail the others that wait for this read.
        return await asyncio.shield(read)

    async def _read(self, slug: str) -> Endpoint | None:
        row = await self._database.call("get_ingest_endpoint", p_slug=slug)
        endpoint = None if row is None else endpoint_from(row, self._secrets)
        self._cached[slug] = (self._clock(), endpoint)
        self._cached.move_to_end(slug)
        if len(self._cached) > MAX_CACHED:
            self._cached.popitem(last=False)
        return endpoint
