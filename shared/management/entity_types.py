"""Entity types: what an event can become. Some are shipped; a user adds one per table of their own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints, TypeAdapter, computed_field

from shared import field_maps
from shared.database import run
from shared.errors import Conflict, Forbidden, InvalidRequest, NotFound
from shared.management.cursors import Order, Row
from shared.management.models import (
    Changes,
    Deleted,
    EntityTypeName,
    ListQuery,
    Page,
    Request,
    StoredResource,
    Timestamp,
)
from shared.management.session import UserSession

ORDER = Order(("name", "id"), TypeAdapter(tuple[EntityTypeName, UUID]))

TableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]
ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=63)]
FieldMap = dict[ColumnName, str]


class EntityTypeFields(Request):
    """What makes an entity type."""

    name: EntityTypeName
    description: Annotated[str, StringConstraints(min_length=1, max_length=4000)] = Field(
        description="Words that the classifier compares an event with."
    )
    target_table: TableName = Field(
        description="A table in `public` with the columns id and user_id and row level security."
    )
    match_columns: Annotated[list[ColumnName], Field(max_length=10)] = Field(
        default_factory=list, description="Columns that together find a record again."
    )
    field_map: FieldMap = Field(default_factory=dict, description="JMESPath by column.")


class EntityTypeChanges(Changes, EntityTypeFields):
    """What to change of an entity type."""


class EntityType(StoredResource):
    """What an event can become."""

    name: str
    description: str
    target_table: str
    match_columns: list[str]
    field_map: dict[str, str]
    user_id: UUID | None = Field(description="Null for the types that are shipped.")
    created_at: Timestamp
    updated_at: Timestamp

    @computed_field  # type: ignore[prop-decorator]
    @property
    def is_shipped(self) -> bool:
        return self.user_id is None


async def list_entity_types(session: UserSession, wanted: ListQuery) -> Page[EntityType]:
    query = session.database.table("entity_types").select("*")
    any_of = _meant_for(session.user_id) if wanted.owner == "me" else ""
    page = ORDER.page_of(query, limit=wanted.limit, cursor=wanted.cursor, any_of=any_of)
    rows = await run(page)
    shown, next_cursor = ORDER.cut(rows, wanted.limit)
    items = [EntityType.model_validate(row) for row in shown]
    return Page(items=items, next_cursor=next_cursor)


async def create_entity_type(session: UserSession, new: EntityTypeFields) -> EntityType:
    field_maps.validate(new.field_map)
    rows = await _store(session.database.table("entity_types").insert(new.columns()))
    return EntityType.model_validate(rows[0])


async def get_entity_type(session: UserSession, type_id: UUID) -> EntityType:
    return EntityType.model_validate(await _find(session, type_id))


async def replace_entity_type(
    session: UserSession, type_id: UUID, new: EntityTypeFields
) -> EntityType:
    return await _change(session, type_id, new)


async def change_entity_type(
    session: UserSession, type_id: UUID, changes: EntityTypeChanges
) -> EntityType:
    return await _change(session, type_id, changes)


async def delete_entity_type(session: UserSession, type_id: UUID) -> Deleted:
    rows = await run(session.database.table("entity_types").delete().eq("id", type_id))
    if not rows:
        raise await _why_untouched(session, type_id)
    return Deleted.model_validate(rows[0])


async def require_entity_types(session: UserSession, owner: UUID, names: Iterable[str]) -> None:
    """Raises InvalidRequest, naming the first that is missing, unless each is a type of the owner's."""
    wanted = sorted(set(names))
    if not wanted:
        return
    query = session.database.table("entity_types").select("name")
    quoted = ",".join(f'"{name}"' for name in wanted)
    rows: list[Row] = await run(query.filter("name", "in", f"({quoted})").or_(_meant_for(owner)))
    missing = sorted(set(wanted) - {row["name"] for row in rows})
    if missing:
        raise InvalidRequest(f"There is no entity type {missing[0]}")


def _meant_for(user_id: UUID) -> str:
    return f"user_id.is.null,user_id.eq.{user_id}"


async def _find(session: UserSession, type_id: UUID) -> Row:
    rows: list[Row] = await run(
        session.database.table("entity_types").select("*").eq("id", type_id)
    )
    if not rows:
        raise NotFound("There is no such entity type")
    return rows[0]


async def _change(session: UserSession, type_id: UUID, changes: Request) -> EntityType:
    columns = changes.columns()
    field_maps.validate(columns.get("field_map", {}))
    table = session.database.table("entity_types")
    rows = await _store(table.update(columns).eq("id", type_id)) if columns else []
    if not rows and columns:
        raise await _why_untouched(session, type_id)
    return EntityType.model_validate(rows[0] if rows else await _find(session, type_id))


async def _store(query: Any) -> list[Row]:
    try:
        rows: list[Row] = await run(query)
    except Conflict:
        raise Conflict("There is an entity type of yours with this name") from None
    return rows


async def _why_untouched(session: UserSession, type_id: UUID) -> Forbidden:
    """Row level security lets nobody but admins change what is shipped. Raises NotFound if unseen."""
    await _find(session, type_id)
    return Forbidden("Shipped entity types cannot be changed: make one of your own with their name")
