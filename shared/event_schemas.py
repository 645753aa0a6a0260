"""What an event's data must look like: the JSON Schema of its type.

Schemas are checked when they are saved, and data before it is published and before it is delivered.
Drafts 6, 7, 2019-09 and 2020-12, the last unless `$schema` says otherwise; formats are checked too.
Nothing is ever fetched: what a schema refers to is in the schema. Patterns are matched in linear time,
so they have no look-around and no back-references. shared/schema_work.py bounds the rest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

import jsonschema_rs

from shared.errors import InvalidRequest
from shared.schema_work import Ways, check_patterns, count_ways, work

MAX_BYTES = 65_536
"""Of a schema as JSON."""
MAX_WORK = 50_000_000
"""For one event, in units of shared/schema_work.py: 0.5 s."""
MAX_EXPLAINED_WORK = 50_000
"""Above this it is only told whether data meets a schema: to collect the reasons costs a thousand times as
much, in time and memory."""
MAX_MESSAGE_LENGTH = 300

_DRAFTS = frozenset(
    {
        "http://json-schema.org/draft-06/schema",
        "http://json-schema.org/draft-07/schema",
        "https://json-schema.org/draft/2019-09/schema",
        "https://json-schema.org/draft/2020-12/schema",
    }
)
_PATTERN_OPTIONS = jsonschema_rs.RegexOptions(size_limit=1_048_576, dfa_size_limit=1_048_576)


@dataclass(frozen=True, slots=True)
class EventSchema:
    """A schema that has been checked."""

    validator: jsonschema_rs.Validator
    levels: tuple[Ways, ...]

    def problem(self, data: Any) -> str | None:
        """What is wrong with data, and where, without the values themselves; None if it meets the schema."""
        units = work(self.levels, data)
        if units > MAX_WORK:
            return "the data is too large to be checked against the schema of its type"
        try:
            if units > MAX_EXPLAINED_WORK:
                return (
                    None if self.validator.is_valid(data) else "the data does not meet the schema"
                )
            self.validator.validate(data)
        except jsonschema_rs.ValidationError as error:
            return _told(error.instance_path, error.message)
        except ValueError:
            return "the data cannot be checked against the schema of its type"
        return None


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raises InvalidRequest, which says what is wrong with a schema and where."""
    compiled = _compiled(_text(schema))
    if isinstance(compiled, str):
        raise InvalidRequest(compiled)


def problems(schema: Mapping[str, Any], data: Any) -> str | None:
    """What keeps data from meeting a schema, as `place: what it must be`; None if nothing does."""
    compiled = _compiled(_text(schema))
    if isinstance(compiled, str):
        return f"the schema of its type cannot be used: {compiled}"
    return compiled.problem(data)


def _text(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, separators=(",", ":"))


@lru_cache(maxsize=256)
def _compiled(text: str) -> EventSchema | str:
    """A schema, or what is wrong with it."""
    try:
        return _compile(text)
    except InvalidRequest as error:
        return error.message


def _compile(text: str) -> EventSchema:
    if len(text) > MAX_BYTES:
        raise InvalidRequest(f"A schema has at most {MAX_BYTES} bytes as JSON")
    schema = json.loads(text)
    draft = schema.get("$schema")
    if draft is not None and not (isinstance(draft, str) and draft.removesuffix("#") in _DRAFTS):
        raise InvalidRequest(f"$schema: it must be one of {', '.join(sorted(_DRAFTS))}")
    check_patterns(schema)
    levels = count_ways(schema)
    try:
        validator = jsonschema_rs.validator_for(
            schema,
            validate_formats=True,
            retriever=_retrieve_nothing,
            mask="the value",
            pattern_options=_PATTERN_OPTIONS,
        )
    except jsonschema_rs.ValidationError as error:
        raise InvalidRequest(_told(error.instance_path, error.message)) from None
    except ValueError:
        raise InvalidRequest("This is no schema") from None
    return EventSchema(validator, levels)


def _retrieve_nothing(_: str) -> NoReturn:
    raise ValueError("schemas are not fetched")


def _told(path: Sequence[str | int], message: str) -> str:
    words = message.replace(
        'the value is not a "regex"', "a pattern is a regular expression without look-around"
    )
    place = ".".join(str(part)[:100] for part in path)
    told = f"{place}: {words}" if place else words
    return told if len(told) <= MAX_MESSAGE_LENGTH else f"{told[: MAX_MESSAGE_LENGTH - 1]}…"
