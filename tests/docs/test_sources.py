"""The page of sources: it has for every scheme what the console and the code have, and its lines work.

They are run as printed, one source after the other: the endpoint is made by the running API, and the
sample goes to the running ingest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from shlex import quote
from typing import Any

import psycopg
import pytest

from functions.console.scheme_guides import GUIDES
from shared.management.endpoint_models import EndpointFields
from shared.management.sample_curl import sample_curl
from shared.signatures import SCHEMES
from tests.conftest import Connection
from tests.docs.documents import README, Block, document
from tests.docs.test_first_steps import BLOCKS, Step, make_folder, run_blocks, under
from tests.functions.api.test_sample_curl import EVENT_TYPES
from tests.running_stack import RunningStack
from tests.shared.signatures.key_pairs import PRIVATE_KEYS

PATH = "shared/signatures/sources.md"
PAGE = document(PATH)
HOW_TO = "How to use this page"
ADDRESS = "https://endpoint.invalid"
VERIFYING = [scheme for scheme in GUIDES if scheme != "none"]


def blocks_of(heading: str, language: str) -> list[Block]:
    return [
        block for block in PAGE.blocks if (block.heading, block.language) == (heading, language)
    ]


def endpoint_of(scheme: str) -> dict[str, Any]:
    (shown,) = blocks_of(scheme, "json")
    endpoint: dict[str, Any] = json.loads(shown.text)
    return endpoint


def test_every_scheme_has_its_section() -> None:
    headings = [line.removeprefix("## ") for line in PAGE.prose.splitlines() if line[:3] == "## "]

    assert headings == [HOW_TO, *GUIDES]
    assert {*headings} - {HOW_TO} == SCHEMES.keys()


def test_the_readmes_table_leads_to_each_section() -> None:
    rows = README.table("Verification schemes", "scheme")
    told = {row["scheme"].strip("`"): row["try it"] for row in rows}

    assert told == {scheme: f"[lines]({PATH}#{scheme})" for scheme in SCHEMES}


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
    *_, command = blocks_of(scheme, "bash")
    sample = sample_curl(ADDRESS, scheme, endpoint_of(scheme).get("schemeSettings", {}))

    assert command.text == sample.replace(ADDRESS, '"$URL"') + "\n"


# --- Run as printed ------------------------------------------------------------------------------


def of(scheme: str, *texts: str) -> list[Block]:
    return [Block("bash", f"{text}\n", scheme) for text in texts]


def walk(scheme: str) -> list[Block]:
    """What a newcomer does with one section, and at the end the same sample by somebody else."""
    (shown,) = blocks_of(scheme, "json")
    make, helpers = blocks_of(HOW_TO, "bash")
    *keys, sample = blocks_of(scheme, "bash")
    save = of(scheme, f"printf %s {quote(shown.text)} > endpoint.json")
    theirs, another = (SCHEMES[scheme].generate_secret() for _ in range(2))
    if GUIDES[scheme].source_makes_secret:
        keys += of(scheme, f"SECRET={quote(theirs)}", "set_secret")
    stranger = of(scheme, f"SECRET={quote(PRIVATE_KEYS.get(scheme, another))}")
    return [*save, make, helpers, *keys, sample, *stranger, sample]


@pytest.fixture(scope="module")
def steps(
    stack: RunningStack, functions_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Step]]:
    """All sections, done. What they made is taken away at the end."""
    folder = make_folder(tmp_path_factory.mktemp("sources"), stack)
    blocks = [block for block in BLOCKS if block.heading == "Sign in"]
    for scheme in GUIDES:
        blocks += [Block("bash", block.text, scheme) for block in walk(scheme)]
    try:
        yield run_blocks(blocks, folder)
    finally:
        with psycopg.connect(stack.database_url, autocommit=True) as database:
            database.execute(
                "delete from auth.users where email = %s", [stack.values["DEMO_EMAIL"]]
            )


@pytest.mark.parametrize("scheme", GUIDES)
def test_the_lines_as_printed_are_accepted(
    scheme: str, steps: list[Step], database: Connection
) -> None:
    *_, sent, _, _ = under(steps, scheme)
    (answer,) = sent.answers
    assert answer["status"] == "success", sent.output
    (event,) = answer["data"].get("events") or [answer["data"]]
    stored = database.execute(
        "select events.scheme, event_type, name from public.webhook_events events"
        " join public.webhook_endpoints endpoints on endpoints.id = endpoint_id"
        " where events.id = %s",
        [event["id"]],
    ).fetchone()

    assert event["state"] == "accepted"
    assert stored == {
        "scheme": scheme,
        "event_type": EVENT_TYPES.get(scheme, "contact.created"),
        "name": endpoint_of(scheme)["name"],
    }


@pytest.mark.parametrize("scheme", VERIFYING)
def test_the_same_lines_with_another_secret_are_refused(scheme: str, steps: list[Step]) -> None:
    (answer,) = under(steps, scheme)[-1].answers

    assert answer["code"] == "invalid_signature"


@pytest.mark.parametrize("scheme", GUIDES)
def test_nothing_else_is_printed_but_the_address_and_the_secret(
    scheme: str, steps: list[Step]
) -> None:
    _, made, *before, _, _, _ = under(steps, scheme)

    address, secret = made.output.splitlines()
    assert address.startswith("Address: http")
    assert secret.startswith("Secret: ")
    assert bool(secret.removeprefix("Secret: ")) == SCHEMES[scheme].needs_secret
    assert {step.output for step in before} == {""}
