"""What forms send: read within bounds, and made into the models that the rest works with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from shared.body import read_body
from shared.errors import InvalidRequest, UnsupportedMediaType
from shared.management.settings import ManagementSettings

MAX_FIELDS = 3000
MEDIA_TYPE = "application/x-www-form-urlencoded"
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Form:
    """The fields of a form, each with all its values."""

    values: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str) -> str:
        """The last value as it was typed, without space around it; empty for none."""
        return (self.values.get(name) or ("",))[-1].strip()

    def optional(self, name: str) -> str | None:
        return self.text(name) or None

    def all(self, name: str) -> list[str]:
        """Every value that says something."""
        return [one.strip() for one in self.values.get(name, ()) if one.strip()]

    def lines(self, name: str) -> list[str]:
        """What stands between line breaks and commas."""
        pieces = self.text(name).replace(",", "\n").splitlines()
        return [piece.strip() for piece in pieces if piece.strip()]

    def checked(self, name: str) -> bool:
        return self.text(name) not in {"", "0", "false", "off"}

    def number(self, name: str) -> Any:
        """A number; what is none stays a text, for the model to refuse. None for nothing."""
        text = self.text(name)
        try:
            return int(text) if text.lstrip("-").isdecimal() else float(text)
        except ValueError:
            return text or None

    def json(self, name: str, otherwise: Any = None) -> Any:
        """A value written as JSON. Raises InvalidRequest, naming the field and the place."""
        text = self.text(name)
        if not text:
            return otherwise
        try:
            return json.loads(text)
        except RecursionError:
            raise InvalidRequest(f"{name}: this is nested too deep") from None
        except ValueError as error:
            place = (
                f" (line {error.lineno}, column {error.colno})"
                if isinstance(error, json.JSONDecodeError)
                else ""
            )
            raise InvalidRequest(f"{name}: this is not JSON{place}") from None

    def pairs(self, name: str) -> dict[str, str]:
        """Two columns of inputs, `name.key` and `name.value`, without rows that have no key."""
        keys, values = self.values.get(f"{name}.key", ()), self.values.get(f"{name}.value", ())
        return {
            key.strip(): value.strip()
            for key, value in zip(keys, values, strict=False)
            if key.strip()
        }

    def items(self, name: str) -> Iterator[str]:
        """The places of repeated groups of inputs, `name.0.…`, in the order in which they were sent."""
        seen: dict[str, None] = {}
        for key in self.values:
            if key.startswith(f"{name}."):
                seen.setdefault(key.split(".")[1])
        yield from (f"{name}.{place}" for place in seen)


async def read_form(request: Request, settings: ManagementSettings) -> Form:
    """Raises PayloadTooLarge, RequestTimeout, UnsupportedMediaType or InvalidRequest."""
    if request.method != "POST":
        return Form()
    body = await read_body(
        request, limit=settings.max_body_bytes, deadline_seconds=settings.body_deadline_seconds
    )
    if not body:
        return Form()
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise UnsupportedMediaType("Send what forms send")
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise InvalidRequest("This form cannot be read") from None
    values: dict[str, list[str]] = {}
    for name, value in fields:
        if "\x00" in value:
            raise InvalidRequest(f"{name}: a text holds no NUL")
        values.setdefault(name, []).append(value.replace("\r\n", "\n"))
    return Form(values)


def as_model(model: type[Model], values: Mapping[str, Any]) -> Model:
    """The model made of these values. Raises InvalidRequest, naming each field and what it should be."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = [_in_words(one) for one in error.errors(include_input=False, include_url=False)]
        raise InvalidRequest("\n".join(problems[:5])) from None


def _in_words(problem: Any) -> str:
    place = ".".join(str(part)[:100] for part in problem["loc"])
    words = problem["msg"].removeprefix("Value error, ")
    return f"{place}: {words}" if place else words
