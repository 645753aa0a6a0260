"""Endpoints: the sources that webhooks come from, their addresses and their secrets."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Body, Query

from functions.api.models import WITH_BODY, Success, refusals
from functions.api.routing import Session, create_router
from shared.errors import Conflict, InvalidExpression, InvalidRequest, InvalidState, NotFound
from shared.management import endpoints
from shared.management.endpoint_models import (
    Endpoint,
    EndpointChanges,
    EndpointFields,
    EndpointWithSecret,
    NewSecret,
    RotateSecret,
    SampleCurl,
)
from shared.management.models import Deleted, ListQuery, Page

router = create_router("endpoints")


CHANGE = refusals(*WITH_BODY, InvalidExpression, NotFound, Conflict, InvalidState)


@router.post(
    "/endpoints",
    status_code=201,
    responses=refusals(*WITH_BODY, InvalidExpression, Conflict),
)
async def create_endpoint(session: Session, new: EndpointFields) -> Success[EndpointWithSecret]:
    """Registers a source. The answer shows its secret, this once."""
    return Success(data=await endpoints.create_endpoint(session, new))


@router.get("/endpoints", responses=refusals(InvalidRequest))
async def list_endpoints(
    session: Session, wanted: Annotated[ListQuery, Query()]
) -> Success[Page[Endpoint]]:
    """The caller's endpoints, newest first."""
    return Success(data=await endpoints.list_endpoints(session, wanted))


@router.get("/endpoints/{endpoint_id:uuid}", responses=refusals(NotFound))
async def get_endpoint(session: Session, endpoint_id: UUID) -> Success[Endpoint]:
    """One endpoint."""
    return Success(data=await endpoints.get_endpoint(session, endpoint_id))


@router.put("/endpoints/{endpoint_id:uuid}", responses=CHANGE)
async def replace_endpoint(
    session: Session, endpoint_id: UUID, new: EndpointFields
) -> Success[EndpointWithSecret]:
    """Replaces all that is decided about an endpoint. A new scheme gets a new secret."""
    return Success(data=await endpoints.replace_endpoint(session, endpoint_id, new))


@router.patch("/endpoints/{endpoint_id:uuid}", responses=CHANGE)
async def change_endpoint(
    session: Session, endpoint_id: UUID, changes: EndpointChanges
) -> Success[EndpointWithSecret]:
    """Changes some fields of an endpoint. A new scheme gets a new secret."""
    return Success(data=await endpoints.change_endpoint(session, endpoint_id, changes))


@router.delete("/endpoints/{endpoint_id:uuid}", responses=refusals(NotFound))
async def delete_endpoint(session: Session, endpoint_id: UUID) -> Success[Deleted]:
    """Deletes an endpoint with its events and their log. What the events became stays."""
    return Success(data=await endpoints.delete_endpoint(session, endpoint_id))


@router.post(
    "/endpoints/{endpoint_id:uuid}/rotate-secret",
    responses=refusals(*WITH_BODY, NotFound, InvalidState),
)
async def rotate_secret(
    session: Session,
    endpoint_id: UUID,
    rotation: Annotated[RotateSecret, Body(default_factory=RotateSecret)],
) -> Success[NewSecret]:
    """Gives an endpoint a new secret, shown this once. The old ones stay valid for a while."""
    return Success(data=await endpoints.rotate_secret(session, endpoint_id, rotation))


@router.get(
    "/endpoints/{endpoint_id:uuid}/sample-curl", responses=refusals(NotFound, InvalidRequest)
)
async def get_sample_curl(session: Session, endpoint_id: UUID) -> Success[SampleCurl]:
    """A shell command that posts a signed sample. It takes the secret from the variable SECRET."""
    return Success(data=await endpoints.get_sample_curl(session, endpoint_id))
