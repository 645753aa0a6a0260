"""From payload to person and record: which values an event carries for which columns.

Pure: what `claim_prepare` handed out goes in, what `finish_prepare` takes comes out. Finding,
making and linking the rows is the database's part.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from shared import field_maps
from shared.errors import InvalidState
from shared.field_maps import Fields

MAX_NAME_LENGTH = 255
PERSON = "person"
PEOPLE = "people"

logger = logging.getLogger(__name__)

_ADDRESS = re.compile(
    r"[^\s@<>()\[\],;:\"]{1,64}@(?:[^\s@<>()\[\],;:\".]+\.)+[^\s@<>()\[\],;:\".]{2,}"
)
_NAMED_ADDRESS = re.compile(r"[^<>]*<\s*([^<>\s]+)\s*>")
_PHONE = re.compile(
    r"(?:tel:)?\s*(\+|00)?([0-9().\s/\-\u2010-\u2015]+?)(?:\s*(?:x|ext\.?|;ext=)\s*\d+)?",
    re.IGNORECASE,
)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Endpoint(_Model):
    slug: str
    field_maps: dict[str, Any] = {}
    """Per entity type, expressions by column, laid over the type's own field map."""


class ClaimedEvent(_Model):
    id: UUID
    user_id: UUID
    event_type: str
    external_id: str | None = None
    payload: dict[str, Any]
    entity_table: str | None
    is_person: bool | None = None
    endpoint: Endpoint


class EntityType(_Model):
    user_id: UUID | None
    """Whose type it is; None for one that ships with Switchhook."""
    name: str
    target_table: str
    field_map: dict[str, Any] = {}


class Prepared(_Model):
    """What `finish_prepare` takes for one event."""

    id: UUID
    person: Fields | None
    """None where no person stands behind the event, or none that could be found again."""
    fields: Fields


class EntityTypes:
    """Entity types by owner and name; a user's own hides a shipped one of the same name."""

    def __init__(self, entity_types: Iterable[EntityType]) -> None:
        self._by_owner = {(known.user_id, known.name): known for known in entity_types}

    def find(self, user_id: UUID, name: str) -> EntityType | None:
        return self._by_owner.get((user_id, name)) or self._by_owner.get((None, name))


def decide(claim: dict[str, Any]) -> list[dict[str, Any]]:
    """From what `claim_prepare` returned to what `finish_prepare` takes: per event its person and
    fields, or an error. An event that cannot be prepared fails alone.
    """
    types = EntityTypes(map(EntityType.model_validate, claim["entity_types"]))
    return [_decide_one(claimed, types) for claimed in claim["events"]]


def _decide_one(claimed: dict[str, Any], types: EntityTypes) -> dict[str, Any]:
    try:
        prepared = prepare(ClaimedEvent.model_validate(claimed), types)
        return prepared.model_dump(mode="json")
    except InvalidState as error:
        return {"id": claimed["id"], "error": error.message}
    except Exception:
        # A fault of ours with one payload must not hold up the rest of the batch.
        logger.exception("event %s cannot be prepared", claimed["id"])
        return {"id": claimed["id"], "error": "The payload could not be read"}


def prepare(event: ClaimedEvent, types: EntityTypes) -> Prepared:
    """Raises InvalidState while the event has no entity type, or one that does not exist."""
    if event.entity_table is None:
        raise InvalidState("The event has no entity type yet; choose one in the queue")
    entity_type = types.find(event.user_id, event.entity_table)
    if entity_type is None:
        raise InvalidState(f"There is no entity type {event.entity_table}")
    fields = _read(event, entity_type)
    if entity_type.target_table == PEOPLE:
        fields = normalise_person(fields)
        return Prepared(id=event.id, person=fields if event.is_person else None, fields=fields)
    person_type = types.find(event.user_id, PERSON) if event.is_person else None
    person = normalise_person(_read(event, person_type)) if person_type else {}
    return Prepared(id=event.id, person=person if _can_be_found(person) else None, fields=fields)


def _read(event: ClaimedEvent, entity_type: EntityType) -> Fields:
    """The values for one entity type's table, by its field map and the endpoint's own."""
    field_map = field_maps.merge(
        entity_type.field_map, event.endpoint.field_maps.get(entity_type.name)
    )
    document = field_maps.document(
        event.payload,
        event_type=event.event_type,
        external_id=event.external_id,
        entity_table=event.entity_table,
    )
    return field_maps.apply(document, field_map)


def _can_be_found(person: Fields) -> bool:
    """Whether the same person would be found again by the next event. With a name alone, every
    order of theirs would make one person more.
    """
    return not person.keys().isdisjoint(("email", "phone", "external_id"))


def normalise_person(fields: Fields) -> Fields:
    """A person's fields in the one form by which people are compared and shown.

    The e-mail address in lower case, the phone number as digits with the + it came with, each
    dropped where it is none; name, first and last name complete one another.
    """
    person: Fields = {}
    for column, value in fields.items():
        cleaned = _normalise(column, value)
        if cleaned is not None:
            person[column] = cleaned
    return {**person, **_complete_names(person)}


def _normalise(column: str, value: object) -> Any:
    if column == "email":
        return normalise_email(value) if isinstance(value, str) else None
    if column == "phone":
        return normalise_phone(str(value))
    if column in ("name", "first_name", "last_name", "company", "title", "external_id"):
        return " ".join(str(value).split())[:MAX_NAME_LENGTH] or None
    return value


def normalise_email(text: str) -> str | None:
    """In lower case, out of `Name <address>` if need be; None for what is no e-mail address."""
    text = text.strip()
    named = _NAMED_ADDRESS.fullmatch(text)
    address = (named[1] if named else text).removeprefix("mailto:").lower()
    return address if len(address) <= 254 and _ADDRESS.fullmatch(address) else None


def normalise_phone(text: str) -> str | None:
    """Digits, with a leading + where the country was given (+ or 00); None for what is no number.

    No country is guessed: a national number stays one. ITU E.164 allows at most 15 digits.
    """
    match = _PHONE.fullmatch(text.strip()) if len(text) <= 60 else None
    if not match:
        return None
    prefix, rest = match.groups()
    if prefix:
        rest = rest.replace("(0)", "")
    digits = "".join(filter(str.isdecimal, rest))
    return ("+" if prefix else "") + digits if 5 <= len(digits) <= 15 else None


def _complete_names(person: Fields) -> Fields:
    name, first, last = (person.get(key) for key in ("name", "first_name", "last_name"))
    if not name:
        joined = " ".join(str(part) for part in (first, last) if part)
        return {"name": joined} if joined else {}
    words = str(name).split(" ")
    if first or last or len(words) < 2 or any(mark in str(name) for mark in "@#0123456789"):
        return {}
    return {"first_name": words[0], "last_name": " ".join(words[1:])}
