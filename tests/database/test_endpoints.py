"""Endpoints and their secrets: registered and changed by their owners, read by ingest only."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest

from tests.database.factories import make_user
from tests.database.rpcs import Connection, Row, acting, call, call_as, one, refused

SHOP = {"name": "Shop", "slug": "shop", "scheme": "stripe"}


def create(
    connection: Connection, user_id: uuid.UUID, ciphertext: str = "cipher-1", **columns: Any
) -> Row:
    row: Row = call_as(
        connection,
        user_id,
        "create_webhook_endpoint",
        p_endpoint=SHOP | columns,
        p_secret_ciphertext=ciphertext,
    )
    return row


def rotate(connection: Connection, user_id: uuid.UUID, row: Row, secret: str, overlap: int) -> Row:
    answer: Row = call_as(
        connection,
        user_id,
        "rotate_endpoint_secret",
        p_endpoint_id=row["id"],
        p_secret_ciphertext=secret,
        p_overlap_seconds=overlap,
    )
    return answer


def update(
    connection: Connection,
    user_id: uuid.UUID,
    row: Row,
    changes: Row,
    secret: str | None = None,
    scheme: str = "stripe",
) -> Row:
    changed: Row = call_as(
        connection,
        user_id,
        "update_webhook_endpoint",
        p_endpoint_id=row["id"],
        p_scheme=scheme,
        p_changes=changes,
        p_secret_ciphertext=secret,
    )
    return changed


def secrets(connection: Connection, slug: str = "shop") -> list[str]:
    """What ingest verifies with."""
    found: list[str] = call(connection, "get_ingest_endpoint", p_slug=slug)["secrets"]
    return found


def pass_time(connection: Connection, seconds: int) -> None:
    connection.execute(
        "update private.endpoint_secrets set expires_at = expires_at - make_interval(secs => %s)",
        [seconds],
    )


def test_ingest_is_given_what_it_verifies_with(hosted_database: Connection) -> None:
    row = create(hosted_database, make_user(hosted_database), scheme_settings={"header": "x-sig"})

    assert call(hosted_database, "get_ingest_endpoint", p_slug="shop") == {
        "id": row["id"],
        "slug": "shop",
        "is_active": True,
        "scheme": "stripe",
        "scheme_settings": {"header": "x-sig"},
        "secrets": ["cipher-1"],
    }


def test_an_unknown_slug_gives_nothing(hosted_database: Connection) -> None:
    assert call(hosted_database, "get_ingest_endpoint", p_slug="nowhere") is None


def test_an_endpoint_belongs_to_whoever_made_it(hosted_database: Connection) -> None:
    owner, stranger = make_user(hosted_database), make_user(hosted_database)

    row = create(hosted_database, owner, created_by=str(stranger), id=str(stranger))

    assert row["created_by"] == str(owner)
    assert row["id"] != str(stranger)


def test_what_is_left_out_has_a_careful_default(hosted_database: Connection) -> None:
    row = create(hosted_database, make_user(hosted_database))

    assert (row["processing_mode"], row["confidence_threshold"]) == ("review", 0.7)
    assert (row["is_active"], row["rate_limit_per_minute"]) == (True, None)
    assert (row["dedupe_window_seconds"], row["allowed_object_types"]) == (86400, [])


def test_the_answer_holds_no_secret(hosted_database: Connection) -> None:
    assert "cipher" not in str(create(hosted_database, make_user(hosted_database)))


def test_a_slug_is_used_once_over_all_users(hosted_database: Connection) -> None:
    create(hosted_database, make_user(hosted_database))

    with pytest.raises(psycopg.errors.UniqueViolation):
        create(hosted_database, make_user(hosted_database))


@pytest.mark.parametrize(
    "columns",
    [
        {"slug": ""},
        {"slug": "Shop"},
        {"slug": "a/b"},
        {"slug": "-a"},
        {"slug": "a-"},
        {"slug": "a" * 64},
        {"name": ""},
        {"name": "x" * 201},
        {"description": "x" * 2001},
        {"scheme": "Stripe!"},
        {"scheme_settings": []},
        {"field_maps": []},
        {"processing_mode": "sometimes"},
        {"confidence_threshold": 1.1},
        {"confidence_threshold": -0.1},
        {"rate_limit_per_minute": 0},
        {"rate_limit_per_minute": 1_000_001},
        {"dedupe_window_seconds": -1},
        {"dedupe_window_seconds": 2_592_001},
    ],
)
def test_a_setting_out_of_bounds_is_refused(hosted_database: Connection, columns: Row) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        create(hosted_database, make_user(hosted_database), **columns)


@pytest.mark.parametrize("missing", ["name", "slug", "scheme"])
def test_an_endpoint_has_a_name_a_slug_and_a_scheme(
    hosted_database: Connection, missing: str
) -> None:
    with pytest.raises(psycopg.errors.NotNullViolation):
        create(hosted_database, make_user(hosted_database), "cipher-1", **{missing: None})


def test_a_refused_endpoint_leaves_no_secret(hosted_database: Connection) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        create(hosted_database, make_user(hosted_database), slug="")

    assert hosted_database.execute("select from private.endpoint_secrets").fetchall() == []


def test_a_new_secret_stands_before_the_old_one_during_the_overlap(
    hosted_database: Connection,
) -> None:
    owner = make_user(hosted_database)
    row = create(hosted_database, owner)

    answer = rotate(hosted_database, owner, row, "cipher-2", 3600)

    assert secrets(hosted_database) == ["cipher-2", "cipher-1"]
    until = one(hosted_database, "select to_jsonb(now() + interval '1 hour') as at")["at"]
    assert answer == {"previous_valid_until": until}


def test_after_the_overlap_only_the_new_secret_counts(hosted_database: Connection) -> None:
    owner = make_user(hosted_database)
    row = create(hosted_database, owner)
    rotate(hosted_database, owner, row, "cipher-2", 3600)

    pass_time(hosted_database, 3600)

    assert secrets(hosted_database) == ["cipher-2"]


def test_without_an_overlap_the_old_secret_ends_at_once(hosted_database: Connection) -> None:
    owner = make_user(hosted_database)
    row = create(hosted_database, owner)

    rotate(hosted_database, owner, row, "cipher-2", 0)

    assert secrets(hosted_database) == ["cipher-2"]


def test_a_second_rotation_never_prolongs_an_old_secret(hosted_database: Connection) -> None:
    owner = make_user(hosted_database)
    row = create(hosted_database, owner)
    rotate(hosted_database, owner, row, "cipher-2", 60)
    rotate(hosted_database, owner, row, "cipher-3", 3600)

    pass_time(hosted_database, 60)

    assert secrets(hosted_database) == ["cipher-3", "cipher-2"]


def test_expired_secrets_are_deleted_with_the_next_rotation(hosted_database: Connection) -> None:
    owner = make_user(hosted_database)
    row = create(hosted_database, owner)
    rotate(hosted_database, owner, row, "cipher-2", 0)

    rotate(hosted_database, owner, row, "cipher-3", 60)

    query = "select array_agg(ciphertext order by ciphertext) as kept from private.endpoint_secrets"
    assert one(hosted_database, query)["kept"] == ["cipher-2", "cipher-3"]


@pytest.mark.parametrize("overlap", [-1, 604_801, None])
def test_an_overlap_is_bounded(hosted_database: Connection, overlap: int) -> None:
    owner = make_user(hosted_database)
    row = create(hosted_database, owner)

    with refused("WH001"):
        rotate(hosted_database, owner, row, "cipher-2", overlap)


def test_nobody_rotates_anothers_secret(hosted_database: Connection) -> None:
    row = create(hosted_database, make_user(hosted_database))

    for unknown in (row, {"id": uuid.uuid4()}):
        with refused("WH007"):
            rotate(hosted_database, make_user(hosted_database), unknown, "mine", 0)
    assert secrets(hosted_database) == ["cipher-1"]


def test_a_change_sets_what_it_names_only(hosted_database: Connection) -> None:
    owner = make_user(hosted_database)
    row = create(hosted_database, owner, description="Ours", rate_limit_per_minute=5)

    changed = update(hosted_database, owner, row, {"name": "Shop 2", "rate_limit_per_minute": None})

    assert (changed["name"], changed["rate_limit_per_minute"]) == ("Shop 2", None)
    assert (changed["slug"], changed["description"]) == ("shop", "Ours")
    assert secrets(hosted_database) == ["cipher-1"]


def test_a_change_cannot_move_an_endpoint(hosted_database: Connection) -> None:
    owner, other = make_user(hosted_database), str(uuid.uuid4())
    row = create(hosted_database, owner)

    changed = update(hosted_database, owner, row, {"id": other, "created_by": other})

    assert (changed["id"], changed["created_by"]) == (row["id"], str(owner))


def test_a_new_scheme_comes_with_its_secret_alone(hosted_database: Connection) -> None:
    owner = make_user(hosted_database)
    row = create(hosted_database, owner)

    update(hosted_database, owner, row, {"scheme": "github"}, secret="cipher-2")

    given = call(hosted_database, "get_ingest_endpoint", p_slug="shop")
    assert (given["scheme"], given["secrets"]) == ("github", ["cipher-2"])


def test_a_change_meant_for_another_scheme_is_refused(hosted_database: Connection) -> None:
    owner = make_user(hosted_database)
    row = create(hosted_database, owner)

    with refused("WH017"):
        update(hosted_database, owner, row, {"name": "Shop 2"}, scheme="github")


def test_nobody_changes_anothers_endpoint(hosted_database: Connection) -> None:
    row = create(hosted_database, make_user(hosted_database))

    for unknown in (row, {"id": uuid.uuid4()}):
        with refused("WH007"):
            update(hosted_database, make_user(hosted_database), unknown, {"name": "Mine"})


def test_an_endpoint_takes_its_secrets_along(hosted_database: Connection) -> None:
    owner = make_user(hosted_database)
    create(hosted_database, owner)

    with acting(hosted_database, "authenticated", owner):
        hosted_database.execute("delete from public.webhook_endpoints")

    assert hosted_database.execute("select from private.endpoint_secrets").fetchall() == []


def test_two_endpoints_keep_their_secrets_apart(hosted_database: Connection) -> None:
    owner = make_user(hosted_database)
    create(hosted_database, owner)
    create(hosted_database, owner, "cipher-2", slug="crm")

    assert secrets(hosted_database, "crm") == ["cipher-2"]
    assert secrets(hosted_database) == ["cipher-1"]


def test_only_new_field_maps_must_fit_their_types(hosted_database: Connection) -> None:
    user_id = make_user(hosted_database)
    wrong = {"order": {"total": "data.amount", "totl": "data.amount"}}
    told = "fieldMaps.order: there is no column totl to write to"
    with refused("WH001", told):
        create(hosted_database, user_id, field_maps=wrong)
    row = create(hosted_database, user_id, field_maps={"order": {"total": "data.amount"}})
    with refused("WH001", told):
        update(hosted_database, user_id, row, {"field_maps": wrong})

    # As when the column has gone since.
    hosted_database.execute(
        "alter table public.webhook_endpoints disable trigger check_changed_field_maps"
    )
    update(hosted_database, user_id, row, {"field_maps": wrong})
    hosted_database.execute(
        "alter table public.webhook_endpoints enable trigger check_changed_field_maps"
    )
    assert update(hosted_database, user_id, row, {"name": "Store"})["field_maps"] == wrong
    assert update(hosted_database, user_id, row, {"field_maps": {}})["field_maps"] == {}
