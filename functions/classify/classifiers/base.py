"""What a classifier is asked and what it answers. A new one only has to be a `Classifier`.

An `Adviser` is asked about what a classifier is unsure of: it may be slow, cost money, or be away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class EntityType:
    """A kind of record, as its owner describes it."""

    name: str
    description: str
    """Words that events of this kind use. What comes before the first "with" says what it is; what
    comes after, which fields it has."""


@dataclass(frozen=True, slots=True)
class Event:
    event_type: str
    payload: Mapping[str, Any]
    allowed: frozenset[str] = frozenset()
    """Names of the entity types it may become; empty: any."""


@dataclass(frozen=True, slots=True)
class Classification:
    entity_table: str | None
    """Name of an entity type; None where not even a guess makes sense."""
    is_person: bool
    confidence: float
    """0 to 1: how likely `entity_table` is right, or the best guess would be."""
    classified_by: str
    """Who says so, with model and version."""


class Classifier(Protocol):
    def classify(self, event: Event, entity_types: Sequence[EntityType]) -> Classification:
        """`entity_types` are all that the event's owner has, allowed or not."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """An event that a classifier is unsure of."""

    endpoint_id: str
    event_type: str
    payload: Mapping[str, Any]
    entity_types: tuple[EntityType, ...]
    """Those that it may become."""


@dataclass(frozen=True, slots=True)
class Advice:
    entity_table: str
    confidence: float
    classified_by: str


class Adviser(Protocol):
    def advise(self, questions: Sequence[Question]) -> Sequence[Advice | None]:
        """One answer per question, in order; None where it does not know. Never raises."""
        ...
