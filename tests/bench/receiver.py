"""A receiver that costs little itself, in a process of its own: `python -m tests.bench.receiver PORT`.

Every POST is answered with 200 at once, but those to /hang never. `GET /arrivals` tells when the first byte of each
message came (by webhook-id, Unix seconds) and forgets them. Ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import cast

import uvloop

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_MESSAGE = re.compile(rb"webhook-id: *([^\r]+)", re.IGNORECASE)
_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK"

arrivals: dict[str, float] = {}


class _Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self._buffer = b""
        self._began = 0.0

    def data_received(self, data: bytes) -> None:
        if not self._buffer:
            self._began = time.time()
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not separator or len(rest) < int(length[1] if length else 0):
            return
        self._buffer = b""
        if head.startswith(b"GET"):
            body = json.dumps(arrivals).encode()
            arrivals.clear()
            self._transport.write(
                b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body
            )
            return
        message = _MESSAGE.search(head)
        if message:
            arrivals.setdefault(message[1].decode(), self._began)
        if not head.startswith(b"POST /hang"):
            self._transport.write(_OK)


async def main(port: int) -> None:
    """Serves until standard input ends."""
    server = await asyncio.get_running_loop().create_server(
        _Connection, "127.0.0.1", port, backlog=1024
    )
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
