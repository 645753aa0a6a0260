"""Trains the classifier's head on the tuning part, and on single words, never on the held-out part.

`python -m tests.evaluation.train` writes functions/classify/classifiers/head.npz. The same data
gives the same head. `--check` only prints what leaving out one vendor at a time comes to.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from functions.classify.classifiers import vectors, words
from functions.classify.classifiers.base import EntityType
from functions.classify.classifiers.evidence import EvidenceSpace, mean_of_words
from functions.classify.classifiers.head import Head
from functions.classify.classifiers.space import pair_features
from functions.classify.classifiers.terms import GROUPS, Terms, terms
from tests.evaluation.labelled_events import LabelledEvent, labelled_events
from tests.samples import shipped_types

VERSION = "1"
STEPS = 250
MOMENTUM = 0.9
RATES = (0.2, 0.2, 1.0)
"""Steps for pairs, for nothing, and for what is learned of words."""
WEIGHT_OF_WORD = 0.3
"""Of a single word of vocabulary.json, beside an event."""
WEIGHT_ALONE = 0.5
"""Of an event without what is learned of words, as types of users' own have to do without it."""
SHRINK_LEARNED = 0.0003
SHRINK_PAIRS = 0.01
MODESTY = 0.8
"""Of the scale that leaving out vendors gives: vocabulary.json was written knowing those vendors, so
on others the head is a little less often right."""
READINESS = (2.5, 1.25, 1.25, 1.0, 1.0, 1.5, 1.25)
"""How readily what words say is learned, by group: a noun of the event type before all."""
PAIRS_BEFORE = (6.6, 4.0, 2.6, 2.0, 1.8, 4.0, 1.3, 1.8, 4.0, 1.3)
"""What evidence counts before anything is learned, by feature."""
NOTHING_BEFORE = (1.5, 1.0)

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """What there is to learn from; one row per event or word."""

    pairs: Numbers
    """By row, feature and type."""
    blank: Numbers
    """1 where the event type tells nothing."""
    embedded: Numbers
    """By row; the dimensions of all groups, one group after the other."""
    labels: NDArray[np.int64]
    weights: Numbers
    vendors: NDArray[np.str_]

    def where(self, chosen: NDArray[np.bool_]) -> Rows:
        return Rows(
            self.pairs[chosen],
            self.blank[chosen],
            self.embedded[chosen],
            self.labels[chosen],
            self.weights[chosen],
            self.vendors[chosen],
        )


@dataclass(frozen=True)
class Weights:
    pairs: Numbers
    nothing: Numbers
    learned: Numbers

    def scores(self, rows: Rows) -> Numbers:
        return _scores_alone(rows, self.pairs, self.nothing) + rows.embedded @ self.learned


def read_rows(types: Sequence[EntityType], events: Iterable[LabelledEvent]) -> Rows:
    space = EvidenceSpace(types, frozenset())
    names: list[str | None] = [*(one.name for one in types), None]
    read = [
        (terms(words.read(one.event_type, one.payload)), one.entity_type, 1.0, one.vendor)
        for one in events
    ]
    read += [
        (terms(words.read(event_type, payload)), kind, WEIGHT_OF_WORD, "")
        for kind, event_type, payload in _vocabulary()
    ]
    features = [_features(one, space) for one, *_ in read]
    return Rows(
        pairs=np.array([pairs for pairs, _, _ in features], np.float64),
        blank=np.array([not tells for _, tells, _ in features], np.float64),
        embedded=np.array([embedded.ravel() for _, _, embedded in features], np.float64),
        labels=np.array([names.index(kind) for _, kind, _, _ in read]),
        weights=np.array([weight for _, _, weight, _ in read]),
        vendors=np.array([vendor for _, _, _, vendor in read]),
    )


def _vocabulary() -> Iterator[tuple[str | None, str, dict[str, Any]]]:
    """What words and field names say by themselves: kind, event type and payload."""
    listed = json.loads((Path(__file__).parent / "vocabulary.json").read_text())
    for kind, event_types in listed["words"].items():
        for event_type in event_types.split():
            yield (None if kind == "none" else kind), event_type, {}
    for kind, records in listed["fields"].items():
        for names in records:
            yield (None if kind == "none" else kind), "unknown", dict.fromkeys(names.split(), 1)


def _features(
    read: Terms, space: EvidenceSpace
) -> tuple[NDArray[np.float32], bool, NDArray[np.float32]]:
    kinds, fields = read.texts[: read.of_kinds], read.texts[read.of_kinds :]
    evidence = np.concatenate((space.of_kinds(kinds), space.of_fields(fields)))
    embedded = np.concatenate(
        (vectors.embed(kinds), mean_of_words(fields, vectors.embed, vectors.DIMENSIONS))
    )
    pairs, tells = pair_features(evidence, read)
    ready = np.array(READINESS, np.float32)[:, None]
    return pairs, tells, ready * (read.weights @ embedded)


def fit(rows: Rows) -> Weights:
    """Steepest descent with momentum on the cross-entropy, from the same start every time.

    What is learned of words is a sum over the rows, `embedded.T @ of_rows`, and it is cheaper to
    look for the few numbers of each row than for all of the sum's.
    """
    near = rows.embedded @ rows.embedded.T
    parts = [np.array(PAIRS_BEFORE), np.array(NOTHING_BEFORE), np.zeros(rows.pairs[:, 0].shape)]
    before = [parts[0].copy(), parts[1].copy(), parts[2].copy()]
    shrink = (SHRINK_PAIRS, SHRINK_PAIRS, SHRINK_LEARNED)
    speed = [np.zeros_like(part) for part in parts]
    for _ in range(STEPS):
        slopes = _slopes(rows, parts, near @ parts[2])
        for number, slope in enumerate(slopes):
            pull = shrink[number] * (parts[number] - before[number])
            speed[number] = MOMENTUM * speed[number] - RATES[number] * (slope + pull)
            parts[number] += speed[number]
    return Weights(parts[0], parts[1], rows.embedded.T @ parts[2])


def _slopes(rows: Rows, parts: list[Numbers], learned: Numbers) -> tuple[Numbers, ...]:
    """Of the pairs, of nothing, and of each row's part in what is learned."""
    total = rows.weights.sum()
    scores = _scores_alone(rows, parts[0], parts[1])
    wrong = _wrong(rows, scores + learned) / total
    both = wrong + WEIGHT_ALONE * _wrong(rows, scores) / total
    nothing = np.array([both[:, -1].sum(), (both[:, -1] * rows.blank).sum()])
    return np.tensordot(both, rows.pairs, ((0, 1), (0, 2))), nothing, wrong


def _scores_alone(rows: Rows, pairs: Numbers, nothing: Numbers) -> Numbers:
    scores: Numbers = np.tensordot(rows.pairs, pairs, (1, 0))
    scores[:, -1] += nothing[0] + nothing[1] * rows.blank
    return scores


def _wrong(rows: Rows, scores: Numbers) -> Numbers:
    """What each share is off by, weighted."""
    wrong = shares(scores)
    wrong[np.arange(len(scores)), rows.labels] -= 1
    return wrong * rows.weights[:, None]


def shares(scores: Numbers) -> Numbers:
    weights = np.exp(scores - scores.max(1, keepdims=True))
    return np.asarray(weights / weights.sum(1, keepdims=True))


def leaving_out_vendors(rows: Rows) -> tuple[Numbers, NDArray[np.int64]]:
    """The scores of every event by a head that has not seen its vendor, and the labels."""
    found, labels = [], []
    for vendor in sorted(set(rows.vendors) - {""}):
        outside = rows.vendors == vendor
        found.append(fit(rows.where(~outside)).scores(rows.where(outside)))
        labels.append(rows.labels[outside])
    return np.concatenate(found), np.concatenate(labels)


def best_scale(scores: Numbers, labels: NDArray[np.int64]) -> float:
    """By what to multiply scores so that what they state is most nearly true."""
    rows = np.arange(len(labels))
    tried = np.arange(0.3, 2.01, 0.05)
    losses = [-np.log(shares(scale * scores)[rows, labels]).mean() for scale in tried]
    return float(tried[int(np.argmin(losses))])


def by_group(learned: Numbers) -> Numbers:
    by_group = learned.reshape(len(GROUPS), vectors.DIMENSIONS, -1)
    return np.asarray(by_group * np.array(READINESS)[:, None, None])


def main() -> None:
    types = [EntityType(one["name"], one["description"]) for one in shipped_types()]
    rows = read_rows(types, labelled_events("tuning"))
    scores, labels = leaving_out_vendors(rows)
    scale = MODESTY * best_scale(scores, labels)
    right = scores.argmax(1) == labels
    print(f"leaving out vendors: {right.mean():.1%} right, scale {scale:.2f}")
    if "--check" not in sys.argv:
        weights = fit(rows)
        Head(
            VERSION,
            tuple(types),
            weights.pairs.astype(np.float32),
            weights.nothing.astype(np.float32),
            by_group(weights.learned).astype(np.float32),
            scale,
        ).save()


if __name__ == "__main__":
    main()
