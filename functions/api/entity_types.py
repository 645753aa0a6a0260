"""Entity types: what an event can become. Some are shipped; a user adds one per table of their own."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query

from functions.api.models import WITH_BODY, Success, refusals
from functions.api.routing import Session, create_router
from shared.errors import Conflict, Forbidden, InvalidExpression, InvalidRequest, NotFound
from shared.management import entity_types
from shared.management.entity_types import EntityType, EntityTypeChanges, EntityTypeFields
from shared.management.models import Deleted, ListQuery, Page

router = create_router("entity types")


CHANGE = refusals(*WITH_BODY, InvalidExpression, Forbidden, NotFound, Conflict)


@router.get("/entity-types", responses=refusals(InvalidRequest))
async def list_entity_types(
    session: Session, wanted: Annotated[ListQuery, Query()]
) -> Success[Page[EntityType]]:
    """The shipped types and the caller's own, by name. An own type hides a shipped one of its name."""
    return Success(data=await entity_types.list_entity_types(session, wanted))


@router.post(
    "/entity-types",
    status_code=201,
    responses=refusals(*WITH_BODY, InvalidExpression, Conflict),
)
async def create_entity_type(session: Session, new: EntityTypeFields) -> Success[EntityType]:
    """Registers a table of the caller's project."""
    return Success(data=await entity_types.create_entity_type(session, new))


@router.get("/entity-types/{type_id:uuid}", responses=refusals(NotFound))
async def get_entity_type(session: Session, type_id: UUID) -> Success[EntityType]:
    """One entity type."""
    return Success(data=await entity_types.get_entity_type(session, type_id))


@router.put("/entity-types/{type_id:uuid}", responses=CHANGE)
async def replace_entity_type(
    session: Session, type_id: UUID, new: EntityTypeFields
) -> Success[EntityType]:
    """Replaces an entity type of the caller's."""
    return Success(data=await entity_types.replace_entity_type(session, type_id, new))


@router.patch("/entity-types/{type_id:uuid}", responses=CHANGE)
async def change_entity_type(
    session: Session, type_id: UUID, changes: EntityTypeChanges
) -> Success[EntityType]:
    """Changes some fields of an entity type of the caller's."""
    return Success(data=await entity_types.change_entity_type(session, type_id, changes))


@router.delete("/entity-types/{type_id:uuid}", responses=refusals(Forbidden, NotFound))
async def delete_entity_type(session: Session, type_id: UUID) -> Success[Deleted]:
    """Deletes an entity type of the caller's. Its table and the records in it stay."""
    return Success(data=await entity_types.delete_entity_type(session, type_id))
