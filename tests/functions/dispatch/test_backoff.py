from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.dispatch.backoff import STEPS, Decision, decide

HOURS = 3600
WAITS = [0, 5, 300, 1800, 2 * HOURS, 5 * HOURS, 10 * HOURS, 14 * HOURS, 20 * HOURS, 24 * HOURS]


def middle() -> float:
    return 0.5


def delay(try_number: int, **facts: Any) -> float:
    decision = decide(facts.pop("status", 500), try_number, **{"chance": middle, **facts})
    assert decision.state == "retry"
    return decision.delay_seconds


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_only_a_2xx_is_a_success(status: int) -> None:
    assert decide(status, 0) == Decision("delivered")


@pytest.mark.parametrize("status", [None, 100, 199, 300, 301, 307, 400, 401, 404, 429, 500, 503])
def test_everything_else_is_tried_again(status: int | None) -> None:
    assert decide(status, 0).state == "retry"


@pytest.mark.parametrize(("try_number", "seconds"), list(enumerate(WAITS)))
def test_each_retry_waits_longer(try_number: int, seconds: float) -> None:
    assert delay(try_number) == pytest.approx(seconds)


def test_after_the_last_step_the_delivery_has_failed() -> None:
    assert decide(500, len(WAITS) - 1).state == "retry"
    assert decide(500, len(WAITS)) == Decision("failed")


@given(st.integers(0, len(WAITS) - 1), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_at_most_a_fifth_shorter_or_longer_than_its_step(
    try_number: int, chance: float
) -> None:
    waited = delay(try_number, chance=lambda: chance)

    assert WAITS[try_number] * 0.8 <= waited <= WAITS[try_number] * 1.2 + 1e-6


@given(st.integers(1, len(WAITS) - 1), st.floats(0, 1e9), st.sampled_from([429, 503, 500]))
def test_who_asks_for_time_gets_it_between_the_step_and_twice_the_step(
    try_number: int, asked: float, status: int
) -> None:
    waited = delay(try_number, retry_after_seconds=asked, status=status)

    assert WAITS[try_number] <= waited <= 2 * WAITS[try_number]
    if WAITS[try_number] <= asked <= 2 * WAITS[try_number]:
        assert waited == pytest.approx(asked)


def test_who_asks_for_time_is_not_tried_again_at_once() -> None:
    assert delay(0, retry_after_seconds=3) == pytest.approx(5)
    assert delay(0, retry_after_seconds=7) == pytest.approx(7)
    assert delay(0, retry_after_seconds=3600) == pytest.approx(10)
    assert delay(0, retry_after_seconds=0) == 0


def test_a_receiver_that_is_gone_is_to_be_switched_off() -> None:
    decision = decide(410, 0)

    assert (decision.state, decision.disable_reason) == ("failed", "The receiver answered 410 Gone")


@pytest.mark.parametrize("status", [None, 410, 500])
def test_a_test_is_tried_once_and_switches_nothing_off(status: int | None) -> None:
    assert decide(status, 0, is_test=True) == Decision("failed")


def test_the_database_gives_as_many_attempts_as_there_are_steps_and_one(project_root: Path) -> None:
    sql = "".join(file.read_text() for file in (project_root / "sql").glob("6*.sql"))
    head = "create function private.max_delivery_attempts() returns integer"
    body = sql[sql.index(head) :].split("$$")[1]

    assert body.strip() == f"select {len(STEPS) + 1}"
