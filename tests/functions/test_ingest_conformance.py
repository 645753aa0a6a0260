"""The running ingest answers as described, whatever is sent to it, by every scheme."""

from __future__ import annotations

import time

import pytest
import requests

from functions.ingest.receive import PATHS
from shared.signatures import SCHEMES, scheme_named
from tests.functions.conformance import (
    RIGHT,
    WRONG,
    Case,
    Mode,
    Sender,
    assert_conforms,
    operations,
)
from tests.functions.conftest import Endpoint, MakeEndpoint
from tests.functions.ingest_description import describe_ingest

OPERATIONS = operations(describe_ingest())
REQUESTS = 8
"""Per scheme or operation, right and wrong ones each."""


def signing(endpoint: Endpoint, functions_url: str) -> Sender:
    """Whatever is sent to this endpoint is signed as its source would."""
    scheme = scheme_named(endpoint.scheme)

    def fill(case: Case) -> None:
        if case.path_parameters:
            case.path_parameters["slug"] = endpoint.slug

    def sign(request: requests.PreparedRequest) -> None:
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        assert isinstance(body, bytes)
        if scheme.complete(b"{}", endpoint.secret, 0) == b"{}":
            settings = scheme.settings(endpoint.settings)
            request.headers.update(scheme.sign(body, endpoint.secret, settings, int(time.time())))

    return Sender(functions_url, fill=fill, sign=sign)


@pytest.mark.parametrize("mode", [RIGHT, WRONG], ids=["right", "wrong"])
@pytest.mark.parametrize("label", OPERATIONS)
def test_every_path_answers_as_described(
    label: str, mode: Mode, functions_url: str, make_endpoint: MakeEndpoint
) -> None:
    sender = signing(make_endpoint("webhook_signature"), functions_url)
    assert_conforms(OPERATIONS[label], mode, REQUESTS, sender)


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_every_scheme_answers_as_described(
    scheme: str, functions_url: str, make_endpoint: MakeEndpoint
) -> None:
    operation = OPERATIONS[f"POST {PATHS[1]}"]
    sender = signing(make_endpoint(scheme), functions_url)
    assert_conforms(operation, RIGHT, REQUESTS, sender)
