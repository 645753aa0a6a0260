"""Field maps: what expressions give, what is refused, and what no payload can do."""

from __future__ import annotations

import json
from typing import Any

import jmespath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jmespath import Options
from jmespath.exceptions import JMESPathError

from shared import field_maps
from shared.errors import InvalidExpression
from shared.field_programs import FUNCTIONS, compile_node
from tests.samples import sample, sample_names, shipped_types

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["data", "object", "customer", "email", "items", "name", "id", "event", "plan"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)
OBJECTS = st.dictionaries(
    st.sampled_from(["data", "object", "customer", "sender", "issue", "event", "name"]), JSON
)


def given_by(expression: str, data: dict[str, Any]) -> Any:
    """What an expression gives over {"data": data}; None for nothing."""
    document = field_maps.document({"data": data}, event_type="thing.happened")
    return field_maps.apply(document, {"column": expression}).get("column")


def refused(expression: object) -> str:
    with pytest.raises(InvalidExpression) as raised:
        field_maps.validate({"email": expression})
    return raised.value.message


def test_the_subject_is_what_the_vendor_wrapped() -> None:
    assert field_maps.subject({"data": {"object": {"id": 1}}}) == {"id": 1}
    assert field_maps.subject({"data": {"object": "customer"}}) == {"object": "customer"}
    assert field_maps.subject({"data": [1], "id": 2}) == {"data": [1], "id": 2}
    assert field_maps.subject({"issue": {}}) == {"issue": {}}


def test_expressions_see_event_payload_and_subject() -> None:
    document = field_maps.document(
        {"shop": "north", "data": {"id": 7}},
        event_type="order.paid",
        external_id="7",
        entity_table="order",
    )
    expressions = {
        "type": "event.type",
        "id": "event.external_id",
        "kind": "event.entity_table",
        "shop": "payload.shop",
        "number": "data.id",
    }
    assert field_maps.apply(document, expressions) == {
        "type": "order.paid",
        "id": "7",
        "kind": "order",
        "shop": "north",
        "number": 7,
    }


def test_the_first_alternative_with_a_value_is_taken() -> None:
    assert given_by("data.a || data.b || data.c", {"a": "", "b": [], "c": 3}) == 3
    assert given_by("data.a || data.b", {"a": 0, "b": 3}) == 0


def test_texts_are_trimmed_and_empty_ones_are_nothing() -> None:
    assert given_by("data.a", {"a": "  Ada \n"}) == "Ada"
    assert given_by("data.a", {"a": " \t "}) is None


def test_texts_are_bounded() -> None:
    assert len(given_by("data.a", {"a": "x" * 50_000})) == 10_000


@pytest.mark.parametrize("kept", [0, -3, 12.5, True, False, 2**63 - 1])
def test_numbers_and_booleans_stay_what_they_are(kept: float) -> None:
    value = given_by("data.a", {"a": kept})
    assert value == kept
    assert type(value) is type(kept)


@pytest.mark.parametrize("lost", [None, float("nan"), float("inf"), 2**63, [1], {"a": 1}])
def test_what_no_column_can_hold_is_nothing(lost: object) -> None:
    assert given_by("data.a", {"a": lost}) is None


def test_objects_are_kept_where_the_expression_says_so() -> None:
    assert given_by("json(data.a)", {"a": {"b": [1]}}) == {"b": [1]}
    assert given_by("json(data.a)", {"a": {}}) is None
    assert given_by("json(data.a)", {"a": {"b": "x" * 20_000}}) is None
    assert given_by("json(data.a).b", {"a": {"b": [1]}}) is None


def test_what_a_literal_smuggles_in_is_cleaned() -> None:
    assert given_by(r'`"a\u0000b\ud800c"`', {}) == "abc"
    assert given_by(r'json(`{"a": "\u0000"}`)', {}) is None
    assert given_by(r'json(`{"a": "\ud800"}`)', {}) is None


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("text(`12`)", "12"),
        ("text(`1.50`)", "1.5"),
        ("text(`true`)", "true"),
        ("text('ok')", "ok"),
        ("text(`{}`)", None),
        ("number('1,280.00')", 1280.0),
        ("number('48 210')", 48210),
        ("number(' 7 ')", 7),
        ("number('1.280,00')", None),
        ("number('nan')", None),
        ("number('7 pieces')", None),
        ("number(`true`)", None),
        ("lower('ADA@Example.com')", "ada@example.com"),
        ("upper('eur')", "EUR"),
        ("upper(`1`)", None),
        ("join_name('Ada', ' Byron ')", "Ada Byron"),
        ("join_name('Ada', `null`)", "Ada"),
        ("join_name(`null`, `1`)", None),
        ("one_of('High', ['low', 'high'])", "high"),
        ("one_of('odd', ['low', 'high'])", None),
        ("one_of('odd', 'odd')", None),
        ("multiply('80.00', `16`)", 1280),
        ("multiply(`0.1`, `3`)", 0.3),
        ("multiply(`2`, 'no')", None),
        ("timestamp(`1763712041`)", "2025-11-21T08:00:41+00:00"),
        ("timestamp('1763721512.004219')", "2025-11-21T10:38:32.004219+00:00"),
        ("timestamp('1711011512000')", "2024-03-21T08:58:32+00:00"),
        ("timestamp('2026-11-21T09:14:50-05:00')", "2026-11-21T09:14:50-05:00"),
        ("timestamp('2026-11-21T10:30:00Z')", "2026-11-21T10:30:00+00:00"),
        ("timestamp('2026-11-21')", "2026-11-21T00:00:00+00:00"),
        ("timestamp('soon')", None),
        ("timestamp(`1e300`)", None),
        ("join('-', ['a', 'b'])", "a-b"),
        ("join('-', [`1`])", None),
    ],
)
def test_a_function_gives_its_value_or_nothing(expression: str, value: object) -> None:
    field_maps.validate({"column": expression})
    assert given_by(expression, {}) == value


@pytest.mark.parametrize(
    ("currency", "whole"),
    [("eur", 49.5), ("USD", 49.5), ("jpy", 4950), ("krw", 4950), ("kwd", 4.95), ("isk", 49.5)],
)
def test_minor_units_follow_the_currency(currency: str, whole: float) -> None:
    data = {"amount": 4950, "currency": currency}
    assert given_by("from_minor_units(data.amount, data.currency)", data) == whole


def test_minor_units_without_an_amount_are_nothing() -> None:
    assert given_by("from_minor_units(data.amount, data.currency)", {"currency": "eur"}) is None


def test_a_column_whose_expression_fails_is_left_out_alone() -> None:
    document = field_maps.document({"data": {"a": 1, "b": "x"}}, event_type="thing.happened")
    expressions = {"a": "length(data.a)", "b": "data.b", "c": "data.[", "d": "nothing(data.b)"}
    assert field_maps.apply(document, expressions) == {"b": "x"}


def test_an_override_replaces_adds_and_removes_columns() -> None:
    field_map = {"name": "data.name", "email": "data.email", "title": "data.title"}
    override = {"name": "data.full_name", "phone": "data.tel", "title": None, "company": 7}
    assert field_maps.merge(field_map, override) == {
        "name": "data.full_name",
        "email": "data.email",
        "phone": "data.tel",
    }
    assert field_maps.merge(field_map, "no map") == field_map


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "the expression is empty"),
        ("data.", "character 6: the expression ends too early"),
        ("data.email ||", "character 14: the expression ends too early"),
        ("data.email %", "character 12: '%' is not expected"),
        ("data.[email", "the expression ends too early"),
        ("data.email phone", "character 12: 'phone' is not expected"),
        ("data.a = data.b", "character 8: '=' is not expected"),
        ("`new`", "backticks hold JSON; put text in single quotes"),
        ("lowercase(data.email)", "character 1: there is no function lowercase()"),
        ("text(lower(data.a, data.b))", "character 6: lower() takes 1 arguments, not 2"),
        ("not_null()", "not_null() takes 1 or more arguments"),
        ("a" * 1_001, "over 1000 characters"),
        ("(" * 900, "nested too deeply"),
        (" || ".join(["text(a)"] * 31), "over 30 function calls"),
        (7, "must be a text"),
    ],
)
def test_a_bad_expression_is_refused_with_its_place(expression: object, message: str) -> None:
    told = refused(expression)
    assert told.startswith("Field map, column email")
    assert message in told


def test_quotes_may_hold_backticks() -> None:
    field_maps.validate({"a": "'no `json` here'", "b": '"`"', "c": '`"a \\`quoted\\` word"`'})


def test_a_map_has_a_bounded_number_of_columns() -> None:
    with pytest.raises(InvalidExpression):
        field_maps.validate({f"column_{number}": "data.a" for number in range(101)})


def test_a_removed_column_is_valid() -> None:
    field_maps.validate({"email": None})


@pytest.mark.parametrize(
    "expression",
    [
        " | ".join(["[@, @][]"] * 8),
        " | ".join(["{a: @, b: @} | values(@)[]"] * 8),
        "map(&`[1,2,3,4,5,6,7,8,9]`, a)[] | map(&`[1,2,3,4,5,6,7,8,9]`, @)[]",
    ],
)
def test_an_expression_that_doubles_its_result_is_refused(expression: str) -> None:
    assert "too large" in refused(expression)


def test_texts_do_not_grow_beyond_their_bound() -> None:
    data = {"separator": "x" * 5_000, "list": ["a"] * 5_000}
    assert given_by("join(data.separator, data.list)", data) is None
    assert given_by("to_string(data)", data) is None


@pytest.mark.parametrize("shipped", shipped_types(), ids=lambda shipped: str(shipped["name"]))
def test_every_shipped_field_map_is_valid(shipped: dict[str, Any]) -> None:
    field_maps.validate(shipped["field_map"])
    assert set(shipped["match_columns"]) <= set(shipped["field_map"])


@given(payload=OBJECTS)
@settings(max_examples=100, deadline=None)
def test_shipped_field_maps_take_any_payload(payload: dict[str, Any]) -> None:
    for shipped in shipped_types():
        document = field_maps.document(
            payload, event_type="thing.happened", entity_table=shipped["name"]
        )
        json.dumps(field_maps.apply(document, shipped["field_map"]), allow_nan=False).encode()


def outcome(run: Any) -> object:
    try:
        return ("gave", run())
    except (JMESPathError, TypeError, AttributeError) as error:
        return ("raised", type(error))


def agree(expression: str, document: Any) -> None:
    """Our program of an expression and the library's own evaluation come to the same."""
    parsed = jmespath.compile(expression)
    ours = compile_node(dict(parsed.parsed))
    options = Options(custom_functions=FUNCTIONS)
    assert outcome(lambda: ours(document)) == outcome(lambda: parsed.search(document, options))


EXPRESSIONS = [
    "data.customer.name",
    "data.items[0].name || data.items[-1].id",
    "data.items[*].name | [0]",
    "data.items[?id == `1`].name",
    "(data.id == 'a' && data.name) || !(data.email) || name",
    "data.id != data.name",
    "data.id > `3`",
    "lower(data.name) || length(data.items) || data.customer",
    "sort_by(data.items, &id)[0].name",
    "data.*.name",
    "[data.id, data.name]",
    "data.items[0:2]",
    "@",
]


@given(document=OBJECTS)
@settings(max_examples=100, deadline=None)
def test_compiled_programs_do_what_the_library_does(document: Any) -> None:
    for expression in EXPRESSIONS:
        agree(expression, document)


@pytest.mark.parametrize("name", sample_names())
def test_shipped_maps_read_samples_as_the_library_does(name: str) -> None:
    found = sample(name)
    for shipped in shipped_types():
        document = field_maps.document(
            found.payload,
            event_type=found.event_type,
            external_id=found.external_id,
            entity_table=shipped["name"],
        )
        for expression in shipped["field_map"].values():
            agree(expression, document)
