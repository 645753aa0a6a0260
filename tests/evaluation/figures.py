"""What the classifier's answers to labelled events come to, in figures."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from functions.classify import classify
from tests.evaluation.labelled_events import LabelledEvent
from tests.samples import claim

THRESHOLD = 0.7
"""The default of an endpoint: what is less sure goes to review."""
BINS = 10


@dataclass(frozen=True)
class Answer:
    event: LabelledEvent
    entity_type: str | None
    is_person: bool
    confidence: float

    @property
    def is_right(self) -> bool:
        return self.entity_type == self.event.entity_type

    @property
    def passes(self) -> bool:
        """Whether it would go on without review."""
        return self.entity_type is not None and self.confidence >= THRESHOLD


@dataclass(frozen=True)
class Bin:
    """Answers of about the same confidence."""

    count: int
    stated: float
    """Their mean confidence."""
    right: float
    """The share of them that is right."""


@dataclass(frozen=True)
class Figures:
    events: int
    vendors: int
    entity_type: float
    """Accuracy, with "no record" as one of the classes."""
    is_person: float
    review: float
    """Share that waits for a person at the default threshold."""
    passed_right: float
    """Of those that do not wait, the share with the right entity type."""
    calibration_error: float
    """Of answers that name a type: the mean distance of confidence and accuracy, over ten bins."""
    calibration_error_of_all: float
    """The same with those that name none, where no guess counts as right."""
    bins: tuple[Bin, ...]
    confusion: Counter[tuple[str | None, str | None]]
    """By label and answer."""


def answers(events: Sequence[LabelledEvent]) -> list[Answer]:
    results = classify.decide(claim(*(event.claimed() for event in events)))
    return [
        Answer(event, result["entity_table"], result["is_person"], result["confidence"])
        for event, result in zip(events, results, strict=True)
    ]


def figures(given: Sequence[Answer]) -> Figures:
    named = [answer for answer in given if answer.entity_type is not None]
    passed = [answer for answer in given if answer.passes]
    return Figures(
        events=len(given),
        vendors=len({answer.event.vendor for answer in given}),
        entity_type=_share(answer.is_right for answer in given),
        is_person=_share(answer.is_person == answer.event.is_person for answer in given),
        review=1 - len(passed) / len(given),
        passed_right=_share(answer.is_right for answer in passed),
        calibration_error=_calibration_error(bins(named)),
        calibration_error_of_all=_calibration_error(bins(given)),
        bins=tuple(bins(named)),
        confusion=Counter((answer.event.entity_type, answer.entity_type) for answer in given),
    )


def bins(given: Sequence[Answer]) -> list[Bin]:
    """Those of the ten bins of equal width that are not empty."""
    found = []
    for number in range(BINS):
        inside = [one for one in given if min(int(one.confidence * BINS), BINS - 1) == number]
        if inside:
            stated = sum(one.confidence for one in inside) / len(inside)
            right = sum(one.is_right and one.entity_type is not None for one in inside)
            found.append(Bin(len(inside), stated, right / len(inside)))
    return found


def milliseconds_per_event(events: Sequence[LabelledEvent], rounds: int = 10) -> float:
    """Of a warm process; the best of some rounds, as others may share the machine."""
    batch = claim(*(event.claimed() for event in events))
    spent = []
    for _ in range(rounds):
        start = time.process_time()
        classify.decide(batch)
        spent.append(time.process_time() - start)
    return min(spent) / len(events) * 1000


def _calibration_error(found: Sequence[Bin]) -> float:
    total = sum(one.count for one in found)
    return sum(one.count * abs(one.stated - one.right) for one in found) / max(total, 1)


def _share(flags: Iterable[bool]) -> float:
    counted = list(flags)
    return sum(counted) / max(len(counted), 1)
