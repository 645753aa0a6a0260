"""Bundles run for real: by uvicorn, by AWS Lambda's and by Google Cloud Functions' own programs."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from typing_extensions import override

from functions.deploy.bundle import NAMES
from processes import free_port
from shared.encryption import SecretBox
from shared.profiles import generate_secret
from tests.database.deliveries import make_webhook, publish
from tests.database.factories import insert, make_endpoint
from tests.database.rpcs import Connection, one
from tests.functions.deploy.runtime_api import RuntimeApi, runtime_api
from tests.functions.deploy.unpacked import Bundles, linked, running, wait_until_healthy
from tests.running_stack import RunningStack, User
from tests.shared.telemetry.collector import collecting

HOT = ["ingest", "dispatch"]
BODY = json.dumps({"event_type": "order.completed", "external_id": "1001", "data": {"total": 5}})


@contextmanager
def receiver() -> Iterator[tuple[str, list[bytes]]]:
    """A receiver on this machine: its URL, and the bodies that it got."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        @override
        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook", bodies
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def under_uvicorn(bundles: Bundles, function: str, settings: dict[str, str]) -> Iterator[str]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    arguments = ["uvicorn", "main:app", "--port", str(port), "--log-level", "warning"]
    with running(bundles.unpacked(function), arguments, settings) as process:
        wait_until_healthy(process, url)
        yield url


@contextmanager
def under_lambda(bundles: Bundles, function: str, settings: dict[str, str]) -> Iterator[RuntimeApi]:
    folder = bundles.unpacked(function)
    packages = linked(folder.with_name("awslambdaric"), "awslambdaric")
    with runtime_api() as api:
        environment = settings | {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.port}",
            "AWS_LAMBDA_FUNCTION_NAME": function,
        }
        with running(folder, ["awslambdaric", "main.handler"], environment, packages):
            yield api


@contextmanager
def under_functions_framework(
    bundles: Bundles, function: str, settings: dict[str, str]
) -> Iterator[str]:
    folder = bundles.unpacked(function)
    packages = linked(folder.with_name("functions_framework"), "functions-framework")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = settings | {
        "FUNCTION_TARGET": "target",
        "FUNCTION_USE_ASGI": "1",
        "HOST": "127.0.0.1",
        "PORT": str(port),
    }
    with running(folder, ["functions_framework"], environment, packages) as process:
        wait_until_healthy(process, url)
        yield url


def is_stored(database: Connection, answer: dict[str, Any]) -> bool:
    query = "select convert_from(body, 'UTF8') as body from private.webhook_bodies where webhook_event_id = %s"
    body: str = one(database, query, [answer["data"]["id"]])["body"]
    return body == BODY


def publish_to(database: Connection, stack: RunningStack, url: str) -> None:
    """An event for a webhook of a new user's at this URL."""
    webhook = make_webhook(database, url=url, events=["order.*"])
    insert(
        database,
        "private.webhook_secrets",
        webhook_id=webhook.id,
        purpose="signing",
        ciphertext=SecretBox.from_setting(stack.encryption_keys).encrypt(generate_secret()),
    )
    publish(database, webhook.user_id)


def calls_to_deliver(stack: RunningStack) -> dict[str, str]:
    return {
        "authorization": f"Bearer {stack.functions_secret}",
        "content-type": "application/json",
    }


@pytest.mark.parametrize("function", HOT)
def test_lambda_shows_whether_a_function_is_healthy(
    function: str, bundles: Bundles, settings: dict[str, str]
) -> None:
    with under_lambda(bundles, function, settings) as api:
        answer = api.invoke("GET", "/healthz")

    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["data"]["function"] == function


def test_ingest_stores_every_event_that_one_lambda_instance_is_given(
    bundles: Bundles, settings: dict[str, str], database: Connection
) -> None:
    slug = one(
        database,
        "select slug from public.webhook_endpoints where id = %s",
        [make_endpoint(database).id],
    )["slug"]
    with under_lambda(bundles, "ingest", settings) as api:
        answers = [
            api.invoke("POST", f"/{slug}", BODY.encode(), {"content-type": kind})
            for kind in ("application/json", "application/vnd.shop+json")
        ]

    assert [answer["statusCode"] for answer in answers] == [202, 202]
    first, second = (json.loads(answer["body"]) for answer in answers)
    assert is_stored(database, first)
    assert second["data"] == {"id": first["data"]["id"], "state": "duplicate"}


def test_dispatch_delivers_on_lambda(
    bundles: Bundles, settings: dict[str, str], database: Connection, stack: RunningStack
) -> None:
    with receiver() as (url, bodies), under_lambda(bundles, "dispatch", settings) as api:
        publish_to(database, stack, url)
        answer = api.invoke("POST", "/", b"{}", calls_to_deliver(stack))

    assert answer["statusCode"] == 200, answer
    assert [json.loads(body)["data"] for body in bodies] == [{"id": 1}]


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
        with under_lambda(bundles_with_telemetry, "ingest", settings | told) as api:
            for number in (1, 2):
                answer = api.invoke("POST", "/nowhere", BODY.encode())
                assert answer["statusCode"] == 404
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
    with under_uvicorn(bundles, "ingest", settings | told) as url:
        answer = httpx.post(f"{url}/nowhere", content=BODY, timeout=30)

    assert answer.json()["code"] == "unknown_endpoint"


@pytest.mark.parametrize("function", HOT)
def test_functions_framework_serves_a_bundle(
    function: str, bundles: Bundles, settings: dict[str, str]
) -> None:
    with under_functions_framework(bundles, function, settings) as url:
        answer = httpx.get(f"{url}/healthz", timeout=30)

    assert answer.status_code == 200
    assert answer.json()["data"]["function"] == function


def test_ingest_stores_and_refuses_under_functions_framework(
    bundles: Bundles, settings: dict[str, str], database: Connection
) -> None:
    slug = one(
        database,
        "select slug from public.webhook_endpoints where id = %s",
        [make_endpoint(database).id],
    )["slug"]
    with under_functions_framework(bundles, "ingest", settings) as url:
        answer = httpx.post(f"{url}/{slug}", content=BODY, timeout=30)
        refused = httpx.post(f"{url}/nowhere-{slug}", content=BODY, timeout=30)

    assert answer.status_code == 202
    assert is_stored(database, answer.json())
    assert refused.json()["code"] == "unknown_endpoint"


def test_dispatch_delivers_under_functions_framework(
    bundles: Bundles, settings: dict[str, str], database: Connection, stack: RunningStack
) -> None:
    with (
        receiver() as (url, bodies),
        under_functions_framework(bundles, "dispatch", settings) as at,
    ):
        publish_to(database, stack, url)
        answer = httpx.post(at, content=b"{}", headers=calls_to_deliver(stack), timeout=60)

    assert answer.status_code == 200
    assert [json.loads(body)["data"] for body in bodies] == [{"id": 1}]


def test_an_event_goes_all_the_way_through_functions_that_run_alone(
    bundles: Bundles,
    settings: dict[str, str],
    stack: RunningStack,
    new_user: Callable[[], User],
    database: Connection,
) -> None:
    user = new_user()
    with ExitStack() as running_functions, receiver() as (hook, bodies):
        urls = {
            function: running_functions.enter_context(under_uvicorn(bundles, function, settings))
            for function in NAMES
        }
        client = httpx.Client(timeout=60, headers={"Authorization": f"Bearer {user.token}"})
        running_functions.enter_context(client)

        def create(path: str, **fields: object) -> dict[str, Any]:
            answer = client.post(f"{urls['api']}/api/{path}", json=fields)
            answer.raise_for_status()
            created: dict[str, Any] = answer.json()["data"]
            return created

        def work(function: str) -> None:
            answer = httpx.post(
                urls[function], content=b"{}", headers=calls_to_deliver(stack), timeout=60
            )
            answer.raise_for_status()

        create("webhooks", name="Mine", url=hook, events=["*"])
        create(
            "rules",
            name="Tell",
            entityTable="order",
            actions=[{"actionType": "call_webhook", "actionConfig": {"event": "order.completed"}}],
        )
        endpoint = create(
            "endpoints",
            name="Shop",
            scheme="webhook_signature",
            processingMode="automatic",
            confidenceThreshold=0.1,
            defaultEntityTable="order",
        )
        signature = hmac.new(endpoint["secret"].encode(), BODY.encode(), hashlib.sha256).hexdigest()
        stored = httpx.post(
            f"{urls['ingest']}/{endpoint['slug']}",
            content=BODY,
            headers={"X-Webhook-Signature": f"sha256={signature}"},
            timeout=60,
        )
        for function in ("classify", "prepare_for_rules", "process_rules", "dispatch"):
            work(function)

    event = one(
        database,
        "select status::text, entity_table, error_message from public.webhook_events where id = %s",
        [stored.json()["data"]["id"]],
    )
    assert event == {"status": "processed", "entity_table": "order", "error_message": None}
    assert [json.loads(body)["event"] for body in bodies] == ["order.completed"]
