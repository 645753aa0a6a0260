"""Events of an endpoint as they come in, and sent on to a program under development."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field

import httpx

from functions.cli.api import ApiClient, Item
from shared.signatures import scheme_named

LISTS: tuple[tuple[str, dict[str, str]], ...] = (
    ("queue", {"status": "pending"}),
    ("queue", {"status": "processing"}),
    ("log", {}),
)
"""Where an event may be. One that moves between two looks is found with the next: the log keeps it."""

NOT_SENT_ON = {"connection", "content-encoding", "content-length", "host", "transfer-encoding"}


class Listener:
    """Finds what came in since it first looked."""

    def __init__(self, api: ApiClient, endpoint_id: str) -> None:
        self._api, self._endpoint_id = api, endpoint_id
        self._seen: set[str] = set()

    async def poll(self) -> list[Item]:
        """Events that it has not given before, oldest first; ids sort by time of arrival."""
        found: dict[str, Item] = {}
        for path, filters in LISTS:
            async for event in self._api.items(
                path, limit=100, endpointId=self._endpoint_id, **filters
            ):
                found[event["id"]] = event
        fresh = [found[key] for key in sorted(found.keys() - self._seen)]
        self._seen.update(found)
        return fresh


def is_address(url: str) -> bool:
    """Whether events can be posted to it."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.host)


@dataclass(frozen=True)
class Forwarding:
    """Where events are sent on to, and the endpoint's secret to sign them anew with."""

    url: str
    secret: str = field(repr=False)


async def forward(
    api: ApiClient, client: httpx.AsyncClient, endpoint: Item, event: Item, to: Forwarding
) -> int | None:
    """The status that the program answered with; None if it did not answer.

    What was sent is printed anew, so its signature is made anew too; without a secret it has none.
    """
    detail = await api.call("GET", f"queue/{event['id']}")
    body = json.dumps(detail["payload"]).encode()
    headers = {
        name: value for name, value in detail["headers"].items() if name.lower() not in NOT_SENT_ON
    }
    if to.secret:
        scheme = scheme_named(endpoint["scheme"])
        settings = scheme.settings(endpoint["schemeSettings"])
        signed = scheme.sign(
            body,
            to.secret,
            settings,
            int(time.time()),
            event_type=event["eventType"],
            delivery_id=event["id"],
        )
        own = {name.lower() for name in signed}
        headers = {n: v for n, v in headers.items() if n.lower() not in own} | signed
    try:
        answer = await client.post(to.url, content=body, headers=headers)
    except httpx.HTTPError:
        return None
    return answer.status_code
