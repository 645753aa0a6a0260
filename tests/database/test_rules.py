"""public.save_rule: a rule with its actions, made or replaced at once."""

from __future__ import annotations

import uuid

import psycopg
import pytest

from tests.database.factories import insert, make_user
from tests.database.rpcs import Connection, Row, call_as, one, refused

TAG = {"action_type": "tag", "action_config": {"tags": ["vip"]}}
TICKET = {"action_type": "create_ticket", "action_config": {"subject": "Help"}}


def set_field(field: str | None) -> Row:
    return {"action_type": "set_field", "action_config": {"field": field, "value": "x"}}


def save(
    connection: Connection, owner: uuid.UUID, rule_id: object = None, **columns: object
) -> Row:
    rule = {"entity_table": "order", "name": "Rule", "actions": [TAG, TICKET]} | columns
    saved: Row = call_as(connection, owner, "save_rule", p_rule_id=rule_id, p_rule=rule)
    return saved


def kinds(rule: Row) -> list[str]:
    return [action["action_type"] for action in rule["actions"]]


def stored(connection: Connection, rule: Row) -> list[tuple[str, int]]:
    found = connection.execute(
        "select id, position from public.entity_rule_actions where rule_id = %s order by position",
        [rule["id"]],
    )
    return [(str(row["id"]), row["position"]) for row in found]


def test_a_rule_is_saved_with_its_actions_in_order(hosted_database: Connection) -> None:
    owner = make_user(hosted_database)

    rule = save(hosted_database, owner, condition="true", priority=5, description="Why")

    assert (rule["user_id"], rule["name"], rule["priority"]) == (str(owner), "Rule", 5)
    assert (rule["condition"], rule["description"], rule["is_active"]) == ("true", "Why", True)
    assert kinds(rule) == ["tag", "create_ticket"]
    assert [position for _, position in stored(hosted_database, rule)] == [1, 2]


def test_what_is_left_out_has_a_default(hosted_database: Connection) -> None:
    rule = save(hosted_database, make_user(hosted_database))

    assert (rule["condition"], rule["priority"], rule["is_active"]) == ("", 100, True)


def test_an_action_keeps_its_id_where_it_is_moved_and_changed(hosted_database: Connection) -> None:
    owner = make_user(hosted_database)
    rule = save(hosted_database, owner)
    tag, ticket = rule["actions"]
    changed = tag | {"action_config": {"tags": ["new"]}}

    again = save(hosted_database, owner, rule["id"], actions=[ticket, changed])

    assert again["actions"] == [ticket, changed]


def test_what_is_not_named_is_removed_and_what_has_no_id_is_added(
    hosted_database: Connection,
) -> None:
    owner = make_user(hosted_database)
    rule = save(hosted_database, owner)
    _, ticket = rule["actions"]

    again = save(hosted_database, owner, rule["id"], actions=[TAG, ticket])

    assert kinds(again) == ["tag", "create_ticket"]
    assert again["actions"][1]["id"] == ticket["id"]
    assert again["actions"][0]["id"] != rule["actions"][0]["id"]


def test_a_rule_may_have_no_actions(hosted_database: Connection) -> None:
    owner = make_user(hosted_database)
    rule = save(hosted_database, owner)

    assert save(hosted_database, owner, rule["id"], actions=[])["actions"] == []


def test_an_action_id_of_another_rule_is_not_taken_over(hosted_database: Connection) -> None:
    owner, stranger = make_user(hosted_database), make_user(hosted_database)
    theirs = save(hosted_database, owner)
    before = stored(hosted_database, theirs)

    mine = save(hosted_database, stranger, actions=[theirs["actions"][0]])

    assert mine["actions"][0]["id"] != theirs["actions"][0]["id"]
    assert stored(hosted_database, theirs) == before


def test_a_rule_belongs_to_whoever_made_it(hosted_database: Connection) -> None:
    owner, stranger = make_user(hosted_database), make_user(hosted_database)

    rule = save(hosted_database, owner, user_id=str(stranger))

    assert rule["user_id"] == str(owner)


def test_nobody_replaces_anothers_rule(hosted_database: Connection) -> None:
    rule = save(hosted_database, make_user(hosted_database))
    stranger = make_user(hosted_database)

    for unknown in (rule["id"], str(uuid.uuid4())):
        with refused("WH007"):
            save(hosted_database, stranger, unknown, name="Mine", actions=[])
    assert len(stored(hosted_database, rule)) == 2


def test_an_admin_changes_a_rule_for_its_owner(hosted_database: Connection) -> None:
    owner, admin = make_user(hosted_database), make_user(hosted_database)
    insert(hosted_database, "private.admins", user_id=admin)
    rule = save(hosted_database, owner)

    again = save(hosted_database, admin, rule["id"], name="Better", actions=[TAG])

    assert (again["user_id"], again["name"]) == (str(owner), "Better")
    query = "select distinct user_id from public.entity_rule_actions"
    assert one(hosted_database, query)["user_id"] == owner


@pytest.mark.parametrize(
    "columns",
    [
        {"name": ""},
        {"name": "x" * 201},
        {"condition": "x" * 2001},
        {"actions": [{"action_type": "Tag!"}]},
        {"actions": [{"action_type": "tag", "action_config": []}]},
    ],
)
def test_a_rule_out_of_bounds_is_refused_whole(hosted_database: Connection, columns: Row) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        save(hosted_database, make_user(hosted_database), **columns)

    assert hosted_database.execute("select from public.entity_automation_rules").fetchall() == []


NO_FIELDS = [
    ("user_id", "There is no field user_id that a rule may set"),
    ("nope", "There is no field nope that a rule may set"),
    ("subject", "There is no field subject that a rule may set"),
    (None, "There is no field without a name that a rule may set"),
]


@pytest.mark.parametrize(("field", "told"), NO_FIELDS)
def test_a_rule_that_would_set_what_no_rule_may_set_is_refused_whole(
    hosted_database: Connection, field: str | None, told: str
) -> None:
    owner = make_user(hosted_database)
    rule = save(hosted_database, owner)
    before = stored(hosted_database, rule)

    for rule_id in (None, rule["id"]):
        with refused("WH001", told):
            save(
                hosted_database,
                owner,
                rule_id,
                actions=[TAG, set_field("status"), set_field(field), set_field("another")],
            )

    kept = one(hosted_database, "select id from public.entity_automation_rules")
    assert str(kept["id"]) == rule["id"]
    assert stored(hosted_database, rule) == before


def test_the_fields_are_those_of_the_type_as_its_owner_has_it(hosted_database: Connection) -> None:
    owner = make_user(hosted_database)
    insert(
        hosted_database,
        "public.entity_types",
        user_id=owner,
        name="order",
        description="A ticket",
        target_table="tickets",
    )

    assert save(hosted_database, owner, actions=[set_field("subject")])["actions"]
    with refused("WH001", "There is no field subject that a rule may set"):
        save(hosted_database, make_user(hosted_database), actions=[set_field("subject")])
