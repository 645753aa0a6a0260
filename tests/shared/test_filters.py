"""Filters of webhooks: conditions that see what is delivered, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from shared.conditions import compile_condition, compile_filter
from shared.errors import InvalidExpression
from shared.expressions import Context


def outgoing(**data: Any) -> Context:
    """The context of an event that is delivered."""
    event = {
        "id": "0190f5a2-0000-7000-8000-000000000001",
        "type": "ticket.created",
        "timestamp": "2026-11-21T12:00:00Z",
        "data": data,
    }
    return Context({"event": event})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("event.data.priority == 'high'", True),
        ("event.data.priority == 'low'", False),
        ("event.type.startsWith('ticket.')", True),
        ("timestamp(event.timestamp).getFullYear() == 2026", True),
        ("event.data.assignee.id == 1", False),
    ],
)
def test_a_filter_decides_by_the_event(text: str, expected: bool) -> None:
    assert compile_filter(text).holds(outgoing(priority="high")) is expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("person.email == ''", r"There is no person; use event \(character 1\)"),
        ("endpoint.slug == ''", "There is no endpoint; use event"),
        ("event.payload.a == 1", "event has no field payload; it has data, id, timestamp, type"),
        ("event.data.priority ==", "character 23"),
        ("1 + 1", "true or false"),
    ],
)
def test_a_filter_is_refused_for_what_it_cannot_see(text: str, told: str) -> None:
    with pytest.raises(InvalidExpression, match=told):
        compile_filter(text)


def test_a_filter_and_a_condition_of_the_same_words_are_two() -> None:
    text = "event.timestamp != ''"
    compile_filter(text)
    with pytest.raises(InvalidExpression, match="event has no field timestamp"):
        compile_condition(text)


def test_a_loop_may_be_over_what_a_condition_would_call_a_person() -> None:
    filter_ = compile_filter("event.data.people.exists(person, person == 'Ada')")
    assert filter_.holds(outgoing(people=["Ada"]))
