"""When a dispatcher claims more: a database and a sender of the test's own say what there is, and when it ends."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from cryptography.fernet import Fernet

from functions.dispatch.batch import Targets
from functions.dispatch.dispatcher import CLAIMED_AT_ONCE, Counts, Dispatcher
from functions.dispatch.sender import Answer, Outgoing, Sender
from functions.dispatch.settings import DispatchSettings
from shared.database import Database
from shared.encryption import SecretBox
from shared.profiles import generate_secret

KEY = Fernet.generate_key().decode()
OK = Answer(200, {}, "OK", False, None, 1.0, None, None, True)


@dataclass
class Queue:
    """As many deliveries as wait, all of one event to one webhook; what is asked for is kept."""

    waiting: int
    asked: list[int] = field(default_factory=list)

    async def call(self, function: str, **arguments: Any) -> Any:
        if function == "finish_deliveries":
            return {"finished": [], "lost": []}
        self.asked.append(arguments["p_limit"])
        claimed = min(arguments["p_limit"], self.waiting)
        self.waiting -= claimed
        return self._claim(claimed)

    def _claim(self, count: int) -> dict[str, Any]:
        delivery = {"webhook_id": "hook", "event_id": "event", "attempt": 1, "try_number": 0}
        box = SecretBox.from_setting(KEY)
        secret = {"purpose": "signing", "name": "", "ciphertext": box.encrypt(generate_secret())}
        webhook = {
            "id": "hook",
            "url": "https://receiver.test/hook",
            "kind": "http",
            "signature_profile": "standard",
            "signature_settings": {},
            "body_style": "compact",
            "slack_settings": {},
            "filter": "",
            "timeout_seconds": 15,
            "secrets": [secret],
        }
        event = {
            "id": "event",
            "user_id": "user",
            "type": "message.created",
            "created_at": "2026-05-01T12:05:00Z",
            "is_test": False,
            "data": {},
        }
        return {
            "lease_id": str(uuid.uuid4()),
            "deliveries": [{"id": str(uuid.uuid4())} | delivery for _ in range(count)],
            "webhooks": [webhook],
            "events": [event],
            "schemas": [],
        }


@dataclass
class HeldSender:
    """Keeps what it is to send until it is told to let it go."""

    is_open: asyncio.Event = field(default_factory=asyncio.Event)
    under_way: int = 0
    most_under_way: int = 0

    async def send(self, _request: Outgoing) -> Answer:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await self.is_open.wait()
        self.under_way -= 1
        return OK


async def _settled(queue: Queue) -> list[int]:
    """What has been asked for by the time nothing more happens."""
    for _ in range(2_000):
        await asyncio.sleep(0)
    return list(queue.asked)


def _begin(queue: Queue, sender: HeldSender, *, room: int) -> asyncio.Task[Counts]:
    settings = DispatchSettings.model_validate(
        {
            "supabase_url": "http://127.0.0.1:1",
            "supabase_secret_key": "key",
            "functions_secret": "secret",
            "encryption_keys": KEY,
            "dispatch_concurrency": room,
        }
    )
    dispatcher = Dispatcher(
        cast("Database", queue),
        cast("Sender", sender),
        Targets(SecretBox.from_setting(KEY)),
        settings,
    )
    return asyncio.create_task(dispatcher.work())


async def test_while_there_is_more_the_next_claim_does_not_wait_for_the_last() -> None:
    queue, sender = Queue(waiting=1_000), HeldSender()
    task = _begin(queue, sender, room=300)

    assert await _settled(queue) == [CLAIMED_AT_ONCE, CLAIMED_AT_ONCE, 300 - 2 * CLAIMED_AT_ONCE]
    sender.is_open.set()
    counts = await task

    assert counts.delivered == 1_000
    assert sender.most_under_way == 300
    assert max(queue.asked) == CLAIMED_AT_ONCE


@pytest.mark.parametrize("waiting", [0, 1, CLAIMED_AT_ONCE - 1])
async def test_a_claim_that_got_less_than_it_asked_for_is_not_repeated_until_something_ends(
    waiting: int,
) -> None:
    queue, sender = Queue(waiting), HeldSender()
    task = _begin(queue, sender, room=500)

    assert await _settled(queue) == [CLAIMED_AT_ONCE]
    sender.is_open.set()
    counts = await task

    assert counts.delivered == waiting
    assert queue.asked == [CLAIMED_AT_ONCE] * (2 if waiting else 1)
