"""Endpoints: the sources that webhooks come from, their addresses and their secrets."""

from __future__ import annotations

import json
from typing import Any, TypeVar
from uuid import UUID

from pydantic import SecretStr, TypeAdapter

from shared.database import run
from shared.errors import Conflict, InvalidState, NotFound
from shared.management.cursors import Order, Row
from shared.management.endpoint_checks import Settled, choose_secret, settle
from shared.management.endpoint_models import (
    Endpoint,
    EndpointChanges,
    EndpointFields,
    EndpointWithSecret,
    NewSecret,
    RotateSecret,
    SampleCurl,
)
from shared.management.entity_types import require_entity_types
from shared.management.models import Deleted, ListQuery, Page, Timestamp
from shared.management.sample_curl import sample_curl
from shared.management.session import UserSession
from shared.management.slugs import slugs_for
from shared.signatures import scheme_named

NEWEST_FIRST = Order(("created_at", "id"), TypeAdapter(tuple[Timestamp, UUID]), descending=True)
AnyEndpoint = TypeVar("AnyEndpoint", bound=Endpoint)


async def create_endpoint(session: UserSession, new: EndpointFields) -> EndpointWithSecret:
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
        return _endpoint(EndpointWithSecret, session, row, secret=settled.secret)
    raise Conflict("This slug is taken")


async def list_endpoints(session: UserSession, wanted: ListQuery) -> Page[Endpoint]:
    query = session.database.table("webhook_endpoints").select("*")
    if wanted.owner == "me":
        query = query.eq("created_by", session.user_id)
    rows = await run(NEWEST_FIRST.page_of(query, limit=wanted.limit, cursor=wanted.cursor))
    shown, next_cursor = NEWEST_FIRST.cut(rows, wanted.limit)
    items = [_endpoint(Endpoint, session, row) for row in shown]
    return Page(items=items, next_cursor=next_cursor)


async def get_endpoint(session: UserSession, endpoint_id: UUID) -> Endpoint:
    return _endpoint(Endpoint, session, await find_endpoint(session, endpoint_id))


async def replace_endpoint(
    session: UserSession, endpoint_id: UUID, new: EndpointFields
) -> EndpointWithSecret:
    columns = new.columns()
    if new.slug is None:
        del columns["slug"]
    return await _change(session, endpoint_id, columns, new.secret)


async def change_endpoint(
    session: UserSession, endpoint_id: UUID, changes: EndpointChanges
) -> EndpointWithSecret:
    columns = changes.columns()
    if columns.get("slug", "") is None:
        del columns["slug"]
    return await _change(session, endpoint_id, columns, changes.secret)


async def delete_endpoint(session: UserSession, endpoint_id: UUID) -> Deleted:
    rows = await run(session.database.table("webhook_endpoints").delete().eq("id", endpoint_id))
    if not rows:
        raise NotFound("There is no such endpoint")
    return Deleted.model_validate(rows[0])


async def rotate_secret(
    session: UserSession, endpoint_id: UUID, rotation: RotateSecret
) -> NewSecret:
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
    return NewSecret.model_validate(answer | {"secret": secret})


async def get_sample_curl(session: UserSession, endpoint_id: UUID) -> SampleCurl:
    row = await find_endpoint(session, endpoint_id)
    command = sample_curl(address_of(session, row["slug"]), row["scheme"], row["scheme_settings"])
    return SampleCurl(curl=command)


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
    query = session.database.table("webhook_endpoints").select("*").eq("id", endpoint_id)
    rows: list[Row] = await run(query)
    if not rows:
        raise NotFound("There is no such endpoint")
    return rows[0]


def _encrypted(session: UserSession, secret: str | None) -> str | None:
    return None if secret is None else session.backend.secrets.encrypt(secret)


def address_of(session: UserSession, slug: str) -> str:
    return (
        f"{session.backend.settings.functions_url.rstrip('/')}/functions/v1/webhook-ingest/{slug}"
    )


def _endpoint(kind: type[AnyEndpoint], session: UserSession, row: Row, **more: Any) -> AnyEndpoint:
    return kind.model_validate({**row, "url": address_of(session, row["slug"]), **more})
