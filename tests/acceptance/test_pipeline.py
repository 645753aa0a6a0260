"""Samples go the whole way by themselves, through the public address, the scheduler and every function."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest
from supabase import ClientOptions, create_client

from samples import GITHUB, SAMPLES, SHOP, STRIPE, Sample
from tests.functions.conftest import Endpoint
from tests.running_stack import RunningStack, User

Connection = psycopg.Connection[dict[str, Any]]

DEADLINE_SECONDS = 60


def api(url: str, user: User, method: str, path: str, body: Any = None) -> Any:
    response = httpx.request(
        method,
        f"{url}/api{path}",
        headers={"Authorization": f"Bearer {user.token}"},
        json=body,
        timeout=30,
    )
    assert response.is_success, response.text
    return response.json()["data"]


def make_endpoint(url: str, user: User, sample: Sample, **changes: Any) -> Endpoint:
    """An endpoint for a sample's source, made through the API."""
    wanted = sample.source.endpoint("") | {"slug": f"{sample.source.slug}-{user.id.hex[:12]}"}
    del wanted["secret"]
    made = api(url, user, "POST", "/endpoints", wanted | changes)
    return Endpoint(made["id"], made["slug"], made["scheme"], made["secret"])


def send(url: str, endpoint: Endpoint, sample: Sample) -> str:
    """Posts a sample; returns the event's id."""
    body = sample.body()
    response = httpx.post(
        f"{url}{endpoint.path}",
        content=body,
        headers=sample.headers(body, endpoint.secret),
        timeout=30,
    )
    assert response.status_code == 202, response.text
    event_id: str = response.json()["data"]["id"]
    return event_id


def wait_for(url: str, user: User, event_id: str, stage: str) -> dict[str, Any]:
    """The event, once it has come to a stage."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        event: dict[str, Any] = api(url, user, "GET", f"/queue/{event_id}")
        if event["stage"] == stage:
            return event
        assert event["status"] != "failed", event["errorMessage"]
        assert time.monotonic() < deadline, event
        time.sleep(0.1)


@pytest.mark.parametrize(
    "sample", SAMPLES, ids=lambda sample: f"{sample.source.name} {sample.event}"
)
def test_a_sample_becomes_what_it_should(
    sample: Sample, pipeline_url: str, new_user: Callable[[], User]
) -> None:
    user = new_user()
    endpoint = make_endpoint(pipeline_url, user, sample, processingMode="automatic")
    event = wait_for(pipeline_url, user, send(pipeline_url, endpoint, sample), "done")
    assert event["status"] == "processed"
    assert event["entityTable"] == sample.entity
    assert event["isPerson"] == sample.is_person
    assert event["entityId"] is not None


def sample_of(source: Any) -> Sample:
    return next(sample for sample in SAMPLES if sample.source == source)


def test_in_review_mode_an_event_waits_is_overridden_approved_and_logged(
    pipeline_url: str, new_user: Callable[[], User]
) -> None:
    user, sample = new_user(), sample_of(SHOP)
    endpoint = make_endpoint(pipeline_url, user, sample, processingMode="review")
    event_id = send(pipeline_url, endpoint, sample)
    assert wait_for(pipeline_url, user, event_id, "review")["status"] == "pending"

    override = {"entityTable": "ticket", "isPerson": True}
    api(pipeline_url, user, "PATCH", f"/queue/{event_id}", override)
    api(pipeline_url, user, "POST", f"/queue/{event_id}/approve")
    wait_for(pipeline_url, user, event_id, "done")

    logged = api(pipeline_url, user, "GET", f"/log/{event_id}")
    steps = [step["actionType"] for step in logged["log"]]
    assert steps == [
        "classify",
        "override",
        "approve",
        "create_person",
        "create_entity",
        "link_person",
    ]
    assert logged["entity"]["entityTable"] == "ticket"
    assert logged["classifiedBy"] == f"user:{user.id}"


def test_a_person_known_by_one_source_is_found_again_from_another(
    pipeline_url: str, new_user: Callable[[], User], database: Connection
) -> None:
    user = new_user()
    contact = next(one for one in SAMPLES if one.source == SHOP and one.entity == "person")
    endpoint = make_endpoint(pipeline_url, user, contact)
    first = wait_for(pipeline_url, user, send(pipeline_url, endpoint, contact), "done")
    again = wait_for(pipeline_url, user, send(pipeline_url, endpoint, contact), "done")
    assert again["id"] != first["id"]
    assert again["personId"] == first["personId"]


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:supabase", "ignore:The '.*' parameter is deprecated"
)
def test_the_vendors_own_client_shows_a_user_their_events_and_nobody_elses(
    stack: RunningStack, pipeline_url: str, new_user: Callable[[], User]
) -> None:
    owner, stranger, sample = new_user(), new_user(), sample_of(STRIPE)
    endpoint = make_endpoint(pipeline_url, owner, sample)
    event_id = send(pipeline_url, endpoint, sample)
    wait_for(pipeline_url, owner, event_id, "done")

    def seen_by(user: User) -> list[Any]:
        with httpx.Client() as http:
            headers = {"Authorization": f"Bearer {user.token}"}
            options = ClientOptions(headers=headers, httpx_client=http)
            client = create_client(stack.api_url, stack.publishable_key, options)
            return client.table("webhook_events").select("id").execute().data

    assert seen_by(owner) == [{"id": event_id}]
    assert seen_by(stranger) == []


def test_a_lost_wake_up_costs_a_sweep_and_not_an_event(
    pipeline_url: str, new_user: Callable[[], User], database: Connection
) -> None:
    user, sample = new_user(), sample_of(GITHUB)
    endpoint = make_endpoint(pipeline_url, user, sample, isActive=True)
    event_id = send(pipeline_url, endpoint, sample)
    wait_for(pipeline_url, user, event_id, "done")
    # Put back without anybody being told.
    database.execute(
        "update public.webhook_events set stage = 'classify', status = 'pending', processed_at = null"
        " where id = %s",
        [event_id],
    )
    assert wait_for(pipeline_url, user, event_id, "done")["status"] == "processed"
