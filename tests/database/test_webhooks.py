"""Webhooks and what is secret about them: registered and changed by their owners, read by dispatch only."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest
from psycopg.errors import CheckViolation, NotNullViolation

from tests.database.deliveries import (
    Webhook,
    claim_deliveries,
    make_delivery,
    make_webhook,
    manage,
    publish,
    state_of,
)
from tests.database.factories import make_user
from tests.database.rpcs import Connection, Row, acting, listening, one, refused

CRM = {"name": "CRM", "url": "https://example.com/hook", "events": ["order.*"]}


def create(
    connection: Connection, user_id: uuid.UUID, secrets: Row | None = None, **columns: Any
) -> Row:
    return manage(
        connection,
        user_id,
        "create_webhook",
        p_webhook=CRM | columns,
        p_secrets={"signing": "cipher-1"} if secrets is None else secrets,
    )


def update(
    connection: Connection, user_id: uuid.UUID, row: Row, changes: Row, secrets: Row | None = None
) -> Row:
    return manage(
        connection,
        user_id,
        "update_webhook",
        p_webhook_id=row["id"],
        p_changes=changes,
        p_secrets=secrets or {},
    )


def rotate(
    connection: Connection, user_id: uuid.UUID, row: Row, secret: str, overlap: int | None
) -> Row:
    return manage(
        connection,
        user_id,
        "rotate_webhook_secret",
        p_webhook_id=row["id"],
        p_secret_ciphertext=secret,
        p_overlap_seconds=overlap,
    )


def given(connection: Connection, row: Row) -> Row:
    """The webhook as dispatch is given it."""
    webhook = Webhook(uuid.UUID(row["id"]), uuid.UUID(row["created_by"]))
    with connection.transaction(force_rollback=True):
        delivery_id = make_delivery(connection, webhook)
        (found,) = claim_deliveries(connection, delivery_ids=[delivery_id])["webhooks"]
    assert isinstance(found, dict)
    return found


def secrets(connection: Connection, row: Row, purpose: str = "signing") -> list[str]:
    """Ciphertexts, newest first, each after its header's name if it has one."""
    return [
        f"{secret['name']}:{secret['ciphertext']}" if secret["name"] else secret["ciphertext"]
        for secret in given(connection, row)["secrets"]
        if secret["purpose"] == purpose
    ]


def pass_time(connection: Connection, seconds: int) -> None:
    connection.execute(
        "update private.webhook_secrets set expires_at = expires_at - make_interval(secs => %s)",
        [seconds],
    )


@pytest.fixture
def owner(hosted_database: Connection) -> uuid.UUID:
    return make_user(hosted_database)


def test_a_webhook_belongs_to_whoever_made_it(
    hosted_database: Connection, owner: uuid.UUID
) -> None:
    stranger = str(make_user(hosted_database))

    row = create(hosted_database, owner, created_by=stranger, id=stranger, disabled_reason="No")

    assert row["created_by"] == str(owner)
    assert row["id"] != stranger
    assert row["disabled_reason"] is None


def test_what_is_left_out_has_a_default(hosted_database: Connection, owner: uuid.UUID) -> None:
    row = create(hosted_database, owner)

    assert (row["active"], row["kind"], row["signature_profile"]) == (True, "http", "standard")
    assert (row["body_style"], row["filter"], row["timeout_seconds"]) == ("compact", "", 15)
    assert (row["signature_settings"], row["slack_settings"]) == ({}, {})
    assert (row["rate_limit_per_minute"], row["header_names"]) == (None, [])


def test_dispatch_is_given_all_that_it_needs(hosted_database: Connection, owner: uuid.UUID) -> None:
    columns = {
        "url": "https://hooks.slack.com/services/",
        "kind": "slack",
        "signature_profile": "custom",
        "signature_settings": {"signature_header": "X-Sig"},
        "body_style": "spaced",
        "slack_settings": {"channel": "#ops"},
        "filter": "event.data.total > 5",
        "timeout_seconds": 5,
    }
    row = create(
        hosted_database,
        owner,
        {"signing": "c1", "url": "c2", "headers": {"X-Key": "c3"}},
        **columns,
    )

    found = given(hosted_database, row)

    assert found.pop("id") == row["id"]
    assert found.pop("version") == row["updated_at"]
    assert sorted((s["purpose"], s["name"], s["ciphertext"]) for s in found.pop("secrets")) == [
        ("header", "X-Key", "c3"),
        ("signing", "", "c1"),
        ("url", "", "c2"),
    ]
    assert found == columns


def test_no_answer_holds_a_secret(hosted_database: Connection, owner: uuid.UUID) -> None:
    row = create(
        hosted_database,
        owner,
        {"signing": "cipher", "url": "cipher", "headers": {"X-Key": "cipher"}},
    )
    answers = [
        row,
        update(hosted_database, owner, row, {"name": "B"}, {"signing": "cipher"}),
        rotate(hosted_database, owner, row, "cipher", 60),
    ]

    assert "cipher" not in str(answers)
    assert row["header_names"] == ["X-Key"]
    with acting(hosted_database, "authenticated", owner):
        seen = hosted_database.execute("select * from public.webhooks").fetchall()
    assert "cipher" not in str(seen)


@pytest.mark.parametrize(
    "columns",
    [
        {"name": ""},
        {"name": "x" * 201},
        {"url": "ftp://example.com"},
        {"url": "https://example.com/a b"},
        {"url": "https://"},
        {"url": "https://example.com/" + "x" * 2048},
        {"description": "x" * 2001},
        {"events": []},
        {"events": [""]},
        {"events": [None]},
        {"events": ["order.paid", None]},
        {"events": [["order.paid"]]},
        {"events": ["order.paid."]},
        {"events": ["*.paid"]},
        {"events": ["order.*.paid"]},
        {"events": ["order*"]},
        {"events": ["order.*.*"]},
        {"events": ["a"] * 101},
        {"kind": "mail"},
        {"signature_profile": "mine"},
        {"signature_settings": []},
        {"signature_settings": {"a": {"b": {"c": {"d": 1}}}}},
        {"signature_settings": {"a": "x" * 200_000}},
        {"body_style": "pretty"},
        {"slack_settings": "#ops"},
        {"filter": "x" * 2001},
        {"timeout_seconds": 0},
        {"timeout_seconds": 31},
        {"rate_limit_per_minute": 0},
        {"rate_limit_per_minute": 1_000_001},
    ],
)
def test_a_setting_out_of_bounds_is_refused(
    hosted_database: Connection, owner: uuid.UUID, columns: Row
) -> None:
    with pytest.raises(CheckViolation):
        create(hosted_database, owner, **columns)


@pytest.mark.parametrize("missing", ["name", "url", "events"])
def test_a_webhook_has_a_name_an_address_and_events(
    hosted_database: Connection, owner: uuid.UUID, missing: str
) -> None:
    # The check of events answers before the column's own.
    with pytest.raises((NotNullViolation, CheckViolation)):
        create(hosted_database, owner, **{missing: None})


def test_a_refused_webhook_leaves_no_secret(hosted_database: Connection, owner: uuid.UUID) -> None:
    with pytest.raises(CheckViolation):
        create(hosted_database, owner, {"signing": "cipher", "headers": {"X": "x" * 10_001}})

    assert hosted_database.execute("select from public.webhooks").rowcount == 0
    assert hosted_database.execute("select from private.webhook_secrets").rowcount == 0


def test_a_change_sets_what_it_names_only(hosted_database: Connection, owner: uuid.UUID) -> None:
    row = create(hosted_database, owner, description="Ours", rate_limit_per_minute=5)

    changed = update(hosted_database, owner, row, {"name": "B", "rate_limit_per_minute": None})

    assert (changed["name"], changed["rate_limit_per_minute"]) == ("B", None)
    assert (changed["url"], changed["description"]) == (row["url"], "Ours")
    assert secrets(hosted_database, row) == ["cipher-1"]


def test_a_change_cannot_move_a_webhook(hosted_database: Connection, owner: uuid.UUID) -> None:
    other = str(uuid.uuid4())
    row = create(hosted_database, owner)

    changes = {"id": other, "created_by": other, "header_names": ["X"], "active_since": "infinity"}
    changed = update(hosted_database, owner, row, changes)

    assert {key: changed[key] for key in changes} == {key: row[key] for key in changes}


def test_nobody_changes_anothers_webhook(hosted_database: Connection, owner: uuid.UUID) -> None:
    row = create(hosted_database, owner)
    stranger = make_user(hosted_database)

    for unknown in (row, {"id": uuid.uuid4()}):
        with refused("WH007"):
            update(hosted_database, stranger, unknown, {"name": "Mine"}, {"signing": "mine"})
        with refused("WH007"):
            rotate(hosted_database, stranger, unknown, "mine", 0)
    assert secrets(hosted_database, row) == ["cipher-1"]


def test_a_new_key_signs_before_the_old_one_during_the_overlap(
    hosted_database: Connection, owner: uuid.UUID
) -> None:
    row = create(hosted_database, owner)

    answer = rotate(hosted_database, owner, row, "cipher-2", 3600)

    assert secrets(hosted_database, row) == ["cipher-2", "cipher-1"]
    until = one(hosted_database, "select to_jsonb(now() + interval '1 hour') as at")["at"]
    assert answer == {"previous_valid_until": until}
    pass_time(hosted_database, 3600)
    assert secrets(hosted_database, row) == ["cipher-2"]


def test_a_second_rotation_never_prolongs_an_old_key(
    hosted_database: Connection, owner: uuid.UUID
) -> None:
    row = create(hosted_database, owner)
    rotate(hosted_database, owner, row, "cipher-2", 60)
    rotate(hosted_database, owner, row, "cipher-3", 3600)

    pass_time(hosted_database, 60)

    assert secrets(hosted_database, row) == ["cipher-3", "cipher-2"]


def test_no_more_than_five_keys_sign_at_once(hosted_database: Connection, owner: uuid.UUID) -> None:
    row = create(hosted_database, owner)

    for number in range(2, 9):
        rotate(hosted_database, owner, row, f"cipher-{number}", 3600)

    assert secrets(hosted_database, row) == [f"cipher-{n}" for n in (8, 7, 6, 5, 4)]


def test_old_keys_are_deleted(hosted_database: Connection, owner: uuid.UUID) -> None:
    row = create(hosted_database, owner)
    rotate(hosted_database, owner, row, "cipher-2", 60)
    pass_time(hosted_database, 60)
    rotate(hosted_database, owner, row, "cipher-3", 60)
    query = "select array_agg(ciphertext order by ciphertext) as kept from private.webhook_secrets"
    assert one(hosted_database, query)["kept"] == ["cipher-2", "cipher-3"]

    rotate(hosted_database, owner, row, "cipher-4", 0)

    assert one(hosted_database, query)["kept"] == ["cipher-4"]


@pytest.mark.parametrize("overlap", [-1, 604_801, None])
def test_an_overlap_is_bounded(
    hosted_database: Connection, owner: uuid.UUID, overlap: int | None
) -> None:
    row = create(hosted_database, owner)

    with refused("WH001"):
        rotate(hosted_database, owner, row, "cipher-2", overlap)


def test_headers_are_kept_replaced_and_taken_away_by_name(
    hosted_database: Connection, owner: uuid.UUID
) -> None:
    row = create(hosted_database, owner, {"headers": {"X-A": "a1", "X-B": "b1", "X-C": "c1"}})

    changed = update(
        hosted_database, owner, row, {}, {"headers": {"x-a": None, "X-B": "b2", "X-D": "d1"}}
    )

    assert sorted(secrets(hosted_database, row, "header")) == ["X-A:a1", "X-B:b2", "X-D:d1"]
    assert changed["header_names"] == ["X-A", "X-B", "X-D"]
    assert update(hosted_database, owner, row, {}, {"headers": {}})["header_names"] == []
    assert secrets(hosted_database, row, "header") == []


def test_a_secret_address_is_kept_replaced_and_taken_away(
    hosted_database: Connection, owner: uuid.UUID
) -> None:
    row = create(hosted_database, owner, {"signing": "cipher-1", "url": "u1"})

    update(hosted_database, owner, row, {"name": "B"})
    assert secrets(hosted_database, row, "url") == ["u1"]
    update(hosted_database, owner, row, {}, {"url": "u2"})
    assert secrets(hosted_database, row, "url") == ["u2"]
    update(hosted_database, owner, row, {}, {"url": None})
    assert secrets(hosted_database, row, "url") == []
    assert secrets(hosted_database, row) == ["cipher-1"]


def test_dispatch_can_tell_that_a_webhook_or_its_secrets_have_changed(
    committed: Connection,
) -> None:
    owner = make_user(committed)
    row = create(committed, owner)
    versions = [given(committed, row)["version"]]
    update(committed, owner, row, {"name": "B"})
    versions.append(given(committed, row)["version"])
    rotate(committed, owner, row, "cipher-2", 60)
    versions.append(given(committed, row)["version"])
    update(committed, owner, row, {}, {"headers": {"X-A": "a"}})
    versions.append(given(committed, row)["version"])

    assert len(set(versions)) == 4


def test_switching_on_takes_the_reason_away_and_wakes_dispatch(
    committed: Connection, hosted_database_url: str
) -> None:
    owner = make_user(committed)
    row = create(committed, owner)
    committed.execute("update public.webhooks set active = false, disabled_reason = 'Gone'")

    with listening(hosted_database_url) as woken:
        changed = update(committed, owner, row, {"active": True})

    assert (changed["active"], changed["disabled_reason"]) == (True, None)
    assert changed["active_since"] > row["active_since"]
    assert woken == ["dispatch"]


def test_any_other_change_wakes_nobody(committed: Connection, hosted_database_url: str) -> None:
    owner = make_user(committed)
    row = create(committed, owner)

    with listening(hosted_database_url) as woken:
        update(committed, owner, row, {"name": "B", "active": True})
        changed = update(committed, owner, row, {"active": False})

    assert woken == []
    assert changed["active_since"] == row["active_since"]


def test_a_reason_for_being_off_needs_it_to_be_off(hosted_database: Connection) -> None:
    with pytest.raises(CheckViolation, match="disabled_webhooks_are_inactive"):
        make_webhook(hosted_database, disabled_reason="Gone")


def test_a_new_webhook_has_no_failures(hosted_database: Connection) -> None:
    state = state_of(hosted_database, make_webhook(hosted_database))

    assert (state["consecutive_failures"], state["failing_since"], state["window_used"]) == (
        0,
        None,
        0,
    )


def test_a_webhook_takes_everything_along(hosted_database: Connection, owner: uuid.UUID) -> None:
    create(hosted_database, owner, {"signing": "c", "headers": {"X": "c"}})
    event_id = publish(hosted_database, owner)

    with acting(hosted_database, "authenticated", owner):
        hosted_database.execute("delete from public.webhooks")

    for table in ("webhook_secrets", "webhook_states"):
        query = psycopg.sql.SQL("select from private.{}").format(psycopg.sql.Identifier(table))
        assert hosted_database.execute(query).rowcount == 0
    assert hosted_database.execute("select from public.webhook_deliveries").rowcount == 0
    assert one(hosted_database, "select id from public.published_events")["id"] == event_id
