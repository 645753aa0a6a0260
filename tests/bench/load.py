"""A load generator that costs little itself: raw HTTP/1.1 over kept-open connections, bodies signed beforehand.

Run in a process of its own (`python -m tests.bench.load`): it shares no event loop with what it measures.
Loopback only, a fixed number of requests, ends by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Iterator

from shared.signatures import scheme_named

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
BODY_BYTES = 400


def signed_requests(port: int, slug: str, secret: str, count: int, first: int) -> list[bytes]:
    """Whole HTTP requests with `X-Webhook-Signature` over unique bodies of BODY_BYTES bytes."""
    scheme = scheme_named("webhook_signature")
    settings = scheme.settings({})
    requests = []
    for number in range(first, first + count):
        event = {
            "event_type": "order.completed",
            "external_id": f"order_{number}",
            "data": {
                "order_id": f"order_{number}",
                "total": 129.9,
                "currency": "EUR",
                "customer": {
                    "name": f"Customer {number}",
                    "email": f"customer{number % 500}@example.com",
                },
                "note": "",
            },
        }
        event["data"]["note"] = "x" * (BODY_BYTES - len(json.dumps(event)))  # type: ignore[index]
        body = json.dumps(event).encode()
        headers = {
            "Host": f"127.0.0.1:{port}",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **scheme.sign(body, secret, settings, int(time.time())),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        requests.append(f"POST /functions/v1/ingest/{slug} HTTP/1.1\r\n{head}\r\n".encode() + body)
    return requests


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the answer to the last is complete."""

    def __init__(
        self, requests: Iterator[bytes], statuses: Counter[int], times: list[float]
    ) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests, self._statuses, self._times = requests, statuses, times
        self._buffer = b""
        self._started = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            return
        self._started = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not separator or length is None or len(rest) < int(length[1]):
            return
        self._statuses[int(head[9:12])] += 1
        self._times.append(time.perf_counter() - self._started)
        self._buffer = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def run(port: int, requests: list[bytes], connections: int) -> dict[str, object]:
    """Sends all requests over `connections` connections: events per second, statuses, latency in ms."""
    loop = asyncio.get_running_loop()
    queue = iter(requests)
    statuses: Counter[int] = Counter()
    times: list[float] = []
    started = time.perf_counter()
    protocols = []
    for _ in range(connections):
        _, protocol = await loop.create_connection(
            lambda: _Connection(queue, statuses, times), "127.0.0.1", port
        )
        protocols.append(protocol)
    await asyncio.gather(*(protocol.done for protocol in protocols))
    elapsed = time.perf_counter() - started
    times.sort()
    return {
        "per_second": len(times) / elapsed,
        "statuses": dict(statuses),
        "p50_ms": times[len(times) // 2] * 1000,
        "p99_ms": times[len(times) * 99 // 100] * 1000,
    }


def main() -> None:
    """Prints the figures of one run as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--slug", required=True)
    parser.add_argument("--secret", required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--connections", type=int, default=64)
    given = parser.parse_args()
    requests = signed_requests(given.port, given.slug, given.secret, given.count, given.first)
    print(json.dumps(asyncio.run(run(given.port, requests, given.connections))))


if __name__ == "__main__":
    main()
