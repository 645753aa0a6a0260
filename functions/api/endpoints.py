"""Endpoints: the sources that webhooks come from, their addresses and their secrets."""

from __future__ import annotations

import json
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Body, Query
from pydantic import SecretStr, TypeAdapter

from functions.api.cursors import Order, Row
from functions.api.endpoint_checks import Settled, choose_secret, settle
from functions.api.endpoint_models import (
    Endpoint,
    EndpointChanges,
    EndpointFields,
    EndpointWithSecret,
    NewSecret,
    RotateSecret,
    SampleCurl,
)
from functions.api.entity_types import require_entity_types
from functions.api.models import (
    WITH_BODY,
    Deleted,
    ListQuery,
    Page,
    Success,
    Timestamp,
    refusals,
)
from functions.api.routing import Session, UserSession, create_router
from functions.api.sample_curl import sample_curl
from functions.api.slugs import slugs_for
from shared.database import run
from shared.errors import Conflict, InvalidExpression, InvalidRequest, InvalidState, NotFound
from shared.signatures import scheme_named

router = create_router("endpoints")

NEWEST_FIRST = Order(("created_at", "id"), TypeAdapter(tuple[Timestamp, UUID]), descending=True)
AnyEndpoint = TypeVar("AnyEndpoint", bound=Endpoint)


@router.post(
    "/endpoints",
    status_code=201,
    responses=refusals(*WITH_BODY, InvalidExpression, Conflict),
)
async def create_endpoint(session: Session, new: EndpointFields) -> Success[EndpointWithSecret]:
    """Registers a source. The answer shows its secret, this once."""
    settled = settle(new.columns(), None, new.secret)
    await require_entity_types(session, session.user_id, settled.entity_types)
    for slug in [new.slug] if new.slug else slugs_for(new.name):
        try:
            row = await session.database.call(
                "create_webhook_endpoint",
                p_endpoint=json.dumps(settled.columns | {"slug": slug}),
                p_secret_ciphertext=_encrypted(session, settled.secret),
            )
        except Conflict:
            continue
        return Success(data=_endpoint(EndpointWithSecret, session, row, secret=settled.secret))
    raise Conflict("This slug is taken")


@router.get("/endpoints", responses=refusals(InvalidRequest))
async def list_endpoints(
    session: Session, wanted: Annotated[ListQuery, Query()]
) -> Success[Page[Endpoint]]:
    """The caller's endpoints, newest first."""
    query = session.database.table("webhook_endpoints").select("*")
    if wanted.owner == "me":
        query = query.eq("created_by", session.user_id)
    rows = await run(NEWEST_FIRST.page_of(query, limit=wanted.limit, cursor=wanted.cursor))
    shown, next_cursor = NEWEST_FIRST.cut(rows, wanted.limit)
    items = [_endpoint(Endpoint, session, row) for row in shown]
    return Success(data=Page(items=items, next_cursor=next_cursor))


@router.get("/endpoints/{endpoint_id:uuid}", responses=refusals(NotFound))
async def get_endpoint(session: Session, endpoint_id: UUID) -> Success[Endpoint]:
    """One endpoint."""
    return Success(data=_endpoint(Endpoint, session, await find_endpoint(session, endpoint_id)))


CHANGE = refusals(*WITH_BODY, InvalidExpression, NotFound, Conflict, InvalidState)


@router.put("/endpoints/{endpoint_id:uuid}", responses=CHANGE)
async def replace_endpoint(
    session: Session, endpoint_id: UUID, new: EndpointFields
) -> Success[EndpointWithSecret]:
    """Replaces all that is decided about an endpoint. A new scheme gets a new secret."""
    columns = new.columns()
    if new.slug is None:
        del columns["slug"]
    return Success(data=await _change(session, endpoint_id, columns, new.secret))


@router.patch("/endpoints/{endpoint_id:uuid}", responses=CHANGE)
async def change_endpoint(
    session: Session, endpoint_id: UUID, changes: EndpointChanges
) -> Success[EndpointWithSecret]:
    """Changes some fields of an endpoint. A new scheme gets a new secret."""
    columns = changes.columns()
    if columns.get("slug", "") is None:
        del columns["slug"]
    return Success(data=await _change(session, endpoint_id, columns, changes.secret))


@router.delete("/endpoints/{endpoint_id:uuid}", responses=refusals(NotFound))
async def delete_endpoint(session: Session, endpoint_id: UUID) -> Success[Deleted]:
    """Deletes an endpoint with its events and their log. What the events became stays."""
    rows = await run(session.database.table("webhook_endpoints").delete().eq("id", endpoint_id))
    if not rows:
        raise NotFound("There is no such endpoint")
    return Success(data=Deleted.model_validate(rows[0]))


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
    scheme = scheme_named((await find_endpoint(session, endpoint_id))["scheme"])
    secret = choose_secret(scheme, rotation.secret)
    if secret is None:
        raise InvalidState(f"The scheme {scheme.name} takes no secret")
    answer = await session.database.call(
        "rotate_endpoint_secret",
        p_endpoint_id=str(endpoint_id),
        p_secret_ciphertext=_encrypted(session, secret),
        p_overlap_seconds=rotation.overlap_seconds,
    )
    return Success(data=NewSecret.model_validate(answer | {"secret": secret}))


@router.get(
    "/endpoints/{endpoint_id:uuid}/sample-curl", responses=refusals(NotFound, InvalidRequest)
)
async def get_sample_curl(session: Session, endpoint_id: UUID) -> Success[SampleCurl]:
    """A shell command that posts a signed sample. It takes the secret from the variable SECRET."""
    row = await find_endpoint(session, endpoint_id)
    command = sample_curl(address_of(session, row["slug"]), row["scheme"], row["scheme_settings"])
    return Success(data=SampleCurl(curl=command))


async def _change(
    session: UserSession, endpoint_id: UUID, columns: dict[str, Any], given: SecretStr | None
) -> EndpointWithSecret:
    before = await find_endpoint(session, endpoint_id)
    settled = settle(columns, before, given)
    await require_entity_types(session, UUID(before["created_by"]), settled.entity_types)
    row = await _store(session, before, settled)
    return _endpoint(EndpointWithSecret, session, row, secret=settled.secret)


async def _store(session: UserSession, before: Row, settled: Settled) -> Row:
    try:
        row: Row = await session.database.call(
            "update_webhook_endpoint",
            p_endpoint_id=before["id"],
            p_scheme=before["scheme"],
            p_changes=json.dumps(settled.columns),
            p_secret_ciphertext=_encrypted(session, settled.secret),
        )
    except InvalidState:
        raise
    except Conflict:
        raise Conflict("This slug is taken") from None
    return row


async def find_endpoint(session: UserSession, endpoint_id: UUID) -> Row:
    """Raises NotFound for an endpoint that is not there, or not the caller's."""
    query = session.database.table("webhook_endpoints").select("*").eq("id", endpoint_id)
    rows: list[Row] = await run(query)
    if not rows:
        raise NotFound("There is no such endpoint")
    return rows[0]


def _encrypted(session: UserSession, secret: str | None) -> str | None:
    return None if secret is None else session.api.secrets.encrypt(secret)


def address_of(session: UserSession, slug: str) -> str:
    """Where an endpoint's source posts to."""
    return f"{session.api.settings.functions_url.rstrip('/')}/functions/v1/webhook-ingest/{slug}"


def _endpoint(kind: type[AnyEndpoint], session: UserSession, row: Row, **more: Any) -> AnyEndpoint:
    return kind.model_validate({**row, "url": address_of(session, row["slug"]), **more})
