"""Outgoing webhooks as they are sent and answered."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, Field, JsonValue, SecretStr, StringConstraints

from shared.management.cursors import Row
from shared.management.models import (
    WHOLE,
    Changes,
    Description,
    Name,
    Request,
    StoredResource,
    Timestamp,
)
from shared.profiles import ProfileName
from shared.slack_settings import SlackSettings

Kind = Literal["http", "slack"]
BodyStyle = Literal["compact", "spaced"]

MASK = "***"
"""Stands for what is stored and not shown. Sent back, it keeps what is stored."""

EventPattern = Annotated[
    str,
    StringConstraints(pattern=r"^(\*|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(\.\*)?)$", max_length=128),
]
EventPatterns = Annotated[
    list[EventPattern],
    Field(min_length=1, max_length=100),
    AfterValidator(lambda patterns: list(dict.fromkeys(patterns))),
]
Url = Annotated[str, StringConstraints(min_length=1, max_length=2048)]


class WebhookFields(Request):
    """What a user decides about a webhook."""

    name: Name
    url: Url = Field(
        description="Where deliveries are posted to: https, at a public address. Of kind `slack` it is a "
        "secret, shown with `***` in it."
    )
    description: Description | None = None
    events: EventPatterns = Field(
        description="Names of events, `conversation.*` for all below, or `*` for all."
    )
    active: bool = True
    secret: SecretStr | None = Field(
        default=None,
        exclude=True,
        description="What signs deliveries. Left out, one is made. Later it is changed by "
        "regenerate-secret only.",
    )
    kind: Kind = Field(
        default="http",
        description="`slack` posts a message to a Slack incoming webhook, or one that takes the same.",
    )
    signature_profile: ProfileName = Field(
        default="standard",
        description="Which headers a delivery has beside those of Standard Webhooks.",
    )
    signature_settings: dict[str, JsonValue] = Field(
        default_factory=dict, description="Header names and form, for the profile `custom`."
    )
    body_style: BodyStyle = Field(
        default="compact",
        description="`compact`: JSON as JSON.stringify writes it. `spaced`: as Python's json.dumps does.",
    )
    headers: dict[str, SecretStr] = Field(
        default_factory=dict,
        exclude=True,
        description="Headers of your own, all of them. Values are never shown: `***` keeps the stored one.",
    )
    filter: Annotated[str, StringConstraints(max_length=2000)] = Field(
        default="", description="CEL over `event` (id, type, timestamp, data); empty means always."
    )
    timeout_seconds: Annotated[int, Field(ge=1, le=30), WHOLE] = 15
    rate_limit_per_minute: Annotated[int, Field(ge=1, le=1_000_000), WHOLE] | None = None
    slack: SlackSettings = Field(
        default_factory=SlackSettings, description="Channel and link template, for kind `slack`."
    )


class WebhookChanges(Changes, WebhookFields):
    """What to change of a webhook. What is not named stays."""


class Webhook(StoredResource):
    """A receiver of events."""

    name: str
    url: str
    description: str | None
    events: list[str]
    active: bool
    kind: Kind
    signature_profile: ProfileName
    signature_settings: dict[str, Any]
    body_style: BodyStyle
    headers: dict[str, Literal["***"]] = Field(description="Names; no value is ever shown.")
    filter: str
    timeout_seconds: int
    rate_limit_per_minute: int | None
    slack: dict[str, Any] = Field(validation_alias="slack_settings")
    disabled_reason: str | None = Field(
        description="Why Switchhook switched it off; null if it did not."
    )
    created_by: UUID
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, row: Row, **more: Any) -> Self:
        """From a row of the table."""
        headers = dict.fromkeys(row["header_names"], MASK)
        return cls.model_validate({**row, "headers": headers, **more})


class WebhookWithSecret(Webhook):
    """The answer to the call that registers a webhook."""

    secret: str = Field(description="It is not shown again.")
