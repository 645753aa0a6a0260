"""What an input of the fuzzer says: a request, written much as HTTP writes one.

    POST stripe?query genuine
    {"toleranceSeconds": 60}
    Content-Type: application/json

    {"id": "evt_1"}

The first line names the method, the scheme and the query. With `genuine` at its end, the vendor's own
headers are added, and lines that name one of those replace it; without, the lines are all there is. The
second line is the endpoint's settings. Any bytes at all can be read so.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from shared.signatures import SCHEMES

NAMES = sorted(SCHEMES)

Line = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Case:
    """One request to one endpoint."""

    scheme: str
    settings: bytes = b"{}"
    """A JSON object, if it is well-formed."""
    lines: tuple[Line, ...] = ()
    """Header fields in order."""
    body: bytes = b""
    """As it goes over the wire, so maybe gzip."""
    method: str = "POST"
    query: bytes = b""
    is_genuine: bool = False


def read(data: bytes) -> Case:
    """The case that an input stands for; there is one for any."""
    head, _, body = data.partition(b"\n\n")
    first, settings, *fields = [*head.split(b"\n"), b""]
    method, target, mode = [*first.split(b" "), b"", b""][:3]
    scheme, _, query = target.partition(b"?")
    return Case(
        scheme=_scheme(scheme),
        settings=settings or b"{}",
        lines=tuple(_line(field) for field in fields if field),
        body=body,
        method="GET" if method == b"GET" else "POST",
        query=query,
        is_genuine=mode == b"genuine",
    )


def write(case: Case) -> bytes:
    """The input that is read as this case."""
    target = case.scheme.encode() + (b"?" + case.query if case.query else b"")
    words = [case.method.encode(), target, *([b"genuine"] if case.is_genuine else [])]
    lines = [b": ".join(line) for line in case.lines]
    return b"\n".join([b" ".join(words), case.settings, *lines, b"", case.body])


def lines_of(headers: Iterable[tuple[str, str]]) -> tuple[Line, ...]:
    """Header fields as a case has them."""
    return tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers)


def _line(field: bytes) -> Line:
    name, _, value = field.partition(b":")
    return name, value.strip(b" ")


def _scheme(word: bytes) -> str:
    """No input is wasted on a scheme that there is not: any word chooses one."""
    name = word.decode("latin-1")
    return name if name in SCHEMES else NAMES[zlib.crc32(word) % len(NAMES)]
