"""Endpoints of every scheme, whose secrets are the same in each run."""

from __future__ import annotations

from base64 import b64encode
from functools import lru_cache

import orjson

from functions.ingest.endpoints import Endpoint
from shared.errors import InvalidRequest
from shared.signatures import SCHEMES
from tests.fuzz.cases import NAMES
from tests.shared.signatures.factories import SETTINGS
from tests.shared.signatures.key_pairs import DISCORD, PRIVATE_KEYS

TOKEN = "canary-7f3a-nobody-guesses-this"
SHARED = "whsec_" + b64encode(b"canary-7f3a-of-thirty-two-bytes!").decode()
PUBLIC = "whpk_" + b64encode(DISCORD.public_key().public_bytes_raw()).decode()

KEYS: dict[str, tuple[str, ...]] = {
    **{name: (TOKEN, f"{TOKEN}-before") for name in NAMES if SCHEMES[name].needs_secret},
    "gitlab": (TOKEN, SHARED),
    "standard_webhooks": (SHARED, PUBLIC),
}
"""What each endpoint accepts, the one that signs first. Several, as during a rotation."""

SECRETS = (TOKEN, SHARED, b64encode(f"{SETTINGS['basic']['username']}:{TOKEN}".encode()).decode())
"""What no answer, row or note may hold."""


def signing_key(scheme: str) -> str:
    """What the vendor signs with."""
    return PRIVATE_KEYS.get(scheme) or next(iter(KEYS.get(scheme, ())), "")


@lru_cache(maxsize=512)
def endpoint(scheme: str, settings: bytes) -> Endpoint | None:
    """An endpoint with these settings over the usual ones; None if they are refused."""
    chosen = SCHEMES[scheme]
    try:
        given = orjson.loads(settings)
    except orjson.JSONDecodeError:
        given = {}
    try:
        validated = chosen.settings(
            SETTINGS.get(scheme, {}) | (given if isinstance(given, dict) else {})
        )
    except InvalidRequest:
        return None
    return Endpoint(
        id="01900000-0000-7000-8000-000000000000",
        is_active=True,
        scheme=chosen,
        settings=validated,
        keys=KEYS.get(scheme, ()),
        credential_headers=chosen.credential_headers(validated),
    )
