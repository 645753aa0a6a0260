"""Templates in the texts of an action's configuration."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import InvalidExpression
from shared.expressions import EvaluationFailed
from shared.templates import MAX_LENGTH, compile_template
from tests.shared.event_context import about, context


def render(text: str, /, **data: Any) -> Any:
    return compile_template(text).render(about(**data))


@pytest.mark.parametrize("value", [5, 5.5, "text", True, None, ["a", {"b": 1}], {"a": None}])
def test_a_text_that_is_one_template_keeps_the_type(value: object) -> None:
    rendered = render("{{ event.data.value }}", value=value)
    assert (rendered, type(rendered)) == (value, type(value))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "<5>"),
        (5.0, "<5>"),
        (49.95, "<49.95>"),
        (1e300, "<1e+300>"),
        ("a & b", "<a & b>"),
        (True, "<true>"),
        (None, "<>"),
        (["é", 1], '<["é", 1]>'),
        ({"a": None}, '<{"a": null}>'),
    ],
)
def test_within_a_longer_text_a_value_becomes_text(value: object, text: str) -> None:
    assert render("<{{ event.data.value }}>", value=value) == text


def test_a_text_may_hold_several_templates() -> None:
    text = "{{event.data.name}} paid {{ event.data.total * 2 }} {{ event.data.currency }}"
    assert render(text, name="Ada", total=5, currency="EUR") == "Ada paid 10 EUR"


def test_what_is_missing_is_nothing() -> None:
    assert render("Hello {{ event.data.name }}{{ person.name }}!") == "Hello !"
    assert render("{{ event.data.name }}") is None
    assert render("{{ person.name }}") is None


@pytest.mark.parametrize("text", ["", "plain", "} }}", "{ {", "{x}", "% $"])
def test_a_text_without_templates_stays_as_it_is(text: str) -> None:
    assert render(text) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ('{{ "{{" }} and {{ "}}" }}', "{{ and }}"),
        ("{{ '}}' }}", "}}"),
        ("{{ {'a': {'b': 'c'}}.a.b }}", "c"),
        ("{{ {'a': {'b': 'c'}} }}", {"a": {"b": "c"}}),
        ("{{ event.type }}}", "order.completed}"),
        ("{{ ['a}}', event.type][0] }}", "a}}"),
        ("{{ // a comment with }} in it\n event.type }}", "order.completed"),
    ],
)
def test_braces_may_be_part_of_an_expression_or_of_the_text(template: str, text: object) -> None:
    assert render(template) == text


@pytest.mark.parametrize(
    "name",
    ["{{ event.type }}", "{{", "}}", "{{ person.email }}", "{% raw %}", "${event.type}", "{0}"],
)
def test_what_comes_out_of_a_template_is_not_read_as_one(name: str) -> None:
    assert render("{{ event.data.name }}", name=name) == name
    assert render("Dear {{ event.data.name }},", name=name) == f"Dear {name},"
    assert render("{{ event.data.open + ' event.type }}' }}", open="{{") == "{{ event.type }}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Hi {{ event.type", "A template is not closed with }} (character 4)"),
        ("{{ {'a': 1 }", "A template is not closed"),
        ("{{ 'a }}", "A template is not closed"),
        ("{{ }}", "In {{ }}: The expression ends too early"),
        ("{{ event.typ }}", "In {{ event.typ }}: event has no field typ"),
        ("{{ event.type.__class__ }} {{ os }}", "There is no os; use event, person"),
        ("{{ event.type }}" * 51, "A text has at most 50 templates"),
        ("{{ event.type }}" + "x" * MAX_LENGTH, f"at most {MAX_LENGTH} characters"),
    ],
)
def test_a_wrong_template_is_refused_with_what_is_wrong(text: str, message: str) -> None:
    for _ in range(2):
        with pytest.raises(InvalidExpression) as refused:
            compile_template(text)
        assert message in refused.value.message


def test_attributes_are_fields_of_the_data_and_nothing_else() -> None:
    assert render("{{ event.data.name.__class__ }}", name={"__class__": "mine"}) == "mine"
    assert render("{{ event.data.__class__ }}") is None


def test_a_long_text_is_cut_off() -> None:
    long = "é" * 60_000
    for text in ("{{ event.data.text }}", "a {{ event.data.text }}", "{{ event.data.text }}" * 9):
        rendered = render(text, text=long)
        assert len(rendered) == MAX_LENGTH
        assert rendered.endswith("é…")


def test_a_long_list_is_refused() -> None:
    with pytest.raises(EvaluationFailed, match="over 10000 characters"):
        render("{{ event.data.items }}", items=["x" * 100] * 100)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ timestamp('2026-11-21T12:00:00Z') }}", "2026-11-21T12:00:00+00:00"),
        ("{{ duration('90s') }}", "90.0s"),
        ("{{ b'ab' }}", "YWI="),
        ("{{ {1: 'a', false: 'b'} }}", {"1": "a", "false": "b"}),
        ("{{ '\\u0000' }}", "\ufffd"),
        ("{{ ['a\\u0000'] }}", ["a\ufffd"]),
        ("{{ {'\\u0000': 1} }}", {"\ufffd": 1}),
        ("{{ 18446744073709551615u }}", 18446744073709551615),
    ],
)
def test_values_that_json_or_postgresql_does_not_know_become_such(
    text: str, expected: object
) -> None:
    assert render(text) == expected


@pytest.mark.parametrize("text", ["{{ 1.0 / 0.0 }}", "{{ [0.0 / 0.0] }}", "{{ double('inf') }}"])
def test_a_number_that_is_not_finite_fails(text: str) -> None:
    with pytest.raises(EvaluationFailed, match="not finite"):
        render(text)


PIECES = st.sampled_from(
    ["{{", "}}", "{", "}", " event.data ", " event.data.a ", " person ", "'", '"', "x", " + ", "1"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(st.lists(PIECES, max_size=12).map("".join), JSON)
@settings(deadline=None, database=None, max_examples=500)
def test_any_template_over_any_payload_gives_json_or_fails_as_it_should(
    text: str, data: Any
) -> None:
    with suppress(InvalidExpression, EvaluationFailed):
        rendered = compile_template(text).render(context({"data": {"a": data}}, person=data))
        assert orjson.dumps(rendered)


@given(JSON)
@settings(deadline=None, database=None, max_examples=200)
def test_a_value_comes_through_a_template_unchanged(data: Any) -> None:
    rendered = render("{{ event.data.value }}", value=data)
    assert orjson.loads(orjson.dumps(rendered)) == orjson.loads(orjson.dumps(in_64_bits(data)))


def in_64_bits(value: Any) -> Any:
    """What PostgreSQL and CEL can hold of it."""
    match value:
        case str():
            return value.replace("\0", "\ufffd")
        case int() if not -(2**63) <= value < 2**63:
            return float(value)
        case list():
            return [in_64_bits(item) for item in value]
        case dict():
            return {in_64_bits(key): in_64_bits(item) for key, item in value.items()}
        case _:
            return value
