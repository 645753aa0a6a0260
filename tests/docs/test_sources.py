"""The page of sources has for every scheme what the console and the code have."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.console.scheme_guides import GUIDES
from shared.management.endpoint_models import EndpointFields
from shared.management.sample_curl import sample_curl
from shared.signatures import SCHEMES
from tests.docs.documents import Block, document

PAGE = document("shared/signatures/sources.md")
INGEST = "http://127.0.0.1:8000/functions/v1/webhook-ingest"


def blocks_of(scheme: str) -> list[Block]:
    return [block for block in PAGE.blocks if block.heading == scheme]


def endpoint_of(scheme: str) -> dict[str, Any]:
    shown, _ = blocks_of(scheme)
    endpoint: dict[str, Any] = json.loads(shown.text)
    return endpoint


def test_every_scheme_has_its_section() -> None:
    headings = [line.removeprefix("## ") for line in PAGE.prose.splitlines() if line[:3] == "## "]

    assert headings == list(GUIDES)
    assert set(headings) == SCHEMES.keys()


@pytest.mark.parametrize("scheme", GUIDES)
def test_the_steps_are_those_of_the_console(scheme: str) -> None:
    _, _, after = PAGE.prose.partition(f"## {scheme}\n")
    lines = after.partition("\n## ")[0].splitlines()
    told = [line.partition(". ")[2] for line in lines if line[:1].isdigit()]

    assert told == list(GUIDES[scheme].steps)


@pytest.mark.parametrize("scheme", GUIDES)
def test_the_endpoint_shown_may_be_made(scheme: str) -> None:
    endpoint = endpoint_of(scheme)

    EndpointFields.model_validate_json(json.dumps(endpoint))
    assert endpoint["scheme"] == scheme
    SCHEMES[scheme].settings(endpoint.get("schemeSettings", {}))


@pytest.mark.parametrize("scheme", GUIDES)
def test_the_command_is_the_sample_of_that_endpoint(scheme: str) -> None:
    _, command = blocks_of(scheme)
    url = f"{INGEST}/{scheme.replace('_', '-')}"

    assert (
        command.text
        == sample_curl(url, scheme, endpoint_of(scheme).get("schemeSettings", {})) + "\n"
    )
