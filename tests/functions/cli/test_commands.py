"""Every command as it is typed, against the functions as they run."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from functions.cli.__main__ import app
from functions.cli.output import show_answer
from receiver import receiving
from shared.signatures import SCHEMES
from tests.docs.documents import README
from tests.running_stack import RunningStack, User
from tests.shared.signatures.factories import SETTINGS

DELIVERED: dict[str, Any] = {"events": ["*"], "url": "http://127.0.0.1:9/hook"}


@dataclass(frozen=True)
class Cli:
    """The command line as one user."""

    environment: dict[str, str]
    url: str
    token: str

    def run(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "functions.cli", *arguments],
            env=self.environment | changes,
            capture_output=True,
            text=True,
            check=False,
        )

    def json(self, *arguments: str, **changes: str) -> Any:
        answer = self.run(*arguments, "--json", **changes)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return json.loads(answer.stdout)

    def create(self, path: str, **fields: object) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = httpx.post(f"{self.url}/api/{path}", headers=headers, json=fields, timeout=30)
        answer.raise_for_status()
        return answer.json()["data"]


def deliver(cli: Cli, stack: RunningStack) -> None:
    """Has dispatch deliver what waits."""
    httpx.post(
        f"{cli.url}/functions/v1/dispatch",
        headers={"Authorization": f"Bearer {stack.functions_secret}"},
        json={},
        timeout=60,
    ).raise_for_status()


@pytest.fixture
def cli(
    stack: RunningStack, functions_url: str, new_user: Callable[[], User], project_root: Path
) -> Cli:
    user = new_user()
    environment = {
        **os.environ,
        **stack.values,
        "DEMO_EMAIL": user.email,
        "DEMO_PASSWORD": user.password,
        "PYTHONPATH": str(project_root),
        "COLUMNS": "200",
    }
    return Cli(environment, functions_url, user.token)


def test_every_command_is_told() -> None:
    rows = README.table("Command line", "command")
    told = {row["command"].strip("`").split()[0] for row in rows}

    assert told == {
        command.callback.__name__ for command in app.registered_commands if command.callback
    }


def test_endpoints_are_listed(cli: Cli) -> None:
    made = cli.create("endpoints", name="Shop", scheme="stripe")

    (listed,) = cli.json("endpoints")
    shown = cli.run("endpoints").stdout

    assert (listed["id"], listed["scheme"]) == (made["id"], "stripe")
    assert made["slug"] in shown
    assert made["secret"] not in shown


def test_webhooks_are_listed(cli: Cli) -> None:
    made = cli.create("webhooks", name="Mine", **DELIVERED)

    (listed,) = cli.json("webhooks")

    assert listed["id"] == made["id"]
    assert "Mine" in cli.run("webhooks").stdout


def test_a_narrow_terminal_cuts_no_id(cli: Cli) -> None:
    made = cli.create(
        "webhooks", name="Mine", **DELIVERED | {"url": f"http://127.0.0.1:9/{'a' * 80}"}
    )

    names, row = cli.run("webhooks", COLUMNS="80").stdout.splitlines()

    assert names.split()[-1] == "id"
    assert row.split()[-1] == made["id"]
    assert row.index(made["id"]) == names.index("id")


PRIVATE = {name for name, scheme in SCHEMES.items() if scheme.has_private_key}


@pytest.mark.parametrize("scheme", sorted(set(SCHEMES) - PRIVATE - {"hmac", "slack"}))
def test_a_sample_passes_the_scheme_of_its_endpoint(cli: Cli, scheme: str) -> None:
    settings = SETTINGS.get(scheme, {})
    made = cli.create("endpoints", name="Shop", scheme=scheme, schemeSettings=settings)

    sent = cli.json("trigger", made["slug"], SECRET=made["secret"] or "")

    assert sent["state"] == "accepted"


@pytest.mark.parametrize("scheme", sorted(PRIVATE))
def test_what_a_source_signs_with_a_private_key_cannot_be_sent(cli: Cli, scheme: str) -> None:
    made = cli.create("endpoints", name="Shop", scheme=scheme, schemeSettings=SETTINGS[scheme])

    answer = cli.run("trigger", made["slug"], "--json")

    assert answer.returncode == 1
    assert json.loads(answer.stdout)["code"] == "invalid_state"


def test_a_file_is_sent_as_it_is(cli: Cli, tmp_path: Path) -> None:
    made = cli.create("endpoints", name="Slack", scheme="slack")
    body = {"type": "event_callback", "event_id": "Ev1", "event": {"type": "message", "text": "é"}}
    file = tmp_path / "body.json"
    file.write_text(json.dumps(body, indent=2, ensure_ascii=False))

    sent = cli.json("trigger", made["id"], "--file", str(file), SECRET=made["secret"])

    headers = {"Authorization": f"Bearer {cli.token}"}
    stored = httpx.get(f"{cli.url}/api/queue/{sent['id']}", headers=headers, timeout=30).json()
    assert stored["data"]["payload"] == body


def test_a_wrong_secret_is_refused_in_the_functions_words(cli: Cli) -> None:
    made = cli.create("endpoints", name="Shop", scheme="stripe")

    answer = cli.run("trigger", made["slug"], "--json", SECRET="whsec_wrong")

    assert answer.returncode == 1
    assert json.loads(answer.stdout)["code"] == "invalid_signature"


@pytest.mark.parametrize("scheme", ["stripe", "standard_webhooks"])
def test_a_secret_that_was_not_given_is_asked_for(cli: Cli, scheme: str) -> None:
    made = cli.create("endpoints", name="Shop", scheme=scheme)

    unsigned = cli.run("trigger", made["slug"], SECRET="")
    wrong = cli.run("trigger", made["slug"], SECRET="whsec_wrong")

    assert unsigned.returncode == 1
    assert "no secret was given" in unsigned.stdout
    assert "--secret" in unsigned.stdout
    assert "no secret was given" not in wrong.stdout


def test_people_are_shown_values_as_they_are_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    answer = {"id": "1", "_id": "1", "isTest": False, "finishedAt": None, "events": ["ä"]}

    show_answer(answer, as_json=False)

    assert capsys.readouterr().out.splitlines() == ["id: 1", "isTest: false", 'events: ["ä"]']


def test_an_unknown_endpoint_is_refused(cli: Cli) -> None:
    answer = cli.run("trigger", "nowhere")

    assert answer.returncode == 1
    assert "There is no endpoint nowhere" in answer.stdout


def test_a_delivery_is_watched_retried_and_replayed(cli: Cli, stack: RunningStack) -> None:
    # Nothing listens on port 9.
    webhook = cli.create("webhooks", name="Mine", **DELIVERED)
    event = cli.create("events", event="order.completed", data={"id": 1})
    deliver(cli, stack)

    (attempt, *_) = cli.json("tail", webhook["id"])
    shown = cli.run("tail", webhook["id"], COLUMNS="80").stdout
    retried = cli.json("retry", webhook["id"], attempt["deliveryId"])
    replayed = cli.json("replay", event["id"])

    assert (attempt["outcome"], attempt["attempt"]) == ("failed", 1)
    for name in ("attemptedAt", "eventType", "deliveryId", "error"):
        assert attempt[name] in shown
    assert (retried["id"], retried["status"]) == (attempt["deliveryId"], "pending")
    assert replayed.keys() >= {"id"}


MISTYPED = {
    "unknown command": ("nope",),
    "missing argument": ("tail",),
    "unknown option": ("endpoints", "--nope"),
    "missing file": ("trigger", "my-shop", "--file", "/nope"),
    "no number": ("tail", "some-id", "--limit", "many"),
    "another protocol": ("listen", "my-shop", "--forward-to", "ftp://x"),
    "no address": ("listen", "my-shop", "--forward-to", "nonsense"),
    "no host": ("listen", "my-shop", "--forward-to", "http://"),
    "no port": ("listen", "my-shop", "--forward-to", "http://localhost:port"),
}


@pytest.mark.parametrize("arguments", MISTYPED.values(), ids=MISTYPED)
def test_programs_are_told_in_json_what_was_typed_wrong(
    arguments: tuple[str, ...], project_root: Path
) -> None:
    mistyped = Cli({**os.environ, "PYTHONPATH": str(project_root)}, "", "")

    answer = mistyped.run(*arguments, "--json")

    assert (answer.returncode, answer.stderr) == (2, "")
    told = json.loads(answer.stdout)
    assert (told["status"], told["code"]) == ("error", "invalid_request")
    assert told["error"]


def test_people_are_shown_how_it_is_typed(project_root: Path) -> None:
    mistyped = Cli({**os.environ, "PYTHONPATH": str(project_root)}, "", "")

    answer = mistyped.run("tail")

    assert answer.returncode == 2
    assert "Usage:" in answer.stderr


def test_attempts_that_are_followed_are_one_json_object_a_line(
    cli: Cli, stack: RunningStack
) -> None:
    webhook = cli.create("webhooks", name="Mine", **DELIVERED)
    events = [cli.create("events", event="order.completed", data={"id": n}) for n in (1, 2)]
    deliver(cli, stack)

    following = subprocess.Popen(
        [sys.executable, "-m", "functions.cli", "tail", webhook["id"], "--follow", "--json"],
        env=cli.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert following.stdout is not None
    giving_up = threading.Timer(60, following.kill)
    giving_up.start()
    attempts = [json.loads(following.stdout.readline()) for _ in events]
    giving_up.cancel()
    following.terminate()
    following.communicate(timeout=60)

    assert {attempt["webhookId"] for attempt in attempts} == {webhook["id"]}


def test_events_are_shown_as_they_come_and_sent_on_signed(cli: Cli) -> None:
    made = cli.create("endpoints", name="Shop", scheme="webhook_signature")
    secret = {"SECRET": made["secret"]}
    cli.json("trigger", made["slug"], "--event", "too.early", **secret)

    with receiving() as receiver:
        listening = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "functions.cli",
                "listen",
                made["slug"],
                "--json",
                "--forward-to",
                receiver.url,
                "--count",
                "1",
            ],
            env=cli.environment | secret,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert listening.stderr is not None
        assert "Listening" in listening.stderr.readline()
        sent = cli.json("trigger", made["slug"], "--event", "order.paid", **secret)
        shown, _ = listening.communicate(timeout=60)

    event = json.loads(shown)
    assert (event["id"], event["eventType"], event["answered"]) == (sent["id"], "order.paid", 200)
    (received,) = receiver.received
    signature = hmac.new(made["secret"].encode(), received.body, hashlib.sha256).hexdigest()
    assert received.headers["x-webhook-signature"] == f"sha256={signature}"


def test_a_wrong_password_is_told(cli: Cli) -> None:
    answer = cli.run("endpoints", DEMO_PASSWORD="wrong")

    assert answer.returncode == 1
    assert answer.stdout.strip()


def test_functions_that_are_away_are_told(cli: Cli) -> None:
    answer = cli.run("endpoints", "--json", FUNCTIONS_URL="http://127.0.0.1:9")

    assert answer.returncode == 1
    assert json.loads(answer.stdout)["code"] == "service_unavailable"
