"""An endpoint's rate limit: exact, whoever asks at the same time, and only for what is stored."""

from __future__ import annotations

from tests.database.factories import Endpoint, incoming, make_endpoint
from tests.database.pipeline import ingest, states
from tests.database.rpcs import Connection, at_once, one


def end_window(connection: Connection, endpoint: Endpoint) -> None:
    connection.execute(
        "update private.rate_limit_windows set started_at = started_at - interval '61 seconds' "
        "where endpoint_id = %s",
        [endpoint.id],
    )


def used(connection: Connection, endpoint: Endpoint) -> int:
    query = "select used from private.rate_limit_windows where endpoint_id = %s"
    return int(one(connection, query, [endpoint.id])["used"])


def test_a_group_gets_what_the_limit_leaves(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database, rate_limit_per_minute=3)

    answer = ingest(hosted_database, *(incoming(endpoint) for _ in range(5)))

    assert states(answer) == ["accepted"] * 3 + ["rate_limited"] * 2


def test_a_refused_request_is_told_when_the_minute_ends(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database, rate_limit_per_minute=1)
    ingest(hosted_database, incoming(endpoint))

    (result,) = ingest(hosted_database, incoming(endpoint))

    assert 55 <= int(result["retry_after"]) <= 60


def test_the_next_minute_has_the_whole_limit_again(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database, rate_limit_per_minute=2)
    ingest(hosted_database, *(incoming(endpoint) for _ in range(3)))
    end_window(hosted_database, endpoint)

    answer = ingest(hosted_database, *(incoming(endpoint) for _ in range(3)))

    assert states(answer) == ["accepted", "accepted", "rate_limited"]


def test_a_limit_holds_for_its_own_endpoint_only(hosted_database: Connection) -> None:
    limited = make_endpoint(hosted_database, rate_limit_per_minute=1)
    free = make_endpoint(hosted_database, limited.user_id)

    rows = [incoming(limited), incoming(limited), incoming(free), incoming(free)]

    assert states(ingest(hosted_database, *rows)) == [
        "accepted",
        "rate_limited",
        "accepted",
        "accepted",
    ]


def test_a_duplicate_costs_nothing(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database, rate_limit_per_minute=2)
    row = incoming(endpoint, dedupe_key="id:1")
    ingest(hosted_database, row)

    answer = ingest(hosted_database, row, row, incoming(endpoint))

    assert states(answer) == ["duplicate", "duplicate", "accepted"]


def test_a_duplicate_is_answered_when_the_limit_is_used_up(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database, rate_limit_per_minute=1)
    row = incoming(endpoint)
    ingest(hosted_database, row)

    assert states(ingest(hosted_database, row, incoming(endpoint))) == ["duplicate", "rate_limited"]


def test_an_inactive_endpoint_uses_up_nothing(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database, rate_limit_per_minute=1)
    hosted_database.execute("update public.webhook_endpoints set is_active = false")
    ingest(hosted_database, incoming(endpoint))
    hosted_database.execute("update public.webhook_endpoints set is_active = true")

    assert states(ingest(hosted_database, incoming(endpoint))) == ["accepted"]


def test_eight_senders_at_once_get_exactly_the_limit(
    committed: Connection, hosted_database_url: str
) -> None:
    endpoint = make_endpoint(committed, rate_limit_per_minute=50)

    answers = at_once(
        hosted_database_url,
        8,
        lambda connection, _: [
            state
            for _ in range(5)
            for state in states(ingest(connection, incoming(endpoint), incoming(endpoint)))
        ],
    )

    given = [state for answer in answers for state in answer]
    assert (given.count("accepted"), given.count("rate_limited")) == (50, 30)


def test_parallel_copies_cost_one(committed: Connection, hosted_database_url: str) -> None:
    endpoint = make_endpoint(committed, rate_limit_per_minute=10)

    at_once(
        hosted_database_url,
        8,
        lambda connection, _: ingest(connection, incoming(endpoint, dedupe_key="id:same")),
    )

    assert used(committed, endpoint) == 1


def test_parallel_copies_leave_the_rest_of_the_limit(
    committed: Connection, hosted_database_url: str
) -> None:
    endpoint = make_endpoint(committed, rate_limit_per_minute=11)

    answers = at_once(
        hosted_database_url,
        10,
        lambda connection, _: states(
            ingest(connection, incoming(endpoint, dedupe_key="id:same"), incoming(endpoint))
        ),
    )

    given = [state for answer in answers for state in answer]
    assert (given.count("accepted"), given.count("rate_limited")) == (11, 0)
