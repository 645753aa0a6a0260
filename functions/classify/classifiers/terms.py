"""An event's words as weighted terms in groups: the one form in which the head reads and learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from functions.classify.classifiers.words import EventWords, telling

GROUPS = ("noun", "earlier nouns", "actions", "kinds", "containers", "fields", "nested fields")
"""Of the event type: what it is about, what that belongs to, what happened. Of the payload: values
that name a kind of record, names of objects, of fields, and of fields of objects in the record."""
_NOUN, _EARLIER, _ACTIONS, _KINDS, _CONTAINERS, _FIELDS, _NESTED = range(len(GROUPS))
OF_FIELDS = _CONTAINERS
"""The groups from here on hold names of fields; those before, words of kinds."""
_FEW_FIELDS = 3
"""What fields say grows with the root of their number; this keeps one or two from deciding."""


@dataclass(frozen=True, slots=True)
class Terms:
    texts: list[str]
    weights: NDArray[np.float32]
    """One row per group, one column per text; each text is in one group."""
    of_kinds: int
    """So many texts from the beginning are words of kinds, the rest names of fields."""


def terms(read: EventWords) -> Terms:
    nouns, actions = (read.nouns, read.actions) if read.nouns else (read.actions, [])
    listed: list[tuple[int, list[str], float]] = [
        (_NOUN, nouns[-1:], 1.0),
        (_EARLIER, nouns[:-1], _even(nouns[:-1])),
        (_ACTIONS, actions, _even(actions)),
        (_KINDS, read.kinds, _even(read.kinds)),
        (_CONTAINERS, read.containers, _even(read.containers)),
    ]
    for group, levels in ((_FIELDS, read.roots), (_NESTED, read.nested)):
        share = 1.0 if group == _FIELDS else _even(levels)
        listed += [
            (group, level, share / sqrt(len(level) + _FEW_FIELDS))
            for level in map(_distinct, levels)
        ]
    texts = [text for _, said, _ in listed for text in said]
    weights = np.zeros((len(GROUPS), len(texts)), np.float32)
    at = 0
    for group, said, weight in listed:
        weights[group, at : at + len(said)] = weight
        at += len(said)
    return Terms(texts, weights, sum(len(said) for group, said, _ in listed if group < OF_FIELDS))


def _even(found: Sequence[object]) -> float:
    return 1 / sqrt(max(len(found), 1))


def _distinct(names: list[str]) -> list[str]:
    """Names as their telling words: `line_1` and `line_2` say no more than one of them."""
    return list(dict.fromkeys(" ".join(said) for name in names if (said := telling(name))))
