"""What fails says so in the log, and is settled there when a later attempt goes well."""

from __future__ import annotations

import json

import pytest

from tests.database.factories import make_endpoint, make_event
from tests.database.pipeline import claim, event, expire_leases, log, work
from tests.database.rpcs import Connection, Row, call_as

SUCCESSES: dict[str, Row] = {
    "classify": {"entity_table": "order", "is_person": False, "confidence": 1},
    "prepare": {"fields": {"external_id": "o1"}},
    "rules": {"actions": []},
}


def steps(connection: Connection, event_id: object) -> dict[str, tuple[bool, str | None]]:
    return {
        row["action_type"]: (row["success"], row["error_message"])
        for row in log(connection, event_id)  # type: ignore[arg-type]
    }


@pytest.mark.parametrize("stage", SUCCESSES)
def test_a_failed_stage_is_logged_and_settled_by_a_later_success(
    hosted_database: Connection, stage: str
) -> None:
    endpoint = make_endpoint(hosted_database)
    event_id = make_event(hosted_database, endpoint, stage=stage)
    failed = work(hosted_database, stage, event_id, error="No", final=True)
    assert failed["status"] == "failed"
    assert steps(hosted_database, event_id) == {stage: (False, "No")}

    call_as(
        hosted_database,
        endpoint.user_id,
        "reprocess_events",
        p_event_ids=json.dumps([str(event_id)]),
        p_stage=None,
    )
    work(hosted_database, stage, event_id, **SUCCESSES[stage])
    assert steps(hosted_database, event_id)[stage] == (True, None)


def test_an_error_that_is_not_final_is_logged_too(hosted_database: Connection) -> None:
    event_id = make_event(hosted_database, make_endpoint(hosted_database))
    assert work(hosted_database, "classify", event_id, error="Later")["status"] == "pending"
    assert steps(hosted_database, event_id) == {"classify": (False, "Later")}


def test_a_payload_that_does_not_fit_is_logged_with_the_databases_words(
    hosted_database: Connection,
) -> None:
    event_id = make_event(hosted_database, make_endpoint(hosted_database), stage="prepare")
    failed = work(hosted_database, "prepare", event_id, fields={"total": "much"})
    assert steps(hosted_database, event_id)["prepare"] == (False, failed["error_message"])


def test_an_event_whose_workers_all_died_is_logged(hosted_database: Connection) -> None:
    event_id = make_event(hosted_database, make_endpoint(hosted_database))
    for _ in range(10):
        claim(hosted_database, "classify")
        expire_leases(hosted_database)
    claim(hosted_database, "classify")
    assert event(hosted_database, event_id)["status"] == "failed"
    assert steps(hosted_database, event_id) == {
        "classify": (False, "The worker did not finish in 10 attempts")
    }
