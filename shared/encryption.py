"""Secrets at rest: Fernet under several keys, so that a key can be replaced without a pause.

The first key encrypts, every key decrypts. To replace a key put the new one first, bring what is
stored up to date with `reencrypt`, then drop the old one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from shared.errors import InternalError

_KEY = re.compile(r"[A-Za-z0-9_-]{43}=")


class SecretBox:
    """Encrypts and decrypts short texts."""

    __slots__ = ("_count", "_fernet")

    def __init__(self, keys: Iterable[str]) -> None:
        """`keys` are url-safe base64 texts of 32 bytes, the one that encrypts first.

        Raises ValueError, which tells which key is wrong but not what it is.
        """
        fernets = [_fernet(key, place) for place, key in enumerate(keys, start=1)]
        if not fernets:
            raise ValueError("ENCRYPTION_KEYS holds no key")
        self._count: Final = len(fernets)
        self._fernet: Final = MultiFernet(fernets)

    @classmethod
    def from_setting(cls, setting: str) -> SecretBox:
        """The box for the comma-separated text of ENCRYPTION_KEYS."""
        return cls(key for key in map(str.strip, setting.split(",")) if key)

    def encrypt(self, secret: str) -> str:
        return self._fernet.encrypt(secret.encode()).decode()

    def decrypt(self, ciphertext: str) -> str:
        """Raises InternalError if none of the keys fits, or the ciphertext was changed."""
        try:
            return self._fernet.decrypt(_octets(ciphertext)).decode()
        except InvalidToken:
            raise _no_key_fits() from None

    def reencrypt(self, ciphertext: str) -> str:
        """The same secret under the first key; errors as in `decrypt`."""
        try:
            return self._fernet.rotate(_octets(ciphertext)).decode()
        except InvalidToken:
            raise _no_key_fits() from None

    def __repr__(self) -> str:
        return f"SecretBox({self._count} keys)"


def _fernet(key: str, place: int) -> Fernet:
    # Fernet itself overlooks what follows the padding, and characters that are not base64.
    if not _KEY.fullmatch(key):
        raise ValueError(f"ENCRYPTION_KEYS: key {place} is not 32 bytes in url-safe base64")
    return Fernet(key)


def _octets(ciphertext: str) -> bytes:
    return ciphertext.encode("ascii", "replace")


def _no_key_fits() -> InternalError:
    return InternalError("A stored secret cannot be decrypted: ENCRYPTION_KEYS lacks its key")
