"""What verifying costs, counted instead of timed."""

from __future__ import annotations

import hmac

import pytest


def counted_work(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """From now on each code that is computed and each comparison, in order."""
    work: list[str] = []
    digest, compare = hmac.digest, hmac.compare_digest

    def counted_digest(key: bytes, message: bytes, hash_name: str) -> bytes:
        work.append("code")
        return digest(key, message, hash_name)

    def counted_compare(expected: bytes, candidate: bytes) -> bool:
        work.append("comparison")
        return compare(expected, candidate)

    monkeypatch.setattr(hmac, "digest", counted_digest)
    monkeypatch.setattr(hmac, "compare_digest", counted_compare)
    return work
