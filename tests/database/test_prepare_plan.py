"""How PostgreSQL finds the person and the record of an event among many: by index, whatever it knew when it planned."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.database.factories import Endpoint, make_endpoint, make_event
from tests.database.pipeline import claim, prepared
from tests.database.rpcs import Connection
from tests.database.test_claim_plan import Node, forget_statistics, plans

COUNT = 10_000
INDEXES = {
    "email": "people_email_idx",
    "phone": "people_phone_idx",
    "external_id": "people_external_id_idx",
}


@pytest.fixture(scope="module", params=["", "public.people, public.orders", "public.entities"])
def endpoint(
    hosted_database_url: str, request: pytest.FixtureRequest
) -> Iterator[tuple[Connection, Endpoint]]:
    """An owner with 10,000 people and as many orders. Plans were made when there were next to none."""
    with psycopg.connect(hosted_database_url, row_factory=dict_row) as connection:
        forget_statistics(connection)
        endpoint = make_endpoint(connection)
        for number in range(14):
            if number == 7 and request.param:
                connection.execute(f"analyze {request.param}")
            for key in INDEXES:
                prepared(
                    connection,
                    endpoint,
                    person={key: f"first{number}"},
                    fields={"external_id": f"first{number}"},
                )
        given = {"user_id": endpoint.user_id, "endpoint_id": endpoint.id, "count": COUNT}
        connection.execute(
            "insert into public.people (user_id, endpoint_id, email, phone, external_id)"
            " select %(user_id)s, %(endpoint_id)s, 'email' || n, 'phone' || n, 'external_id' || n"
            " from generate_series(1, %(count)s) n",
            given,
        )
        connection.execute(
            "insert into public.orders (user_id, external_id)"
            " select %(user_id)s, 'order' || n from generate_series(1, %(count)s) n",
            given,
        )
        try:
            yield connection, endpoint
        finally:
            connection.rollback()


def rows_read(nodes: list[Node], table: str) -> int:
    """Rows of a table that were looked at, whether they were of use or not."""
    return int(
        sum(
            (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
            for node in nodes
            if node.get("Relation Name") == table and node["Node Type"] != "ModifyTable"
        )
    )


@pytest.mark.parametrize("key", INDEXES)
def test_a_person_and_a_record_are_found_by_index(
    endpoint: tuple[Connection, Endpoint], key: str
) -> None:
    connection, source = endpoint
    with connection.transaction(force_rollback=True):
        connection.execute(
            "analyze public.orders"
        )  # statements about records are planned each time
        make_event(connection, source, stage="prepare", entity_table="order", is_person=True)
        (event,) = (batch := claim(connection, "prepare"))["events"]
        result = {
            "id": event["id"],
            "person": {key: f"{key}77"},
            "fields": {"external_id": "order77"},
        }

        nodes = plans(
            connection, "finish_prepare", p_lease_id=batch["lease_id"], p_results=[result]
        )

        assert INDEXES[key] in {node.get("Index Name") for node in nodes}
        # Found, read, told what is new, and looked up for those that refer to it.
        assert rows_read(nodes, "people") <= 6
        assert rows_read(nodes, "orders") <= 3
