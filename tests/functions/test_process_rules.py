"""Rules over events: which apply, in which order, and what one bad thing leaves alone."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.process_rules.process_rules import BATCH_SECONDS, TOO_SLOW, decide
from shared.rules import MAX_RESULTS

PAYLOADS = Path(__file__).parents[1] / "payloads"
ADA, BOB = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"
SHIPPED_MAP = {"user_id": None, "field_map": {"external_id": "event.external_id"}}


def event(event_id: str = "event", owner: str = ADA, **changes: Any) -> dict[str, Any]:
    return {
        "id": event_id,
        "user_id": owner,
        "event_type": "order.completed",
        "external_id": "ord_1",
        "payload": {"data": {"total": 150}},
        "entity_table": "order",
        "is_person": True,
        "confidence": 0.9,
        "created_at": "2026-11-21T12:00:00+00:00",
        "endpoint": {"id": "e1", "slug": "shop", "name": "Shop", "scheme": "none"},
        "person": {"id": "p1", "email": "ada@example.org"},
        "entity": {"id": "o1", "status": "paid"},
        "done_actions": [],
        **changes,
    }


def action(
    action_id: str, action_type: str = "tag", position: int = 1, **config: Any
) -> dict[str, Any]:
    return {
        "id": action_id,
        "position": position,
        "action_type": action_type,
        "action_config": config or {"tag": action_id},
    }


def rule(
    rule_id: str,
    *actions: dict[str, Any],
    condition: str = "",
    priority: int = 100,
    owner: str = ADA,
    **changes: Any,
) -> dict[str, Any]:
    return {
        "id": rule_id,
        "user_id": owner,
        "entity_table": "order",
        "name": rule_id,
        "condition": condition,
        "priority": priority,
        "actions": list(actions) or [action(f"{rule_id}-tag")],
        **changes,
    }


def decided(
    events: list[dict[str, Any]], rules: list[dict[str, Any]], *maps: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """The results by event, as they go through JSON."""
    claim = {
        "lease_id": "l1",
        "events": events,
        "rules": rules,
        "invoice_field_maps": [SHIPPED_MAP, *maps],
    }
    results = orjson.loads(orjson.dumps(decide(orjson.loads(orjson.dumps(claim)))))
    return {result["id"]: result for result in results}


def actions_of(
    claimed: dict[str, Any], *rules: dict[str, Any], maps: tuple[dict[str, Any], ...] = ()
) -> list[dict[str, Any]]:
    result = decided([claimed], list(rules), *maps)[claimed["id"]]
    found: list[dict[str, Any]] = result["actions"]
    return found


def ids(results: list[dict[str, Any]]) -> list[str]:
    return [result["action_id"] for result in results]


def test_an_action_comes_out_as_the_database_applies_it() -> None:
    tag = action("a1", tag="total {{ event.data.total }}", target="person")
    [result] = actions_of(event(), rule("r1", tag, condition="event.data.total > 100"))
    assert result.pop("duration_ms") >= 0
    assert result == {
        "rule_id": "r1",
        "action_id": "a1",
        "action_type": "tag",
        "action_config": {"tags": ["total 150"], "target": "person"},
    }


def test_an_event_without_rules_has_no_actions() -> None:
    assert decided([event()], []) == {"event": {"id": "event", "actions": []}}


def test_no_events_no_results() -> None:
    assert decided([], [rule("r1")]) == {}


def test_a_rule_whose_condition_does_not_hold_does_nothing() -> None:
    rules = [rule("r1", condition="event.data.total > 200"), rule("r2", condition="person == null")]
    assert actions_of(event(), *rules) == []


def test_rules_go_by_priority_then_as_they_were_claimed() -> None:
    rules = [
        rule("last", priority=200, name="a"),
        rule("1st", priority=100, name="b"),
        rule("2nd", priority=100, name="a"),
        rule("first", priority=-5, name="z"),
    ]
    done = actions_of(event(), *rules)
    assert [result["rule_id"] for result in done] == ["first", "1st", "2nd", "last"]


def test_actions_go_by_position() -> None:
    actions = [action("c", position=30), action("a", position=1), action("b", position=2)]
    assert ids(actions_of(event(), rule("r1", *actions))) == ["a", "b", "c"]


def test_an_event_only_sees_the_rules_of_its_owner() -> None:
    rules = [rule("ada's"), rule("bob's", owner=BOB)]
    results = decided([event("1", ADA), event("2", BOB), event("3", ADA)], rules)
    seen = {key: [a["rule_id"] for a in result["actions"]] for key, result in results.items()}
    assert seen == {"1": ["ada's"], "2": ["bob's"], "3": ["ada's"]}


def test_an_event_only_sees_the_rules_of_its_entity_type() -> None:
    rules = [rule("orders"), rule("invoices", entity_table="invoice")]
    assert [a["rule_id"] for a in actions_of(event(), *rules)] == ["orders"]
    assert actions_of(event(entity_table=None), *rules) == []


def test_what_has_succeeded_before_is_not_done_again() -> None:
    rules = [rule("r1", action("a1"), action("a2", position=2)), rule("r2", action("a3"))]
    assert ids(actions_of(event(done_actions=["a1", "a3"]), *rules)) == ["a2"]


def test_a_rule_that_is_done_is_not_asked_again() -> None:
    failing = rule("r1", action("a1"), condition="1 / 0 == 1")
    assert actions_of(event(done_actions=["a1"]), failing) == []


def test_what_a_rule_sets_is_not_seen_by_the_next() -> None:
    pays = rule("r1", action("a1", "set_field", field="status", value="refunded"), priority=1)
    after = rule("r2", condition="entity.status == 'refunded'", priority=2)
    before = rule("r3", condition="entity.status == 'paid'", priority=3)
    done = actions_of(event(), pays, after, before)
    assert [result["rule_id"] for result in done] == ["r1", "r3"]


@pytest.mark.parametrize(
    ("condition", "error"),
    [
        ("event.data.total > 'a'", "The types of the values do not go together"),
        ("event.data.total >", "The expression ends too early; a value is missing (character 19)"),
        ("event.data.total", "The condition is neither true nor false"),
    ],
)
def test_a_condition_that_fails_is_told_and_the_other_rules_go_on(
    condition: str, error: str
) -> None:
    results = actions_of(event(), rule("r1", condition=condition, priority=1), rule("r2"))
    assert [result["rule_id"] for result in results] == ["r1", "r2"]
    failed = results[0]
    assert failed.pop("error").startswith(error)
    assert failed.pop("duration_ms") >= 0
    assert failed == {
        "rule_id": "r1",
        "action_id": None,
        "action_type": "condition",
        "action_config": {"condition": condition},
    }
    assert "error" not in results[1]


def test_an_action_that_fails_is_told_and_the_others_go_on() -> None:
    actions = [
        action("a1", tag="{{ 1 / 0 }}"),
        action("a2", position=2, tag="{{ event. }}"),
        action("a3", "explode", position=3),
        action("a4", position=4),
    ]
    results = actions_of(event(), rule("r1", *actions))
    assert [result.get("error", "")[:40] for result in results] == [
        "tag: A number is divided by zero",
        "tag: In {{ event. }}: The expression end",
        "There is no such action; use one of tag,",
        "",
    ]
    assert results[0]["action_config"] == {"tag": "{{ 1 / 0 }}"}
    assert results[2]["action_type"] == "explode"


def test_an_invoice_is_read_by_the_owners_own_field_map() -> None:
    own = {"user_id": ADA, "field_map": {"number": "data.no", "status": None, "amount": 5}}
    rules = [rule("r1", action("a1", "extract_invoice", fields={})), rule("r2", owner=BOB)]
    rules[1]["actions"] = [action("a2", "extract_invoice", fields={})]
    payload = {"data": {"no": "R-7"}}
    events = [event("1", ADA, payload=payload), event("2", BOB, payload=payload)]
    results = decided(events, rules, own)
    configs = {key: result["actions"][0]["action_config"] for key, result in results.items()}
    assert configs == {
        "1": {"fields": {"number": "R-7"}},
        "2": {"fields": {"external_id": "ord_1"}},
    }


@pytest.mark.parametrize(
    "poison", [{"payload": "text"}, {"endpoint": None}, {"is_person": "perhaps"}, {"person": [1]}]
)
def test_a_poison_event_fails_alone(
    poison: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    results = decided([event("1"), event("2", **poison), event("3")], [rule("r1")])
    assert results["2"] == {"id": "2", "error": "The rules could not be applied"}
    assert ids(results["1"]["actions"]) == ids(results["3"]["actions"]) == ["r1-tag"]
    assert "event 2 cannot be run through its rules" in caplog.text


def nested(levels: int) -> Any:
    deep: Any = 1
    for _ in range(levels):
        deep = {"a": [deep]}
    return deep


def test_a_deep_payload_or_record_fails_only_what_reads_it() -> None:
    """What a user writes into a record by other ways is not bounded as payloads are."""
    rules = [
        rule("r1", condition="size(entity.metadata) > 0", priority=1),
        rule("r2", action("a2", "set_field", field="metadata", value="{{ entity }}"), priority=2),
        rule("r3", priority=3),
    ]
    results = actions_of(event(entity={"metadata": nested(100)}), *rules)
    assert [result.get("error", "") for result in results] == [
        "A value is nested too deeply",
        "value: A value is nested too deeply",
        "",
    ]


def test_a_configuration_too_deep_to_be_written_again_is_left_out_of_the_log() -> None:
    claim = {
        "events": [event()],
        "rules": [rule("r1", action("a1", "set_field", field="x", value=nested(400)))],
        "invoice_field_maps": [],
    }
    [result] = decide(claim)
    assert result["actions"][0]["action_config"] == {}
    assert result["actions"][0]["error"].endswith("at most 10 levels")
    assert orjson.dumps(result)


def test_one_event_leads_to_so_many_actions_and_goes_on_when_reprocessed() -> None:
    rules = [
        rule(f"r{n:02}", action(f"{n}-1"), action(f"{n}-2", position=2), priority=n)
        for n in range(MAX_RESULTS)
    ]
    first = actions_of(event(), *rules)
    assert len(first) == MAX_RESULTS + 1
    assert [result.get("error") for result in first[:-1]] == [None] * MAX_RESULTS
    assert "at most" in first[-1]["error"]
    done = ids(first[:-1])
    again = actions_of(event(done_actions=done), *rules)
    assert sorted(done + ids(again)) == sorted(a["id"] for r in rules for a in r["actions"])


def test_broken_conditions_are_bounded_too() -> None:
    rules = [rule(f"r{n}", condition="1 +") for n in range(MAX_RESULTS + 50)]
    assert len(actions_of(event(), *rules)) == MAX_RESULTS + 1


def test_hostile_rules_of_one_owner_cost_the_others_little() -> None:
    """Each of these conditions may take 0.2 s, and all of an event's together 0.5 s."""
    heavy = "event.data.items.all(x, event.data.items.all(y, x >= 0))"
    hostile = [rule(f"r{n}", condition=heavy, owner=BOB) for n in range(200)]
    events = [event("1", BOB, payload={"items": list(range(200))}), event("2", ADA)]
    started = time.process_time()
    results = decided(events, [*hostile, rule("mine")])
    assert time.process_time() - started < 4
    assert results["1"]["actions"][0].get("error") is None
    assert "too much work" in results["1"]["actions"][-1]["error"]
    assert len(results["1"]["actions"]) < MAX_RESULTS
    assert ids(results["2"]["actions"]) == ["mine-tag"]


class Clock:
    """Shows for each event the seconds that it took."""

    def __init__(self, *seconds: float) -> None:
        self.readings = [reading for taken in seconds for reading in (0.0, taken)]

    def __call__(self) -> float:
        return self.readings.pop(0)


def test_an_owner_whose_rules_take_too_long_does_not_use_up_the_lease_of_the_others() -> None:
    events = [event("1", BOB), event("2", BOB), event("3", BOB), event("4", ADA), event("5", ADA)]
    claim = {"events": events, "rules": [rule("r1")], "invoice_field_maps": []}
    results = decide(claim, Clock(BATCH_SECONDS / 4, BATCH_SECONDS / 4, 1, 1))
    errors = {result["id"]: result.get("error") for result in results}
    assert errors == {"1": None, "2": None, "3": TOO_SLOW, "4": None, "5": None}


def test_an_owner_who_is_alone_has_the_whole_batch() -> None:
    events = [event(str(n)) for n in range(3)]
    claim = {"events": events, "rules": [rule("r1")], "invoice_field_maps": []}
    results = decide(claim, Clock(BATCH_SECONDS - 1, 0.5, 0.5))
    assert [result.get("error") for result in results] == [None, None, None]


def test_among_many_owners_each_has_time_for_a_few_events() -> None:
    events = [event(str(n), f"owner {n // 2}") for n in range(400)]
    claim = {"events": events, "rules": [], "invoice_field_maps": []}
    results = decide(claim, Clock(*[0.2] * 400))
    assert all("error" not in result for result in results)


@pytest.mark.parametrize("path", sorted(PAYLOADS.glob("*/*.json")), ids=lambda path: path.stem)
def test_every_sample_goes_through_every_kind_of_action(path: Path) -> None:
    actions = [
        action("tag", tag="{{ event.type }}"),
        action("role", "assign_role", position=2, role="customer", target="person"),
        action("invoice", "extract_invoice", position=3, fields={"status": "open"}),
        action("ticket", "create_ticket", position=4, priority="high"),
        action("message", "store_message", position=5, content="{{ event.data }}."),
        action("field", "set_field", position=6, field="status", value="seen"),
        action("notice", "send_notification", position=7, title="{{ endpoint.name }}"),
    ]
    body = json.loads(path.read_text())
    payload = body[0] if isinstance(body, list) else body  # ingest makes an event of each
    results = actions_of(event(payload=payload), rule("r1", *actions))
    assert [result.get("error") for result in results] == [None] * len(actions)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
TEXTS = st.sampled_from(
    ["event.data.a > 1", "person.a == 'x'", "{{ event.data.a }}", "{{ person }}", "{{", "1 +", ""]
)


@given(
    st.lists(st.dictionaries(st.sampled_from(["data", "a", "b"]), JSON), min_size=1, max_size=3),
    st.lists(st.tuples(TEXTS, TEXTS | JSON), max_size=3),
)
@settings(deadline=None, database=None, max_examples=200)
def test_every_event_has_a_result_whatever_payloads_and_rules_hold(
    payloads: list[dict[str, Any]], texts: list[tuple[str, Any]]
) -> None:
    rules = [
        rule(f"r{n}", action("a", "set_field", field="x", value=value), condition=condition)
        for n, (condition, value) in enumerate(texts)
    ]
    events = [event(str(n), payload=payload, person=payload) for n, payload in enumerate(payloads)]
    results = decided(events, rules)
    assert results.keys() == {claimed["id"] for claimed in events}
    assert all("actions" in result for result in results.values())
