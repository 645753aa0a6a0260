"""What `claim_deliveries` hands over, and what `finish_deliveries` takes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class _Model(BaseModel):
    # Built with the first claim, once for all of them, and not each for itself.
    model_config = ConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, defer_build=True
    )


class Secret(_Model):
    """A key that signs, the value of a header, or the address; encrypted."""

    purpose: Literal["signing", "header", "url"]
    name: str
    ciphertext: str = Field(repr=False)


class Webhook(_Model):
    """Where a delivery goes and how it looks."""

    id: str
    url: str
    """Without what is secret about it."""
    kind: Literal["http", "slack"]
    signature_profile: str
    signature_settings: dict[str, Any]
    body_style: Literal["compact", "spaced"]
    slack_settings: dict[str, Any]
    filter: str
    timeout_seconds: int
    secrets: list[Secret]
    """Of each purpose the newest first."""


class Event(_Model):
    """What was published."""

    id: str
    user_id: str
    type: str
    created_at: AwareDatetime
    is_test: bool
    data: dict[str, Any]


class Delivery(_Model):
    """One event on its way to one webhook."""

    id: str
    webhook_id: str
    event_id: str
    attempt: int
    """Counted over the delivery's whole life, from 1."""
    try_number: int
    """Counted since it was queued, from 0."""


class EventSchema(_Model):
    """What the data of a type of event must be."""

    user_id: str | None
    """Whose it is; None for one that ships with Switchhook."""
    name: str
    json_schema: Any = Field(validation_alias="schema")


class Claim(_Model):
    """A batch that is ours until its lease runs out."""

    lease_id: str
    deliveries: list[Delivery]
    webhooks: list[Webhook]
    events: list[Event]
    schemas: list[EventSchema]
    next_at: AwareDatetime | None = None
    """When something will be due next, where nothing is."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one attempt, in the columns of the log."""

    id: str
    lease_id: str
    attempt: int
    state: Literal["delivered", "retry", "failed", "filtered"]
    delay_seconds: float = 0.0
    disable_reason: str | None = None
    log_id: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    request_url: str | None = None
    request_headers: Mapping[str, str] | None = None
    request_body_sha256: str | None = None
    response_status: int | None = None
    response_headers: Mapping[str, str] | None = None
    response_body: str | None = None
    latency_ms: float | None = None
    attempted_at: datetime | None = None
