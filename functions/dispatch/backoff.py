"""What comes after an attempt: done, another try and when, or the end. No clock and no network.

The steps are those of the Standard Webhooks specification ("Deliverability"), after a first retry at once.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

State = Literal["delivered", "retry", "failed"]

MINUTE: Final = 60
HOUR: Final = 3600
STEPS: Final = (
    0,
    5,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
)
"""Seconds from one attempt to the next. sql: private.max_delivery_attempts is one more than their number."""

JITTER: Final = 0.2
"""Each step is up to a fifth shorter or longer, so that what failed in one moment does not come back in one."""

GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a delivery after an attempt."""

    state: State
    delay_seconds: float = 0.0
    disable_reason: str | None = None
    """Words for the owner, where the webhook is to be switched off."""


def decide(
    status: int | None,
    try_number: int,
    *,
    retry_after_seconds: float | None = None,
    is_test: bool = False,
    chance: Callable[[], float] = random.random,
) -> Decision:
    """The decision after an attempt.

    Args:
        status: HTTP status of the answer; None where there was none.
        try_number: 0 for the first attempt since the delivery was queued.
        retry_after_seconds: what the receiver asked for. It gets it between the step and twice the step.
        is_test: tests are tried once, and switch nothing off.
        chance: gives a number from 0 up to 1.
    """
    if status is not None and 200 <= status < 300:
        return Decision("delivered")
    if is_test:
        return Decision("failed")
    if status == GONE:
        return Decision("failed", disable_reason="The receiver answered 410 Gone")
    if try_number >= len(STEPS):
        return Decision("failed")
    return Decision("retry", _delay(try_number, retry_after_seconds, chance))


def _delay(try_number: int, asked: float | None, chance: Callable[[], float]) -> float:
    # Who asks for time is not tried again at once, and gets at least the first step that is a wait.
    step = STEPS[try_number] or (STEPS[1] if asked else 0)
    jittered = step * (1 - JITTER + 2 * JITTER * chance())
    return jittered if asked is None else min(max(jittered, asked), 2 * step)
