"""The embedded classifier: an event's words against each entity type's description.

What counts how much, and what words say for the types that ship, was learned from labelled events;
see head.py. An entity type that a user registers needs no training: it works from the moment it has
a description.

The confidence is a softmax over all types and "none of these", scaled so that it is true to its
name. It shrinks where a type that the endpoint does not allow fits better.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from functions.classify.classifiers import head, vectors, words
from functions.classify.classifiers.base import Classification, EntityType, Event
from functions.classify.classifiers.people import is_person
from functions.classify.classifiers.space import Space
from functions.classify.classifiers.terms import terms

MOST_CONFIDENCE = 0.99
_DISALLOWED = 1 / 3
"""The weight of types that the endpoint does not allow. They compete, because an invoice is no
ticket even where only tickets are allowed, but the owner's choice counts too."""


class EmbeddingClassifier:
    """Implements Classifier with WordLlama's word embeddings."""

    def classify(self, event: Event, entity_types: Sequence[EntityType]) -> Classification:
        name, confidence = _entity_type(event, entity_types) if entity_types else (None, 0.0)
        person = is_person(event.payload, name)
        return Classification(name, person, round(confidence, 3), _name())


def _entity_type(event: Event, entity_types: Sequence[EntityType]) -> tuple[str | None, float]:
    """The best allowed type, unless none fits better; and how likely that one is right."""
    scores = _space(tuple(entity_types)).scores(terms(words.read(event.event_type, event.payload)))
    allowed = np.array([not event.allowed or one.name in event.allowed for one in entity_types])
    weights = np.exp(scores - scores.max()) * np.where([*allowed, True], 1, _DISALLOWED)
    shares = weights / weights.sum()
    best = int(np.where(allowed, shares[:-1], -1).argmax())
    if not allowed[best]:
        return None, 0.0
    confidence = min(float(shares[best]), MOST_CONFIDENCE)
    return (entity_types[best].name if shares[best] > shares[-1] else None), confidence


@lru_cache(maxsize=32)
def _space(entity_types: tuple[EntityType, ...]) -> Space:
    return Space(entity_types, head.load())


def _name() -> str:
    return f"{vectors.NAME}+head:{head.load().version}"
