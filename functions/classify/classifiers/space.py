"""How events score for one set of entity types, and for none of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from functions.classify.classifiers import vectors
from functions.classify.classifiers.base import EntityType
from functions.classify.classifiers.evidence import (
    EvidenceSpace,
    Table,
    mean_of_words,
    words_of_kind,
)
from functions.classify.classifiers.head import Head, Numbers
from functions.classify.classifiers.terms import GROUPS, OF_FIELDS, Terms

_TELLS_SOMETHING = 0.1
_OWN_WORD = 0.3
"""Evidence for a type of the owner's own from which on what was learned of a word is left aside:
to this owner it means that type."""
_KIND_ROWS, _FIELD_ROWS = 1 + OF_FIELDS, 1 + len(GROUPS) - OF_FIELDS
PAIRS = len(GROUPS) + (len(GROUPS) - OF_FIELDS)
"""Evidence by group; that of fields is counted apart where the event type tells nothing."""


class Space:
    """Safe to use from several threads."""

    def __init__(self, entity_types: Sequence[EntityType], head: Head) -> None:
        columns = [head.column(entity_type) for entity_type in entity_types]
        own = [one for one, column in zip(entity_types, columns, strict=True) if column is None]
        taken = frozenset(word for one in own for word in words_of_kind(one))
        self._evidence = EvidenceSpace(entity_types, taken)
        self._head = head
        self._own = [number for number, column in enumerate(columns) if column is None]
        self._learned = np.zeros((*head.learned.shape[:2], len(columns) + 1), np.float32)
        for number, column in enumerate([*columns, -1]):
            if column is not None:
                self._learned[:, :, number] = head.learned[:, :, column]
        width = self._evidence.width
        self._kinds = Table(width * _KIND_ROWS, self._of_kinds)
        self._fields = Table(width * _FIELD_ROWS, self._of_fields)

    def scores(self, read: Terms) -> Numbers:
        """One score per entity type, and last the one of "none of these"."""
        width = self._evidence.width
        kinds = self._kinds.get(read.texts[: read.of_kinds]).reshape(-1, _KIND_ROWS, width)
        fields = self._fields.get(read.texts[read.of_kinds :]).reshape(-1, _FIELD_ROWS, width)
        evidence = np.concatenate((kinds[:, 0], fields[:, 0]))
        pairs, tells = pair_features(evidence, read)
        scores = self._head.pairs @ pairs
        scores[-1] += self._head.nothing[0] + (0 if tells else self._head.nothing[1])
        scores += np.einsum("gt,tgw->w", read.weights[:OF_FIELDS, : read.of_kinds], kinds[:, 1:])
        scores += np.einsum("gt,tgw->w", read.weights[OF_FIELDS:, read.of_kinds :], fields[:, 1:])
        return np.asarray(scores * self._head.scale, np.float32)

    def _of_kinds(self, texts: list[str]) -> Numbers:
        evidence = self._evidence.of_kinds(texts)
        return self._with_learned(evidence, vectors.embed(texts), self._learned[:OF_FIELDS])

    def _of_fields(self, names: list[str]) -> Numbers:
        evidence = self._evidence.of_fields(names)
        embedded = mean_of_words(names, vectors.embed, vectors.DIMENSIONS)
        return self._with_learned(evidence, embedded, self._learned[OF_FIELDS:])

    def _with_learned(self, evidence: Numbers, embedded: Numbers, learned: Numbers) -> Numbers:
        """Per text a row: its evidence, and then what was learned of it, by group."""
        said = np.einsum("td,gdw->tgw", embedded, learned)
        if self._own:
            said[evidence[:, self._own].max(1) > _OWN_WORD] = 0
        rows = np.concatenate((evidence[:, None, :], said), 1)
        return np.asarray(rows.reshape(len(evidence), -1), np.float32)


def pair_features(evidence: Numbers, read: Terms) -> tuple[Numbers, bool]:
    """By feature and type (none last); and whether the event type tells anything."""
    groups = read.weights @ evidence
    named = evidence[: read.of_kinds][read.weights[:2, : read.of_kinds].any(0)]
    tells = bool(len(named) and named.max() > _TELLS_SOMETHING)
    features = np.zeros((PAIRS, evidence.shape[1]), np.float32)
    features[:OF_FIELDS] = groups[:OF_FIELDS]
    start = OF_FIELDS if tells else len(GROUPS)
    features[start : start + len(GROUPS) - OF_FIELDS] = groups[OF_FIELDS:]
    return features, tells
