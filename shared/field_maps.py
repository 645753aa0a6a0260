"""Field maps: which value of a payload goes into which column, as one JMESPath expression each.

Expressions are evaluated over the document that `document` makes:

    event     {type, external_id, entity_table}
    payload   the whole body
    data      what the body is about: `payload.data.object` (Stripe), else `payload.data`, else
              `payload` itself (GitHub, Shopify, Slack)

What an expression may give: a text (trimmed, at most 10,000 characters, an empty one counts as
nothing), a finite number below 2^63, or a boolean. An object or list counts as nothing unless the
expression says `json(…)`; then it is kept up to 16 KiB. See shared/field_functions.py for the
functions beyond JMESPath's own.

Payloads come from strangers and expressions from users, so both are bounded: see `_check`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

from jmespath import exceptions, parser

from shared.errors import InvalidExpression
from shared.field_functions import MAX_TEXT_LENGTH, is_number
from shared.field_programs import FUNCTIONS, Program, compile_node

MAX_COLUMNS = 100
MAX_EXPRESSION_LENGTH = 1_000
MAX_CALLS = 30
MAX_FAN_OUT = 64
"""How many times larger than the payload a result may become, by `[a, b]`, `{x: a}` and literals:
JMESPath could otherwise double a list with every `[@, @][]`."""
MAX_JSON_LENGTH = 16_384

FieldValue = str | int | float | bool | dict[str, Any] | list[Any]
Fields = dict[str, FieldValue]
Document = dict[str, Any]

# Raw strings and quoted names are matched to be stepped over.
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`((?:[^`\\]|\\.)*)`""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Expression:
    program: Program
    keeps_json: bool


@dataclass(frozen=True, slots=True)
class _Flaw:
    message: str
    position: int | None = None
    """Characters before the place where the expression goes wrong."""


def subject(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a body that says what happened to what."""
    data = payload.get("data")
    if not isinstance(data, Mapping):
        return payload
    inner = data.get("object")
    return inner if isinstance(inner, Mapping) else data


def document(
    payload: Mapping[str, Any],
    *,
    event_type: str,
    external_id: str | None = None,
    entity_table: str | None = None,
) -> Document:
    """What the expressions of a field map see."""
    return {
        "event": {"type": event_type, "external_id": external_id, "entity_table": entity_table},
        "payload": payload,
        "data": subject(payload),
    }


def apply(document: Document, field_map: Mapping[str, str]) -> Fields:
    """The columns that the document has a value for.

    Never raises: a column whose expression fails, on this document or on any, is left out.
    """
    fields: Fields = {}
    for column, text in field_map.items():
        value = _evaluate(text, document)
        if value is not None:
            fields[column] = value
    return fields


def merge(field_map: Mapping[str, object], override: object) -> dict[str, str]:
    """An endpoint's own map laid over a type's: it replaces, adds and (with null) removes columns."""
    merged = {**field_map, **override} if isinstance(override, Mapping) else field_map
    return {column: text for column, text in merged.items() if isinstance(text, str)}


def validate(field_map: Mapping[str, object]) -> None:
    """Raises InvalidExpression, naming the column and the place, unless every expression works.

    None stands for a column that `merge` takes out.
    """
    if len(field_map) > MAX_COLUMNS:
        raise InvalidExpression(f"A field map has at most {MAX_COLUMNS} columns")
    for column, text in field_map.items():
        if text is None:
            continue
        if not isinstance(text, str):
            raise InvalidExpression(f"Field map, column {column}: the expression must be a text")
        compiled = _compile(text)
        if isinstance(compiled, _Flaw):
            place = "" if compiled.position is None else f", character {compiled.position + 1}"
            raise InvalidExpression(f"Field map, column {column}{place}: {compiled.message}")


def _evaluate(text: str, document: Document) -> FieldValue | None:
    compiled = _compile(text)
    if isinstance(compiled, _Flaw):
        return None
    try:
        value = compiled.program(document)
    # JMESPath's errors are ValueErrors; the others come out of its own functions on odd values.
    except (ValueError, TypeError, OverflowError, AttributeError, RecursionError):
        return None
    return _clean_json(value) if compiled.keeps_json else _clean(value)


def _clean(value: object) -> str | int | float | bool | None:
    if isinstance(value, str):
        return _storable(value)[:MAX_TEXT_LENGTH].strip() or None
    if isinstance(value, bool):
        return value
    if is_number(value) and abs(value) < 2**63:  # type: ignore[arg-type]
        return value  # type: ignore[return-value]
    return None


def _clean_json(value: object) -> FieldValue | None:
    if not isinstance(value, dict | list):
        return _clean(value)
    text = json.dumps(value, ensure_ascii=False)
    if len(text) > MAX_JSON_LENGTH or not value or "\\u0000" in text or text != _storable(text):
        return None
    return value


def _storable(text: str) -> str:
    """Without NUL and lone surrogates, which PostgreSQL cannot hold; literals may bring them in."""
    if text.isascii():
        return text.replace("\0", "")
    return text.replace("\0", "").encode(errors="ignore").decode()


@lru_cache(maxsize=2_048)
def _compile(text: str) -> _Expression | _Flaw:
    if len(text) > MAX_EXPRESSION_LENGTH:
        return _Flaw(f"the expression has over {MAX_EXPRESSION_LENGTH} characters")
    try:
        _check_literals(text)
        parsed = parser.Parser().parse(text)
    except json.JSONDecodeError as error:
        return _Flaw("backticks hold JSON; put text in single quotes", text.find(error.doc))
    except exceptions.JMESPathError as error:
        return _explain(error, text)
    except (ValueError, RecursionError):
        return _Flaw("the expression is nested too deeply, or a number in it is too large")
    root: dict[str, Any] = dict(parsed.parsed)
    flaw = _check(root, text)
    if flaw:
        return flaw
    keeps_json = root["type"] == "function_expression" and root["value"] == "json"
    return _Expression(compile_node(root), keeps_json)


def _check_literals(text: str) -> None:
    """Raises JSONDecodeError for `literals` that are no JSON: JMESPath takes them for text, with a
    warning, as an old version of it did.
    """
    for match in _QUOTED.finditer(text):
        if match[1] is not None:
            json.loads(match[1].replace("\\`", "`"))


def _explain(error: exceptions.JMESPathError, text: str) -> _Flaw:
    if isinstance(error, exceptions.EmptyExpressionError):
        return _Flaw("the expression is empty")
    if isinstance(error, exceptions.IncompleteExpressionError):
        return _Flaw("the expression ends too early", len(text))
    if isinstance(error, exceptions.LexerError):
        return _Flaw(f"{text[error.lexer_position :][:1]!r} is not expected", error.lexer_position)
    if isinstance(error, exceptions.ParseError) and error.lex_position >= len(text):
        return _Flaw("the expression ends too early", len(text))
    if isinstance(error, exceptions.ParseError):
        return _Flaw(f"{error.token_value!r} is not expected", error.lex_position)
    return _Flaw("the expression is not valid")


def _check(root: dict[str, Any], text: str) -> _Flaw | None:
    """Refuses unknown functions, wrong numbers of arguments, and expressions that can explode."""
    calls = [node for node in _nodes(root) if node["type"] == "function_expression"]
    for call in calls:
        flaw = _check_call(call["value"], len(call["children"]))
        if flaw:
            return _Flaw(flaw, text.find(f"{call['value']}("))
    if len(calls) > MAX_CALLS:
        return _Flaw(f"the expression has over {MAX_CALLS} function calls")
    if prod(map(_size, _nodes(root))) > MAX_FAN_OUT:
        return _Flaw("the expression's lists and literals could make the result too large")
    return None


def _check_call(name: str, given: int) -> str | None:
    known = FUNCTIONS.FUNCTION_TABLE.get(name)
    if known is None:
        return f"there is no function {name}()"
    signature = known["signature"]
    wanted = len(signature)
    if signature and signature[-1].get("variadic"):
        return None if given >= wanted else f"{name}() takes {wanted} or more arguments"
    return None if given == wanted else f"{name}() takes {wanted} arguments, not {given}"


def _nodes(root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(child for child in node["children"] if isinstance(child, dict))


def _size(node: dict[str, Any]) -> int:
    if node["type"] in ("multi_select_list", "multi_select_dict"):
        return max(len(node["children"]), 1)
    if node["type"] == "literal" and isinstance(node["value"], list | dict):
        return max(json.dumps(node["value"]).count(",") + 1, 1)
    return 1
