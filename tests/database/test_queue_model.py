"""Both queues, taken through any order of claims, crashes, finishes, late finishes and second starts.

Whatever the order: no row is held by two leases, attempts only grow, a lost lease changes nothing, what
is finished stays finished until its owner says otherwise, and nothing is lost.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import initialize, multiple, precondition, rule
from uuid_utils.compat import uuid7

from tests.database.deliveries import (
    claim_deliveries,
    finish_deliveries,
    make_webhook,
    manage,
    publish,
    results,
)
from tests.database.factories import incoming, make_endpoint
from tests.database.pipeline import approve, claim, claimed_ids, finish, ingest, reprocess
from tests.database.queue_models import Belief, Lease, QueueModel, keeps_to
from tests.database.rpcs import Connection, Row, refused

STAGES = ("classify", "prepare", "rules")
NEXT = {"classify": "prepare", "prepare": "rules", "rules": "done"}
CLASSIFIED = {"entity_table": "order", "is_person": False, "classified_by": "words"}
RESULTS: dict[str, dict[str, object]] = {
    "good": CLASSIFIED | {"confidence": 1},
    "unsure": CLASSIFIED | {"confidence": 0},
    "error": {"error": "No"},
    "final": {"error": "Never", "final": True},
}
MOST_ATTEMPTS = 10
MOST_DELIVERY_ATTEMPTS = 11
ALONE_AFTER = 3
LEAST_CONCURRENCY = 4
SOME = st.integers(min_value=1, max_value=4)


class Events(QueueModel):
    """The events that came in."""

    table = "webhook_events"
    leased_status = "processing"
    stages: ClassVar[st.SearchStrategy[str]] = st.sampled_from(STAGES)

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.endpoint = make_endpoint(connection)
        self.sent: list[Row] = []

    @initialize()
    def some_are_there(self) -> None:
        self.webhooks_come(3)

    @rule(count=SOME)
    def webhooks_come(self, count: int) -> None:
        sent = [incoming(self.endpoint) for _ in range(count)]
        with self.changing():
            answer = ingest(self.connection, *sent)
        assert answer == [{"id": str(row["id"]), "state": "accepted"} for row in sent]
        self.beliefs |= {row["id"]: Belief(stage="classify") for row in sent}
        self.sent += sent

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def a_webhook_comes_again(self, data: st.DataObject) -> None:
        row = data.draw(st.sampled_from(self.sent))
        with self.changing():
            answer = ingest(self.connection, row | {"id": uuid7()})
        assert answer == [{"id": str(row["id"]), "state": "duplicate"}]

    @rule(target=QueueModel.leases, stage=stages, limit=SOME)
    def a_worker_claims(self, stage: str, limit: int) -> Any:
        return self.claim(stage, limit)

    @rule(target=QueueModel.leases, stage=stages, times=st.sampled_from((2, MOST_ATTEMPTS + 1)))
    def workers_crash_one_after_the_other(self, stage: str, times: int) -> Any:
        leases = []
        for _ in range(times):
            lease = self.claim(stage, 1)
            if isinstance(lease, Lease):
                self.a_worker_crashes(lease)
                leases.append(lease)
        return multiple(*leases)

    def claim(self, stage: str, limit: int) -> Any:
        due = {i for i, b in self.beliefs.items() if b.stage == stage and b.is_due}
        with self.changing(due):
            batch = claim(self.connection, stage, limit)
        ids = self.in_order(claimed_ids(batch))
        assert len(ids) == len(batch["events"])
        lease = Lease(batch["lease_id"], ids, {}, stage)
        crashed = {i for i in due if self.beliefs[i].lease}
        if not any(self.beliefs[i].attempts >= ALONE_AFTER for i in crashed):
            assert len(ids) == min(limit, len(due))
        self.take(lease, due, MOST_ATTEMPTS)
        return lease if ids else multiple()

    def finish(self, lease: Lease, data: st.DataObject) -> None:
        outcomes = {id_: data.draw(st.sampled_from(sorted(RESULTS))) for id_ in lease.ids}
        held = self.held_by(lease)
        with self.changing(held):
            reports = [{"id": id_, **RESULTS[outcome]} for id_, outcome in outcomes.items()]
            answer = finish(self.connection, lease.stage, lease.id, *reports)
        assert set(answer["finished"]) == {str(id_) for id_ in held}
        assert set(answer["lost"]) == {str(id_) for id_ in set(lease.ids) - held}
        for id_ in held:
            self.beliefs[id_] = after(self.beliefs[id_], outcomes[id_])

    @precondition(lambda self: self.beliefs)
    @rule(data=st.data(), stage=st.none() | stages)
    def the_owner_reprocesses(self, data: st.DataObject, stage: str | None) -> None:
        """Whatever they point at: only what has come to an end begins once more."""
        id_ = data.draw(st.sampled_from(list(self.beliefs)))
        belief = self.beliefs[id_]
        failed_in = belief.stage if belief.status == "failed" else "prepare"
        begins = belief.status in {"failed", "processed"} and (
            belief.is_classified or (stage or belief.stage) == "classify"
        )
        with self.changing([id_] if begins else [], anew=True):
            answer = reprocess(self.connection, self.endpoint.user_id, id_, stage=stage)
        assert answer["queued"] == ([str(id_)] if begins else [])
        if begins:
            self.beliefs[id_] = Belief(stage=stage or failed_in, is_classified=belief.is_classified)

    @precondition(lambda self: self.beliefs)
    @rule(data=st.data())
    def the_owner_approves(self, data: st.DataObject) -> None:
        id_ = data.draw(st.sampled_from(list(self.beliefs)))
        waits = self.beliefs[id_].stage == "review"
        with self.changing([id_] if waits else []):
            answer = approve(self.connection, self.endpoint.user_id, id_)
        assert answer["approved"] == ([str(id_)] if waits else [])
        if waits:
            self.beliefs[id_] = Belief(stage="prepare", is_classified=True)


def after(belief: Belief, outcome: str) -> Belief:
    """What an event has come to, once the worker that holds it has reported."""
    if outcome in {"error", "final"}:
        is_over = outcome == "final" or belief.attempts >= MOST_ATTEMPTS
        return belief.left(status="failed" if is_over else "pending", is_due=False)
    if belief.stage == "rules":
        return belief.left(stage="done", status="processed", is_due=False)
    if belief.stage == "classify" and outcome == "unsure":
        return Belief(stage="review", is_classified=True, is_due=False)
    return Belief(stage=NEXT[belief.stage], is_classified=True)


class Deliveries(QueueModel):
    """The deliveries that go out, to one receiver: among several, claims begin with a random one."""

    table = "webhook_deliveries"
    leased_status = "delivering"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.webhook = make_webhook(connection)

    @initialize()
    def some_are_there(self) -> None:
        self.events_are_published(3)

    @rule(count=SOME)
    def events_are_published(self, count: int) -> None:
        for _ in range(count):
            with self.changing():
                publish(self.connection, self.webhook.user_id)
            (new,) = self.rows().keys() - self.beliefs.keys()
            self.beliefs[new] = Belief()

    @rule(target=QueueModel.leases, limit=SOME)
    def a_worker_claims(self, limit: int) -> Any:
        return self.claim(limit)

    @rule(target=QueueModel.leases, times=st.sampled_from((2, MOST_DELIVERY_ATTEMPTS + 1)))
    def workers_crash_one_after_the_other(self, times: int) -> Any:
        leases = []
        for _ in range(times):
            lease = self.claim(1)
            if isinstance(lease, Lease):
                self.a_worker_crashes(lease)
                leases.append(lease)
        return multiple(*leases)

    def claim(self, limit: int) -> Any:
        due = {i for i, b in self.beliefs.items() if b.is_due}
        with self.changing(due):
            batch = claim_deliveries(self.connection, limit)
        attempts = {uuid.UUID(row["id"]): row["attempt"] for row in batch["deliveries"]}
        assert len(attempts) == len(batch["deliveries"]) <= limit
        lease = Lease(batch["lease_id"], self.in_order(attempts), attempts)
        # A receiver that fails has few attempts under way, so what is due may have to wait.
        has_room = self.under_way() < LEAST_CONCURRENCY
        self.take(lease, due, MOST_DELIVERY_ATTEMPTS, must_take=has_room)
        return lease if attempts else multiple()

    def under_way(self) -> int:
        return len([id_ for id_ in self.those("leased") if not self.beliefs[id_].is_due])

    def finish(self, lease: Lease, data: st.DataObject) -> None:
        states = st.sampled_from(["delivered", "retry", "failed", "filtered"])
        outcomes = {id_: data.draw(states) for id_ in lease.ids}
        held = self.held_by(lease)
        with self.changing(held):
            answer = finish_deliveries(self.connection, reports(lease, outcomes))
        assert set(answer["finished"]) == {str(id_) for id_ in held}
        assert set(answer["lost"]) == {str(id_) for id_ in set(lease.ids) - held}
        for id_ in held:
            status = "pending" if outcomes[id_] == "retry" else outcomes[id_]
            self.beliefs[id_] = self.beliefs[id_].left(status=status, is_due=False)

    @precondition(lambda self: self.beliefs)
    @rule(data=st.data())
    def the_owner_retries(self, data: st.DataObject) -> None:
        id_ = data.draw(st.sampled_from(list(self.beliefs)))
        belief = self.beliefs[id_]
        if belief.status == "leased" or (belief.status == "pending" and belief.is_due):
            with self.changing(), refused("WH017"):
                self.retry(id_)
            return
        with self.changing([id_]):
            self.retry(id_)
        before = belief.attempts_before if belief.status == "pending" else belief.attempts
        self.beliefs[id_] = replace(belief, status="pending", is_due=True, attempts_before=before)

    def retry(self, id_: uuid.UUID) -> None:
        manage(self.connection, self.webhook.user_id, "retry_delivery", p_delivery_id=id_)

    @precondition(lambda self: self.beliefs)
    @rule(data=st.data())
    def the_owner_replays(self, data: st.DataObject) -> None:
        """All that an event's receivers have had, and nothing that they are about to have."""
        rows = self.rows()
        event_id = rows[data.draw(st.sampled_from(list(self.beliefs)))]["published_event_id"]
        over = [
            id_
            for id_ in self.those("delivered", "failed", "filtered")
            if rows[id_]["published_event_id"] == event_id
        ]
        with self.changing(over):
            answer = manage(
                self.connection, self.webhook.user_id, "replay_event", p_event_id=event_id
            )
        assert answer["queued"] == len(over)
        for id_ in over:
            belief = self.beliefs[id_]
            self.beliefs[id_] = replace(
                belief, status="pending", is_due=True, attempts_before=belief.attempts
            )


def reports(lease: Lease, outcomes: dict[uuid.UUID, str]) -> list[Row]:
    """What dispatch says of each delivery of a lease."""
    return [
        report
        for id_, state in outcomes.items()
        for report in results(
            {"lease_id": lease.id, "deliveries": [{"id": id_, "attempt": lease.attempts[id_]}]},
            state,
        )
    ]


def test_events_keep_to_the_model_in_any_order(hosted_database: Connection) -> None:
    keeps_to(Events, hosted_database)


def test_deliveries_keep_to_the_model_in_any_order(hosted_database: Connection) -> None:
    keeps_to(Deliveries, hosted_database)
