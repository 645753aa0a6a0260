"""The embedded classifier: an event's words against each entity type's description.

It needs no training, so an entity type that a user registers works from the moment it has a
description. Its figures were set by hand on events of some sixty vendors.

The confidence is a softmax over all types and "none of these". It shrinks with the evidence, with
the distance to the runner-up, and where a type that the endpoint does not allow fits better.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import sqrt

import numpy as np

from functions.classify.classifiers import vectors, words
from functions.classify.classifiers.base import Classification, EntityType, Event
from functions.classify.classifiers.evidence import Evidence, EvidenceSpace
from functions.classify.classifiers.people import is_person

LEAST_GUESS = 0.25
"""Below this confidence the best type is no better than any other, and none is named."""
MOST_CONFIDENCE = 0.97

_NOUN = 3.0
_EARLIER_NOUN = 0.6
"""In `customer.subscription.created` the last noun says more than those before it."""
_ACTION = 0.4
_ROOT_FIELDS = 1.8
_NESTED_FIELDS = 0.6
_CONTAINER = 0.8
_FEW_FIELDS = 3
"""Evidence of fields grows with the root of their number; this keeps one or two from deciding."""
_UNKNOWN_NOUN = 0.6
"""What fields count where the event type is about something else: an uninstalled app has an e-mail
address and a phone number too."""
_TELLS_SOMETHING = 0.1
_NONE_OF_THESE = 1.2
_SCALE = 2.2
_DISALLOWED = 1 / 3
"""The weight of types that the endpoint does not allow. They compete, because an invoice is no
ticket even where only tickets are allowed, but the owner's choice counts too."""


class EmbeddingClassifier:
    """Implements Classifier with WordLlama's word embeddings."""

    def classify(self, event: Event, entity_types: Sequence[EntityType]) -> Classification:
        person = is_person(event.payload)
        if not entity_types:
            return Classification(None, person, 0.0, vectors.NAME)
        space = _space(tuple(entity_types))
        scores = _score(words.read(event.event_type, event.payload), space)
        allowed = np.array([not event.allowed or t.name in event.allowed for t in entity_types])
        weights = np.exp(_SCALE * scores) * np.where(allowed, 1, _DISALLOWED)
        shares = weights / (weights.sum() + np.exp(_SCALE * _NONE_OF_THESE))
        best = int(np.where(allowed, shares, 0).argmax())
        confidence = min(float(shares[best]), MOST_CONFIDENCE) if allowed[best] else 0.0
        name = entity_types[best].name if confidence >= LEAST_GUESS else None
        return Classification(name, person, round(confidence, 3), vectors.NAME)


@lru_cache(maxsize=32)
def _space(entity_types: tuple[EntityType, ...]) -> EvidenceSpace:
    return EvidenceSpace(entity_types)


def _score(read: words.EventWords, space: EvidenceSpace) -> Evidence:
    """Per entity type how much speaks for it: about 0 for nothing, 2 for a clear noun, 4 for all."""
    nouns, actions, kinds = _telling_kinds(read, space)
    trust = _UNKNOWN_NOUN if read.nouns and not len(nouns) else 1.0
    if not len(nouns):
        nouns, actions = actions, actions[:0]
    score = trust * _score_fields(read, space)
    if len(nouns):
        score = score + _NOUN * (nouns[-1] + _EARLIER_NOUN * nouns[:-1].sum(0))
    if len(actions):
        score = score + _NOUN * _ACTION / len(actions) * actions.sum(0)
    if len(kinds):
        score = score + _CONTAINER / len(kinds) * kinds.sum(0)
    return np.asarray(score, np.float32)


def _telling_kinds(
    read: words.EventWords, space: EvidenceSpace
) -> tuple[Evidence, Evidence, Evidence]:
    """The evidence of nouns, actions and kinds, without words that tell nothing."""
    evidence = space.of_kinds([*read.nouns, *read.actions, *read.kinds])
    tells = evidence.max(1, initial=0) > _TELLS_SOMETHING
    nouns, actions = len(read.nouns), len(read.nouns) + len(read.actions)
    return (
        evidence[:nouns][tells[:nouns]],
        evidence[nouns:actions][tells[nouns:actions]],
        evidence[actions:][tells[actions:]],
    )


def _score_fields(read: words.EventWords, space: EvidenceSpace) -> Evidence:
    names: list[str] = [*read.containers]
    weights = [_CONTAINER / len(names)] * len(names) if names else []
    for level in read.roots:
        names += level
        weights += [_ROOT_FIELDS / sqrt(len(level) + _FEW_FIELDS)] * len(level)
    for level in read.nested:
        names += level
        share = _NESTED_FIELDS / len(read.nested)
        weights += [share / sqrt(len(level) + _FEW_FIELDS)] * len(level)
    return np.array(weights, np.float32) @ space.of_fields(names)
