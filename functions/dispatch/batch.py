"""From a claim to requests ready to be sent. Everything here is decided from the claim alone.

What judges filters and schemas is loaded with the first webhook that has one, so that dispatch starts sooner.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from functions.dispatch.claimed import Claim, Delivery, Event, Webhook
from functions.dispatch.envelope import serialise
from functions.dispatch.slack import slack_message
from shared.encryption import SecretBox
from shared.errors import InvalidExpression
from shared.profiles import Signing, checked_profile

HIDDEN: Final = "***"
MIN_SECRET: Final = 6
"""Shorter texts are no secrets, and would be found everywhere."""

MAX_KEPT: Final = 10_000
FILTER_BUDGET: Final = 200_000
"""Units of work (shared/expressions/cost.py) for one filter and one event: 20 ms."""


class Undeliverable(Exception):
    """Nothing is sent, and another try would end the same way."""

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Target:
    """A webhook with what is secret about it in the clear, so it is never logged."""

    webhook: Webhook
    url: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    signing: Signing

    def without_secrets(self, text: str) -> str:
        """A text of the receiver's, who may echo what it was sent, without what it may not tell."""
        # An address that is a secret is shown up to the part that is.
        secret_part = self.url.removeprefix(self.webhook.url.partition(HIDDEN)[0])
        for secret in (*self.signing.secrets, *self.headers.values(), secret_part):
            if len(secret) >= MIN_SECRET and secret in text:
                text = text.replace(secret, HIDDEN)
        return text


@dataclass(frozen=True, slots=True)
class Body:
    """What is posted, and how the log names it."""

    content: bytes
    sha256: str


class Targets:
    """Webhooks ready to be delivered to; kept, as decrypting takes longer than all the rest."""

    def __init__(self, secrets: SecretBox) -> None:
        self._secrets = secrets
        self._kept: OrderedDict[str, tuple[Webhook, Target]] = OrderedDict()

    def target(self, webhook: Webhook) -> Target:
        """Raises InternalError where a secret cannot be decrypted."""
        kept = self._kept.get(webhook.id)
        if kept is not None and kept[0] == webhook:
            return kept[1]
        target = self._make(webhook)
        self._kept[webhook.id] = (webhook, target)
        self._kept.move_to_end(webhook.id)
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return target

    def _make(self, webhook: Webhook) -> Target:
        url, headers, keys = webhook.url, {}, []
        for secret in webhook.secrets:
            text = self._secrets.decrypt(secret.ciphertext)
            if secret.purpose == "url":
                url = text
            elif secret.purpose == "header":
                headers[secret.name] = text
            else:
                keys.append(text)
        name, settings = checked_profile(webhook.signature_profile, webhook.signature_settings)
        return Target(webhook, url, headers, Signing(name, settings, tuple(keys)))


class Batch:
    """A claim, looked up by delivery. Bodies and targets are made once for all who share them."""

    def __init__(self, claim: Claim, targets: Targets) -> None:
        self.claim = claim
        self._targets = targets
        self._webhooks = {webhook.id: webhook for webhook in claim.webhooks}
        self._events = {event.id: event for event in claim.events}
        # A user's own schema hides a shipped one.
        self._schemas = {(one.user_id, one.name): one.json_schema for one in claim.schemas}
        self._bodies: dict[tuple[str, str], Body] = {}

    def __iter__(self) -> Iterator[tuple[Delivery, Webhook, Event]]:
        for delivery in self.claim.deliveries:
            webhook, event = self._webhooks[delivery.webhook_id], self._events[delivery.event_id]
            yield delivery, webhook, event

    def target(self, webhook: Webhook) -> Target:
        """See Targets.target."""
        return self._targets.target(webhook)

    def passes(self, webhook: Webhook, event: Event) -> bool:
        """Whether the webhook wants this event. A test it always wants.

        Raises Undeliverable where its filter does not work with the event.
        """
        if not webhook.filter or event.is_test:
            return True
        from shared.conditions import compile_filter  # noqa: PLC0415 (see the module's docstring)
        from shared.expressions import Context, EvaluationFailed  # noqa: PLC0415

        about = {
            "id": event.id,
            "type": event.type,
            "timestamp": event.created_at.isoformat(),
            "data": event.data,
        }
        try:
            return compile_filter(webhook.filter).holds(Context({"event": about}, FILTER_BUDGET))
        except (EvaluationFailed, InvalidExpression) as error:
            raise Undeliverable("filter_failed", f"The filter: {error.message}") from None

    def body(self, webhook: Webhook, event: Event) -> Body:
        """The bytes to post: the same for every attempt.

        Raises Undeliverable where the event is not what its type has to be.
        """
        if webhook.kind == "slack":
            return _body(_slack(webhook, event))
        key = event.id, webhook.body_style
        if key not in self._bodies:
            self._check(event)
            content = serialise(event.type, event.created_at, event.data, webhook.body_style)
            self._bodies[key] = _body(content)
        return self._bodies[key]

    def schema_of(self, event: Event) -> Any:
        """The JSON Schema that the event's data must meet, if there is one."""
        own, shipped = (event.user_id, event.type), (None, event.type)
        return self._schemas.get(own, self._schemas.get(shipped))

    def _check(self, event: Event) -> None:
        schema = self.schema_of(event)
        if schema is None or event.is_test:
            return
        from shared.event_schemas import problems  # noqa: PLC0415 (see the module's docstring)

        problem = problems(schema, event.data)
        if problem is not None:
            words = f"The data is not what the schema of {event.type} asks for: {problem}"
            raise Undeliverable("schema_violation", words)


def _slack(webhook: Webhook, event: Event) -> bytes:
    settings = webhook.slack_settings
    return slack_message(
        event.type,
        event.created_at,
        event.data,
        channel=settings.get("channel"),
        link_template=settings.get("linkTemplate"),
    )


def _body(content: bytes) -> Body:
    return Body(content, hashlib.sha256(content).hexdigest())
