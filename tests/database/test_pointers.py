"""Foreign keys carry the owner: no row of one user's can point to another's, or tell that it exists."""

from __future__ import annotations

import pytest
from psycopg.errors import ForeignKeyViolation

from tests.database.factories import insert
from tests.database.rpcs import Connection, Row, acting
from tests.database.tenants import Tenants

POINTERS = {
    "chat_messages": [
        ("webhook_event_id", "webhook_events"),
        ("entity_id", "entities"),
        ("person_id", "people"),
    ],
    "entity_roles": [("entity_id", "entities")],
    "entity_rule_actions": [("rule_id", "entity_automation_rules")],
    "entity_tags": [("entity_id", "entities")],
    "people": [("endpoint_id", "webhook_endpoints")],
    "people_entities": [("person_id", "people"), ("entity_id", "entities")],
}


OF_ONES_OWN: dict[str, Row] = {
    "chat_messages": {"content": "Hi"},
    "entity_roles": {"role": "customer"},
    "entity_rule_actions": {"position": 1, "action_type": "tag"},
    "entity_tags": {"tag": "vip"},
    "people": {},
    "people_entities": {},
}
"""What else such a row needs."""


@pytest.mark.parametrize(
    ("table", "column", "target"),
    [(table, *pointer) for table, pointers in POINTERS.items() for pointer in pointers],
)
def test_a_row_of_ones_own_cannot_point_into_anothers(
    tenants: Tenants, table: str, column: str, target: str
) -> None:
    mine = OF_ONES_OWN[table]
    if table == "people_entities":
        person = insert(tenants.connection, "public.people", user_id=tenants.other)["id"]
        mine = {"person_id": person, "entity_id": person}
    # The owner's own row points there, with the same tag or role: not even a conflict may tell.
    theirs = tenants.rows[table][column] or tenants.rows[target]["id"]

    with (
        pytest.raises(ForeignKeyViolation),
        acting(tenants.connection, "authenticated", tenants.other),
    ):
        insert(tenants.connection, f"public.{table}", **mine | {column: theirs})


def test_every_pointer_that_users_may_set_is_tried(hosted_database: Connection) -> None:
    found = hosted_database.execute(
        """
        select c.conrelid::regclass::text as "table", c.confrelid::regclass::text as target,
          a.attname as "column"
        from pg_constraint c
        join pg_attribute a on a.attrelid = c.conrelid and a.attnum = any (c.conkey)
        where c.contype = 'f' and c.connamespace = 'public'::regnamespace
          and c.confrelid::regclass::text not like 'auth.%%'
          and a.attname not in ('id', 'user_id')
          and (has_column_privilege('authenticated', c.conrelid, a.attnum, 'insert')
            or has_column_privilege('authenticated', c.conrelid, a.attnum, 'update'))
        """
    ).fetchall()

    tried = {(table, *pointer) for table, pointers in POINTERS.items() for pointer in pointers}
    assert {(row["table"], row["column"], row["target"]) for row in found} == tried
