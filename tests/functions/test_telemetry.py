"""Functions in processes of their own, whose spans and metrics a collector gets."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import pytest

from receiver import Receiver, Reply, receiving
from shared.encryption import SecretBox
from tests.acceptance.instances import Instance
from tests.database.deliveries import make_webhook, publish
from tests.database.factories import insert
from tests.functions.conftest import Connection, Endpoint, MakeEndpoint
from tests.running_stack import RunningStack, User
from tests.shared.telemetry.collector import Collector, Span, collecting

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
CANARY = "canary-c01d5ee"
"""In secrets, payloads, headers and queries: none may be told."""
FUNCTIONS = ("ingest", "classify", "dispatch", "api")


@dataclass(frozen=True)
class Running:
    collector: Collector
    urls: dict[str, str]
    secret: str

    def work(self, function: str, **about: object) -> None:
        """Calls a worker within a trace."""
        headers = {"Authorization": f"Bearer {self.secret}", **TRACEPARENT}
        answer = httpx.post(self.urls[function], json=about, headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text

    def send(
        self, endpoint: Endpoint, body: Mapping[str, object], **headers: str
    ) -> httpx.Response:
        content = json.dumps(body).encode()
        return httpx.post(
            f"{self.urls['ingest']}{endpoint.path}?key={CANARY}",
            content=content,
            headers={**endpoint.signed(content), "Cookie": CANARY, **TRACEPARENT, **headers},
            timeout=60,
        )


@pytest.fixture(scope="module")
def running(stack: RunningStack) -> Iterator[Running]:
    with ExitStack() as opened:
        collector = opened.enter_context(collecting())
        environment = {
            **os.environ,
            **stack.values,
            "DELIVERY_ALLOWED_NETWORKS": "127.0.0.0/8",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_METRIC_EXPORT_INTERVAL": "200",
        }
        instances = {}
        for function in FUNCTIONS:
            instances[function] = Instance.start(function, environment)
            opened.callback(instances[function].kill)
            if function == "dispatch":
                environment["DISPATCH_URL"] = f"{instances[function].url}/"
        for instance in instances.values():
            instance.wait_until_healthy()
        urls = {function: instance.url for function, instance in instances.items()}
        yield Running(collector, urls, stack.functions_secret)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


def below(parent: Span, collector: Collector) -> dict[str, Span]:
    """The spans below one, by name."""
    return {span.name: span for span in collector.spans if span.parent_id == parent.id}


def make_hook(database: Connection, stack: RunningStack, url: str) -> tuple[str, str]:
    """A webhook whose address, key and header are secret; its id, and that of an event for it."""
    database.execute("delete from public.webhooks")
    webhook = make_webhook(database, url=url, events=["order.*"])
    box = SecretBox.from_setting(stack.encryption_keys)
    for purpose, name, text in (("signing", "", CANARY), ("header", "X-Token", CANARY)):
        insert(
            database,
            "private.webhook_secrets",
            webhook_id=webhook.id,
            purpose=purpose,
            name=name,
            ciphertext=box.encrypt(text),
        )
    return str(webhook.id), str(publish(database, webhook.user_id))


def test_a_webhook_on_its_way_in_is_one_trace(
    running: Running, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint(secret=CANARY)
    body = {"event_type": "order.completed", "email": f"{CANARY}@example.com"}
    stored = running.send(endpoint, body).json()["data"]

    route = "POST /functions/v1/webhook-ingest/{slug}"
    request = running.collector.span(route, **{"event.id": stored["id"]})
    assert (request.service, request.kind) == ("switchhook-ingest", "SERVER")
    assert (request.trace_id, request.parent_id) == (TRACE, CALLER)
    assert request.attributes["http.response.status_code"] == 202
    assert request.attributes["switchhook.endpoint.id"] == str(endpoint.id)
    assert request.attributes["switchhook.state"] == "accepted"
    inside = below(request, running.collector)
    assert inside.keys() == {"get_ingest_endpoint", "group commit"}
    assert below(inside["group commit"], running.collector).keys() == {"ingest_events"}
    assert {span.trace_id for span in inside.values()} == {TRACE}
    assert endpoint.slug not in running.collector.text
    assert CANARY not in running.collector.text


def test_webhooks_are_counted_by_what_became_of_them(
    running: Running, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint()
    name, nowhere = "switchhook.ingest.events", ("unknown_endpoint", "refused")
    httpx.post(f"{running.urls['ingest']}/nowhere", timeout=60)
    # What was counted earlier has come by then too.
    running.collector.wait_for(lambda: nowhere in running.collector.values(name))
    before = running.collector.values(name)
    for _ in range(2):
        running.send(endpoint, {"event_type": "order.completed", "n": 1})
    refused = running.send(endpoint, {"a": CANARY}, **{"X-Webhook-Signature": "sha256=00"})
    assert refused.status_code == 401

    def counted(*about: str) -> float:
        points = running.collector.values(name)
        return sum(
            points[about].total - (before[about].total if about in before else 0)
            for about in {about} & points.keys()
        )

    running.collector.wait_for(lambda: counted("invalid_signature", "refused") == 1)
    assert (counted("accepted"), counted("duplicate")) == (1, 1)
    outcomes = {("accepted",), ("duplicate",), ("refused",)}
    running.collector.wait_for(
        lambda: outcomes <= running.collector.values("switchhook.ingest.duration").keys()
    )
    assert CANARY not in running.collector.text


def test_a_batch_of_a_worker_tells_what_became_of_it(
    running: Running, make_endpoint: MakeEndpoint
) -> None:
    stored = running.send(make_endpoint(), {"event_type": "order.completed"}).json()["data"]
    running.work("classify", event_ids=[stored["id"]])

    def batches() -> list[Span]:
        found = running.collector.found("classify batch")
        return [span for span in found if stored["id"] in span.attributes["switchhook.event.ids"]]

    (batch,) = running.collector.wait_for(batches)
    assert batch.service == "switchhook-classify"
    assert batch.trace_id == TRACE
    assert {k: v for k, v in batch.attributes.items() if k.startswith("switchhook.batch")} == {
        "switchhook.batch.claimed": 1,
        "switchhook.batch.finished": 1,
        "switchhook.batch.failed": 0,
        "switchhook.batch.lost": 0,
    }
    assert below(batch, running.collector).keys() == {"finish_classify"}
    sizes = running.collector.wait_for(
        lambda: running.collector.values("switchhook.stage.batch.size")
    )
    assert sizes["classify",].total == 1
    running.collector.wait_for(
        lambda: ("finished", "classify") in running.collector.values("switchhook.stage.events")
    )


def test_an_attempt_to_deliver_tells_its_host_and_its_ids_alone(
    running: Running, database: Connection, stack: RunningStack, receiver: Receiver
) -> None:
    webhook_id, event_id = make_hook(database, stack, f"{receiver.url}/{CANARY}?key={CANARY}")
    running.work("dispatch")

    attempt = running.collector.span("deliver", **{"webhook.id": webhook_id})
    ids = {"switchhook.delivery.id": attempt.attributes["switchhook.delivery.id"]}
    assert attempt.kind == "CLIENT"
    assert not attempt.is_error
    assert attempt.attributes == ids | {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "server.address": "127.0.0.1",
        "server.port": receiver.server.server_port,
        "switchhook.delivery.attempt": 1,
        "switchhook.event.id": event_id,
        "switchhook.outcome": "delivered",
        "switchhook.webhook.id": webhook_id,
    }
    request = running.collector.parent_of(attempt)
    assert (request.name, request.trace_id, request.parent_id) == ("POST /", TRACE, CALLER)
    inside = below(request, running.collector)
    assert {"claim_deliveries", "deliver", "group commit"} <= inside.keys()
    recorded = below(inside["group commit"], running.collector)
    assert recorded.keys() == {"finish_deliveries"}
    (sent,) = receiver.received
    assert CANARY in sent.path
    assert sent.headers["x-token"] == CANARY
    assert CANARY not in running.collector.text


def test_a_receiver_is_told_nothing_of_our_traces(
    running: Running, database: Connection, stack: RunningStack, receiver: Receiver
) -> None:
    make_hook(database, stack, receiver.url)
    running.work("dispatch")

    (sent,) = receiver.received
    assert not {"traceparent", "tracestate", "baggage"} & sent.headers.keys()


def test_attempts_are_counted_by_outcome_and_a_failed_one_is_an_error(
    running: Running, database: Connection, stack: RunningStack, receiver: Receiver
) -> None:
    receiver.reply = Reply(500, {"X-Seen": CANARY}, CANARY.encode())
    webhook_id, _ = make_hook(database, stack, receiver.url)
    running.work("dispatch")

    # The first retry follows at once.
    first = {"webhook.id": webhook_id, "delivery.attempt": 1}
    attempt = running.collector.span("deliver", **first)
    assert attempt.is_error
    assert attempt.attributes["error.type"] == "http_error"
    assert attempt.attributes["http.response.status_code"] == 500
    counted = ("http_error", "retry")
    running.collector.wait_for(
        lambda: counted in running.collector.values("switchhook.delivery.attempts")
    )
    running.collector.wait_for(
        lambda: counted in running.collector.values("switchhook.delivery.duration")
    )
    assert running.collector.wait_for(
        lambda: running.collector.values("switchhook.delivery.wait").get(())
    )
    assert CANARY not in running.collector.text


def test_a_test_send_is_one_trace_through_api_and_dispatch(
    running: Running, receiver: Receiver, new_user: Callable[[], User]
) -> None:
    headers = {"Authorization": f"Bearer {new_user().token}"}
    with httpx.Client(base_url=running.urls["api"], headers=headers, timeout=60) as client:
        hook = {"name": CANARY, "url": receiver.url, "events": ["order.*"], "secret": CANARY * 2}
        webhook = client.post("/api/v1/webhooks", json=hook).json()["data"]
        answer = client.post(f"/api/v1/webhooks/{webhook['id']}/test?x={CANARY}", json={})
    assert answer.json()["data"]["success"], answer.text

    attempt = running.collector.span("deliver", **{"webhook.id": webhook["id"]})
    route = "POST /api/webhooks/{webhook_id}/test"
    sent = running.collector.wait_for(
        lambda: [one for one in running.collector.found(route) if one.trace_id == attempt.trace_id]
    )
    request = running.collector.parent_of(attempt)
    assert (request.service, request.parent_id) == ("switchhook-dispatch", sent[0].id)
    assert {"webhooks", "test_webhook", "webhook_deliveries"} <= below(
        sent[0], running.collector
    ).keys()
    assert CANARY not in running.collector.text


def test_metrics_say_nothing_of_whom_they_are_about(running: Running) -> None:
    allowed = {
        "error.type",
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "switchhook.outcome",
        "switchhook.stage",
        "url.scheme",
    }
    points = running.collector.wait_for(lambda: running.collector.points)

    assert {name for point in points for name in point.attributes} <= allowed
