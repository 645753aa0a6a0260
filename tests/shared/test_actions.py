"""Actions of rules: what may be saved, and what comes out when they run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.actions import ACTIONS, render_action, validate_action
from shared.errors import InvalidExpression, InvalidRequest
from shared.expressions import EVENT_BUDGET, EvaluationFailed, OutOfBudget
from tests.shared.event_context import about, context

PAYLOADS = Path(__file__).parents[1] / "payloads"
INVOICE_MAP = {
    "external_id": "event.external_id",
    "amount": "number(data.total)",
    "currency": "upper(data.currency)",
    "issued_at": "timestamp(data.date)",
    "metadata": "json(data.metadata)",
    "supplier": "data.supplier",
}


def render(action_type: str, config: dict[str, Any], /, **data: Any) -> dict[str, Any]:
    return render_action(action_type, config, about(**data), INVOICE_MAP)


def failure(action_type: str, config: dict[str, Any], /, **data: Any) -> str:
    with pytest.raises(EvaluationFailed) as failed:
        render(action_type, config, **data)
    return failed.value.message


def payload(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text())
    return found


SAVED: list[tuple[str, dict[str, Any]]] = [
    ("tag", {"tag": "vip"}),
    ("tag", {"tags": ["vip", "{{ event.data.plan }}"], "target": "person"}),
    ("tag", {"tags": "{{ event.data.tags }}"}),
    ("assign_role", {"role": "customer", "target": "entity"}),
    ("extract_invoice", {}),
    ("extract_invoice", {"fields": {"amount": "{{ event.data.total }}", "due_at": "2026-12-01"}}),
    ("create_ticket", {}),
    ("create_ticket", {"subject": "Late: {{ event.data.id }}", "priority": "high"}),
    ("create_ticket", {"priority": "{{ event.data.urgent ? 'urgent' : 'low' }}"}),
    ("create_ticket", {"category": None, "message": "{{ event.data.text }}"}),
    ("store_message", {"direction": "outbound", "content": "{{ event.data.answer }}"}),
    ("set_field", {"field": "status", "value": "paid"}),
    ("set_field", {"field": "metadata", "value": {"source": "{{ endpoint.slug }}"}}),
    ("set_field", {"field": "status", "value": None}),
    ("send_notification", {"title": "New order", "body": "{{ event.data.total }} euros"}),
    ("call_webhook", {}),
    ("call_webhook", {"event": "order.{{ event.data.state }}", "data": "{{ event.data }}"}),
    ("call_webhook", {"event": "order-paid", "data": {"id": "{{ event.data.id }}", "by": None}}),
]


@pytest.mark.parametrize(("action_type", "config"), SAVED)
def test_a_sound_action_may_be_saved(action_type: str, config: dict[str, Any]) -> None:
    validate_action(action_type, config)


def test_every_type_has_an_example_here() -> None:
    assert {action_type for action_type, _ in SAVED} == ACTIONS.keys()


@pytest.mark.parametrize(
    ("action_type", "config", "message"),
    [
        ("explode", {}, "There is no such action; use one of tag, assign_role"),
        ("tag", [], "The configuration of an action is an object"),
        ("tag", {}, "tags: this is empty"),
        ("tag", {"tag": " "}, "tags: this is empty"),
        ("tag", {"tag": "vip", "colour": "red"}, "colour: there is no such setting"),
        ("tag", {"tag": "x" * 101}, "tags.0: string should have at most 100 characters"),
        ("tag", {"tags": [f"t{n}" for n in range(51)]}, "tags: list should have at most 50"),
        ("tag", {"tag": {"a": 1}}, "tags.0: input should be a valid string"),
        ("tag", {"tag": "vip", "target": "order"}, "target: input should be 'entity' or 'person'"),
        ("assign_role", {}, "role: this is missing"),
        ("assign_role", {"role": ""}, "role: this is empty"),
        (
            "create_ticket",
            {"priority": "asap"},
            "priority: input should be 'low', 'medium', 'high'",
        ),
        ("create_ticket", {"subject": "x" * 501}, "subject: string should have at most 500"),
        ("store_message", {"direction": "sideways"}, "direction: input should be 'inbound'"),
        ("extract_invoice", {"fields": {"total": 5}}, "fields.total: there is no such setting"),
        ("extract_invoice", {"fields": {"amount": "much"}}, "fields.amount: this is not a number"),
        ("extract_invoice", {"fields": {"due_at": "soon"}}, "fields.due_at: this is not a date"),
        ("set_field", {"field": "status"}, "value: this is missing"),
        ("set_field", {"field": "status = 1; --", "value": 1}, "field: string should match"),
        ("set_field", {"field": "value", "value": 10**30}, "cannot be written as JSON"),
        ("set_field", {"field": "value", "value": "\ud800"}, "cannot be written as JSON"),
        ("set_field", {"field": "value", "value": "x" * 20_000}, "at most 20000 bytes"),
        ("call_webhook", {"event": "order paid"}, "event: this is not the name of an event"),
        ("call_webhook", {"event": "order..paid"}, "event: this is not the name of an event"),
        ("call_webhook", {"event": "x" * 129}, "event: string should have at most 128 characters"),
        ("call_webhook", {"data": ["a"]}, "data: input should be a valid dictionary"),
        ("call_webhook", {"url": "https://example.com"}, "url: there is no such setting"),
        (
            "send_notification",
            {"title": "a", "{{ event.type }}": "b"},
            "a key cannot be a template",
        ),
    ],
)
def test_a_wrong_action_is_refused_with_what_is_wrong(
    action_type: str, config: Any, message: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        validate_action(action_type, config)
    assert message in refused.value.message


@pytest.mark.parametrize(
    ("action_type", "config", "message"),
    [
        ("tag", {"tags": ["a", "{{ event. }}"]}, "tags.1: In {{ event. }}: The expression ends"),
        ("send_notification", {"title": "{{ order.id }}"}, "title: In {{ order.id }}: There is no"),
        (
            "set_field",
            {"field": "{{ event.type }}", "value": 1},
            "field: this cannot be a template",
        ),
        ("tag", {"tag": "a", "target": "{{ event.type }}"}, "target: this cannot be a template"),
        (
            "set_field",
            {"field": "metadata", "value": {"a": [{"b": "{{ x }}"}]}},
            "value.a.0.b: In {{ x }}: There is no x",
        ),
    ],
)
def test_a_wrong_template_is_refused_with_the_setting_it_is_in(
    action_type: str, config: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidExpression) as refused:
        validate_action(action_type, config)
    assert message in refused.value.message


@pytest.mark.parametrize("levels", [11, 5_000])
def test_a_configuration_nested_too_deeply_is_refused(levels: int) -> None:
    deep: Any = "{{ event.type }}"
    for _ in range(levels):
        deep = [deep]
    with pytest.raises(InvalidRequest, match="at most 10 levels"):
        validate_action("set_field", {"field": "metadata", "value": deep})
    with pytest.raises(InvalidRequest, match="at most 10 levels"):
        render("set_field", {"field": "metadata", "value": deep})


def test_tags_are_gathered_and_each_is_there_once() -> None:
    config = {"tag": " vip ", "tags": ["vip", "plan: {{ event.data.plan }}", "{{ event.data.n }}"]}
    assert render("tag", config, plan="gold") == {"tags": ["vip", "plan: gold"], "target": "entity"}


def test_tags_may_come_from_a_list_of_the_payload() -> None:
    tags = render("tag", {"tags": "{{ event.data.tags }}"}, tags=["a", None, "", 5, True, "a"])
    assert tags == {"tags": ["a", "5", "true"], "target": "entity"}


def test_a_tag_that_comes_out_empty_fails() -> None:
    assert failure("tag", {"tag": "{{ event.data.plan }}"}) == "tags: this is empty"


def test_a_text_that_comes_out_too_long_is_cut_off() -> None:
    rendered = render("assign_role", {"role": "{{ event.data.role }}"}, role="x" * 500)
    assert rendered == {"role": "x" * 99 + "…", "target": "entity"}


def test_what_comes_out_is_checked_again() -> None:
    config = {"priority": "{{ event.data.priority }}"}
    assert render("create_ticket", config, priority="URGENT")["priority"] == "urgent"
    assert render("create_ticket", config)["priority"] == "medium"
    message = failure("create_ticket", config, priority="whenever")
    assert message == "priority: input should be 'low', 'medium', 'high' or 'urgent'"
    assert "fields.amount" in failure(
        "extract_invoice", {"fields": {"amount": "{{ event.data.total }}"}}, total="a lot"
    )


def test_a_template_that_fails_names_its_setting() -> None:
    message = failure("send_notification", {"body": "{{ 1 / event.data.zero }}"}, zero=0)
    assert message == "body: A number is divided by zero"


def test_a_ticket_takes_from_the_event_what_is_left_out() -> None:
    seen = context(
        payload("chatbots/message.created"), person={"email": "ada@example.org", "name": "Ada"}
    )
    assert render_action("create_ticket", {}, seen) == {
        "subject": "order.completed",
        "message": "Hello, I need help with my account.",
        "priority": "medium",
        "customer_email": "ada@example.org",
        "customer_name": "Ada",
    }


@pytest.mark.parametrize(
    ("source", "content", "conversation"),
    [
        (
            "chatbots/message.created",
            "Hello, I need help with my account.",
            "60d21b4667d0d8992e610c85",
        ),
        (
            "slack/message",
            "Hi, our export has been stuck since this morning. Can someone have a look?",
            "C04SUPPORT1",
        ),
    ],
)
def test_a_message_is_found_in_what_vendors_send(
    source: str, content: str, conversation: str
) -> None:
    rendered = render_action("store_message", {}, context(payload(source)))
    assert (rendered["content"], rendered["conversation_id"]) == (content, conversation)
    assert rendered["direction"] == "inbound"


def test_a_message_without_content_fails() -> None:
    assert failure("store_message", {"content": "{{ event.data.x }}"}) == "content: this is empty"


def test_an_invoice_is_read_by_the_field_map() -> None:
    rendered = render(
        "extract_invoice",
        {},
        total="1,280.00",
        currency="eur",
        date=1763712170,
        metadata={"po": 7},
        supplier="no column of an invoice",
    )
    assert rendered == {
        "fields": {
            "external_id": "ord_1",
            "amount": 1280,
            "currency": "EUR",
            "issued_at": "2025-11-21T08:02:50+00:00",
            "metadata": {"po": 7},
        }
    }


def test_the_columns_of_the_configuration_go_before_the_field_map() -> None:
    fields = {"amount": "{{ event.data.net }}", "number": "R-{{ event.data.n }}", "currency": None}
    rendered = render("extract_invoice", {"fields": fields}, total=5, net="4.20", n=1, currency="a")
    assert rendered["fields"] == {
        "external_id": "ord_1",
        "amount": 4.2,
        "number": "R-1",
        "currency": "A",
    }


def test_a_payload_that_holds_no_invoice_fails() -> None:
    with pytest.raises(EvaluationFailed, match="holds no invoice"):
        render_action("extract_invoice", {}, about(total=5), {})


@pytest.mark.parametrize("value", [None, 5, "", ["a"], {"a": None}])
def test_set_field_keeps_the_value_as_it_is(value: object) -> None:
    config = {"field": "status", "value": "{{ event.data.value }}"}
    assert render("set_field", config, value=value) == {"field": "status", "value": value}


def test_a_notification_says_by_itself_what_it_is_about() -> None:
    seen = context({}, entity={"order_number": "1042"})
    assert render_action("send_notification", {}, seen) == {
        "title": "Shop: order.completed",
        "body": "1042",
    }


def test_a_published_event_tells_by_itself_of_the_one_that_came_in() -> None:
    seen = context({"data": {"total": 5}}, person={"name": "Ada"}, entity={"number": "R-1"})
    assert render_action("call_webhook", {}, seen) == {
        "event": "order.completed",
        "data": {
            "event": {"type": "order.completed", "external_id": "ord_1", "data": {"total": 5}},
            "person": {"name": "Ada"},
            "entity": {"number": "R-1"},
        },
    }


@pytest.mark.parametrize(
    ("came", "name"),
    [
        ("orders/create", "orders.create"),
        ("/invoice: paid!", "invoice.paid"),
        ("a..b", "a.b"),
        ("x" * 127 + "/" + "y" * 9, "x" * 127),
    ],
)
def test_a_type_that_no_published_event_can_have_is_made_one(came: str, name: str) -> None:
    seen = context({})
    seen.roots["event"]["type"] = came
    assert render_action("call_webhook", {}, seen)["event"] == name


def test_a_type_without_any_word_has_to_be_given() -> None:
    seen = context({})
    seen.roots["event"]["type"] = "✓"
    with pytest.raises(EvaluationFailed, match="event: this is empty"):
        render_action("call_webhook", {}, seen)
    assert render_action("call_webhook", {"event": "seen"}, seen)["event"] == "seen"


def test_a_published_event_has_the_name_and_data_that_templates_give() -> None:
    config = {"event": "order.{{ event.data.state }}", "data": {"id": "{{ event.data.id }}"}}
    assert render("call_webhook", config, state="paid", id=7) == {
        "event": "order.paid",
        "data": {"id": 7},
    }
    assert render("call_webhook", {"data": "{{ event.data }}"}, id=7)["data"] == {"id": 7}
    assert render("call_webhook", {"data": {}}, id=7)["data"] == {}


def test_a_name_that_comes_out_wrong_fails() -> None:
    config = {"event": "order.{{ event.data.state }}"}
    for state in ("", "a b", "x" * 200):
        message = failure("call_webhook", config, state=state)
        assert message == "event: this is not the name of an event, such as order.completed"


def test_text_of_the_payload_is_never_read_as_a_template() -> None:
    config = {"title": "{{ event.data.name }}", "body": "From {{ event.data.name }}"}
    rendered = render("send_notification", config, name="{{ person.email }}")
    assert rendered == {"title": "{{ person.email }}", "body": "From {{ person.email }}"}


def test_the_database_gets_no_text_that_it_cannot_hold() -> None:
    rendered = render("set_field", {"field": "status", "value": "{{ 'a\\u0000b' }}"})
    assert rendered["value"] == "a\ufffdb"


def test_what_the_actions_of_an_event_come_to_is_bounded() -> None:
    seen = about(text="x" * 10_000)
    config = {"title": "t", "body": "{{ event.data.text }}"}
    render_action("send_notification", config, seen)
    size = EVENT_BUDGET - seen.budget
    for _ in range(EVENT_BUDGET // size - 1):
        render_action("send_notification", config, seen)
    with pytest.raises(OutOfBudget):
        render_action("send_notification", config, seen)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["{{ event.data }}", "{{ event.data.a }}!", "{{ x }}", "{{", "low"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "amount", "due_at", "{{"]), inner, max_size=3)
    ),
    max_leaves=8,
)
CONFIGS = st.dictionaries(
    st.sampled_from(
        [
            *("tag", "tags", "target", "role", "fields", "subject", "priority", "content"),
            *("field", "value", "title", "event", "data", "nonsense"),
        ]
    ),
    JSON,
    max_size=4,
)


@given(st.sampled_from(sorted(ACTIONS)), CONFIGS, JSON)
@settings(deadline=None, database=None, max_examples=500)
def test_any_configuration_over_any_payload_gives_json_or_fails_as_it_should(
    action_type: str, config: Mapping[str, Any], data: Any
) -> None:
    seen = context({"data": data, "n": 1}, person=data, entity=data)
    with suppress(InvalidRequest, EvaluationFailed):
        assert orjson.dumps(render_action(action_type, dict(config), seen, INVOICE_MAP))
    with suppress(InvalidRequest):
        validate_action(action_type, config)
