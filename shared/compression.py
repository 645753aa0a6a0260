"""Inflating gzip bodies (RFC 1952) as they arrive, and no further than a limit."""

from __future__ import annotations

import zlib

from shared.errors import InvalidRequest, PayloadTooLarge

MAX_MEMBERS = 100
"""A gzip body may be several, one after the other; each costs a fresh decompressor."""

_GZIP_ONLY = 16 + zlib.MAX_WBITS


class Gunzip:
    """Inflates one body piece by piece, holding no more than one piece at a time."""

    def __init__(self, limit: int) -> None:
        self._room = limit
        self._members = 0
        self._member: zlib._Decompress | None = None

    def feed(self, piece: bytes) -> bytes:
        """What this piece inflates to, maybe nothing yet.

        Raises PayloadTooLarge once the whole is over the limit, InvalidRequest for bytes that are
        not gzip. After either the object is of no more use.
        """
        inflated: list[bytes] = []
        while piece:
            member = self._member or self._next_member()
            try:
                part = member.decompress(piece, self._room + 1)
            except zlib.error:
                raise InvalidRequest("The body is not valid gzip") from None
            self._room -= len(part)
            if self._room < 0:
                raise PayloadTooLarge
            inflated.append(part)
            self._member = None if member.eof else member
            piece = member.unused_data
        return b"".join(inflated)

    def finish(self) -> None:
        """Raise InvalidRequest if the body ended too early."""
        if self._member is not None or self._members == 0:
            raise InvalidRequest("The gzip body ends too early")

    def _next_member(self) -> zlib._Decompress:
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise InvalidRequest(f"The gzip body has over {MAX_MEMBERS} members")
        return zlib.decompressobj(wbits=_GZIP_ONLY)


def gunzip(body: bytes, limit: int) -> bytes:
    """A whole gzip body inflated to at most `limit` bytes; errors as in `Gunzip`."""
    inflater = Gunzip(limit)
    inflated = inflater.feed(body)
    inflater.finish()
    return inflated
