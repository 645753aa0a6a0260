"""The stack's database, which the rest of the tests run on, has the rights of a hosted project that was pushed to.

So a grant or a revoke that a migration lacks is missed in every test that goes through the API.
"""

from __future__ import annotations

from collections.abc import Callable

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

import api_server
from tests.database.rights import rights
from tests.database.rpcs import Connection
from tests.running_stack import RunningStack, User


def _ask(stack: RunningStack, headers: dict[str, str]) -> list[int]:
    """A table, its rows, and an RPC, which are what has the API server look at rights."""
    with httpx.Client(base_url=f"{stack.api_url}/rest/v1", headers=headers, timeout=30) as client:
        answers = [
            client.get("/webhooks", params={"select": "id", "limit": 1}),
            client.post("/event_types", json={"name": "Not A Name"}),
            client.post("/rpc/get_ingest_endpoint", json={"p_slug": "none"}),
        ]
    return [answer.status_code for answer in answers]


def test_the_stack_has_the_rights_of_a_hosted_project_and_no_others(
    stack: RunningStack,
    database: Connection,
    hosted_database: Connection,
    new_user: Callable[[], User],
) -> None:
    for headers in (stack.headers(), stack.headers(new_user()), stack.service_headers()):
        _ask(stack, headers)

    assert rights(database) == rights(hosted_database)


def test_the_comparison_sees_each_kind_of_right(
    hosted_database_url: str, hosted_database: Connection
) -> None:
    before = rights(hosted_database)
    for change in (
        "grant usage on schema private to anon",
        "grant select on public.webhooks to anon",
        "grant update (name) on public.webhooks to anon",
        "revoke select on public.webhooks from authenticated",
        "alter table public.webhooks disable row level security",
        "grant execute on function public.claim_deliveries to anon",
        "revoke execute on function public.claim_deliveries from service_role",
        "alter default privileges for role postgres in schema public grant select on tables to anon",
        "alter table public.webhooks owner to supabase_admin",
    ):
        with psycopg.connect(hosted_database_url, row_factory=dict_row) as other:
            other.execute(change)
            assert rights(other) != before, change
            other.rollback()


def test_the_api_refuses_what_no_migration_grants(stack: RunningStack) -> None:
    assert _ask(stack, stack.headers()) == [401, 401, 401]


@pytest.mark.parametrize(
    "statement",
    [
        "grant all on all tables in schema public to anon",
        "alter default privileges in schema public grant all on tables to anon",
    ],
)
def test_nobody_grants_as_the_api_server(stack: RunningStack, statement: str) -> None:
    with (
        psycopg.connect(stack.stack.admin_url()) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="Migrations grant"),
    ):
        connection.execute(statement)


def test_an_api_server_that_starts_again_grants_nothing_and_fails_nobodys_request(
    stack: RunningStack, database: Connection
) -> None:
    before = rights(database)
    api_server.schema_mark(stack.stack).touch()
    assert api_server.ensure_running(stack.stack, stack.values)

    assert _ask(stack, stack.service_headers())[0] == 200
    assert rights(database) == before
