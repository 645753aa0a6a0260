"""Reading a request's body: no more than the limit, no longer than the deadline, gzip inflated."""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from shared.compression import Gunzip
from shared.errors import InvalidRequest, PayloadTooLarge, RequestTimeout, UnsupportedMediaType


async def read_body(request: Request, *, limit: int, deadline_seconds: float) -> bytes:
    """The body, inflated.

    Raises:
        PayloadTooLarge: over the limit; from Content-Length alone where there is one, so unread.
        RequestTimeout: not all there by the deadline.
        UnsupportedMediaType: a Content-Encoding other than gzip.
        InvalidRequest: broken gzip, or a sender that hung up.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit:
        raise PayloadTooLarge(f"The body is larger than {limit} bytes")
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip"}:
        raise UnsupportedMediaType("The Content-Encoding must be gzip or none")
    try:
        async with asyncio.timeout(deadline_seconds):
            return await _read(request, limit, Gunzip(limit) if encoding == "gzip" else None)
    except TimeoutError:
        raise RequestTimeout from None


async def _read(request: Request, limit: int, inflater: Gunzip | None) -> bytes:
    pieces: list[bytes] = []
    size, is_more = 0, True
    while is_more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise InvalidRequest("The sender hung up before the body was complete")
        raw, is_more = message.get("body", b""), message.get("more_body", False)
        piece = inflater.feed(raw) if inflater else raw
        size += len(piece)
        if size > limit:
            raise PayloadTooLarge(f"The body is larger than {limit} bytes")
        pieces.append(piece)
    if inflater:
        inflater.finish()
    return b"".join(pieces)
