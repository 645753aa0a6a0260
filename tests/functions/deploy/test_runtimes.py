"""Bundles run for real: by uvicorn, by AWS Lambda's and by Google Cloud Functions' own programs."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from functions.deploy.bundle import NAMES, ROOT
from receiver import receiving
from tests.database.factories import make_endpoint
from tests.database.rpcs import Connection, one
from tests.functions.deploy.runtimes import (
    RUNTIMES,
    Ask,
    under_functions_framework,
    under_lambda,
    under_uvicorn,
)
from tests.functions.deploy.unpacked import Bundles
from tests.running_stack import RunningStack, User
from tests.shared.telemetry.collector import collecting

STATIC = ROOT / "functions" / "console" / "static"
BODY = json.dumps({"event_type": "order.completed", "external_id": "1001", "data": {"total": 5}})


def is_stored(database: Connection, answer: dict[str, Any]) -> bool:
    query = "select convert_from(body, 'UTF8') as body from private.webhook_bodies where webhook_event_id = %s"
    body: str = one(database, query, [answer["data"]["id"]])["body"]
    return body == BODY


def test_ingest_stores_every_event_that_one_lambda_instance_is_given(
    bundles: Bundles, settings: dict[str, str], database: Connection
) -> None:
    slug = one(
        database,
        "select slug from public.webhook_endpoints where id = %s",
        [make_endpoint(database).id],
    )["slug"]
    with under_lambda(bundles, "ingest", settings) as ask:
        answers = [
            ask("POST", f"/{slug}", BODY.encode(), {"content-type": kind})
            for kind in ("application/json", "application/vnd.shop+json")
        ]

    assert [answer.status for answer in answers] == [202, 202]
    first, second = (answer.json() for answer in answers)
    assert is_stored(database, first)
    assert second["data"] == {"id": first["data"]["id"], "state": "duplicate"}


def test_lambda_sends_what_was_recorded_before_it_may_freeze(
    bundles_with_telemetry: Bundles, settings: dict[str, str]
) -> None:
    with collecting() as collector:
        told = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            # By itself nothing would be sent for an hour.
            "OTEL_BSP_SCHEDULE_DELAY": "3600000",
            "OTEL_METRIC_EXPORT_INTERVAL": "3600000",
        }
        with under_lambda(bundles_with_telemetry, "ingest", settings | told) as ask:
            for number in (1, 2):
                answer = ask("POST", "/nowhere", BODY.encode())
                assert answer.status == 404
                assert len(collector.found("POST /{slug}")) == number
                refused = collector.values("switchhook.ingest.events")[
                    "unknown_endpoint", "refused"
                ]
                assert refused.total == number
    assert {span.service for span in collector.spans} == {"switchhook-ingest"}


def test_a_function_without_telemetrys_packages_runs_where_an_endpoint_is_set(
    bundles: Bundles, settings: dict[str, str]
) -> None:
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    with under_uvicorn(bundles, "ingest", settings | told) as ask:
        answer = ask("POST", "/nowhere", BODY.encode())

    assert answer.json()["code"] == "unknown_endpoint"


def test_ingest_stores_and_refuses_under_functions_framework(
    bundles: Bundles, settings: dict[str, str], database: Connection
) -> None:
    slug = one(
        database,
        "select slug from public.webhook_endpoints where id = %s",
        [make_endpoint(database).id],
    )["slug"]
    with under_functions_framework(bundles, "ingest", settings) as ask:
        answer = ask("POST", f"/{slug}", BODY.encode(), {"content-type": "application/json"})
        refused = ask("POST", f"/nowhere-{slug}", BODY.encode(), {"content-type": "text/plain"})

    assert answer.status == 202
    assert is_stored(database, answer.json())
    assert refused.json()["code"] == "unknown_endpoint"


@dataclass(frozen=True)
class Deployed:
    """Every function in a process of its own, each from its bundle, under one of the runtimes."""

    ask: Mapping[str, Ask]
    headers: Mapping[str, str]
    """Of the user whom the API serves."""
    secret: str = field(repr=False)

    def create(self, path: str, **fields: object) -> dict[str, Any]:
        headers = {**self.headers, "content-type": "application/json"}
        answer = self.ask["api"]("POST", f"/api/{path}", json.dumps(fields).encode(), headers)
        assert answer.status == 201, answer
        created: dict[str, Any] = answer.json()["data"]
        return created

    def work(self, function: str) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self.secret}", "content-type": "application/json"}
        answer = self.ask[function]("POST", "/", b"{}", headers)
        assert answer.status == 200, answer
        counts: dict[str, Any] = answer.json()["data"]
        return counts


@pytest.fixture(scope="module", params=sorted(RUNTIMES))
def deployed(
    request: pytest.FixtureRequest,
    bundles: Bundles,
    settings: dict[str, str],
    stack: RunningStack,
    new_user: Callable[[], User],
) -> Iterator[Deployed]:
    headers = {"authorization": f"Bearer {new_user().token}"}
    with ExitStack() as running_functions:
        ask = {
            function: running_functions.enter_context(
                RUNTIMES[request.param](bundles, function, settings)
            )
            for function in NAMES
        }
        yield Deployed(ask, headers, stack.functions_secret)


def test_every_function_is_healthy_under_every_runtime(deployed: Deployed) -> None:
    answers = {name: ask("GET", "/healthz") for name, ask in deployed.ask.items()}

    assert {answer.status for answer in answers.values()} == {200}
    told = {name: answer.json()["data"] for name, answer in answers.items()}
    names = {name: "ingest" if name == "ingest" else NAMES[name] for name in NAMES}
    assert {name: data["function"] for name, data in told.items()} == names
    assert {data["database"] for data in told.values()} == {"reachable"}


def test_an_event_goes_all_the_way_through_functions_that_run_alone(
    deployed: Deployed, database: Connection
) -> None:
    with receiving() as receiver:
        webhook = deployed.create("webhooks", name="Mine", url=receiver.url, events=["*"])
        action = {"actionType": "call_webhook", "actionConfig": {"event": "order.completed"}}
        deployed.create("rules", name="Tell", entityTable="order", actions=[action])
        endpoint = deployed.create(
            "endpoints",
            name="Shop",
            scheme="webhook_signature",
            processingMode="automatic",
            confidenceThreshold=0.1,
            defaultEntityTable="order",
        )
        signature = hmac.new(endpoint["secret"].encode(), BODY.encode(), hashlib.sha256).hexdigest()
        stored = deployed.ask["ingest"](
            "POST",
            f"/{endpoint['slug']}",
            BODY.encode(),
            {"content-type": "application/json", "x-webhook-signature": f"sha256={signature}"},
        )
        for function in ("classify", "prepare_for_rules", "process_rules"):
            counts = deployed.work(function)
            assert (counts["claimed"] > 0, counts["lost"]) == (True, 0), function
        deployed.work("dispatch")
        listed = deployed.ask["api"](
            "GET", f"/api/webhooks/{webhook['id']}/logs", b"", deployed.headers
        )

    event = one(
        database,
        "select status::text, entity_table, error_message from public.webhook_events where id = %s",
        [stored.json()["data"]["id"]],
    )
    assert event == {"status": "processed", "entity_table": "order", "error_message": None}
    assert [received.event["event"] for received in receiver.received] == ["order.completed"]
    assert [log["responseStatus"] for log in listed.json()["data"]["items"]] == [200]


def test_the_api_lists_what_a_user_made_and_refuses_strangers(deployed: Deployed) -> None:
    made = deployed.create("webhooks", name="Kept", url="https://hooks.example.com", events=["*"])

    listed = deployed.ask["api"]("GET", "/api/webhooks?limit=100", b"", deployed.headers)
    strange = deployed.ask["api"]("GET", "/api/webhooks")

    assert made["id"] in {webhook["id"] for webhook in listed.json()["data"]["items"]}
    assert (strange.status, strange.json()["code"]) == (401, "unauthorized")


def test_workers_refuse_whoever_does_not_know_the_functions_secret(deployed: Deployed) -> None:
    for function in ("classify", "prepare_for_rules", "process_rules", "dispatch"):
        answer = deployed.ask[function]("POST", "/", b"{}", {"authorization": "Bearer other"})
        assert (answer.status, answer.json()["code"]) == (401, "unauthorized"), function


def test_the_console_shows_its_sign_in_page_with_all_that_it_loads(deployed: Deployed) -> None:
    ask = deployed.ask["console"]

    page = ask("GET", "/console/sign-in")
    loaded = re.findall(r'(?:src|href)="(/console/static/[^"]+)"', page.content.decode())

    assert page.status == 200
    assert 'type="password"' in page.content.decode()
    assert {"console.css", "theme.js"} <= {
        path.partition("?")[0].rpartition("/")[2] for path in loaded
    }
    for path in (*loaded, "/console/static/vendor/htmx.min.js"):
        file = ask("GET", path)
        name = path.partition("?")[0].removeprefix("/console/static/")
        assert (file.status, file.content) == (200, (STATIC / name).read_bytes()), path
