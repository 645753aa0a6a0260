"""A load generator that costs little itself: raw HTTP/1.1 over kept-open connections, bodies signed beforehand.

Run in a process of its own (`python -m tests.bench.load`), with blocking sockets and a selector rather than an event
loop: it shares the machine with what it measures.
Loopback only, a fixed number of requests, ends by itself.
"""

from __future__ import annotations

import argparse
import json
import re
import selectors
import socket
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass

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
                    "name": f"Customer {number % 500}",
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


@dataclass(slots=True)
class _Connection:
    """A socket, when its last request was sent, and what has come of the answer."""

    socket: socket.socket
    sent: float = 0.0
    answer: bytes = b""

    def send(self, request: bytes) -> None:
        self.answer, self.sent = b"", time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> int | None:
        """The status, once the answer is complete."""
        piece = self.socket.recv(65_536)
        if not piece:
            raise ConnectionError("the server closed a connection")
        self.answer += piece
        head, separator, rest = self.answer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not separator or length is None or len(rest) < int(length[1]):
            return None
        return int(head[9:12])


def run(port: int, requests: list[bytes], connections: int) -> dict[str, object]:
    """Sends all requests over `connections` connections, on each the next as soon as the answer to the last is
    complete: events per second, statuses, latency in ms.
    """
    statuses: Counter[int] = Counter()
    times: list[float] = []
    waiting = iter(requests)
    with selectors.DefaultSelector() as selector, ExitStack() as sockets:
        opened = [
            _Connection(sockets.enter_context(socket.create_connection(("127.0.0.1", port))))
            for _ in range(min(connections, len(requests)))
        ]
        started = time.perf_counter()
        for connection in opened:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send(next(waiting))
        while len(times) < len(requests):
            for key, _ in selector.select():
                connection = key.data
                status = connection.receive()
                if status is None:
                    continue
                statuses[status] += 1
                times.append(time.perf_counter() - connection.sent)
                request = next(waiting, None)
                if request is not None:
                    connection.send(request)
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
    print(json.dumps(run(given.port, requests, given.connections)))


if __name__ == "__main__":
    main()
