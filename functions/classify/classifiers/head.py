"""The trained part of the classifier, on top of the word embeddings.

It has two sides. `pairs` says how much evidence in each group counts for a type, whichever it is:
this is what makes a type that a user registers work from its description alone. `learned` says what
words say for the shipped types and for none of them, beyond their descriptions.

`python -m tests.evaluation.train` writes `head.npz`; what it learns from is in tests/evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from functions.classify.classifiers.base import EntityType

PATH = Path(__file__).with_name("head.npz")

Numbers = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Head:
    version: str
    types: tuple[EntityType, ...]
    """The shipped types, as they were described when the head was trained."""
    pairs: Numbers
    """See space.pair_features: one weight per feature."""
    nothing: Numbers
    """Bias of "none of these": always, and where the event type tells nothing."""
    learned: Numbers
    """By group, dimension of the embedding, and type; "none of these" comes last."""
    scale: float
    """From scores to true confidence."""

    def column(self, entity_type: EntityType) -> int | None:
        """Where a type stands in `learned`; None for one that is described otherwise, and so may
        well be something else.
        """
        return self.types.index(entity_type) if entity_type in self.types else None

    def save(self, path: Path = PATH) -> None:
        np.savez_compressed(
            path,
            version=np.array(self.version),
            names=np.array([one.name for one in self.types]),
            descriptions=np.array([one.description for one in self.types]),
            pairs=self.pairs,
            nothing=self.nothing,
            learned=self.learned.astype(np.float16),
            scale=np.array(self.scale),
        )


@cache
def load() -> Head:
    with np.load(PATH, allow_pickle=False) as file:
        described = zip(file["names"], file["descriptions"], strict=True)
        return Head(
            version=str(file["version"]),
            types=tuple(EntityType(str(name), str(text)) for name, text in described),
            pairs=file["pairs"],
            nothing=file["nothing"],
            learned=file["learned"].astype(np.float32),
            scale=float(file["scale"]),
        )
