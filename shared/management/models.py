"""What all that users manage has in common: how it is asked for, and how it is told.

Requests take camelCase names only, no unknown ones, and no value of another type than documented.
Answers are made from rows of the database, and carry `_id` beside `id`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import (
    AliasGenerator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    Strict,
    StringConstraints,
    computed_field,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticUndefined
from typing_extensions import override

from shared import errors

Data = TypeVar("Data")

EntityTypeName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
"""Name of an entity type, which is what `entityTable` means everywhere."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Description = Annotated[str, StringConstraints(max_length=2000)]
Confidence = Annotated[FiniteFloat, Field(ge=0, le=1)]
UuidText = Annotated[UUID, Strict(False)]


def _as_integer(value: object) -> object:
    """JSON has one kind of number, so 5.0 is as good as 5."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_as_integer)


def _as_utc(value: object) -> object:
    """A time as the database writes it, from a row (`2026-11-22 23:30:29.87+00`) or from JSON."""
    return datetime.fromisoformat(value).astimezone(UTC) if isinstance(value, str) else value


Timestamp = Annotated[datetime, BeforeValidator(_as_utc)]
"""ISO 8601 with Z."""


def _require_text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("must be a text such as 2026-11-25T10:00:00Z")  # noqa: TRY004 (pydantic's)
    return value


TimeText = Annotated[AwareDatetime, Strict(False), BeforeValidator(_require_text)]
"""A time in a body: ISO 8601, with its offset."""

EVENT_NAME_PATTERN = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$"
EventName = Annotated[str, StringConstraints(pattern=EVENT_NAME_PATTERN, max_length=128)]
"""Name of an outgoing event, such as `ticket.created`."""


class Request(BaseModel):
    """A body that somebody sends."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True, frozen=True)

    def columns(self) -> dict[str, Any]:
        """Everything, under the names of the table's columns."""
        return self.model_dump(mode="json")


class Changes(Request):
    """A body that changes only what it names. Comes first among the bases; the other one has the fields.

    A field keeps its type, so null is taken only where the field may be null.
    """

    @classmethod
    def __pydantic_init_subclass__(cls, **_: object) -> None:
        for field in cls.model_fields.values():
            field.default = PydanticUndefined
            field.default_factory = lambda: None
        cls.model_rebuild(force=True)

    @override
    def columns(self) -> dict[str, Any]:
        """What was sent, under the names of the table's columns; complete with defaults below the top."""
        return self.model_dump(mode="json", include=self.model_fields_set)


class Resource(BaseModel):
    """Something the API answers with, made from a row."""

    model_config = ConfigDict(
        alias_generator=AliasGenerator(serialization_alias=to_camel), frozen=True
    )


class StoredResource(Resource):
    """A resource with an id of its own."""

    id: UUID

    @computed_field(alias="_id", description="The same as `id`.")  # type: ignore[prop-decorator]
    @property
    def mongo_style_id(self) -> UUID:
        return self.id


class Page(Resource, Generic[Data]):
    """One page of a list."""

    items: list[Data]
    next_cursor: str | None = Field(
        description="Send it as `cursor` for the next page; null on the last."
    )


class Deleted(StoredResource):
    """What is left of something deleted."""


class PageQuery(BaseModel):
    """What every list takes. An unknown parameter is refused: a misspelt filter would show too much."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    limit: int = Field(default=50, ge=1, le=100)
    cursor: str | None = Field(
        default=None, max_length=1000, description="`nextCursor` of the page before."
    )


class ListQuery(PageQuery):
    """What a list of things that people own takes."""

    owner: Literal["me", "all"] = Field(
        default="me",
        description="`all` shows what row level security lets the caller see: for admins, everybody's.",
    )


@contextmanager
def at_place(place: str) -> Iterator[None]:
    """What `shared` refuses inside is told with the field that it is about."""
    try:
        yield
    except errors.InvalidRequest as error:
        raise type(error)(f"{place}: {error.message}") from None
