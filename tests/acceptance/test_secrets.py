"""Canaries: secrets that must not show in any answer, log or row after they were set."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from receiver import Received, Receiver, Reply, receiving
from tests.database.tenants import TABLES
from tests.running_stack import RunningStack, User


@dataclass(frozen=True)
class Canaries:
    """What is secret about the webhooks of one user."""

    given: str
    rotated: str
    header: str
    slack_path: str

    def seen_in(self, text: str) -> list[str]:
        return [one for one in vars(self).values() if one in text]


@pytest.fixture
def canaries() -> Canaries:
    return Canaries(*(f"canary-{uuid.uuid4().hex}" for _ in range(4)))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Fails, and tells all that it was sent in its answer."""

    def echo(request: Received) -> Reply:
        told = f"{request.path} {dict(request.headers)}"
        return Reply(500, {"X-Seen": request.headers.get("x-token", "none")}, told.encode())

    with receiving() as started:
        started.reply = echo
        yield started


class Client:
    """A user of the API, who keeps every answer."""

    def __init__(self, url: str, user: User) -> None:
        self._client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {user.token}"}, timeout=60
        )
        self.answers: list[str] = []

    def close(self) -> None:
        """Takes the webhooks away, whose retries would go on."""
        for webhook in self.call("GET", "/webhooks")["items"]:
            self.call("DELETE", f"/webhooks/{webhook['id']}")
        self._client.close()

    def call(self, method: str, path: str, body: Any = None, *, keep: bool = True) -> Any:
        response = self._client.request(method, f"/api{path}", json=body)
        if keep:
            self.answers.append(response.text + str(response.headers))
        return response.json().get("data")


def use_everything(client: Client, receiver: Receiver, canaries: Canaries) -> None:
    """Sets secrets up, and does all that there is to do with their webhooks."""
    http = client.call(
        "POST",
        "/webhooks",
        {
            "name": "Canary",
            "url": receiver.url,
            "events": ["*"],
            "secret": canaries.given,
            "headers": {"X-Token": canaries.header},
            "signatureProfile": "whatscrm",
        },
        keep=False,  # the one answer that may show it
    )
    assert http["secret"] == canaries.given
    slack = client.call(
        "POST",
        "/webhooks",
        {
            "name": "Slack",
            "kind": "slack",
            "url": receiver.url.replace("/hook", f"/services/{canaries.slack_path}"),
            "events": ["*"],
            "secret": canaries.rotated,
        },
        keep=False,
    )
    client.call("PATCH", f"/webhooks/{http['id']}", {"name": "Canary bird"})
    client.call("PATCH", f"/webhooks/{http['id']}", {"headers": {"X-Token": "***"}})
    published = client.call("POST", "/events", {"event": "ticket.created", "data": {"a": 1}})
    for webhook in (http, slack):
        path = f"/webhooks/{webhook['id']}"
        client.call("POST", f"{path}/test", {"eventType": "ticket.created", "payload": {"b": 2}})
        for part in ("", "/logs", "/stats", "/deliveries"):
            client.call("GET", path + part)
        for delivery in client.call("GET", f"{path}/deliveries")["items"]:
            client.call("GET", f"{path}/deliveries/{delivery['id']}")
            client.call("POST", f"{path}/deliveries/{delivery['id']}/retry")
        client.call("POST", f"{path}/recover", {"since": "2020-01-01T00:00:00Z"})
    client.call("GET", "/webhooks")
    client.call("GET", f"/events/{published['id']}")
    client.call("POST", f"/events/{published['id']}/replay")
    client.call("PATCH", f"/webhooks/{http['id']}", {"url": f"http://{canaries.given}@x.example/"})
    client.call("POST", f"/webhooks/{http['id']}/regenerate-secret", keep=False)


def rows_of(stack: RunningStack, user: User) -> str:
    """Everything that the user can read through the Data API."""
    text = ""
    for table in TABLES:
        response = httpx.get(
            f"{stack.api_url}/rest/v1/{table}", headers=stack.headers(user), timeout=30
        )
        response.raise_for_status()
        text += response.text
    return text


def logs_of(stack: RunningStack) -> str:
    files = stack.stack.directory.glob("**/*.log")
    return "".join(file.read_text(errors="replace") for file in files)


def test_secrets_of_webhooks_show_nowhere_after_they_were_set(
    stack: RunningStack,
    functions_url: str,
    new_user: Callable[[], User],
    receiver: Receiver,
    canaries: Canaries,
) -> None:
    user = new_user()
    client = Client(functions_url, user)
    with closing(client):
        use_everything(client, receiver, canaries)
        check(stack, functions_url, user, receiver, canaries)
    for answer in client.answers:
        assert canaries.seen_in(answer) == [], answer


def check(
    stack: RunningStack, functions_url: str, user: User, receiver: Receiver, canaries: Canaries
) -> None:
    """Delivers what waits; then looks at what the receiver got, the user can read, and the logs tell."""
    httpx.post(
        f"{functions_url}/functions/v1/dispatch",
        headers={"Authorization": f"Bearer {stack.functions_secret}"},
        json={},
        timeout=60,
    ).raise_for_status()

    sent = "".join(f"{one.path} {one.headers}" for one in receiver.received)
    assert canaries.header in sent, "the receiver was never told, so that this test proves nothing"
    assert canaries.slack_path in sent
    assert "ticket.created" in rows_of(stack, user)
    assert canaries.seen_in(rows_of(stack, user)) == []
    logs = logs_of(stack)
    assert "dispatched" in logs
    assert canaries.seen_in(logs) == []
