"""What the schemes have in common: message authentication codes, timestamps and the refusal.

Codes are compared as the text that came, never decoded first: base64 and hex have several spellings
of the same bytes, and only the one the sender writes is accepted.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, Literal

from shared.errors import InvalidSignature

Encoding = Literal["hex", "base64"]
Hash = Literal["sha256", "sha512", "sha1"]

DEFAULT_TOLERANCE = 300
MAX_TIMESTAMP_DIGITS = 12
_ISO_TIME = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z")

ENCODERS: Final[dict[Encoding, Callable[[bytes], bytes]]] = {
    "hex": lambda digest: digest.hex().encode(),
    "base64": b64encode,
}


def key_bytes(secrets: Sequence[str]) -> list[bytes]:
    """The secrets as HMAC keys. Empty ones are left out: anyone could sign with those."""
    return [secret.encode("utf-8", "surrogatepass") for secret in secrets if secret]


def code(
    key: bytes, signed: bytes, encoding: Encoding = "hex", hash_name: Hash = "sha256"
) -> bytes:
    """The HMAC of `signed` as it stands in a header."""
    return ENCODERS[encoding](hmac.digest(key, signed, hash_name))


def any_genuine(
    keys: Sequence[bytes],
    signed: bytes,
    claimed: Sequence[bytes],
    encoding: Encoding = "hex",
    hash_name: Hash = "sha256",
) -> bool:
    """Whether one of the claimed codes is right under one of the keys.

    Takes the same time whether, and where, one matches, and computes the codes even if nothing was
    claimed: a missing, a mangled and a wrong signature look alike from outside.
    """
    genuine = False
    for key in keys:
        expected = code(key, signed, encoding, hash_name)
        for candidate in claimed or (b"",):
            genuine |= hmac.compare_digest(expected, candidate)
    return genuine


def after_prefix(value: bytes, prefix: bytes) -> list[bytes]:
    """What follows the prefix, as the one claimed code; nothing if the prefix is not there."""
    return [value[len(prefix) :]] if value.startswith(prefix) else []


def parse_timestamp(value: bytes) -> int | None:
    """Unix seconds in ASCII digits, as every vendor writes them; None for anything else."""
    if value.isdigit() and len(value) <= MAX_TIMESTAMP_DIGITS:
        return int(value)
    return None


def parse_milliseconds(value: bytes) -> int | None:
    """Unix milliseconds in ASCII digits, as seconds; None for anything else."""
    if value.isdigit() and 4 <= len(value) <= MAX_TIMESTAMP_DIGITS + 3:
        return int(value) // 1000
    return None


def parse_iso_time(value: bytes) -> int | None:
    """ISO 8601 in UTC with a Z, as unix seconds; None for anything else."""
    if not _ISO_TIME.fullmatch(value):
        return None
    try:
        return int(datetime.fromisoformat(value.decode()).timestamp())
    except ValueError:
        return None


def iso_time(seconds: int) -> str:
    """Unix seconds as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_fresh(timestamp: int | None, now: int, tolerance: int) -> bool:
    """Whether the timestamp is at most `tolerance` seconds away, in the past or the future."""
    return timestamp is not None and abs(now - timestamp) <= tolerance


def refusal(reason: str) -> InvalidSignature:
    """The one answer to every bad signature; the reason is a note for our own log only."""
    error = InvalidSignature()
    error.add_note(reason)
    return error
