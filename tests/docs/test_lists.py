"""Every list in the documents is the list in the code, both ways."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from functions.dispatch.backoff import STEPS
from shared import field_maps
from shared.actions import ACTIONS, validate_action
from shared.conditions import compile_condition
from shared.errors import error_classes
from shared.field_functions import FieldFunctions
from shared.management.endpoint_models import EndpointFields
from shared.management.webhook_models import WebhookFields
from shared.profile_settings import CustomSettings
from shared.profiles import PROFILES
from shared.signatures import SCHEMES
from tests.docs.documents import README, ROOT, codes, document, document_paths, names
from tests.samples import shipped_types


def shown(default: object) -> list[str]:
    """How a table shows a default: not at all where there is none."""
    if default in (None, ""):
        return []
    return [default if isinstance(default, str) else json.dumps(default)]


def test_every_error_is_told_with_its_status() -> None:
    rows = README.table("What a sender sees", "status")
    told = {(codes(row["code"])[0], int(row["status"])) for row in rows}

    assert told == {(error.code, error.status) for error in error_classes()}
    assert len(rows) == len(told)


def test_every_field_of_an_endpoint_is_told_with_its_default() -> None:
    told = {
        codes(row["field"])[0]: codes(row["default"]) for row in README.table("Endpoints", "field")
    }

    assert told == {
        field.alias: []
        if field.is_required()
        else shown(field.get_default(call_default_factory=True))
        for field in EndpointFields.model_fields.values()
    }


def test_every_field_of_a_webhook_is_told_with_its_default() -> None:
    told = {
        codes(row["field"])[0]: codes(row["default"]) for row in README.table("Webhooks", "field")
    }
    empty = {"slack": ["{}"]}  # a model of settings that may all be left out

    assert told == {
        str(field.alias): empty.get(str(field.alias))
        or ([] if field.is_required() else shown(field.get_default(call_default_factory=True)))
        for field in WebhookFields.model_fields.values()
    }


def test_every_profile_is_told_with_its_headers() -> None:
    rows = README.table("What a receiver gets", "profile")
    told = {codes(row["profile"])[0]: set(codes(row["headers"])) for row in rows}
    layouts = {str(name): profile.layout for name, profile in PROFILES.items()}

    assert told.keys() == layouts.keys()
    assert told.pop("custom") == {
        "signatureSettings",
        *(field.alias for field in CustomSettings.model_fields.values()),
    }
    for name, headers in told.items():
        layout = layouts[name]
        shown_names = {header.partition(":")[0].lower() for header in headers} - {"user-agent"}
        assert shown_names == (set(layout.header_names) if layout else set())


def test_every_retry_is_told() -> None:
    (told,) = re.findall(r"tried again (at once, .*?), each a fifth", README.text, re.DOTALL)
    units = {"second": 1, "minute": 60, "hour": 3600}
    seconds = [0]
    for numbers, unit in re.findall(r"([\d, and]+?) (second|minute|hour)s", told):
        seconds += [int(number) * units[unit] for number in re.findall(r"\d+", numbers)]

    assert tuple(seconds) == STEPS


def test_every_webhook_shown_may_be_made() -> None:
    webhooks = [body for body in sent_bodies() if "events" in body]

    assert webhooks
    for webhook in webhooks:
        WebhookFields.model_validate_json(json.dumps(webhook))


def settings_of(scheme: str) -> set[str]:
    fields = SCHEMES[scheme].settings_model.model_fields
    return {field.alias or name for name, field in fields.items()}


def test_every_scheme_is_told_with_its_settings() -> None:
    rows = README.table("Verification schemes", "scheme")
    told = {codes(row["scheme"])[0]: set(codes(row["`schemeSettings`"])) for row in rows}

    assert told == {scheme: settings_of(scheme) for scheme in SCHEMES}


def test_the_signatures_readme_tells_the_same_schemes() -> None:
    rows = document("shared/signatures/README.md").table("The schemes", "scheme")
    told = {codes(row["scheme"])[0]: set(codes(row["settings"])) for row in rows}
    choices = {"hex", "base64", "sha256", "sha512", "sha1"}

    assert {scheme: settings - choices for scheme, settings in told.items()} == {
        scheme: settings_of(scheme) for scheme in SCHEMES
    }


def test_every_action_is_told_with_its_settings() -> None:
    rows = README.table("Rules", "action")
    told = {codes(row["action"])[0]: set(codes(row["settings"])) for row in rows}
    also = {"tag": {"tag"}}

    assert told == {
        name: set(action.model_fields) | also.get(name, set()) for name, action in ACTIONS.items()
    }


def test_every_function_of_field_maps_is_told() -> None:
    rows = document("shared/README.md").table("Field maps", "function")
    told = {codes(row["function"])[0].partition("(")[0] for row in rows}
    own = {name for name in vars(FieldFunctions) if name.startswith("_func_")}

    assert told == {name.removeprefix("_func_") for name in own} - {"join", "to_string"}


def test_every_shipped_entity_type_is_told() -> None:
    (told,) = re.findall(r"Six are there: ([^.]*)\.", README.text)

    assert codes(told) == [entity_type["name"] for entity_type in shipped_types()]


@pytest.mark.parametrize(
    "condition",
    [
        line
        for block in README.blocks
        if block.language == "cel"
        for line in block.text.splitlines()
    ],
)
def test_every_condition_shown_may_be_saved(condition: str) -> None:
    assert compile_condition(condition).expression is not None


def sent_bodies() -> list[dict[str, Any]]:
    """The JSON that the README's commands send to the API, and that it shows."""
    texts = [block.text for block in README.blocks if block.language == "json"]
    for block in README.blocks:
        if block.language == "bash":
            texts += re.findall(r"-d '(\{.*?\})'", block.text, re.DOTALL)
    return [json.loads(text) for text in texts]


def test_every_rule_shown_may_be_saved() -> None:
    actions = [action for body in sent_bodies() for action in body.get("actions", ())]

    assert actions
    for action in actions:
        validate_action(action["actionType"], action["actionConfig"])


def test_every_field_map_shown_may_be_saved() -> None:
    maps = [body["fieldMap"] for body in sent_bodies() if "fieldMap" in body]

    assert maps
    for field_map in maps:
        field_maps.validate(field_map)


def test_every_endpoint_shown_may_be_made() -> None:
    endpoints = [body for body in sent_bodies() if "scheme" in body]

    assert "hmac" in [endpoint["scheme"] for endpoint in endpoints]
    for endpoint in endpoints:
        EndpointFields.model_validate_json(json.dumps(endpoint))
        SCHEMES[endpoint["scheme"]].settings(endpoint.get("schemeSettings", {}))


@pytest.mark.parametrize("path", document_paths())
def test_every_make_target_that_is_named_exists(path: str) -> None:
    named = set(re.findall(r"\bmake ([a-z]+)\b(?=[`\n ])", only_code(path)))

    assert named <= targets()


def only_code(path: str) -> str:
    own = document(path)
    spans = [f"{code}\n" for code in codes(own.prose) if code.startswith("make ")]
    return "".join([*spans, *(block.text for block in own.blocks if block.language == "bash")])


def targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_every_make_target_and_variable_is_told() -> None:
    told = names(README.table("Development", "target"), "target")
    variables = re.findall(r"^([A-Z]+) \?=", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert set(told) == {f"make {target}" for target in targets()}
    assert [name for name in variables if f"{name}=" not in README.text] == []


def test_the_first_commands_are_the_two_that_matter() -> None:
    assert README.blocks[0].text.splitlines() == ["make run", "make test"]
