"""The classify stage's decision: what `claim_classify` handed out to what `finish_classify` takes.

The first that is sure decides: what a person decided before about the endpoint and event type, the
classifier, an adviser where one is configured, the endpoint's default. Pure but for the models.
Which events go on by themselves and which to review, the database decides, by the endpoint's mode
and threshold.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from functions.classify.classifiers.base import (
    Adviser,
    Classification,
    Classifier,
    EntityType,
    Event,
    Question,
)
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
    id: str = ""
    allowed_object_types: list[str] = []
    """Empty: all."""
    default_entity_table: str | None = None
    confidence_threshold: float = 0.7


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


@dataclass(slots=True)
class Decision:
    """What is known of an event so far."""

    event: ClaimedEvent
    allowed: tuple[EntityType, ...]
    """The entity types that it may become."""
    found: Classification

    @property
    def is_unsure(self) -> bool:
        return (
            bool(self.allowed) and self.found.confidence < self.event.endpoint.confidence_threshold
        )

    @property
    def question(self) -> Question:
        event = self.event
        return Question(event.endpoint.id, event.event_type, event.payload, self.allowed)

    def result(self) -> dict[str, Any]:
        """Falls back on the endpoint's default where nothing is convincing."""
        found, default = self.found, self.event.endpoint.default_entity_table
        if found.confidence < LEAST_CONVINCING and default in {one.name for one in self.allowed}:
            found = replace(
                found, entity_table=default, confidence=DEFAULT_CONFIDENCE, classified_by=BY_DEFAULT
            )
        return Classified(
            id=self.event.id,
            entity_table=found.entity_table,
            is_person=found.is_person,
            confidence=found.confidence,
            classified_by=found.classified_by,
        ).model_dump(mode="json")


_embedding = EmbeddingClassifier()


def decide(
    claim: dict[str, Any], classifier: Classifier = _embedding, adviser: Adviser | None = None
) -> list[dict[str, Any]]:
    """One result per claimed event. One that breaks the classifier becomes an error, alone."""
    types = KnownTypes(map(OwnedType.model_validate, claim["entity_types"]))
    decisions = [_decide_one(claimed, types, classifier) for claimed in claim["events"]]
    unsure = [one for one in decisions if one is not None and one.is_unsure]
    if adviser is not None and unsure:
        _ask(adviser, unsure)
    return [
        {"id": claimed["id"], "error": "The event could not be classified"}
        if decision is None
        else decision.result()
        for claimed, decision in zip(claim["events"], decisions, strict=True)
    ]


def _decide_one(
    claimed: dict[str, Any], types: KnownTypes, classifier: Classifier
) -> Decision | None:
    try:
        event = ClaimedEvent.model_validate(claimed)
        return classify(event, types.of(event.user_id), classifier)
    except Exception:
        # A fault of ours with one payload must not hold up the rest of the batch.
        logger.exception("event %s cannot be classified", claimed["id"])
        return None


def classify(
    event: ClaimedEvent, entity_types: tuple[EntityType, ...], classifier: Classifier
) -> Decision:
    """What a person decided before, else what the classifier says."""
    names = frozenset(event.endpoint.allowed_object_types)
    found = classifier.classify(Event(event.event_type, event.payload, names), entity_types)
    if event.override is not None:
        found = _overridden(found, event.override, {one.name for one in entity_types})
    allowed = tuple(one for one in entity_types if not names or one.name in names)
    return Decision(event, allowed, found)


def _ask(adviser: Adviser, unsure: list[Decision]) -> None:
    """Takes advice where there is some; who is behind the event, the adviser is not asked."""
    try:
        advised = adviser.advise([one.question for one in unsure])
    except Exception:
        # Without advice these events go to review, as they would with no adviser.
        logger.exception("no advice on %s events", len(unsure))
        return
    for decision, advice in zip(unsure, advised, strict=True):
        if advice is not None:
            decision.found = replace(
                decision.found,
                entity_table=advice.entity_table,
                confidence=advice.confidence,
                classified_by=advice.classified_by,
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
