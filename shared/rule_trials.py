"""What a rule would do for an event, and why not where it would not, as its author wants to know it.

The rule is run by the worker's own code (shared/rules.py); nothing is applied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from shared.conditions import compile_condition
from shared.errors import InvalidRequest
from shared.expressions import EvaluationFailed
from shared.rules import (
    ClaimedEvent,
    InvoiceFieldMap,
    Result,
    Rule,
    Rulebook,
    context_of,
    process_rules,
)

Outcome = Literal["acts", "condition_false", "condition_failed", "other_entity_type", "not_tried"]

TRIAL_SECONDS = 3.0
"""What the trials of one call may take. Ordinary rules take less than a millisecond for an event."""
OUT_OF_TIME = "The rule takes too long to be tried on more events at once"


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of a rule with one event."""

    outcome: Outcome
    reason: str | None = None
    """Why nothing would be done, in words."""
    results: tuple[Result, ...] = ()
    """Of its actions in order, with their configuration filled in, or with an error."""


def try_rule(event: ClaimedEvent, rule: Rule, field_maps: list[InvoiceFieldMap]) -> Trial:
    """As if none of its actions had been done yet, whether the rule is active or not."""
    if event.entity_table != rule.entity_table:
        kind = event.entity_table or "not classified"
        return Trial(
            "other_entity_type", f"The rule is for {rule.entity_table}, the event is {kind}"
        )
    try:
        condition = compile_condition(rule.condition)
        if not condition.holds(context_of(event)):
            return Trial("condition_false", condition.why_not(context_of(event)))
    except (EvaluationFailed, InvalidRequest) as error:
        return Trial("condition_failed", error.message)
    fresh = event.model_copy(update={"done_actions": frozenset()})
    return Trial("acts", results=tuple(process_rules(fresh, Rulebook([rule], field_maps))))


def try_on_all(
    events: Iterable[ClaimedEvent],
    rule: Rule,
    field_maps: list[InvoiceFieldMap],
    clock: Callable[[], float],
) -> Iterator[Trial]:
    """One trial per event, in order. `clock` gives the seconds that this thread has worked for."""
    end = clock() + TRIAL_SECONDS
    for event in events:
        yield (
            Trial("not_tried", OUT_OF_TIME) if clock() > end else try_rule(event, rule, field_maps)
        )
