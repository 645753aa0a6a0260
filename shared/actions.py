"""Configurations of actions: checked when a rule is saved, filled in when it runs.

A configuration is JSON with templates (shared/templates.py) in its texts. Keys never are templates,
nor are the settings that a type calls constant, so that no payload can choose what is written to.
What `render_action` gives is what the database applies as it is.

To add a type of action: a model in shared/action_types.py and a branch in private.apply_action.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from shared.action_types import ACTIONS, RENDERED, Action, JsonObject
from shared.errors import InvalidExpression, InvalidRequest
from shared.expressions import Context, EvaluationFailed, OutOfBudget
from shared.templates import compile_template, is_template

__all__ = ["ACTIONS", "render_action", "validate_action"]

MAX_LENGTH = 20_000
"""Bytes of a configuration as JSON."""
MAX_DEPTH = 10
_PER_BYTE = 10
"""Units of an event's budget for each byte that an action comes to: 500 kB in all."""

_PER_ACTION = 2_000
"""Units for each action, whatever it comes to."""

Place = tuple[str | int, ...]


def validate_action(action_type: str, config: object) -> None:
    """Raises InvalidRequest (InvalidExpression for a template), naming the setting, unless a rule
    with this action may be saved.
    """
    model = _model(action_type)
    if not isinstance(config, dict):
        raise InvalidRequest("The configuration of an action is an object")
    templates = set()
    for place, text in _texts(config):
        if is_template(text):
            templates.add(place)
            _check_template(model, place, text)
    if _length(config) > MAX_LENGTH:
        raise InvalidRequest(f"The configuration of an action has at most {MAX_LENGTH} bytes")
    normal = model.normalise(config)
    try:
        model.model_validate(normal)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            if not _is_template_at(normal, detail["loc"]):
                raise InvalidRequest(_explain(detail, normal)) from None


def render_action(
    action_type: str,
    config: JsonObject,
    context: Context,
    invoice_field_map: Mapping[str, str] | None = None,
) -> JsonObject:
    """What the database is to apply.

    Raises:
        EvaluationFailed: a template does not work, or the result is not one that can be applied.
        InvalidRequest: the configuration is wrong whatever the event.
        OutOfBudget: nothing more can be done for this event.
    """
    model = _model(action_type)
    context.spend(_PER_ACTION)
    rendered = model.normalise(_render(config, context, ()))
    try:
        filled = model.fill(rendered, _document(context), invoice_field_map or {})
        action = model.model_validate(filled, context=RENDERED)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        raise EvaluationFailed(_explain(detail, rendered)) from None
    deed = action.deed()
    for setting in model.needed:
        if setting not in deed:
            raise EvaluationFailed(f"{setting}: this is empty")
    context.spend(_PER_BYTE * _length(deed))
    return deed


def _length(config: JsonObject) -> int:
    """Bytes as JSON, as the worker is going to write it."""
    try:
        return len(orjson.dumps(config))
    except TypeError:
        raise InvalidRequest("A value of the configuration cannot be written as JSON") from None


def _model(action_type: str) -> type[Action]:
    model = ACTIONS.get(action_type)
    if model is None:
        raise InvalidRequest(f"There is no such action; use one of {', '.join(ACTIONS)}")
    return model


def _texts(value: Any, place: Place = ()) -> Iterator[tuple[Place, str]]:
    if len(place) > MAX_DEPTH:
        raise InvalidRequest(f"The configuration of an action has at most {MAX_DEPTH} levels")
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*place, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            if is_template(key):
                raise InvalidRequest(f"{_name(place)}: a key cannot be a template")
            yield from _texts(item, (*place, key))


def _check_template(model: type[Action], place: Place, text: str) -> None:
    if place[0] in model.constants:
        raise InvalidExpression(f"{_name(place)}: this cannot be a template")
    try:
        compile_template(text)
    except InvalidExpression as error:
        raise InvalidExpression(f"{_name(place)}: {error.message}") from None


def _render(value: Any, context: Context, place: Place) -> Any:
    if isinstance(value, str):
        return _render_text(value, context, place) if is_template(value) else value
    if len(place) > MAX_DEPTH:
        raise InvalidRequest(f"The configuration of an action has at most {MAX_DEPTH} levels")
    if isinstance(value, list):
        return [_render(item, context, (*place, index)) for index, item in enumerate(value)]
    if isinstance(value, dict):
        return {key: _render(item, context, (*place, key)) for key, item in value.items()}
    return value


def _render_text(text: str, context: Context, place: Place) -> Any:
    try:
        return compile_template(text).render(context)
    except OutOfBudget:
        raise
    except EvaluationFailed as error:
        raise EvaluationFailed(f"{_name(place)}: {error.message}") from None
    except InvalidExpression as error:
        raise InvalidExpression(f"{_name(place)}: {error.message}") from None


def _document(context: Context) -> dict[str, Any]:
    """What shared/field_maps.py documents, and the rest of what a condition sees."""
    event = context.roots["event"]
    return {**context.roots, "payload": event["payload"], "data": event["data"]}


def _is_template_at(config: JsonObject, place: Place) -> bool:
    """Whether the value at a place, or what it is in, is a template."""
    value = _at(config, place)
    return isinstance(value, str) and is_template(value)


def _at(config: JsonObject, place: Place) -> Any:
    """The value at a place, or as far down to it as there is one."""
    value: Any = config
    for key in place:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            break
    return value


def _explain(detail: ErrorDetails, config: JsonObject) -> str:
    name = _name(detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{name}: there is no such setting"
    if detail["type"] == "missing":
        return f"{name}: this is missing"
    if _at(config, detail["loc"]) in (None, "", []):
        return f"{name}: this is empty"
    message = detail["msg"].removeprefix("Value error, ")
    return f"{name}: {message[:1].lower()}{message[1:]}"


def _name(place: Place) -> str:
    return ".".join(map(str, place)) or "action_config"
