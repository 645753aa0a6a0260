"""The sample command, run by a real bash with a real curl and openssl, against each scheme's verifier."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.errors import InvalidSignature
from shared.forms import parse_form
from shared.management.recipes import RECIPES
from shared.management.sample_curl import sample_curl
from shared.signatures import SCHEMES, Headers, SignedRequest, scheme_named
from shared.signatures.request import is_form
from tests.functions.api.conftest import Account, data_of
from tests.shared.signatures.factories import SETTINGS, Sender

NASTY = '\'; touch /tmp/pwned; $(exit 1) `exit 1` "$HOME" \\ %s !x \n é'


@dataclass
class Receiver:
    """An HTTP server that keeps what it receives."""

    url: str = ""
    received: list[SignedRequest] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    kept = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = Headers(self.headers.items())
            url = f"{kept.url.removesuffix('/hook')}{self.path}"
            kept.received.append(SignedRequest("POST", url, headers, body))
            self.send_response(202)
            self.end_headers()
            self.wfile.write(b"taken")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield kept
    server.shutdown()
    thread.join()
    server.server_close()


def run(command: str, secret: str) -> str:
    """What bash prints for the command as it stands."""
    environment = {"PATH": os.environ["PATH"], "SECRET": secret}
    done = subprocess.run(
        ["bash", "-c", command], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout


def check(request: SignedRequest, scheme_name: str, secret: str, raw: dict[str, Any]) -> Any:
    """Verifies as ingest does, and says what kind of event it is."""
    scheme = scheme_named(scheme_name)
    settings = scheme.settings(raw)
    scheme.verify(request, [secret], settings, int(time.time()))
    if is_form(request.headers):
        return scheme.describe(request, parse_form(request.body).value, settings)
    payload = json.loads(request.body)
    if isinstance(payload, list):
        assert scheme.takes_arrays
        (payload,) = payload
    return scheme.describe(request, payload, settings)


def test_there_is_a_recipe_for_every_scheme() -> None:
    assert RECIPES.keys() == SCHEMES.keys()


EVENT_TYPES = {
    "calendly": "invitee.created",
    "discord": "ENTITLEMENT_CREATE",
    "github": "issues.opened",
    "gitlab": "Issue Hook",
    "hubspot": "contact.creation",
    "intercom": "contact.user.created",
    "linear": "Issue.create",
    "mailgun": "delivered",
    "meta": "messages",
    "paddle": "customer.created",
    "paypal": "PAYMENT.CAPTURE.COMPLETED",
    "sendgrid": "delivered",
    "shopify": "orders/create",
    "slack": "message",
    "square": "payment.created",
    "stripe": "customer.created",
    "twilio": "message.received",
    "typeform": "form_response",
    "woocommerce": "order.created",
    "zendesk": "zen:event-type:ticket.created",
    "zoom": "meeting.ended",
}


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_the_command_sends_what_the_scheme_verifies(scheme: str, receiver: Receiver) -> None:
    settings = SETTINGS.get(scheme, {})
    secret = Sender(scheme).secret
    assert run(sample_curl(receiver.url, scheme, settings), secret) == "taken"
    (request,) = receiver.received
    described = check(request, scheme, secret, settings)
    assert described.event_type == EVENT_TYPES.get(scheme, "contact.created")
    assert described.external_id
    if scheme_named(scheme).needs_secret:
        other = scheme_named(scheme).generate_secret()
        with pytest.raises(InvalidSignature):
            check(request, scheme, other, settings)


@pytest.mark.parametrize("scheme", ["hubspot", "square", "twilio"])
def test_the_endpoints_own_address_is_signed_unless_another_is_set(
    scheme: str, receiver: Receiver
) -> None:
    secret = Sender(scheme).secret
    run(sample_curl(receiver.url, scheme, {}), secret)
    check(receiver.received[0], scheme, secret, {})
    with pytest.raises(InvalidSignature):
        check(receiver.received[0], scheme, secret, SETTINGS[scheme])


def test_a_signing_token_of_gitlab_signs(receiver: Receiver) -> None:
    secret = scheme_named("standard_webhooks").generate_secret()
    run(sample_curl(receiver.url, "gitlab", {}), secret)
    (request,) = receiver.received
    assert b"x-gitlab-token" not in request.headers
    assert check(request, "gitlab", secret, {}).event_type == "Issue Hook"


@pytest.mark.parametrize(
    "settings",
    [
        {"header": "x-sig", "hash": "sha512"},
        {"header": "x-sig", "hash": "sha1", "encoding": "base64", "prefix": "v1="},
        {"header": "x-sig", "template": "{timestamp}:{body}", "timestampHeader": "x-time"},
        {"header": "x-sig", "template": "{id}{body}", "deliveryIdHeader": "x-id"},
        {"header": "x-sig", "template": NASTY + "{body}" + NASTY},
        {"header": "x'$`!#&*|~", "prefix": "'\"$(x)`y`\\", "eventTypeHeader": "x-'type"},
    ],
)
def test_whatever_people_choose_is_quoted(settings: dict[str, Any], receiver: Receiver) -> None:
    run(sample_curl(receiver.url, "hmac", settings), NASTY.strip())
    (request,) = receiver.received
    described = check(request, "hmac", NASTY.strip(), settings)
    assert described.event_type == "contact.created"


@pytest.mark.parametrize(
    ("scheme", "settings"),
    [
        ("bearer", {"header": "x-token", "prefix": "Token '$' "}),
        ("basic", {"username": NASTY.replace(":", "").replace("\n", ""), "deliveryIdHeader": "x"}),
        ("twilio", {"algorithm": "sha256", "publicUrl": "https://x.example/'$(x)'"}),
        ("bearer", {"eventTypeHeader": "x-type", "deliveryIdHeader": "x-id"}),
        ("chatbots", {"deliveryIdHeader": "x-id"}),
        ("webhook_signature", {"eventTypeHeader": "x-type"}),
        ("none", {"deliveryIdHeader": "x-id"}),
    ],
)
def test_the_command_follows_the_settings(
    scheme: str, settings: dict[str, Any], receiver: Receiver
) -> None:
    secret = scheme_named(scheme).generate_secret()
    run(sample_curl(receiver.url, scheme, settings), secret)
    (request,) = receiver.received
    described = check(request, scheme, secret, settings)
    has_id = "deliveryIdHeader" in settings or scheme == "twilio"
    assert (described.delivery_id is not None) == has_id


async def test_an_endpoint_s_command_names_its_address_and_no_secret(anna: Account) -> None:
    endpoint = await anna.create_endpoint(scheme="github")
    answer = await data_of(anna.client.get(f"/api/endpoints/{endpoint['id']}/sample-curl"))
    assert endpoint["url"] in answer["curl"]
    assert endpoint["secret"] not in answer["curl"]
    assert '"$SECRET"' in answer["curl"]
