"""The classify stage's decision: what `claim_classify` handed out to what `finish_classify` takes.

What a person decided before about the endpoint and event type wins, then the classifier, then the
endpoint's default. Pure but for the model it loads. Which events go on by themselves and which to review, the database
decides, by the endpoint's mode and threshold.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from functions.classify.classifiers.base import Classification, Classifier, EntityType, Event
from functions.classify.classifiers.embedding import EmbeddingClassifier

logger = logging.getLogger(__name__)

LEAST_CONVINCING = 0.5
"""Below this the endpoint's default entity type is taken instead, where it has one."""
DEFAULT_CONFIDENCE = 0.5
"""Of a default: it says what the endpoint's events usually are, not what this one is. An endpoint
whose threshold is no higher lets its defaults pass without review."""
BY_DEFAULT = "default"
BY_OVERRIDE = "override"
"""Followed by the id of the remembered decision."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Endpoint(_Model):
    allowed_object_types: list[str] = []
    """Empty: all."""
    default_entity_table: str | None = None


class Override(_Model):
    """What a person decided in the queue about an earlier event of the endpoint and type."""

    id: UUID
    entity_table: str | None = None
    is_person: bool | None = None
    """None, here and above: nothing was decided about it."""


class ClaimedEvent(_Model):
    id: UUID
    user_id: UUID
    event_type: str
    payload: dict[str, Any]
    endpoint: Endpoint
    override: Override | None = None


class OwnedType(_Model):
    user_id: UUID | None
    """Whose type it is; None for one that ships with Switchhook."""
    name: str
    description: str


class Classified(_Model):
    """What `finish_classify` takes for one event."""

    id: UUID
    entity_table: str | None
    is_person: bool
    confidence: float
    classified_by: str


class KnownTypes:
    """Entity types by owner; a user's own hides a shipped one of the same name."""

    def __init__(self, owned: Iterable[OwnedType]) -> None:
        self._by_owner: dict[UUID | None, dict[str, EntityType]] = {}
        for known in owned:
            described = EntityType(known.name, known.description)
            self._by_owner.setdefault(known.user_id, {})[known.name] = described

    def of(self, user_id: UUID) -> tuple[EntityType, ...]:
        shipped, own = self._by_owner.get(None, {}), self._by_owner.get(user_id, {})
        return tuple((shipped | own).values())


_embedding = EmbeddingClassifier()


def decide(claim: dict[str, Any], classifier: Classifier = _embedding) -> list[dict[str, Any]]:
    """One result per claimed event. One that breaks the classifier becomes an error, alone."""
    types = KnownTypes(map(OwnedType.model_validate, claim["entity_types"]))
    return [_decide_one(claimed, types, classifier) for claimed in claim["events"]]


def _decide_one(
    claimed: dict[str, Any], types: KnownTypes, classifier: Classifier
) -> dict[str, Any]:
    try:
        event = ClaimedEvent.model_validate(claimed)
        found = classify(event, types.of(event.user_id), classifier)
        classified = Classified(
            id=event.id,
            entity_table=found.entity_table,
            is_person=found.is_person,
            confidence=found.confidence,
            classified_by=found.classified_by,
        )
        return classified.model_dump(mode="json")
    except Exception:
        # A fault of ours with one payload must not hold up the rest of the batch.
        logger.exception("event %s cannot be classified", claimed["id"])
        return {"id": claimed["id"], "error": "The event could not be classified"}


def classify(
    event: ClaimedEvent, entity_types: tuple[EntityType, ...], classifier: Classifier
) -> Classification:
    """What a person decided before, what the classifier says, or the endpoint's default."""
    allowed = frozenset(event.endpoint.allowed_object_types)
    found = classifier.classify(Event(event.event_type, event.payload, allowed), entity_types)
    known = {entity_type.name for entity_type in entity_types}
    if event.override is not None:
        found = _overridden(found, event.override, known)
    default = event.endpoint.default_entity_table
    if found.confidence >= LEAST_CONVINCING or default not in (
        known & allowed if allowed else known
    ):
        return found
    return replace(
        found, entity_table=default, confidence=DEFAULT_CONFIDENCE, classified_by=BY_DEFAULT
    )


def _overridden(found: Classification, override: Override, known: set[str]) -> Classification:
    """An entity type that is no longer there is left aside, as if nobody had decided about it."""
    if override.is_person is not None:
        found = replace(found, is_person=override.is_person)
    if override.entity_table not in known:
        return found
    return replace(
        found,
        entity_table=override.entity_table,
        confidence=1.0,
        classified_by=f"{BY_OVERRIDE}:{override.id}",
    )
