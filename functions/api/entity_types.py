"""Entity types: what an event can become. Some are shipped; a user adds one per table of their own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import Field, StringConstraints, TypeAdapter, computed_field

from functions.api.cursors import Order, Row
from functions.api.models import (
    WITH_BODY,
    Changes,
    Deleted,
    EntityTypeName,
    ListQuery,
    Page,
    Request,
    StoredResource,
    Success,
    Timestamp,
    refusals,
)
from functions.api.routing import Session, UserSession, create_router
from shared import field_maps
from shared.database import run
from shared.errors import Conflict, Forbidden, InvalidExpression, InvalidRequest, NotFound

router = create_router("entity types")

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


CHANGE = refusals(*WITH_BODY, InvalidExpression, Forbidden, NotFound, Conflict)


@router.get("/entity-types", responses=refusals(InvalidRequest))
async def list_entity_types(
    session: Session, wanted: Annotated[ListQuery, Query()]
) -> Success[Page[EntityType]]:
    """The shipped types and the caller's own, by name. An own type hides a shipped one of its name."""
    query = session.database.table("entity_types").select("*")
    any_of = _meant_for(session.user_id) if wanted.owner == "me" else ""
    page = ORDER.page_of(query, limit=wanted.limit, cursor=wanted.cursor, any_of=any_of)
    rows = await run(page)
    shown, next_cursor = ORDER.cut(rows, wanted.limit)
    items = [EntityType.model_validate(row) for row in shown]
    return Success(data=Page(items=items, next_cursor=next_cursor))


@router.post(
    "/entity-types",
    status_code=201,
    responses=refusals(*WITH_BODY, InvalidExpression, Conflict),
)
async def create_entity_type(session: Session, new: EntityTypeFields) -> Success[EntityType]:
    """Registers a table of the caller's project."""
    field_maps.validate(new.field_map)
    rows = await _store(session.database.table("entity_types").insert(new.columns()))
    return Success(data=EntityType.model_validate(rows[0]))


@router.get("/entity-types/{type_id:uuid}", responses=refusals(NotFound))
async def get_entity_type(session: Session, type_id: UUID) -> Success[EntityType]:
    """One entity type."""
    return Success(data=EntityType.model_validate(await _find(session, type_id)))


@router.put("/entity-types/{type_id:uuid}", responses=CHANGE)
async def replace_entity_type(
    session: Session, type_id: UUID, new: EntityTypeFields
) -> Success[EntityType]:
    """Replaces an entity type of the caller's."""
    return Success(data=await _change(session, type_id, new))


@router.patch("/entity-types/{type_id:uuid}", responses=CHANGE)
async def change_entity_type(
    session: Session, type_id: UUID, changes: EntityTypeChanges
) -> Success[EntityType]:
    """Changes some fields of an entity type of the caller's."""
    return Success(data=await _change(session, type_id, changes))


@router.delete("/entity-types/{type_id:uuid}", responses=refusals(Forbidden, NotFound))
async def delete_entity_type(session: Session, type_id: UUID) -> Success[Deleted]:
    """Deletes an entity type of the caller's. Its table and the records in it stay."""
    rows = await run(session.database.table("entity_types").delete().eq("id", type_id))
    if not rows:
        raise await _why_untouched(session, type_id)
    return Success(data=Deleted.model_validate(rows[0]))


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
