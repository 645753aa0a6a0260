"""A batch of events through the rules of their owners (shared/rules.py).

Pure: what `claim_rules` handed out goes in, what `finish_rules` takes comes out. Neither an event nor an
owner holds up the rest of the batch.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from shared.rules import ClaimedEvent, InvoiceFieldMap, Rule, Rulebook, process_rules

BATCH_SECONDS = 20.0
"""What all rules of a batch may take, shared out among its owners. A lease is 60 s by default."""
MIN_SHARE_SECONDS = 0.5
TOO_SLOW = "Your rules take too long; make them simpler, then reprocess the event"

logger = logging.getLogger(__name__)


class Shares:
    """How long the rules of each owner may take in one batch.

    A batch whose lease runs out is lost for all who are in it, so that nobody may take the time of
    the others. Ordinary rules take less than a millisecond for an event.
    """

    def __init__(self, owners: set[str]) -> None:
        self._share = max(BATCH_SECONDS / max(len(owners), 1), MIN_SHARE_SECONDS)
        self._used: defaultdict[str, float] = defaultdict(float)

    def is_used_up(self, owner: str) -> bool:
        return self._used[owner] >= self._share

    def use(self, owner: str, seconds: float) -> None:
        self._used[owner] += seconds


def decide(
    claim: dict[str, Any], clock: Callable[[], float] = time.thread_time
) -> list[dict[str, Any]]:
    """From what `claim_rules` returned to what `finish_rules` takes. `clock` gives the seconds that
    this thread has worked for.
    """
    rulebook = Rulebook(
        [Rule.model_validate(rule) for rule in claim["rules"]],
        [InvoiceFieldMap.model_validate(owned) for owned in claim["invoice_field_maps"]],
    )
    shares = Shares({claimed["user_id"] for claimed in claim["events"]})
    results = []
    for claimed in claim["events"]:
        owner = claimed["user_id"]
        if shares.is_used_up(owner):
            results.append({"id": claimed["id"], "error": TOO_SLOW})
            continue
        started = clock()
        results.append(_decide_one(claimed, rulebook))
        shares.use(owner, clock() - started)
    return results


def _decide_one(claimed: dict[str, Any], rulebook: Rulebook) -> dict[str, Any]:
    try:
        event = ClaimedEvent.model_validate(claimed)
        results = process_rules(event, rulebook)
    except Exception:
        # A fault of ours with one event must not hold up the rest of the batch.
        logger.exception("event %s cannot be run through its rules", claimed["id"])
        return {"id": claimed["id"], "error": "The rules could not be applied"}
    return {"id": event.id, "actions": [result.as_json() for result in results]}
