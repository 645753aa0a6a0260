"""Webhooks: where events go out to, and what they are signed with."""

from __future__ import annotations

from uuid import UUID

from pydantic import TypeAdapter

from shared.database import run
from shared.errors import NotFound
from shared.management.cursors import Order, Row
from shared.management.endpoint_models import NewSecret, RotateSecret
from shared.management.models import Deleted, ListQuery, Page, Timestamp
from shared.management.session import UserSession
from shared.management.webhook_checks import choose_secret, settle_changes, settle_new
from shared.management.webhook_models import (
    Webhook,
    WebhookChanges,
    WebhookFields,
    WebhookWithSecret,
)

NEWEST_FIRST = Order(("created_at", "id"), TypeAdapter(tuple[Timestamp, UUID]), descending=True)


async def create_webhook(session: UserSession, new: WebhookFields) -> WebhookWithSecret:
    settled = settle_new(new, session.backend.targets)
    row = await session.database.call(
        "create_webhook",
        p_webhook=settled.columns_json(),
        p_secrets=settled.secrets_json(session.backend.secrets),
    )
    return WebhookWithSecret.of(row, secret=settled.secrets["signing"])


async def list_webhooks(
    session: UserSession, wanted: ListQuery, *, kind: str | None = None
) -> Page[Webhook]:
    """Newest first; of all kinds or of one."""
    query = session.database.table("webhooks").select("*")
    if kind is not None:
        query = query.eq("kind", kind)
    if wanted.owner == "me":
        query = query.eq("created_by", session.user_id)
    rows = await run(NEWEST_FIRST.page_of(query, limit=wanted.limit, cursor=wanted.cursor))
    shown, next_cursor = NEWEST_FIRST.cut(rows, wanted.limit)
    return Page(items=[Webhook.of(row) for row in shown], next_cursor=next_cursor)


async def get_webhook(session: UserSession, webhook_id: UUID) -> Webhook:
    return Webhook.of(await find_webhook(session, webhook_id))


async def update_webhook(
    session: UserSession, webhook_id: UUID, changes: WebhookChanges
) -> Webhook:
    return await _change(session, webhook_id, changes)


async def change_webhook(
    session: UserSession, webhook_id: UUID, changes: WebhookChanges
) -> Webhook:
    return await _change(session, webhook_id, changes)


async def delete_webhook(session: UserSession, webhook_id: UUID) -> Deleted:
    rows = await run(session.database.table("webhooks").delete().eq("id", webhook_id))
    if not rows:
        raise no_such_webhook()
    return Deleted.model_validate(rows[0])


async def regenerate_secret(
    session: UserSession, webhook_id: UUID, rotation: RotateSecret
) -> NewSecret:
    secret = choose_secret(rotation.secret)
    answer = await session.database.call(
        "rotate_webhook_secret",
        p_webhook_id=str(webhook_id),
        p_secret_ciphertext=session.backend.secrets.encrypt(secret),
        p_overlap_seconds=rotation.overlap_seconds,
    )
    return NewSecret.model_validate(answer | {"secret": secret})


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
    settled = settle_changes(changes, before, session.backend.targets)
    if not settled.columns and not settled.secrets:
        return Webhook.of(before)
    row = await session.database.call(
        "update_webhook",
        p_webhook_id=str(webhook_id),
        p_changes=settled.columns_json(),
        p_secrets=settled.secrets_json(session.backend.secrets),
    )
    return Webhook.of(row)
