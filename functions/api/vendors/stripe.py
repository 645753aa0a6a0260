"""Stripe: events that some webhook endpoint of the account should have had, and has not.

Stripe does not say which endpoint, so an account with several may name the types that this one is for.
https://docs.stripe.com/api/events/list
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from functions.api.vendors.calls import StaleCursor, fetch, parsed
from functions.api.vendors.missed import Missed, MissedPage
from shared.errors import InvalidRequest, ServiceUnavailable

API = "https://api.stripe.com/v1/events"
NAME = "Stripe"
PAGE_SIZE = 100


class _Event(BaseModel):
    model_config = ConfigDict(extra="allow")

    id: str
    created: int


class _List(BaseModel):
    data: list[dict[str, Any]]
    has_more: bool


@dataclass(slots=True)
class StripeEvents:
    """The events of one account."""

    http: httpx.AsyncClient
    token: str = field(repr=False)
    event_types: list[str]
    keeps: timedelta = timedelta(days=30)

    @property
    def source(self) -> str:
        return " ".join(sorted(self.event_types))

    async def page(self, cursor: str | None, since: datetime) -> MissedPage:
        query: dict[str, str | list[str]] = {
            "limit": str(PAGE_SIZE),
            "delivery_success": "false",
            "created[gte]": str(int(since.timestamp())),
        }
        if self.event_types:
            query["types[]"] = self.event_types
        if cursor is not None:
            query["starting_after"] = cursor
        headers = {"Authorization": f"Bearer {self.token}", "User-Agent": "Switchhook"}
        response = await fetch(self.http, NAME, API, headers, query)
        if not response.is_success:
            if cursor is not None:
                raise StaleCursor
            raise InvalidRequest("eventTypes: Stripe does not take this request")
        try:
            listed = _List.model_validate(parsed(NAME, response))
            events = [_Event.model_validate(event) for event in listed.data]
        except ValidationError:
            raise ServiceUnavailable("Stripe answered something else than events") from None
        return MissedPage(
            [Missed({"Content-Type": "application/json"}, event) for event in listed.data],
            len(events),
            datetime.fromtimestamp(events[-1].created, UTC) if events else None,
            events[-1].id if events and listed.has_more else None,
        )
