"""Webhooks: where events go out to, and what they are signed with."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Body, Query
from pydantic import TypeAdapter

from functions.api.cursors import Order, Row
from functions.api.endpoint_models import NewSecret, RotateSecret
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
from functions.api.webhook_checks import choose_secret, settle_changes, settle_new
from functions.api.webhook_models import Webhook, WebhookChanges, WebhookFields, WebhookWithSecret
from shared.database import run
from shared.errors import InvalidExpression, InvalidRequest, NotFound

router = create_router("webhooks")

NEWEST_FIRST = Order(("created_at", "id"), TypeAdapter(tuple[Timestamp, UUID]), descending=True)


@router.post("/webhooks", status_code=201, responses=refusals(*WITH_BODY, InvalidExpression))
async def create_webhook(session: Session, new: WebhookFields) -> Success[WebhookWithSecret]:
    """Registers a receiver. The answer shows its secret, this once."""
    settled = settle_new(new, session.api.targets)
    row = await session.database.call(
        "create_webhook",
        p_webhook=settled.columns_json(),
        p_secrets=settled.secrets_json(session.api.secrets),
    )
    return Success(data=WebhookWithSecret.of(row, secret=settled.secrets["signing"]))


@router.get("/webhooks", responses=refusals(InvalidRequest))
async def list_webhooks(
    session: Session, wanted: Annotated[ListQuery, Query()]
) -> Success[Page[Webhook]]:
    """The caller's webhooks, newest first."""
    query = session.database.table("webhooks").select("*")
    if wanted.owner == "me":
        query = query.eq("created_by", session.user_id)
    rows = await run(NEWEST_FIRST.page_of(query, limit=wanted.limit, cursor=wanted.cursor))
    shown, next_cursor = NEWEST_FIRST.cut(rows, wanted.limit)
    return Success(data=Page(items=[Webhook.of(row) for row in shown], next_cursor=next_cursor))


@router.get("/webhooks/{webhook_id:uuid}", responses=refusals(NotFound))
async def get_webhook(session: Session, webhook_id: UUID) -> Success[Webhook]:
    """One webhook."""
    return Success(data=Webhook.of(await find_webhook(session, webhook_id)))


CHANGE = refusals(*WITH_BODY, InvalidExpression, NotFound)


@router.put("/webhooks/{webhook_id:uuid}", responses=CHANGE)
async def update_webhook(
    session: Session, webhook_id: UUID, changes: WebhookChanges
) -> Success[Webhook]:
    """Changes some fields of a webhook, as PATCH does. Switching it on again sends what has waited."""
    return Success(data=await _change(session, webhook_id, changes))


@router.patch("/webhooks/{webhook_id:uuid}", responses=CHANGE)
async def change_webhook(
    session: Session, webhook_id: UUID, changes: WebhookChanges
) -> Success[Webhook]:
    """Changes some fields of a webhook. Switching it on again sends what has waited."""
    return Success(data=await _change(session, webhook_id, changes))


@router.delete("/webhooks/{webhook_id:uuid}", responses=refusals(NotFound))
async def delete_webhook(session: Session, webhook_id: UUID) -> Success[Deleted]:
    """Deletes a webhook with its deliveries and their log. What was published stays."""
    rows = await run(session.database.table("webhooks").delete().eq("id", webhook_id))
    if not rows:
        raise no_such_webhook()
    return Success(data=Deleted.model_validate(rows[0]))


@router.post(
    "/webhooks/{webhook_id:uuid}/regenerate-secret", responses=refusals(*WITH_BODY, NotFound)
)
async def regenerate_secret(
    session: Session,
    webhook_id: UUID,
    rotation: Annotated[RotateSecret, Body(default_factory=RotateSecret)],
) -> Success[NewSecret]:
    """Gives a webhook a new secret, shown this once. The old ones sign beside it for a while."""
    secret = choose_secret(rotation.secret)
    answer = await session.database.call(
        "rotate_webhook_secret",
        p_webhook_id=str(webhook_id),
        p_secret_ciphertext=session.api.secrets.encrypt(secret),
        p_overlap_seconds=rotation.overlap_seconds,
    )
    return Success(data=NewSecret.model_validate(answer | {"secret": secret}))


async def find_webhook(session: UserSession, webhook_id: UUID, columns: str = "*") -> Row:
    """Raises NotFound for a webhook that is not there, or not the caller's."""
    query = session.database.table("webhooks").select(columns).eq("id", webhook_id)
    rows: list[Row] = await run(query)
    if not rows:
        raise no_such_webhook()
    return rows[0]


def no_such_webhook() -> NotFound:
    return NotFound("There is no such webhook")


async def _change(session: UserSession, webhook_id: UUID, changes: WebhookChanges) -> Webhook:
    before = await find_webhook(session, webhook_id)
    settled = settle_changes(changes, before, session.api.targets)
    if not settled.columns and not settled.secrets:
        return Webhook.of(before)
    row = await session.database.call(
        "update_webhook",
        p_webhook_id=str(webhook_id),
        p_changes=settled.columns_json(),
        p_secrets=settled.secrets_json(session.api.secrets),
    )
    return Webhook.of(row)
