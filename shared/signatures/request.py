"""The parts of a request that a signature covers, as they came over the wire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MAX_HEADER_LENGTH = 4096
"""A longer value is treated as absent: no vendor's signature or id comes near it."""


class Headers:
    """Header fields by name in any case; a repeated field keeps all its values."""

    __slots__ = ("_values",)

    def __init__(self, pairs: Iterable[tuple[bytes | str, bytes | str]]) -> None:
        """`pairs` as ASGI gives them, or as text."""
        values: dict[bytes, list[bytes]] = {}
        for name, value in pairs:
            values.setdefault(_octets(name).lower(), []).append(_octets(value))
        self._values = values

    def single(self, name: bytes) -> bytes:
        """The value of a field that must come once; empty if it is missing, repeated or too long.

        `name` is in lower case. A repeated field is refused rather than resolved, because a proxy
        in front may have resolved it the other way.
        """
        values = self._values.get(name)
        if values is None or len(values) != 1 or len(values[0]) > MAX_HEADER_LENGTH:
            return b""
        return values[0]

    def named(self, name: str | None) -> bytes:
        """`single` for a name out of a scheme's settings, where None stands for no such field."""
        return self.single(name.encode()) if name else b""

    def __contains__(self, name: bytes) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[tuple[bytes, list[bytes]]]:
        """Each name once, in lower case, with its values in order."""
        return iter(self._values.items())


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """One request as it came: the body is the bytes that were signed."""

    method: str
    url: str
    """Where it was sent to, without the query, as it is known outside: from our own configuration
    and the path, never from the Host header, which is the sender's to choose.
    """
    headers: Headers
    body: bytes
    query: str = ""
    """What follows the question mark, as it came."""


def is_form(headers: Headers) -> bool:
    """Whether the body is said to be form-encoded."""
    media_type = headers.single(b"content-type").partition(b";")[0]
    return media_type.strip().lower() == b"application/x-www-form-urlencoded"


def decoded(value: bytes) -> str:
    """A header value as text: UTF-8, or Latin-1 where it is not that. Never fails."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def printable(text: str) -> str:
    """The text with U+FFFD for whatever a screen or a column cannot show."""
    if text.isprintable():
        return text
    return "".join(mark if mark.isprintable() else "\ufffd" for mark in text)


def _octets(text: bytes | str) -> bytes:
    if isinstance(text, bytes):
        return text
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
