"""The commands in the README, run as printed, one block after the other, on the tests' stack."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from layout import LOCAL
from tests.conftest import Connection
from tests.docs.documents import README, ROOT, Block
from tests.running_stack import RunningStack

PATIENCE_SECONDS = 240


@dataclass(frozen=True)
class Step:
    """What one block printed."""

    heading: str
    output: str

    @property
    def answers(self) -> list[dict[str, Any]]:
        """The JSON objects in the output that begin a line, in order."""
        starts = [
            match.start() for match in re.finditer(r"^\{(?=\s*\")", self.output, re.MULTILINE)
        ]
        return [json.JSONDecoder().raw_decode(self.output, start)[0] for start in starts]


def runs_make(block: Block) -> bool:
    """Whether a block does nothing but call make; those are compared with the Makefile instead."""
    return all(line.startswith("make ") for line in block.text.splitlines())


BLOCKS = [block for block in README.blocks if block.language == "bash" and not runs_make(block)]


def run_blocks(blocks: list[Block], folder: Path) -> list[Step]:
    """Runs them in one shell, which ends with the first command that fails."""
    outputs = [folder / f"{number}.txt" for number in range(len(blocks))]
    lines = ["set -euo pipefail"]
    for block, output in zip(blocks, outputs, strict=True):
        lines += [f"exec > {output} 2>&1", block.text]
    ended = subprocess.run(
        ["bash", "-c", "\n".join(lines)],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    written = [output.read_text() for output in outputs if output.exists()]
    assert ended.returncode == 0, f"{blocks[len(written) - 1].text}\nended with:\n{written[-1]}"
    return [Step(block.heading, output) for block, output in zip(blocks, written, strict=True)]


def make_folder(folder: Path, stack: RunningStack) -> Path:
    """A folder with all that the commands use of a checkout."""
    shutil.copy(stack.stack.env_path, folder / ".env")
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


@pytest.fixture(scope="module")
def steps(
    stack: RunningStack, pipeline_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Step]]:
    """All blocks, done. What they made is taken away at the end."""
    folder = make_folder(tmp_path_factory.mktemp("first-steps"), stack)
    try:
        yield run_blocks(BLOCKS, folder)
    finally:
        with psycopg.connect(stack.database_url, autocommit=True) as database:
            database.execute("drop table if exists public.bookings")
            database.execute(
                "delete from auth.users where email = %s", [stack.values["DEMO_EMAIL"]]
            )


def under(steps: list[Step], heading: str) -> list[Step]:
    """The steps under a heading."""
    found = [step for step in steps if step.heading == heading]
    assert found, f"the README has no commands under {heading}"
    return found


def data_of(steps: list[Step], heading: str) -> list[dict[str, Any]]:
    """The data of all answers that were printed under a heading."""
    return [answer["data"] for step in under(steps, heading) for answer in step.answers]


def done(event: dict[str, Any]) -> list[str]:
    """The types of what was done with an event, in order."""
    assert all(entry["success"] for entry in event["log"])
    return [entry["actionType"] for entry in event["log"]]


def test_no_command_prints_an_error_but_the_one_that_shows_a_refusal(steps: list[Step]) -> None:
    errors = [answer for step in steps for answer in step.answers if answer["status"] != "success"]

    assert [error["code"] for error in errors] == ["invalid_signature"]
    assert not [step.output for step in steps if "has not come to the stage" in step.output]


def test_signing_in_prints_nothing_and_works_for_a_user_who_is_there_already(
    steps: list[Step], stack: RunningStack, tmp_path: Path
) -> None:
    assert {step.output for step in under(steps, "Sign in")} == {""}
    blocks = [block for block in BLOCKS if block.heading == "Sign in"]
    look = Block("bash", 'curl -sS "$FUNCTIONS_URL/api/endpoints" -H "$AUTH"', "Sign in")

    (*_, again) = run_blocks([*blocks, look], make_folder(tmp_path, stack))

    assert again.answers[0]["data"]["items"]


def test_the_new_endpoint_shows_its_address_and_its_secret(steps: list[Step]) -> None:
    (endpoint,) = data_of(steps, "Create an endpoint")

    assert endpoint["url"].endswith("/functions/v1/webhook-ingest/my-shop")
    assert re.fullmatch(r"[0-9a-f]{64}", endpoint["secret"])
    assert endpoint["processingMode"] == "review"


def test_a_webhook_is_accepted_then_a_duplicate_and_refused_if_badly_signed(
    steps: list[Step],
) -> None:
    first, second, refused = under(steps, "Send a webhook")

    assert "202 Accepted" in first.output
    assert first.answers[0]["data"]["state"] == "accepted"
    assert second.answers[0]["data"] == first.answers[0]["data"] | {"state": "duplicate"}
    assert "401 Unauthorized" in refused.output


def test_the_answers_shown_have_the_fields_of_real_ones(steps: list[Step]) -> None:
    blocks = [block for block in README.blocks if block.heading == "What a sender sees"]
    shown = [json.loads(block.text) for block in blocks]
    sent, _, refused = under(steps, "Send a webhook")

    assert [answer.keys() for answer in shown] == [
        sent.answers[0].keys(),
        refused.answers[0].keys(),
    ]
    assert shown[0]["data"].keys() == sent.answers[0]["data"].keys()
    assert shown[1] | {"requestId": ""} == refused.answers[0] | {"requestId": ""}


def test_the_event_waits_in_the_queue_as_an_order_of_a_person(steps: list[Step]) -> None:
    (queue,) = data_of(steps, "Look at it in the queue")
    (event,) = queue["items"]

    assert (event["stage"], event["entityTable"], event["isPerson"]) == ("review", "order", True)
    assert event["confidence"] > 0.7


def test_the_event_is_overridden_and_goes_on(steps: list[Step]) -> None:
    overridden, approved = data_of(steps, "Override and approve")

    assert (overridden["stage"], overridden["entityTable"]) == ("review", "invoice")
    assert approved["id"] == overridden["id"]
    assert approved["stage"] != "review"


def test_the_log_tells_every_step(steps: list[Step]) -> None:
    (event,) = data_of(steps, "Read its log")

    assert (event["status"], event["entityTable"]) == ("processed", "invoice")
    assert event["person"]["email"] == "ada@example.com"
    steps_in_order = ["classify", "override", "approve", "create_person", "create_entity"]
    assert done(event) == [*steps_in_order, "link_person"]


def test_the_new_rule_is_done_with_the_old_event(steps: list[Step]) -> None:
    rule, event = data_of(steps, "Add a rule")

    assert [action["actionType"] for action in rule["actions"]] == ["tag", "send_notification"]
    assert done(event)[-2:] == ["tag", "send_notification"]
    assert event["log"][-1]["actionConfig"]["title"] == "Ada Lovelace: 129.9 EUR"


def test_the_new_secret_verifies_the_sample(steps: list[Step]) -> None:
    rotated, sent = data_of(steps, "Rotate the secret")
    (endpoint,) = data_of(steps, "Create an endpoint")

    assert rotated["secret"] != endpoint["secret"]
    assert rotated["previousValidUntil"]
    assert sent["state"] == "accepted"


def test_a_receiver_gets_what_is_published_and_what_a_table_does(steps: list[Step]) -> None:
    webhook, test, published, *_ = data_of(steps, "Send events out")
    printed = "".join(step.output for step in under(steps, "Send events out"))

    assert webhook["secret"].startswith("whsec_")
    assert (test["status"], test["success"]) == (200, True)
    assert (published["state"], published["deliveries"]) == ("published", 1)
    assert re.search(
        r"message\.new sha256=[0-9a-f]{64} \{\"event\":\"message\.new\"", printed, re.MULTILINE
    )
    assert "message.created sha256=" in printed
    assert re.search(r"^booking\.updated sha256=.*\"nights\":4", printed, re.MULTILINE)


def test_the_log_and_the_statistics_of_a_webhook_tell_of_its_deliveries(
    steps: list[Step],
) -> None:
    *_, logs, stats, deleted = data_of(steps, "Send events out")

    assert {attempt["outcome"] for attempt in logs["items"]} == {"delivered"}
    assert stats["successRate"] == 1
    assert deleted["id"]


def test_a_receiver_that_was_away_gets_its_event_on_a_retry(steps: list[Step]) -> None:
    printed = under(steps, "Send events out")[-1].output

    assert "message.deleted sha256=" in printed


def test_the_demo_still_comes_through_beside_ones_own_rules_and_types(
    steps: list[Step], stack: RunningStack
) -> None:
    demo = subprocess.run(
        [sys.executable, str(LOCAL / "demo.py")],
        env={"PATH": os.environ["PATH"], **stack.values},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "samples came through as they should" in demo.stdout
    assert demo.returncode == 0


def test_a_webhook_becomes_a_row_of_ones_own_table(steps: list[Step], database: Connection) -> None:
    entity_type, event = data_of(steps, "Add an entity type of your own")
    row = database.execute(
        "select external_id, guest_email, nights, arrives_on::text from public.bookings"
    ).fetchall()

    assert entity_type["targetTable"] == "bookings"
    assert (event["status"], event["entityTable"]) == ("processed", "booking")
    assert "approve" not in done(event)
    assert event["person"]["email"] == "ada@example.com"
    assert row == [
        {
            "external_id": "stay-77",
            "guest_email": "ada@example.com",
            "nights": 4,  # three at first; "Send events out" changes it
            "arrives_on": "2027-05-01",
        }
    ]
