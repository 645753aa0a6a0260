"""A rule on an event, as its author wants to know it: what it would do, or why not."""

from __future__ import annotations

from typing import Any

import pytest

from shared.rule_trials import OUT_OF_TIME, TRIAL_SECONDS, Trial, try_on_all, try_rule
from shared.rules import ClaimedEvent, InvoiceFieldMap, Rule, Rulebook, process_rules

MAPS = [InvoiceFieldMap(user_id=None, field_map={"number": "data.no"})]


def event(entity_table: str = "order", done: tuple[str, ...] = (), **data: Any) -> ClaimedEvent:
    return ClaimedEvent(
        id="e1",
        user_id="ada",
        event_type="order.completed",
        payload={"data": data},
        entity_table=entity_table,
        endpoint={"id": "p1", "slug": "shop", "name": "Shop", "scheme": "none"},
        done_actions=frozenset(done),
    )


def rule(condition: str = "", *actions: tuple[str, dict[str, Any]]) -> Rule:
    return Rule.model_validate(
        {
            "id": "r1",
            "user_id": "ada",
            "entity_table": "order",
            "name": "Rule",
            "condition": condition,
            "priority": 100,
            "actions": [
                {"id": f"a{n}", "position": n, "action_type": kind, "action_config": config}
                for n, (kind, config) in enumerate(actions)
            ],
        }
    )


def tried(found: ClaimedEvent, wanted: Rule) -> Trial:
    return try_rule(found, wanted, MAPS)


def test_what_a_trial_tells_is_what_the_worker_would_do() -> None:
    wanted = rule("event.data.total > 5", ("tag", {"tags": ["{{ event.data.total }}"]}))
    trial = tried(event(total=7), wanted)
    (worker,) = process_rules(event(total=7), Rulebook([wanted], MAPS))
    assert trial.outcome == "acts"
    (result,) = trial.results
    assert result.action_config == worker.action_config == {"tags": ["7"], "target": "entity"}


def test_what_has_been_done_is_tried_all_the_same() -> None:
    trial = tried(event(done=("a0",)), rule("", ("tag", {"tags": ["x"]})))
    assert [result.action_id for result in trial.results] == ["a0"]


def test_a_rule_without_actions_still_has_a_condition() -> None:
    assert tried(event(total=7), rule("event.data.total > 5")) == Trial("acts")
    assert tried(event(total=3), rule("event.data.total > 5")).outcome == "condition_false"


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("event.data.total > 5", "event.data.total is not there or null"),
        ("event.data.a.b.c == 1", "event.data.a is not there or null"),
        ("person.email == 'a'", "person is not there or null"),
        ("event.data.null_there > 1", "event.data.null_there is not there or null"),
        ("event.data.items[5].sku == 'a'", "a value that the condition reads is not there"),
        ("event.data.x > 1 && event.data.y > 1", "event.data.x and event.data.y is not there"),
    ],
)
def test_a_condition_that_reads_what_is_not_there_names_it(condition: str, told: str) -> None:
    trial = tried(event(null_there=None, items=[]), rule(condition))
    assert trial.outcome == "condition_false"
    assert told in str(trial.reason)


def test_a_condition_that_is_plainly_false_says_no_more() -> None:
    assert tried(event(total=1), rule("event.data.total > 5")).reason == "The condition is false"


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("event.data.total > 5", "types of the values do not go together"),
        ("event.data.total", "compare the value with something"),
        ("1 +", "a value is missing"),
    ],
)
def test_a_condition_that_fails_says_why(condition: str, told: str) -> None:
    trial = tried(event(total="many"), rule(condition))
    assert trial.outcome == "condition_failed"
    assert told in str(trial.reason)


def test_an_action_that_fails_says_why_beside_the_others() -> None:
    actions = [("extract_invoice", {}), ("tag", {"tags": ["x"]})]
    first, second = tried(event(), rule("", *actions)).results
    assert first.error == "The payload holds no invoice: no external_id, number or amount"
    assert second.error is None


@pytest.mark.parametrize(
    ("entity_table", "told"), [("invoice", "the event is invoice"), (None, "is not classified")]
)
def test_an_event_of_another_type_is_not_tried(entity_table: Any, told: str) -> None:
    trial = tried(event(entity_table), rule("1 +"))
    assert trial.outcome == "other_entity_type"
    assert told in str(trial.reason)


def test_slow_rules_are_tried_on_as_many_events_as_there_is_time_for() -> None:
    seconds = iter([0.0, 0.0, TRIAL_SECONDS + 1, TRIAL_SECONDS + 1])
    trials = list(try_on_all([event()] * 3, rule(), MAPS, lambda: next(seconds)))
    assert [trial.outcome for trial in trials] == ["acts", "not_tried", "not_tried"]
    assert trials[1].reason == OUT_OF_TIME
