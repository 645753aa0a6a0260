"""GitHub: the deliveries of a webhook of a repository, an organisation or an app that were not answered with a 2xx.

The list has no payloads, so each such delivery is asked for, one after the other as GitHub wishes.
https://docs.github.com/en/rest/repos/webhooks#list-deliveries-for-a-repository-webhook
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
from pydantic import AwareDatetime, BaseModel, TypeAdapter, ValidationError

from functions.api.vendors.calls import HeldBack, StaleCursor, fetch, parsed
from functions.api.vendors.missed import Missed, MissedPage
from shared.errors import InvalidRequest, ServiceUnavailable

API = "https://api.github.com"
NAME = "GitHub"
PAGE_SIZE = 25
HOOK = re.compile(
    r"(?:repos/(?!\.+/)[\w.-]{1,100}/(?!\.+/)[\w.-]{1,100}|orgs/(?!\.+/)[\w.-]{1,100})/hooks/[0-9]{1,20}|app/hook",
    re.ASCII,
)
"""Where a webhook stands in GitHub's API."""


class Delivery(BaseModel):
    """An entry of the list."""

    id: int
    guid: str
    """The same in every attempt; what a webhook carries as X-GitHub-Delivery."""
    delivered_at: AwareDatetime
    status_code: int
    event: str


class _Request(BaseModel):
    headers: dict[str, Any] | None = None
    payload: dict[str, Any] | None = None


class _Details(BaseModel):
    request: _Request


_LIST = TypeAdapter(list[Delivery])


@dataclass(slots=True)
class GitHubDeliveries:
    """The deliveries of one webhook."""

    http: httpx.AsyncClient
    token: str = field(repr=False)
    hook: str
    keeps: timedelta = timedelta(days=3)
    _settled: set[str] = field(default_factory=set)
    """Deliveries that have arrived in the end, or have been fetched: newer attempts come first."""

    @property
    def source(self) -> str:
        return self.hook

    async def page(self, cursor: str | None, since: datetime) -> MissedPage:
        query = {"per_page": str(PAGE_SIZE)} | ({} if cursor is None else {"cursor": cursor})
        response = await self._get("deliveries", **query)
        if response.status_code in {400, 422} and cursor is not None:
            raise StaleCursor
        if not response.is_success:
            raise InvalidRequest("hook: GitHub has no such webhook, or the token may not see it")
        try:
            listed = _LIST.validate_python(parsed(NAME, response))
        except ValidationError:
            raise ServiceUnavailable("GitHub answered something else than deliveries") from None
        recent = [delivery for delivery in listed if delivery.delivered_at >= since]
        missed, held_back = await self._missed(recent)
        return MissedPage(
            missed,
            len(recent),
            listed[-1].delivered_at if listed else None,
            _next_cursor(response) if listed and len(recent) == len(listed) else None,
            held_back,
        )

    async def _missed(self, listed: list[Delivery]) -> tuple[list[Missed], int | None]:
        missed: list[Missed] = []
        for delivery in listed:
            if delivery.guid in self._settled:
                continue
            if not 200 <= delivery.status_code < 300:
                try:
                    found = await self._details(delivery)
                except HeldBack as error:
                    return missed, error.seconds
                if found is None:
                    continue
                missed.append(found)
            self._settled.add(delivery.guid)
        return missed, None

    async def _details(self, delivery: Delivery) -> Missed | None:
        """The delivery with its payload; None if GitHub has forgotten it meanwhile."""
        response = await self._get(f"deliveries/{delivery.id}")
        if not response.is_success:
            return None
        try:
            request = _Details.model_validate(parsed(NAME, response)).request
        except ValidationError:
            return None
        if request.payload is None:
            return None
        sent = {k: v for k, v in (request.headers or {}).items() if isinstance(v, str)}
        own = {"X-GitHub-Event": delivery.event, "X-GitHub-Delivery": delivery.guid}
        names = {name.lower() for name in own} | {"content-type"}
        kept = {name: value for name, value in sent.items() if name.lower() not in names}
        # Whatever it was sent as, it is JSON from here on.
        headers = kept | own | {"Content-Type": "application/json"}
        return Missed(headers, request.payload)

    async def _get(self, path: str, **query: str) -> httpx.Response:
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self.token}",
            "User-Agent": "Switchhook",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        return await fetch(self.http, NAME, f"{API}/{self.hook}/{path}", headers, query)


def _next_cursor(response: httpx.Response) -> str | None:
    """Only the cursor is taken out of the link, never its address."""
    try:
        cursor = httpx.URL(response.links["next"]["url"]).params.get("cursor")
    except (KeyError, httpx.InvalidURL):
        return None
    return cursor[:500] if cursor else None
