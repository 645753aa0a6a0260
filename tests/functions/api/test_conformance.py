"""The running API does what its OpenAPI description says, whatever is sent to it.

No route is left out: signing in goes to the stack's own Auth, a webhook's test to its own dispatch.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from functions.api.app import create_app
from functions.api.docs import describe
from tests.functions.api.conftest import Connection
from tests.functions.conformance import (
    RIGHT,
    WRONG,
    Case,
    Mode,
    Sender,
    assert_conforms,
    operations,
)
from tests.running_stack import User

OPERATIONS = operations(describe(create_app()))
REQUESTS = 6
"""Per operation, right and wrong ones each."""
NOBODY_LISTENS = "http://127.0.0.1:9/"


class Owner:
    """A user with one of each resource that a path can name."""

    def __init__(self, url: str, user: User, database: Connection) -> None:
        self.user, self.database = user, database
        self.headers = {"Authorization": f"Bearer {user.token}"}
        self.client = httpx.Client(base_url=url, headers=self.headers, timeout=30)

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        response = self.client.post(path, json=body)
        assert response.is_success, response.text
        data: dict[str, Any] = response.json()["data"]
        return data

    def ids(self, path: str) -> dict[str, str]:
        """What to put into this path's places."""
        if "{webhook_id}" in path:
            return self._webhook("{delivery_id}" in path)
        if path.startswith("/api/events/{"):
            return {"event_id": self.post("/api/events", event="a.b", data={})["id"]}
        makers: dict[str, Callable[[], str]] = {
            # What reconcile does with other schemes asks their vendors; test_endpoint_reconcile.py has it.
            "endpoint_id": lambda: self._endpoint("none" if "reconcile" in path else "stripe"),
            "event_id": self._event,
            "rule_id": self._rule,
            "type_id": self._entity_type,
            "name": self._event_type,
        }
        return {name: make() for name, make in makers.items() if f"{{{name}}}" in path}

    def _endpoint(self, scheme: str) -> str:
        return str(self.post("/api/endpoints", name="Shop", scheme=scheme)["id"])

    def _event(self) -> str:
        event_id = uuid7()
        self.database.execute(
            "insert into public.webhook_events (id, endpoint_id, user_id, event_type, payload,"
            " scheme, dedupe_key, stage, entity_table, is_person)"
            " values (%s, %s, %s, 'a', %s, 'none', %s, 'review', 'order', false)",
            [event_id, self._endpoint("none"), self.user.id, Jsonb({}), f"id:{event_id}"],
        )
        return str(event_id)

    def _rule(self) -> str:
        return str(self.post("/api/rules", name="Tag", entityTable="order")["id"])

    def _entity_type(self) -> str:
        name = f"deal_{uuid.uuid4().hex}"
        fields = {"description": "Deals", "targetTable": "orders", "fieldMap": {}}
        return str(self.post("/api/entity-types", name=name, **fields)["id"])

    def _event_type(self) -> str:
        name = f"made.{uuid.uuid4().hex}"
        assert self.client.put(f"/api/event-types/{name}", json={}).is_success
        return name

    def _webhook(self, with_delivery: bool) -> dict[str, str]:
        event = f"made.{uuid.uuid4().hex}"
        webhook = self.post("/api/webhooks", name="To", url=NOBODY_LISTENS, events=[event])
        ids = {"webhook_id": str(webhook["id"])}
        if not with_delivery:
            return ids
        self.post("/api/events", event=event, data={})
        page = self.client.get(f"/api/webhooks/{webhook['id']}/deliveries").json()["data"]
        return ids | {"delivery_id": str(page["items"][0]["id"])}


@pytest.fixture(scope="module")
def user(new_user: Callable[[], User]) -> User:
    return new_user()


@pytest.fixture
def owner(functions_url: str, user: User, database: Connection) -> Iterator[Owner]:
    owner = Owner(functions_url, user, database)
    with owner.client:
        yield owner


@pytest.mark.parametrize("mode", [RIGHT, WRONG], ids=["right", "wrong"])
@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_is_as_described(
    label: str, mode: Mode, owner: Owner, functions_url: str
) -> None:
    operation = OPERATIONS[label]
    ids = owner.ids(operation.path)

    def fill(case: Case) -> None:
        case.path_parameters.update(ids)

    assert_conforms(operation, mode, REQUESTS, Sender(functions_url, owner.headers, fill))
