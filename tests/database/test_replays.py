"""Replays: which events are decided about anew, what is listed, and what a real one changes."""

from __future__ import annotations

import uuid

import pytest

from tests.database.factories import (
    FAILED,
    PROCESSED,
    Endpoint,
    in_review,
    insert,
    make_admin,
    make_endpoint,
    make_event,
    make_events,
    make_user,
)
from tests.database.pipeline import (
    act,
    action,
    audits,
    claim,
    claim_replay,
    claimed_ids,
    classify,
    differences,
    event,
    finish,
    finish_replay,
    log,
    override,
    prepared,
    replay,
    replay_row,
    reprocess,
    start_replay,
    work,
    written,
)
from tests.database.rpcs import Connection, Row, call_as, one, refused

LABEL = {"entity_table": "order", "is_person": False, "confidence": 0.9, "classified_by": "new"}
TAG = action("tag", {"tags": ["vip"]})


@pytest.fixture
def endpoint(hosted_database: Connection) -> Endpoint:
    return make_endpoint(hosted_database)


def order(connection: Connection, endpoint: Endpoint, **columns: object) -> uuid.UUID:
    """An order that is through."""
    return make_event(connection, endpoint, **PROCESSED | columns)


def result(event_id: uuid.UUID, *actions: Row) -> Row:
    return {"id": event_id, "actions": list(actions)}


def candidates(
    connection: Connection, user_id: uuid.UUID, stage: str, **asked: object
) -> set[uuid.UUID]:
    """Events that a replay of a stage would decide about."""
    started = start_replay(connection, user_id, stage, **asked)
    found = claimed_ids(claim_replay(connection, stage, limit=1000))
    assert started["total"] == len(found)
    return found


def expire(connection: Connection) -> None:
    """As if the replay had been leased long ago."""
    connection.execute(
        "update public.event_replays set leased_until = now() where lease_id is not null"
    )


def test_a_dry_run_of_rules_lists_what_would_be_done(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    record = insert(hosted_database, "public.orders", user_id=endpoint.user_id)
    same = order(hosted_database, endpoint)
    other = order(hosted_database, endpoint, entity_id=record["id"])

    found = replay(hosted_database, endpoint.user_id, "rules", result(same), result(other, TAG))

    assert (found["status"], found["total"], found["examined"]) == ("done", 2, 2)
    assert (found["different"], found["failing"], found["requeued"]) == (1, 0, 0)
    told = {name: TAG[name] for name in TAG if name != "duration_ms"}
    assert differences(hosted_database, found["id"]) == {
        other: {
            "webhook_event_id": other,
            "before": {"status": "processed"},
            "after": {"actions": [told]},
        }
    }


def test_a_dry_run_changes_no_event_and_does_nothing(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    made = prepared(hosted_database, endpoint, fields={"external_id": "o1"})
    act(hosted_database, made["id"])
    before = (event(hosted_database, made["id"]), log(hosted_database, made["id"]))
    rows = written(hosted_database)

    replay(hosted_database, endpoint.user_id, "rules", result(made["id"], TAG))
    label = {"id": made["id"]} | LABEL | {"entity_table": "invoice"}
    replay(hosted_database, endpoint.user_id, "classify", label)
    replay(hosted_database, endpoint.user_id, "prepare", {"id": made["id"], "fields": {"total": 1}})

    assert (event(hosted_database, made["id"]), log(hosted_database, made["id"])) == before
    assert written(hosted_database) == rows


def test_a_real_run_puts_back_what_would_be_different_and_nothing_else(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    same, other = order(hosted_database, endpoint), order(hosted_database, endpoint)

    results = (result(same), result(other, TAG))
    found = replay(hosted_database, endpoint.user_id, "rules", *results, is_dry_run=False)

    assert (found["different"], found["requeued"]) == (1, 1)
    assert event(hosted_database, same)["status"] == "processed"
    again = event(hosted_database, other)
    assert (again["status"], again["stage"], again["attempts"]) == ("pending", "rules", 0)


def test_a_second_real_run_finds_nothing_more_to_do(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    made = prepared(hosted_database, endpoint, fields={"external_id": "o1"})
    act(hosted_database, made["id"])
    owner = endpoint.user_id
    replay(hosted_database, owner, "rules", result(made["id"], TAG), is_dry_run=False)
    act(hosted_database, made["id"], TAG)

    start_replay(hosted_database, owner, "rules", is_dry_run=False)
    batch = claim_replay(hosted_database, "rules")

    (given,) = batch["events"]
    assert given["done_actions"] == [TAG["action_id"]]
    finish_replay(hosted_database, batch["lease_id"], result(made["id"]))
    assert event(hosted_database, made["id"])["status"] == "processed"


def test_a_classification_that_is_the_same_is_no_difference(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    made = order(hosted_database, endpoint, ai_confidence=0.5, classified_by="old")

    assert (
        replay(hosted_database, endpoint.user_id, "classify", {"id": made} | LABEL)["different"]
        == 0
    )


@pytest.mark.parametrize("changed", [{"entity_table": "invoice"}, {"is_person": True}])
def test_another_label_is_a_difference(
    hosted_database: Connection, endpoint: Endpoint, changed: Row
) -> None:
    made = order(hosted_database, endpoint, classified_by="old")

    found = replay(hosted_database, endpoint.user_id, "classify", {"id": made} | LABEL | changed)

    told = differences(hosted_database, found["id"])[made]
    assert told["before"] == {
        "entity_table": "order",
        "is_person": False,
        "confidence": None,
        "classified_by": "old",
        "status": "processed",
        "stage": "done",
    }
    assert told["after"] == LABEL | {"stage": "prepare"} | changed


def test_an_event_in_review_that_need_not_be_there_is_a_difference(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    sure = in_review(hosted_database, endpoint, is_person=False)
    unsure = in_review(hosted_database, endpoint, is_person=False)
    labels = {"id": sure} | LABEL, {"id": unsure} | LABEL | {"confidence": 0.1}

    found = replay(hosted_database, endpoint.user_id, "classify", *labels, is_dry_run=False)

    assert differences(hosted_database, found["id"]).keys() == {sure}
    assert event(hosted_database, sure)["stage"] == "classify"
    assert event(hosted_database, unsure)["stage"] == "review"
    assert classify(hosted_database, sure, **LABEL)["stage"] == "prepare"


def test_what_a_person_labelled_is_not_classified_anew(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    owner = endpoint.user_id
    labelled = in_review(hosted_database, endpoint)
    override(hosted_database, owner, labelled, entity_table="invoice")
    guessed = in_review(hosted_database, endpoint)

    assert candidates(hosted_database, owner, "classify") == {guessed}


def test_other_values_of_a_payload_are_a_difference(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    person, fields = {"email": "ada@example.com", "phone": None}, {"external_id": "o1", "total": 5}
    made = prepared(hosted_database, endpoint, person=person, fields=fields)
    act(hosted_database, made["id"])
    owner, same = endpoint.user_id, {"id": made["id"], "person": person, "fields": fields}

    assert replay(hosted_database, owner, "prepare", same)["different"] == 0
    other = same | {"fields": fields | {"total": 6}}
    found = replay(hosted_database, owner, "prepare", other)

    told = differences(hosted_database, found["id"])[made["id"]]
    assert told["before"]["fields"] == {"external_id": "o1", "total": 5}
    assert told["after"] == {
        "fields": {"external_id": "o1", "total": 6},
        "person": {"email": "ada@example.com"},
    }


def test_the_same_person_again_is_no_difference(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    person = {"email": "ada@example.com", "name": "Ada"}
    made = prepared(hosted_database, endpoint, "person", person=None, fields=person)
    act(hosted_database, made["id"])
    owner = endpoint.user_id

    same = {"id": made["id"], "person": None, "fields": person}
    assert replay(hosted_database, owner, "prepare", same)["different"] == 0
    other = same | {"fields": person | {"name": "Augusta"}}
    assert replay(hosted_database, owner, "prepare", other)["different"] == 1


def test_a_record_that_is_gone_is_a_difference(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    made = prepared(hosted_database, endpoint, fields={"external_id": "o1"})
    act(hosted_database, made["id"])
    hosted_database.execute("delete from public.orders where id = %s", [made["entity_id"]])

    same = {"id": made["id"], "fields": {"external_id": "o1"}}
    assert replay(hosted_database, endpoint.user_id, "prepare", same)["different"] == 1


def test_what_fails_in_a_replay_is_listed_and_left_as_it_is(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    made = order(hosted_database, endpoint)

    failing = {"id": made, "error": "Too slow"}
    found = replay(hosted_database, endpoint.user_id, "rules", failing, is_dry_run=False)

    assert (found["failing"], found["different"], found["requeued"]) == (1, 1, 0)
    assert differences(hosted_database, found["id"])[made]["after"] == {"error": "Too slow"}
    assert event(hosted_database, made)["status"] == "processed"


def test_a_failed_event_that_would_go_on_is_a_difference(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    failed = make_event(hosted_database, endpoint, stage="rules", **FAILED)

    found = replay(hosted_database, endpoint.user_id, "rules", result(failed), is_dry_run=False)

    assert differences(hosted_database, found["id"])[failed]["before"] == {
        "status": "failed",
        "error": "No",
    }
    assert work(hosted_database, "rules", failed, actions=[])["status"] == "processed"


def test_each_stage_takes_the_events_that_are_past_it(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    through = order(hosted_database, endpoint)
    failed = {
        stage: make_event(hosted_database, endpoint, stage=stage, **FAILED)
        for stage in ("classify", "prepare", "rules")
    }
    waiting = in_review(hosted_database, endpoint)
    for stage in ("classify", "prepare", "rules"):
        make_event(hosted_database, endpoint, stage=stage)
    owner = endpoint.user_id

    rules = {through, failed["rules"]}
    assert candidates(hosted_database, owner, "rules") == rules
    assert candidates(hosted_database, owner, "prepare") == rules | {failed["prepare"]}
    everything = {through, waiting, *failed.values()}
    assert candidates(hosted_database, owner, "classify") == everything


def test_a_replay_keeps_to_its_filters(hosted_database: Connection, endpoint: Endpoint) -> None:
    owner = endpoint.user_id
    elsewhere = make_endpoint(hosted_database, owner)
    here = order(hosted_database, endpoint, created_at="2026-11-01T10:00:00Z")
    there = order(hosted_database, elsewhere, created_at="2026-11-01T11:00:00Z")
    invoice = order(
        hosted_database, elsewhere, entity_table="invoice", created_at="2026-11-01T12:00:00Z"
    )

    def found(**asked: object) -> set[uuid.UUID]:
        with hosted_database.transaction(force_rollback=True):
            return candidates(hosted_database, owner, "rules", **asked)

    assert found() == {here, there, invoice}
    assert found(endpoint_id=str(elsewhere.id)) == {there, invoice}
    assert found(entity_table="order") == {here, there}
    assert found(entity_table="ticket") == set()


def test_a_replay_keeps_to_its_times(hosted_database: Connection, endpoint: Endpoint) -> None:
    owner = endpoint.user_id
    at = {}
    for hour in (10, 11, 12):
        when = f"2026-11-01T{hour}:00:00Z"
        made = one(hosted_database, "select private.first_id_at(%s) as id", [when])["id"]
        order(hosted_database, endpoint, id=made, created_at=when)
        at[hour] = made

    def found(**asked: object) -> set[uuid.UUID]:
        with hosted_database.transaction(force_rollback=True):
            return candidates(hosted_database, owner, "rules", **asked)

    assert found(since="2026-11-01T11:00:00Z") == {at[11], at[12]}
    assert found(until="2026-11-01T11:00:00Z") == {at[10]}
    assert found(since="2026-11-01T10:30:00Z", until="2026-11-01T12:00:00Z") == {at[11]}


def test_a_replay_is_about_its_owners_events_as_they_were_when_it_began(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    mine = order(hosted_database, endpoint)
    order(hosted_database, make_endpoint(hosted_database))
    start_replay(hosted_database, endpoint.user_id, "rules")
    order(hosted_database, endpoint)

    assert claimed_ids(claim_replay(hosted_database, "rules")) == {mine}


def test_a_replay_goes_on_batch_by_batch_and_tells_how_far_it_is(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    ids = make_events(hosted_database, endpoint, 5, **PROCESSED)
    started = start_replay(hosted_database, endpoint.user_id, "rules")
    seen: list[uuid.UUID] = []
    progress = []
    while (batch := claim_replay(hosted_database, "rules", limit=2))["events"]:
        seen += [uuid.UUID(given["id"]) for given in batch["events"]]
        finish_replay(hosted_database, batch["lease_id"], *(result(i) for i in claimed_ids(batch)))
        row = replay_row(hosted_database, started["id"])
        progress.append((row["status"], row["examined"], row["total"]))

    assert seen == sorted(ids)
    assert progress == [("running", 2, 5), ("running", 4, 5), ("running", 5, 5)]
    assert replay_row(hosted_database, started["id"])["status"] == "done"


def test_a_long_stretch_without_an_event_that_fits_is_passed_over(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    make_events(hosted_database, endpoint, 4100, **PROCESSED)
    fits = order(hosted_database, endpoint, entity_table="invoice")

    found = candidates(hosted_database, endpoint.user_id, "rules", entity_table="invoice")

    assert found == {fits}


def test_a_late_worker_cannot_finish_a_replays_lease_it_lost(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    made = order(hosted_database, endpoint)
    started = start_replay(hosted_database, endpoint.user_id, "rules")
    late = claim_replay(hosted_database, "rules")
    assert claim_replay(hosted_database, "rules")["events"] == []
    expire(hosted_database)
    second = claim_replay(hosted_database, "rules")
    assert claimed_ids(second) == {made}

    lost = finish_replay(hosted_database, late["lease_id"], result(made, TAG))
    kept = finish_replay(hosted_database, second["lease_id"], result(made))

    assert (lost, kept) == (
        {"examined": 0, "is_lost": True},
        {"examined": 1, "is_lost": False},
    )
    assert replay_row(hosted_database, started["id"])["different"] == 0


def test_a_batch_that_no_worker_survives_ends_the_replay(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    order(hosted_database, endpoint)
    started = start_replay(hosted_database, endpoint.user_id, "rules")
    for _ in range(5):
        assert claim_replay(hosted_database, "rules")["events"]
        expire(hosted_database)

    assert claim_replay(hosted_database, "rules")["events"] == []
    found = replay_row(hosted_database, started["id"])
    assert (found["status"], found["error_message"]) == (
        "failed",
        "The worker did not finish a batch in 5 attempts",
    )


def test_results_about_events_outside_the_batch_count_for_nothing(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    inside, outside = order(hosted_database, endpoint), order(hosted_database, endpoint)
    strange = order(hosted_database, make_endpoint(hosted_database))
    started = start_replay(hosted_database, endpoint.user_id, "rules", is_dry_run=False)
    batch = claim_replay(hosted_database, "rules", limit=1)
    assert claimed_ids(batch) == {inside}

    results = [result(one, TAG) for one in (inside, outside, strange)]
    finish_replay(hosted_database, batch["lease_id"], *results)

    assert differences(hosted_database, started["id"]).keys() == {inside}
    assert event(hosted_database, strange)["status"] == "processed"


def test_a_real_run_waits_while_its_owner_has_a_full_batch_in_the_queue(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    order(hosted_database, endpoint)
    make_events(hosted_database, endpoint, 2, stage="rules")
    start_replay(hosted_database, endpoint.user_id, "rules", is_dry_run=False)

    assert claim_replay(hosted_database, "rules", limit=2)["events"] == []
    assert len(claim_replay(hosted_database, "rules", limit=3)["events"]) == 1


def test_an_event_that_went_on_meanwhile_is_left_alone(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    made = order(hosted_database, endpoint)
    start_replay(hosted_database, endpoint.user_id, "rules", is_dry_run=False)
    batch = claim_replay(hosted_database, "rules")
    reprocess(hosted_database, endpoint.user_id, made, stage="rules")
    leased = claim(hosted_database, "rules")

    finish_replay(hosted_database, batch["lease_id"], result(made, TAG))

    answer = finish(hosted_database, "rules", leased["lease_id"], {"id": made, "actions": []})
    assert answer["finished"] == [str(made)]


def test_a_difference_that_is_too_large_to_read_is_only_counted(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    made = order(hosted_database, endpoint)
    large = action("send_notification", {"title": "x" * 70_000})

    found = replay(hosted_database, endpoint.user_id, "rules", result(made, large))

    assert differences(hosted_database, found["id"])[made]["after"] == {"too_large": True}


def test_a_replay_that_is_deleted_stops_with_all_it_has_listed(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    ids = sorted(make_events(hosted_database, endpoint, 2, **PROCESSED))
    started = start_replay(hosted_database, endpoint.user_id, "rules", is_dry_run=False)
    first = claim_replay(hosted_database, "rules", limit=1)
    finish_replay(hosted_database, first["lease_id"], result(ids[0], TAG))
    second = claim_replay(hosted_database, "rules", limit=2)
    hosted_database.execute("delete from public.event_replays where id = %s", [started["id"]])

    assert finish_replay(hosted_database, second["lease_id"], result(ids[1], TAG))["is_lost"]
    assert differences(hosted_database, started["id"]) == {}
    assert event(hosted_database, ids[1])["status"] == "processed"


def test_a_user_has_five_replays_under_way_at_most(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    for _ in range(5):
        start_replay(hosted_database, endpoint.user_id, "rules")

    with refused("WH017"):
        start_replay(hosted_database, endpoint.user_id, "rules")
    start_replay(hosted_database, make_user(hosted_database), "rules")


@pytest.mark.parametrize("stage", ["review", "done", None])
def test_only_stages_that_decide_can_be_replayed(
    hosted_database: Connection, endpoint: Endpoint, stage: str | None
) -> None:
    with refused("WH001"):
        call_as(hosted_database, endpoint.user_id, "start_replay", p_replay={"stage": stage})


def test_an_admin_replays_an_endpoints_events_in_its_owners_name(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    admin = make_admin(hosted_database)

    started = start_replay(hosted_database, admin, "rules", endpoint_id=str(endpoint.id))

    assert started["user_id"] == str(endpoint.user_id)
    (audit,) = audits(hosted_database)
    assert (audit["user_id"], audit["actor_id"], audit["action"]) == (
        endpoint.user_id,
        admin,
        "queue.replay",
    )
    assert audit["details"]["is_dry_run"] is True


@pytest.mark.parametrize("stage", ["classify", "prepare", "rules"])
def test_a_replay_tells_a_worker_all_that_a_claim_of_its_stage_does(
    hosted_database: Connection, endpoint: Endpoint, stage: str
) -> None:
    order(hosted_database, endpoint)
    make_event(hosted_database, endpoint, stage=stage)
    start_replay(hosted_database, endpoint.user_id, stage)

    claimed, replayed = claim(hosted_database, stage), claim_replay(hosted_database, stage)

    assert claimed.keys() <= replayed.keys()
    assert claimed["events"][0].keys() <= replayed["events"][0].keys()
    assert claimed["events"][0]["endpoint"].keys() <= replayed["events"][0]["endpoint"].keys()


def test_the_owner_of_a_replay_takes_it_with_them(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    made = order(hosted_database, endpoint)
    replay(hosted_database, endpoint.user_id, "rules", result(made, TAG))
    hosted_database.execute("delete from auth.users where id = %s", [endpoint.user_id])

    for table in ("event_replays", "event_replay_differences"):
        query = f"select from public.{table}"
        assert hosted_database.execute(query).fetchall() == []
