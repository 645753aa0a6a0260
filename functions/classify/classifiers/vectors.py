"""Static word embeddings: WordLlama's, which come inside its wheel.

Nothing is downloaded and nothing is sent anywhere. Loading takes about half a second, so it waits
until the first word is asked for.
"""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MODEL = "l2_supercat"
DIMENSIONS = 256
NAME = f"wordllama:{MODEL}_{DIMENSIONS}"

Vectors = NDArray[np.float32]


def embed(words: list[str]) -> Vectors:
    """One unit vector per word; rows of zeros for words without a letter that the model knows."""
    if not words:
        return np.empty((0, DIMENSIONS), np.float32)
    vectors: Vectors = _model().embed(words)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-6), np.float32)


@cache
def _model() -> Any:
    # On import, wordllama configures the process's logging, which is not its to configure.
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    import wordllama  # noqa: PLC0415 - takes 0.4 s that health checks need not wait for

    root.handlers[:] = handlers
    root.setLevel(level)
    folder = Path(wordllama.__file__).parent
    return wordllama.WordLlama.load(MODEL, cache_dir=folder, dim=DIMENSIONS, disable_download=True)
