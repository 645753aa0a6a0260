"""Many events prepared at once: as if each had been prepared alone, in their order."""

from __future__ import annotations

import uuid
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from tests.database.factories import Endpoint, make_endpoint, make_event
from tests.database.pipeline import claim, event, finish, log
from tests.database.rpcs import Connection, one

Result = dict[str, Any]
TYPES = ["order", "ticket", "invoice", "person"]
PEOPLE = st.fixed_dictionaries(
    {},
    optional={
        "email": st.sampled_from(["ada@example.com", "Ada@example.com", "bob@example.com"]),
        "phone": st.sampled_from(["+1", "+2"]),
        "external_id": st.sampled_from(["c1", "c2"]),
        "name": st.sampled_from(["Ada", "Bob"]),
    },
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "external_id": st.sampled_from(["o1", "o2", "o3"]),
        "status": st.sampled_from(["open", "paid"]),
        "customer_email": st.sampled_from(["ada@example.com", "bob@example.com"]),
        "amount": st.sampled_from(["12.5", "no number"]),
        "total": st.sampled_from(["1", "no number"]),
    },
)
RESULTS = st.tuples(
    st.sampled_from(TYPES), st.booleans(), st.none() | PEOPLE, FIELDS, st.none() | st.just("No")
)
STEPS = (
    "select l.action_type, l.success, l.error_message, l.action_config, l.result -> 'found_by' as found_by"
    " from public.webhook_event_logs l where l.webhook_event_id = %s order by l.action_type"
)


def waiting(connection: Connection, endpoint: Endpoint, drafts: list[Any]) -> list[Result]:
    """Events of these types that are due, and what a worker says of each."""
    results = []
    for entity_table, is_person, person, fields, error in drafts:
        event_id = make_event(
            connection, endpoint, stage="prepare", entity_table=entity_table, is_person=is_person
        )
        said = (
            {"person": person, "fields": fields}
            if error is None
            else {"error": error, "final": True}
        )
        results.append({"id": str(event_id), **said})
    return results


def prepare(connection: Connection, *results: Result) -> None:
    """One batch of these."""
    batch = claim(connection, "prepare", len(results), [uuid.UUID(r["id"]) for r in results])
    finish(connection, "prepare", batch["lease_id"], *results)


def outcome(connection: Connection, results: list[Result]) -> list[Any]:
    """What became of the events, with the same number for the same row instead of ids that are made by chance."""
    numbers: dict[Any, int] = {}
    found: list[Any] = []
    for result in results:
        row = event(connection, uuid.UUID(result["id"]))
        ids = [row["person_id"], row["entity_id"]]
        named = [None if i is None else numbers.setdefault(i, len(numbers)) for i in ids]
        steps = connection.execute(STEPS, [row["id"]]).fetchall()
        found.append([row["stage"], row["status"], row["error_message"], named, steps])
    for table in ("people", "orders", "tickets", "invoices"):
        rows = connection.execute(
            sql.SQL("select * from public.{} where user_id = %s").format(sql.Identifier(table)),
            [row["user_id"]],
        )
        unlike = {"id", "created_at", "updated_at", "user_id", "endpoint_id"}
        kept = [{k: str(v) for k, v in r.items() if k not in unlike} for r in rows.fetchall()]
        found.append(sorted(kept, key=str))
    links = one(
        connection,
        "select count(*) from public.people_entities where user_id = %s",
        [row["user_id"]],
    )
    return [*found, links["count"]]


@given(drafts=st.lists(RESULTS, min_size=1, max_size=8))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_batch_ends_as_its_events_would_alone(
    hosted_database: Connection, drafts: list[Any]
) -> None:
    ends = []
    for together in (True, False):
        with hosted_database.transaction(force_rollback=True):
            results = waiting(hosted_database, make_endpoint(hosted_database), drafts)
            for batch in [results] if together else [[result] for result in results]:
                prepare(hosted_database, *batch)
            ends.append(outcome(hosted_database, results))

    assert ends[0] == ends[1]


def test_two_events_about_a_new_record_make_one(hosted_database: Connection) -> None:
    order = {"external_id": "o1"}
    drafts = [
        ("order", False, None, order | {"status": status}, None) for status in ("open", "paid")
    ]
    first, second = waiting(hosted_database, make_endpoint(hosted_database), drafts)

    prepare(hosted_database, first, second)

    rows = [event(hosted_database, uuid.UUID(result["id"])) for result in (first, second)]
    assert rows[0]["entity_id"] == rows[1]["entity_id"]
    assert one(hosted_database, "select status from public.orders")["status"] == "paid"
    steps = [[entry["action_type"] for entry in log(hosted_database, row["id"])] for row in rows]
    assert steps == [["create_entity"], ["update_entity"]]


def test_what_a_tracked_table_publishes_is_put_down_to_its_own_event(
    hosted_database: Connection,
) -> None:
    endpoint = make_endpoint(hosted_database)
    drafts = [("ticket", False, None, {"external_id": f"t{number}"}, None) for number in range(3)]
    results = waiting(hosted_database, endpoint, drafts)

    prepare(hosted_database, *results)

    published = hosted_database.execute(
        "select p.webhook_event_id::text as cause, p.data #>> '{ticket,external_id}' as ticket"
        " from public.published_events p where p.type = 'ticket.created'"
    ).fetchall()
    assert {row["ticket"]: row["cause"] for row in published} == {
        result["fields"]["external_id"]: result["id"] for result in results
    }


def test_what_a_users_own_trigger_publishes_is_put_down_to_its_own_event(
    hosted_database: Connection,
) -> None:
    endpoint = make_endpoint(hosted_database)
    hosted_database.execute(
        "create function public.tell() returns trigger language plpgsql as $$ begin"
        " perform private.publish_event('order.told', json_build_object('order', new.external_id)::text,"
        " new.user_id, null); return new; end $$;"
        "create trigger tell after insert on public.orders for each row execute function public.tell()"
    )
    drafts = [("order", False, None, {"external_id": f"o{number}"}, None) for number in range(3)]
    results = waiting(hosted_database, endpoint, drafts)

    prepare(hosted_database, *results)

    published = hosted_database.execute(
        "select webhook_event_id::text as cause, data ->> 'order' as told"
        " from public.published_events where type = 'order.told'"
    ).fetchall()
    assert {row["told"]: row["cause"] for row in published} == {
        result["fields"]["external_id"]: result["id"] for result in results
    }


def test_a_person_of_whom_nothing_new_is_said_is_left_alone(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    known = {"email": "ada@example.com", "name": "Ada"}
    versions = []
    for said in (known, known, known | {"phone": "+1"}):
        prepare(
            hosted_database, *waiting(hosted_database, endpoint, [("order", True, said, {}, None)])
        )
        versions.append(
            one(hosted_database, "select ctid::text as version from public.people")["version"]
        )

    assert versions[0] == versions[1] != versions[2]
