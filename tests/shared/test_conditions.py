"""Conditions of rules: true, false, refused, or failed."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.conditions import compile_condition
from shared.errors import InvalidExpression
from shared.expressions import EvaluationFailed
from tests.shared.event_context import about, context


def holds(text: str | None, /, **data: Any) -> bool:
    return compile_condition(text).holds(about(**data))


@pytest.mark.parametrize("text", [None, "", " \n\t "])
def test_no_condition_is_always_true(text: str | None) -> None:
    assert holds(text)


@pytest.mark.parametrize(
    ("total", "expected"), [(101, True), (100, False), (100.5, True), (10**40, True)]
)
def test_a_condition_compares_whole_numbers_and_others(total: float, expected: bool) -> None:
    assert holds("event.data.total > 100", total=total) is expected


@pytest.mark.parametrize(
    "text",
    [
        "event.data.total > 100",
        "!(event.data.total > 100)",
        "event.data.customer.email.endsWith('@example.org')",
        "has(event.data.customer.email)",
        "event.data.items[0].sku == 'a'",
        "person.email != ''",
        "entity.status == 'paid'",
        "size(event.data.items) > 0",
    ],
)
def test_a_condition_that_reads_what_is_not_there_is_false(text: str) -> None:
    assert not holds(text)


def test_null_counts_as_not_there_where_a_value_is_needed() -> None:
    assert not holds("event.data.total > 100", total=None)
    assert not holds("size(event.data.items) > 0", items=None)
    assert holds("event.data.total == null", total=None)


def test_has_tells_whether_a_field_is_there() -> None:
    assert holds("has(event.data.total)", total=None)
    assert not holds("has(event.data.total)")
    assert holds("!has(event.data.total)")
    assert holds("has(event.data.total) ? event.data.total > 100 : event.type == 'order.completed'")


def test_what_is_missing_does_not_matter_where_the_rest_decides() -> None:
    assert holds("event.data.total > 100 || event.type == 'order.completed'")
    assert holds("event.type == 'order.completed' || event.data.total > 100")


def test_a_condition_sees_person_entity_and_endpoint() -> None:
    seen = context({}, person={"email": "ada@example.org"}, entity={"status": "paid"})
    text = "person.email.endsWith('.org') && entity.status == 'paid' && endpoint.slug == 'shop'"
    assert compile_condition(text).holds(seen)


def test_a_person_who_is_not_there_is_null() -> None:
    assert holds("person == null")
    assert not holds("person != null && person.email == 'ada@example.org'")


def test_data_is_what_the_body_is_about() -> None:
    condition = compile_condition("event.data.object == 'invoice'")
    stripe = {"object": "event", "data": {"object": {"object": "invoice"}}}
    assert condition.holds(context(stripe))
    assert condition.holds(context({"data": {"object": "invoice"}}))
    assert condition.holds(context({"object": "invoice"}))


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "'yes'",
        "null",
        "event.data.total + 1",
        "size(event.data.items)",
        "[true]",
        "{'a': true}",
        "event.data.items.map(i, i.done)",
        "event.data.items.filter(i, i.done)",
        "string(event.data.total)",
        "event.is_person ? 1 : 2",
        "-event.data.total",
    ],
)
def test_what_can_be_neither_true_nor_false_is_refused(text: str) -> None:
    with pytest.raises(InvalidExpression, match="true or false"):
        compile_condition(text)


@pytest.mark.parametrize("truthy", [1, "yes", ["x"], {"a": 1}, 0, ""])
def test_a_truthy_value_is_not_true(truthy: object) -> None:
    with pytest.raises(EvaluationFailed, match="neither true nor false"):
        holds("event.data.flag", flag=truthy)


def test_a_boolean_of_the_payload_is_a_condition() -> None:
    assert holds("event.data.paid", paid=True)
    assert not holds("event.data.paid", paid=False)
    assert not holds("event.data.paid")


def test_types_that_do_not_go_together_fail() -> None:
    with pytest.raises(EvaluationFailed, match="do not go together"):
        holds("event.data.total > 100", total="a lot")


def test_a_refused_condition_is_refused_each_time() -> None:
    for _ in range(2):
        with pytest.raises(InvalidExpression, match=r"There is no foo.*\(character 1\)"):
            compile_condition("foo > 1")


@given(st.text(max_size=60), st.dictionaries(st.text(max_size=5), st.text(max_size=5)))
@settings(deadline=None, database=None, max_examples=300)
def test_sql_and_other_text_as_a_condition_or_as_data_is_inert(
    text: str, data: dict[str, Any]
) -> None:
    with suppress(InvalidExpression, EvaluationFailed):
        assert holds(text, **data) in (True, False)
    assert holds("event.data == event.payload.data", **data)


@pytest.mark.parametrize(
    "text",
    ["'; drop table webhook_events; --", "true || event.type == 'x'", "{{ event.type }}", "1/0"],
)
def test_expressions_within_data_are_text(text: str) -> None:
    assert not holds("event.data.name == 'Ada'", name=text)
    assert compile_condition("event.data.name == person.name").holds(
        context({"data": {"name": text}}, person={"name": text})
    )
