"""What a model of a queue has: beliefs about its rows, which the database must share after every step."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from psycopg import sql

from tests.database.rpcs import Connection, Row

BUDGET = settings(
    max_examples=12,
    stateful_step_count=30,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
"""What a model may cost: some ten seconds."""


@dataclass(frozen=True)
class Lease:
    """What a claim gave out. A worker may come back with it at any time, also when it is long lost."""

    id: str
    ids: tuple[uuid.UUID, ...]
    attempts: dict[uuid.UUID, int]
    """By id: the number of the attempt that the claim began."""
    stage: str = ""


@dataclass(frozen=True)
class Belief:
    """What must be true of a row."""

    status: str = "pending"
    attempts: int = 0
    lease: str | None = None
    is_due: bool = True
    """Whether a claim may take it: its wait is over, or its lease has run out."""
    stage: str = ""
    is_classified: bool = False
    attempts_before: int = 0

    def leased(self, lease_id: str) -> Belief:
        return replace(
            self, status="leased", attempts=self.attempts + 1, lease=lease_id, is_due=False
        )

    def left(self, **fields: Any) -> Belief:
        """No longer leased."""
        return replace(self, lease=None, **fields)


class QueueModel(RuleBasedStateMachine):
    """Steps through one queue in one transaction, in which the database's clock stands still."""

    leases: ClassVar[Bundle[Lease]] = Bundle("leases")
    table: ClassVar[str]
    leased_status: ClassVar[str]

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self.connection = connection
        self.beliefs: dict[uuid.UUID, Belief] = {}
        self.given: list[Lease] = []

    def teardown(self) -> None:
        self.connection.rollback()

    def rows(self) -> dict[uuid.UUID, Row]:
        query = sql.SQL("select * from public.{}").format(sql.Identifier(self.table))
        return {row["id"]: row for row in self.connection.execute(query)}

    def those(self, *statuses: str) -> list[uuid.UUID]:
        """Rows believed to have one of these statuses, in the order in which they came."""
        return [id_ for id_, belief in self.beliefs.items() if belief.status in statuses]

    def in_order(self, ids: Iterable[uuid.UUID]) -> tuple[uuid.UUID, ...]:
        """These ids in the order in which they came: the same steps then are the same once more."""
        wanted = set(ids)
        return tuple(id_ for id_ in self.beliefs if id_ in wanted)

    def held_by(self, lease: Lease) -> set[uuid.UUID]:
        return {id_ for id_ in lease.ids if self.beliefs[id_].lease == lease.id}

    @contextmanager
    def changing(self, ids: Iterable[uuid.UUID] = (), *, anew: bool = False) -> Iterator[None]:
        """The block changes these rows at most: every other stays as it is, column by column.

        Attempts never shrink, unless a row begins `anew` or in another stage.
        """
        before = self.rows()
        yield
        after = self.rows()
        changed = set(ids)
        assert before.keys() <= after.keys(), "a row is gone"
        assert [i for i in before if i not in changed and before[i] != after[i]] == []
        for id_ in changed & before.keys():
            if not anew and before[id_].get("stage") == after[id_].get("stage"):
                assert after[id_]["attempts"] >= before[id_]["attempts"]

    def take(
        self, lease: Lease, may_have: set[uuid.UUID], used_up: int, *, must_take: bool = True
    ) -> None:
        """A claim gave this; of what it might have taken, it fails what has used its attempts up."""
        assert set(lease.ids) <= may_have
        rows = self.rows()
        failed = {id_ for id_ in may_have if rows[id_]["status"] == "failed"}
        self.given += [lease] if lease.ids else []
        for id_ in lease.ids:
            self.beliefs[id_] = self.beliefs[id_].leased(lease.id)
        for id_ in failed:
            belief = self.beliefs[id_]
            assert belief.lease
            assert belief.attempts - belief.attempts_before >= used_up
            self.beliefs[id_] = belief.left(status="failed", is_due=False)
        assert lease.ids or failed or not (may_have and must_take), "what is due is not given out"

    @rule(lease=leases)
    def a_worker_crashes(self, lease: Lease) -> None:
        """Its lease runs out, for what it still holds."""
        held = self.held_by(lease)
        query = sql.SQL(
            "update public.{} set leased_until = now() - interval '1 second' where lease_id = %s"
        ).format(sql.Identifier(self.table))
        with self.changing(held):
            self.connection.execute(query, [lease.id])
        for id_ in held:
            self.beliefs[id_] = replace(self.beliefs[id_], is_due=True)

    def finish(self, lease: Lease, data: st.DataObject) -> None:
        """A worker reports any outcome for all that its claim gave it."""
        raise NotImplementedError

    @rule(lease=leases, data=st.data())
    def a_worker_finishes(self, lease: Lease, data: st.DataObject) -> None:
        """In time, late, too late, or for the second time."""
        self.finish(lease, data)

    @precondition(lambda self: self.lost())
    @rule(data=st.data())
    def a_worker_finishes_what_it_has_lost(self, data: st.DataObject) -> None:
        self.finish(data.draw(st.sampled_from(self.lost())), data)

    def lost(self) -> list[Lease]:
        """Leases that hold nothing any more."""
        return [lease for lease in self.given if not self.held_by(lease)]

    @rule()
    def time_goes_by(self) -> None:
        """Every wait is over."""
        query = sql.SQL("update public.{} set run_after = now() where status = 'pending'")
        self.connection.execute(query.format(sql.Identifier(self.table)))
        for id_ in self.those("pending"):
            self.beliefs[id_] = replace(self.beliefs[id_], is_due=True)

    @invariant()
    def the_database_agrees(self) -> None:
        """Nothing is lost, nothing is there twice, and each row has the one lease that it should have."""
        found = {
            id_: (
                "leased" if row["status"] == self.leased_status else row["status"],
                row.get("stage", ""),
                row["attempts"],
                None if row["lease_id"] is None else str(row["lease_id"]),
            )
            for id_, row in self.rows().items()
        }
        assert found == {
            id_: (belief.status, belief.stage, belief.attempts, belief.lease)
            for id_, belief in self.beliefs.items()
        }


def keeps_to(model: type[QueueModel], connection: Connection) -> None:
    """Raises AssertionError, with the shortest steps that lead to it, if the queue does not."""
    run_state_machine_as_test(
        lambda: model(connection),  # type: ignore[arg-type]  # any factory will do
        settings=BUDGET,
    )
