"""Any actions, whatever they hold and however they come to be done a second time, have one effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.actions import ACTIONS, render_action
from tests.database.deliveries import make_webhook
from tests.database.factories import Endpoint, make_endpoint
from tests.database.pipeline import (
    act,
    action,
    claim,
    claimed_ids,
    expire_leases,
    finish,
    log,
    prepare,
    prepared,
    send_again,
    written,
)
from tests.database.rpcs import Connection, Row
from tests.shared.event_context import context

PERSON = {"email": "ada@example.com", "name": "Ada"}
FIELDS = {"external_id": "o1"}
"""None that set_field sets: preparing again writes what the payload says, and done actions stay done."""
CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
"""All that a stored configuration and a stored payload can hold."""
LINE = st.text(CHARACTERS, min_size=1, max_size=20).filter(
    lambda text: text.strip() and "{{" not in text
)
MAYBE = st.none() | LINE
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(CHARACTERS, max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(LINE, inner, max_size=3),
    max_leaves=5,
)
TARGET = st.sampled_from(["entity", "person"])
CONFIGS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "tag": st.fixed_dictionaries(
        {"tags": st.lists(LINE, min_size=1, max_size=4), "target": TARGET}
    ),
    "assign_role": st.fixed_dictionaries({"role": LINE, "target": TARGET}),
    "extract_invoice": st.fixed_dictionaries(
        {
            "fields": st.fixed_dictionaries(
                {"amount": st.integers(0, 10**6)}, optional={"number": LINE}
            )
        }
    ),
    "create_ticket": st.fixed_dictionaries(
        {"subject": LINE}, optional={"message": LINE, "category": LINE, "customer_name": LINE}
    ),
    "store_message": st.fixed_dictionaries(
        {"content": LINE, "direction": st.sampled_from(["inbound", "outbound"])},
        optional={"conversation_id": LINE, "external_id": LINE, "sender": LINE},
    ),
    "set_field": st.fixed_dictionaries(
        {"field": st.sampled_from(["status", "currency", "total", "missing"]), "value": MAYBE}
    ),
    "send_notification": st.fixed_dictionaries({"title": LINE}, optional={"body": LINE}),
    "call_webhook": st.fixed_dictionaries(
        {"event": st.from_regex(r"[a-z]{1,9}\.[a-z]{1,9}", fullmatch=True)},
        optional={"data": st.dictionaries(LINE, JSON, max_size=3)},
    ),
}


def actions_of(kinds: st.SearchStrategy[str]) -> st.SearchStrategy[Row]:
    """An action as the worker would render it from some configuration."""
    return kinds.flatmap(lambda kind: CONFIGS[kind].map(lambda config: rendered(kind, config)))


def rendered(kind: str, config: dict[str, Any]) -> Row:
    return action(kind, render_action(kind, config, context({"data": {"id": 1}})))


def reprocessed(connection: Connection, order: Row, actions: list[Row]) -> None:
    send_again(connection, order, "rules")
    act(connection, order["id"], *actions)


def prepared_again(connection: Connection, order: Row, actions: list[Row]) -> None:
    send_again(connection, order, "prepare")
    prepare(connection, order["id"], person=PERSON, fields=FIELDS)
    act(connection, order["id"], *actions)


def with_other_values(connection: Connection, order: Row, actions: list[Row]) -> None:
    """The same actions, whose templates have come to something else by now."""
    send_again(connection, order, "rules")
    others = [
        one | {"action_config": one["action_config"] | {"title": "Other", "subject": "Other"}}
        for one in actions
    ]
    act(connection, order["id"], *others)


def by_a_late_worker(connection: Connection, order: Row, actions: list[Row]) -> None:
    """Two workers have the event, one after the other, and both finish it."""
    send_again(connection, order, "rules")
    late = claim(connection, "rules", event_ids=[order["id"]])
    expire_leases(connection)
    second = claim(connection, "rules", event_ids=[order["id"]])
    assert claimed_ids(second) == {order["id"]}
    result = {"id": order["id"], "actions": actions}
    finish(connection, "rules", second["lease_id"], result)
    assert finish(connection, "rules", late["lease_id"], result)["lost"] == [str(order["id"])]


def listed_twice(connection: Connection, order: Row, actions: list[Row]) -> None:
    send_again(connection, order, "rules")
    act(connection, order["id"], *actions, *actions)


SECOND_TIMES: list[Callable[[Connection, Row, list[Row]], None]] = [
    reprocessed,
    prepared_again,
    with_other_values,
    by_a_late_worker,
    listed_twice,
]


def effects(connection: Connection) -> dict[str, Any]:
    """All that actions write and send, without what any writing touches."""
    rows: dict[str, Any] = written(connection)
    for table in ("people", "orders"):
        rows[table] = [{k: v for k, v in row.items() if k != "updated_at"} for row in rows[table]]
    query = "select id, published_event_id, webhook_id from public.webhook_deliveries order by id"
    return rows | {"deliveries": connection.execute(query).fetchall()}


def new_order(connection: Connection) -> Row:
    endpoint: Endpoint = make_endpoint(connection)
    make_webhook(connection, endpoint.user_id)
    return prepared(connection, endpoint, person=PERSON, fields=FIELDS)


SLOW = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.parametrize("kind", CONFIGS)
@given(data=st.data())
@SLOW
def test_an_action_done_twice_has_one_effect(
    hosted_database: Connection, kind: str, data: st.DataObject
) -> None:
    done = data.draw(actions_of(st.just(kind)))
    again = data.draw(st.sampled_from(SECOND_TIMES))
    hosted_database.execute("select")
    with hosted_database.transaction(force_rollback=True):
        order = new_order(hosted_database)
        act(hosted_database, order["id"], done)
        first = effects(hosted_database)

        again(hosted_database, order, [done])

        assert effects(hosted_database) == first
        entries = [e for e in log(hosted_database, order["id"]) if e["action_id"] is not None]
        assert len(entries) == 1


@given(
    actions=st.lists(actions_of(st.sampled_from(sorted(CONFIGS))), min_size=2, max_size=6),
    data=st.data(),
)
@SLOW
def test_many_actions_done_twice_have_one_effect_each(
    hosted_database: Connection, actions: list[Row], data: st.DataObject
) -> None:
    again = data.draw(st.sampled_from(SECOND_TIMES))
    hosted_database.execute("select")
    with hosted_database.transaction(force_rollback=True):
        order = new_order(hosted_database)
        act(hosted_database, order["id"], *actions)
        first = effects(hosted_database)

        again(hosted_database, order, actions)

        assert effects(hosted_database) == first
        entries = [e["action_id"] for e in log(hosted_database, order["id"]) if e["action_id"]]
        assert sorted(map(str, entries)) == sorted(one["action_id"] for one in actions)


@given(actions=st.lists(actions_of(st.just("call_webhook")), min_size=1, max_size=3))
@SLOW
def test_a_webhook_is_called_once_even_if_the_log_is_lost(
    hosted_database: Connection, actions: list[Row]
) -> None:
    hosted_database.execute("select")
    with hosted_database.transaction(force_rollback=True):
        order = new_order(hosted_database)
        act(hosted_database, order["id"], *actions)
        first = effects(hosted_database)
        assert len(first["deliveries"]) == len(actions)
        hosted_database.execute("delete from public.webhook_event_logs")

        reprocessed(hosted_database, order, actions)

        assert effects(hosted_database) == first


def test_every_action_is_tried() -> None:
    assert CONFIGS.keys() == ACTIONS.keys()
