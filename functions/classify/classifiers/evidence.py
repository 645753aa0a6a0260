"""How much a word speaks for each of a set of entity types, and for none of them.

A word is compared with every word of every description, and the best match counts: in these
embeddings different words are nearly at right angles, so that averaged texts tell little, while
"bill" and "invoice" still stand out. What a word says for all types alike is taken off again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from functions.classify.classifiers import vectors, words
from functions.classify.classifiers.base import EntityType

Evidence = NDArray[np.float32]

MAX_REMEMBERED = 4_000
"""Words and names kept per set of types; payloads may hold any number of different ones."""

NOTHING = (
    "push commit branch build pipeline deployment release package job workflow run "
    "product price catalog inventory stock warehouse coupon discount gift "
    "delivery open click bounce template campaign post page file folder document recording "
    "meeting call session login board sprint project task deal reaction star fork tag "
    "company organization payout balance plan theme domain server key token ping install "
    "uninstall authorize chatbot training export import sync location channel quality"
)
"""Words of events that become no record that ships."""

_UNRELATED = 0.25
"""Cosine similarity up to which two words have nothing to do with each other."""
_SHARPNESS = 0.8
_NAME_WEIGHT = 1.0
_WORD_WEIGHT = 0.75
_FIELD_AS_KIND = 0.35
"""What a description's field word counts in an event type: `email.opened` is about no contact."""
_COMMON_SHARE = 0.8


class Table:
    """Remembers rows of numbers by text, so that each is computed once and then looked up."""

    def __init__(self, width: int, compute: Callable[[list[str]], Evidence]) -> None:
        self._compute = compute
        self._rows: dict[str, int] = {}
        self._numbers: Evidence = np.zeros((512, width), np.float32)
        self._lock = Lock()

    def get(self, texts: Sequence[str]) -> Evidence:
        """One row per text."""
        with self._lock:
            try:
                rows = [self._rows[text] for text in texts]
            except KeyError:
                self._learn(texts)
                rows = [self._rows[text] for text in texts]
            return self._numbers[rows]

    def _learn(self, texts: Sequence[str]) -> None:
        if len(self._rows) + len(texts) > MAX_REMEMBERED:
            self._rows.clear()
        new = [text for text in dict.fromkeys(texts) if text not in self._rows]
        first, last = len(self._rows), len(self._rows) + len(new)
        if last > len(self._numbers):
            self._numbers = np.resize(self._numbers, (2 * last, self._numbers.shape[1]))
        self._numbers[first:last] = self._compute(new)
        self._rows.update(zip(new, range(first, last), strict=True))


class EvidenceSpace:
    """The evidence of words for one set of entity types; the last column is for none of them.

    About -0.5 to 1. `taken` are the words that types of an owner's own stand for: they do not speak
    for nothing any more.
    """

    def __init__(self, entity_types: Sequence[EntityType], taken: frozenset[str]) -> None:
        described = [_weighted_words(entity_type) for entity_type in entity_types]
        nothing = [word for word in NOTHING.split() if word not in taken]
        described.append(dict.fromkeys(nothing, (_FIELD_AS_KIND, _WORD_WEIGHT)))
        vocabulary = [word for weights in described for word in weights]
        self.width = len(described)
        self._starts = np.cumsum([0] + [len(weights) for weights in described[:-1]])
        self._vectors = vectors.embed(vocabulary)
        weights = [pair for one in described for pair in one.values()]
        self._as_field = np.array([as_field for as_field, _ in weights], np.float32)
        self._as_kind = np.array([as_kind for _, as_kind in weights], np.float32)

    def of_kinds(self, texts: list[str]) -> Evidence:
        """One row per word that names a kind of record."""
        return self._compare(texts, self._as_kind)

    def of_fields(self, names: list[str]) -> Evidence:
        """One row per field name: the mean of its telling words, zeros if it has none."""
        return mean_of_words(names, lambda known: self._compare(known, self._as_field), self.width)

    def _compare(self, texts: list[str], weights: NDArray[np.float32]) -> Evidence:
        similarity = vectors.embed(texts) @ self._vectors.T
        related = np.clip((similarity - _UNRELATED) / (1 - _UNRELATED), 0, 1) ** _SHARPNESS
        best = np.maximum.reduceat(related * weights, self._starts, axis=1)
        return np.asarray(best - _COMMON_SHARE * best.mean(1, keepdims=True), np.float32)


def mean_of_words(
    names: Sequence[str], compute: Callable[[list[str]], Evidence], width: int
) -> Evidence:
    """One row per name: the mean over its telling words, zeros if it has none."""
    split = [words.telling(name) for name in names]
    known = list(dict.fromkeys(word for parts in split for word in parts))
    rows = dict(zip(known, compute(known), strict=True))
    nothing = np.zeros(width, np.float32)
    means = [np.mean([rows[word] for word in parts], 0) if parts else nothing for parts in split]
    return np.array(means, np.float32).reshape(len(names), width)


def words_of_kind(entity_type: EntityType) -> list[str]:
    """What a description says that the type is, with its name."""
    return [*words.split(entity_type.name), *_all(entity_type.description.partition(" with ")[0])]


def _weighted_words(entity_type: EntityType) -> dict[str, tuple[float, float]]:
    """Each word of name and description: its weight for field names, and for kinds of record."""
    fields = entity_type.description.partition(" with ")[2]
    weights = dict.fromkeys(_all(fields), (_WORD_WEIGHT, _WORD_WEIGHT * _FIELD_AS_KIND))
    weights |= dict.fromkeys(words_of_kind(entity_type), (_WORD_WEIGHT, _WORD_WEIGHT))
    weights |= dict.fromkeys(words.split(entity_type.name), (_NAME_WEIGHT, _NAME_WEIGHT))
    return weights


def _all(text: str) -> list[str]:
    return [word for part in text.split() for word in words.telling(part)]
