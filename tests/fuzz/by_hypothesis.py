"""The same target with inputs that hypothesis makes, for a Python without atheris and for the tests."""

from __future__ import annotations

import time
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.corpus import inputs
from tests.fuzz.dictionary import words
from tests.fuzz.target import one_input

CORPUS = list(inputs().values())
BATCH = 500

PLACES = st.integers(0, 2000)
PARTS = st.sampled_from(words()) | st.binary(max_size=8)


def changed(data: bytes, place: int, length: int, part: bytes) -> bytes:
    """With a part of it replaced by another."""
    return data[:place] + part + data[place + length :]


def crossed(one: bytes, other: bytes, place: int) -> bytes:
    """The beginning of one and the end of the other."""
    return one[:place] + other[place:]


KNOWN = st.sampled_from(CORPUS)
INPUTS = st.one_of(
    st.binary(max_size=200),
    st.builds(changed, KNOWN, PLACES, st.integers(0, 8), PARTS),
    st.builds(crossed, KNOWN, KNOWN, PLACES),
)


def trial(examples: int) -> Callable[[], None]:
    """A test of the target with so many inputs, other ones each time."""

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(INPUTS)
    def every_input_is_taken_or_refused(data: bytes) -> None:
        one_input(data)

    return every_input_is_taken_or_refused


def run(seconds: float) -> int:
    """Replays the corpus, then makes inputs until the time is over. How many there were, about."""
    for data in CORPUS:
        one_input(data)
    count, end = len(CORPUS), time.monotonic() + seconds
    test = trial(BATCH)
    while time.monotonic() < end:
        test()
        count += BATCH
    return count
