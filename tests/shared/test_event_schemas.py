"""JSON Schemas of event types: what may be saved, what data meets them, and how much work that may be."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from shared.errors import InvalidRequest
from shared.event_schemas import check_schema, problems

TICKET: dict[str, Any] = {
    "type": "object",
    "required": ["ticket"],
    "properties": {
        "ticket": {
            "type": "object",
            "required": ["id"],
            "properties": {
                "id": {"type": "string", "minLength": 1},
                "email": {"format": "email"},
                "priority": {"enum": ["low", "high"]},
                "tags": {"items": {"pattern": "^[a-z]+$"}},
            },
        }
    },
}
TREE: dict[str, Any] = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "required": ["name"],
            "properties": {"children": {"items": {"$ref": "#/$defs/node"}}},
        }
    },
}
DRAFT_7 = "http://json-schema.org/draft-07/schema#"


def nested(depth: int) -> dict[str, Any]:
    """Data of objects in objects."""
    data: dict[str, Any] = {}
    for _ in range(depth):
        data = {"a": data}
    return data


def chain(length: int, copies: int = 1) -> dict[str, Any]:
    """A schema that refers to its next definition, so many times each."""
    definitions: dict[str, Any] = {
        f"d{place}": {"allOf": [{"$ref": f"#/$defs/d{place + 1}"}] * copies}
        for place in range(length)
    }
    return {"$ref": "#/$defs/d0", "$defs": {**definitions, f"d{length}": {"type": "object"}}}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"ticket": {"id": "a"}}, None),
        ({"ticket": {"id": "a", "email": "ada@example.com", "priority": "low"}}, None),
        ({"ticket": {"id": 7}}, 'ticket.id: the value is not of type "string"'),
        ({"ticket": {}}, 'ticket: "id" is a required property'),
        ({}, '"ticket" is a required property'),
        ({"ticket": {"id": "a", "email": "x"}}, 'ticket.email: the value is not a "email"'),
        ({"ticket": {"id": "a", "tags": ["ok", "No"]}}, "ticket.tags.1: the value does not match"),
        ({"ticket": {"id": "a", "priority": 1}}, "ticket.priority: the value is not one of"),
    ],
)
def test_data_that_does_not_meet_its_schema_is_told_with_its_place(
    data: dict[str, Any], told: str | None
) -> None:
    problem = problems(TICKET, data)
    assert problem is None if told is None else (problem or "").startswith(told)


def test_what_is_wrong_is_told_without_the_value() -> None:
    schema = {"properties": {"a": {"type": "integer"}, "b": {"enum": ["x"]}, "c": {"const": 1}}}
    for name in schema["properties"]:
        problem = problems(schema, {name: "hunter2"})
        assert problem is not None
        assert "hunter2" not in problem


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "strin"}, "type: "),
        ({"properties": {"a": {"minimum": "x"}}}, "properties.a.minimum: the value is not of type"),
        ({"properties": {"a": {"pattern": "("}}}, "properties.a.pattern: a pattern is a regular"),
        ({"properties": {"a": {"pattern": "(?=a)b"}}}, "properties.a.pattern: a pattern is a"),
        ({"pattern": r"\w{5000}"}, "pattern: the pattern is too large"),
        ({"patternProperties": {r"\w{5000}": {}}}, "patternProperties."),
        ({"allOf": [{"pattern": rf"\w{{10}}{n}"} for n in range(20)]}, "allOf.8.pattern: "),
        ({"$ref": "#/$defs/none"}, "$ref: there is no #/$defs/none in the schema"),
        ({"$ref": "#here", "$defs": {"a": {"$anchor": "here"}}}, "$ref: it must begin with #/"),
        ({"$ref": 5}, "$ref: it must begin with #/"),
        ({"$dynamicRef": "#a"}, "$dynamicRef is not supported"),
        ({"properties": {"a": {"unevaluatedProperties": False}}}, "unevaluatedProperties is not"),
        ({"properties": {"a": {"$id": "https://example.com/a"}}}, "$id may stand at the top only"),
        ({"$schema": "https://example.com/own"}, "$schema: it must be one of"),
        ({"$schema": "http://json-schema.org/draft-04/schema#"}, "$schema: it must be one of"),
        ({"$schema": 5}, "$schema: it must be one of"),
        ({"description": "x" * 65_536}, "A schema has at most 65536 bytes"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused(schema: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_schema(schema)
    assert caught.value.message.startswith(told)
    assert problems(schema, {}) == f"the schema of its type cannot be used: {caught.value.message}"


@pytest.mark.parametrize(
    "target", ["https://127.0.0.1/schema.json", "file:///etc/passwd", "schema.json", "//x/y"]
)
@pytest.mark.parametrize("keyword", ["$ref", "$schema"])
def test_nothing_is_ever_fetched(
    keyword: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[object] = []
    monkeypatch.setattr(socket, "socket", opened.append)
    with pytest.raises(InvalidRequest):
        check_schema({"$id": "https://127.0.0.1/root.json", keyword: target})
    with pytest.raises(InvalidRequest):
        check_schema({"properties": {"a": {"$ref": target}}})
    assert opened == []


def test_an_id_inside_a_definition_does_not_change_what_a_reference_means() -> None:
    inner = {"$id": "https://example.com/inner", "properties": {"b": {"$ref": "#/properties/c"}}}
    with pytest.raises(InvalidRequest, match="may stand at the top only"):
        check_schema({"$ref": "#/$defs/a/properties/b", "$defs": {"a": inner}})


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"$id": "https://example.com/ticket", "$ref": "#/$defs/a", "$defs": {"a": {}}},
        {"$schema": DRAFT_7, "definitions": {"a b/c": {}}, "$ref": "#/definitions/a%20b~1c"},
        {"$schema": DRAFT_7, "items": [{"type": "string"}], "dependencies": {"a": ["b"]}},
        {"properties": {"$id": {"type": "string"}, "$ref": {"type": "string"}}},
        {"allOf": [{"type": "object"}], "if": {"required": ["a"]}, "then": True, "not": False},
        TREE,
    ],
)
def test_ordinary_schemas_may_be_saved(schema: dict[str, Any]) -> None:
    check_schema(schema)


def test_the_draft_is_the_one_that_the_schema_names() -> None:
    first_is_text = {"properties": {"a": {"items": [{"type": "string"}]}}}
    assert problems(first_is_text | {"$schema": DRAFT_7}, {"a": [1]}) is not None
    with pytest.raises(InvalidRequest, match=r"properties\.a\.items"):
        check_schema(first_is_text)


def test_a_schema_may_refer_to_itself_one_level_down() -> None:
    data = {"name": "a", "children": [{"name": "b", "children": [{}]}]}
    assert problems(TREE, data) == 'children.0.children.0: "name" is a required property'


@pytest.mark.parametrize(
    "schema",
    [
        chain(40, copies=2),
        chain(1_200),
        {
            "$ref": "#/$defs/n",
            "$defs": {"n": {"allOf": [{"properties": {"a": {"$ref": "#/$defs/n"}}}] * 2}},
        },
    ],
    ids=["doubles in place", "long chain", "doubles with each level"],
)
def test_a_schema_that_multiplies_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="too much work"):
        check_schema(schema)
    assert problems(schema, nested(60)) is not None


@pytest.mark.parametrize("schema", [{"$ref": "#"}, {"anyOf": [{"type": "string"}, {"$ref": "#"}]}])
def test_a_schema_that_refers_to_itself_in_place_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="refers to itself without going down"):
        check_schema(schema)


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        (
            {"properties": {"a": {"items": {"allOf": [{"minimum": n} for n in range(500)]}}}},
            {"a": list(range(100_000))},
        ),
        ({"properties": {"a": {"pattern": ".*(a|b).{90}x"}}}, {"a": "ab" * 400_000}),
        ({"patternProperties": {".*(a|b).{90}x": {}}}, {"ab" * 400_000: 1}),
    ],
    ids=["many checks", "long text", "long name"],
)
def test_what_would_be_too_much_work_is_not_done(
    schema: dict[str, Any], data: dict[str, Any]
) -> None:
    check_schema(schema)
    assert problems(schema, data) == (
        "the data is too large to be checked against the schema of its type"
    )


def test_large_data_is_checked_though_not_explained() -> None:
    schema = {"properties": {"a": {"items": {"type": "integer"}}}}
    numbers: list[Any] = list(range(100_000))
    assert problems(schema, {"a": numbers}) is None
    assert problems(schema, {"a": [*numbers, "x"]}) == "the data does not meet the schema"


def test_numbers_beyond_64_bits_are_compared_exactly() -> None:
    schema = {"properties": {"a": {"maximum": 10**40}}}
    assert problems(schema, {"a": 10**40}) is None
    assert problems(schema, {"a": 10**40 + 1}) is not None
