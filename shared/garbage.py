"""Python's garbage collector, told what a function that serves many small requests is like."""

from __future__ import annotations

import gc
from functools import cache
from typing import Final

THRESHOLDS: Final = (10_000, 20, 50)
"""Containers made before the collector looks for cycles among them, and how often it looks at older ones. Requests
make few cycles, so Python's own 700 is a tenth of the time of ingest and dispatch, spent on finding nothing."""


@cache
def collect_rarely() -> None:
    """For the start of a function, after its imports: what is there by then stays, and is never looked at again.

    Once in a process, as the garbage of a later moment would stay too.
    """
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
