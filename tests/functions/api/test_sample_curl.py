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
from shared.management.sample_curl import RECIPES, sample_curl
from shared.signatures import SCHEMES, Headers, SignedRequest, scheme_named
from tests.functions.api.conftest import Account, data_of
from tests.shared.signatures.factories import SETTINGS

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
            kept.received.append(SignedRequest("POST", self.path, headers, body))
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
    return scheme.describe(request, json.loads(request.body), settings)


def test_there_is_a_recipe_for_every_scheme() -> None:
    assert RECIPES.keys() == SCHEMES.keys()


EVENT_TYPES = {
    "github": "issues.opened",
    "shopify": "orders/create",
    "slack": "message",
    "stripe": "customer.created",
}


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_the_command_sends_what_the_scheme_verifies(scheme: str, receiver: Receiver) -> None:
    settings = SETTINGS.get(scheme, {})
    secret = scheme_named(scheme).generate_secret()
    assert run(sample_curl(receiver.url, scheme, settings), secret) == "taken"
    (request,) = receiver.received
    described = check(request, scheme, secret, settings)
    assert described.event_type == EVENT_TYPES.get(scheme, "contact.created")
    assert described.external_id
    if scheme_named(scheme).needs_secret:
        other = scheme_named(scheme).generate_secret()
        with pytest.raises(InvalidSignature):
            check(request, scheme, other, settings)


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
    assert (described.delivery_id is not None) == ("deliveryIdHeader" in settings)


async def test_an_endpoint_s_command_names_its_address_and_no_secret(anna: Account) -> None:
    endpoint = await anna.create_endpoint(scheme="github")
    answer = await data_of(anna.client.get(f"/api/endpoints/{endpoint['id']}/sample-curl"))
    assert endpoint["url"] in answer["curl"]
    assert endpoint["secret"] not in answer["curl"]
    assert '"$SECRET"' in answer["curl"]
