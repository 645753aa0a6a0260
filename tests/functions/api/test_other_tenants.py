"""Of what is another user's, the running API tells no more than of what is not there: on no route."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.functions.api.conftest import Connection
from tests.functions.api.test_conformance import OPERATIONS, Owner
from tests.functions.conformance import RIGHT, Case
from tests.running_stack import User

REQUESTS = 12
"""Per operation; some bodies that a description allows are refused before anything is looked for."""
MAKES_ONES_OWN = {"PUT /api/event-types/{name}"}
"""A name is each user's own: what another has under it is neither seen nor changed."""
NAMING = [
    label for label, one in OPERATIONS.items() if "{" in one.path and label not in MAKES_ONES_OWN
]


@dataclass(frozen=True)
class Stranger:
    """Somebody else, who has come by an id."""

    client: httpx.Client

    def told(self, case: Case, base_url: str, ids: dict[str, str]) -> tuple[int, Any]:
        """Status and answer, with the ids taken out of it."""
        case.path_parameters.update(ids)
        arguments = case.as_transport_kwargs(base_url)
        answer = self.client.request(
            arguments["method"],
            arguments["url"],
            params=arguments.get("params"),
            headers={"X-Request-Id": "same"},
            json=arguments.get("json"),
        )
        text = answer.text
        for value in ids.values():
            text = text.replace(value, "ID")
        return answer.status_code, text


@pytest.fixture(scope="module")
def user(new_user: Callable[[], User]) -> User:
    return new_user()


@pytest.fixture
def owner(functions_url: str, user: User, database: Connection) -> Iterator[Owner]:
    owner = Owner(functions_url, user, database)
    with owner.client:
        yield owner


@pytest.fixture(scope="module")
def stranger(new_user: Callable[[], User]) -> Iterator[Stranger]:
    headers = {"Authorization": f"Bearer {new_user().token}"}
    with httpx.Client(headers=headers, timeout=30) as client:
        yield Stranger(client)


@pytest.mark.parametrize("label", NAMING)
def test_what_is_anothers_is_answered_like_what_is_not_there(
    label: str, owner: Owner, stranger: Stranger, functions_url: str
) -> None:
    operation = OPERATIONS[label]
    theirs = owner.ids(operation.path)
    nobodys = {name: str(uuid.uuid4()) for name in theirs}
    statuses = []

    @settings(
        max_examples=REQUESTS,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=RIGHT))
    def answers_alike(case: Case) -> None:
        status, told = stranger.told(case, functions_url, theirs)
        assert (status, told) == stranger.told(case, functions_url, nobodys)
        assert status in {400, 404}, told
        statuses.append(status)

    answers_alike()
    assert 404 in statuses
