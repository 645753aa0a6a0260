"""Fetching what an endpoint missed from the vendor itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import httpx
from pydantic import AfterValidator, Field, SecretStr, StringConstraints

from functions.api.models import WITH_BODY, Success, refusals
from functions.api.reconciliation import Progress, Report, Target, begin, sweep
from functions.api.routing import Session, create_router
from functions.api.vendors import GitHubDeliveries, StripeEvents, Vendor
from functions.api.vendors.github import HOOK
from shared.database import run
from shared.errors import InvalidRequest, InvalidState, NotFound, ServiceUnavailable
from shared.management.endpoints import address_of, find_endpoint
from shared.management.models import Request, Resource, Timestamp, TimeText
from shared.management.session import UserSession
from shared.signatures import scheme_named

router = create_router("endpoints")


def _fit_for_a_header(token: SecretStr) -> SecretStr:
    text = token.get_secret_value()
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError("must be letters, digits and signs without space")
    return token


def _hook_path(hook: str) -> str:
    if HOOK.fullmatch(hook) is None:
        raise ValueError("must be repos/OWNER/REPO/hooks/ID, orgs/ORG/hooks/ID or app/hook")
    return hook


class Reconcile(Request):
    """Where to look, and with which token."""

    token: Annotated[
        SecretStr, Field(min_length=1, max_length=4096), AfterValidator(_fit_for_a_header)
    ] = Field(
        description="For the vendor's API. It is used for this call and not kept. GitHub: one that may "
        "read the webhook; for `app/hook` the app's JWT. Stripe: a restricted key that may read events."
    )
    hook: Annotated[str, StringConstraints(max_length=300), AfterValidator(_hook_path)] | None = (
        Field(
            default=None,
            description="GitHub, always: the webhook, as `repos/OWNER/REPO/hooks/ID`, `orgs/ORG/hooks/ID` or "
            "`app/hook`.",
        )
    )
    event_types: Annotated[
        list[Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.*]{1,100}$")]],
        Field(max_length=20),
    ] = Field(
        default_factory=list,
        description="Stripe: the types that this endpoint is for, if the account has other ones too. "
        "None means all.",
    )
    since: TimeText | None = Field(
        default=None,
        description="How far to go back. Left out: to where the last reconciliation began, or else to when "
        "the endpoint was made.",
    )


class Reconciled(Resource):
    """What this call has done."""

    complete: bool = Field(description="False: call again, and it goes on from here.")
    retry_after_seconds: int | None = Field(
        description="The vendor, or the endpoint's own rate limit, wants a pause first."
    )
    since: Timestamp = Field(description="How far it goes back. No vendor keeps its list for ever.")
    reached: Timestamp | None = Field(description="How far it has come; null if there was nothing.")
    checked: int = Field(description="Entries of the vendor's list that were looked at.")
    accepted: int = Field(description="Events that were missing, and are in the queue now.")
    duplicates: int = Field(description="Events that were there already.")
    skipped: int = Field(description="Pings, and what cannot be stored.")


@router.post(
    "/endpoints/{endpoint_id:uuid}/reconcile",
    responses=refusals(*WITH_BODY, NotFound, InvalidState, ServiceUnavailable),
)
async def reconcile(session: Session, endpoint_id: UUID, wanted: Reconcile) -> Success[Reconciled]:
    """Fetches what the vendor could not deliver (schemes `github` and `stripe`), and queues what is missing.

    A call looks at a few pages. Call again until it is complete.
    """
    row = await find_endpoint(session, endpoint_id)
    if not row["is_active"]:
        raise InvalidState("The endpoint is not active")
    vendor = _vendor(row["scheme"], wanted, session.backend.http)
    scheme = scheme_named(row["scheme"])
    settings = scheme.settings(row["scheme_settings"])
    target = Target(endpoint_id, address_of(session, row["slug"]), scheme, settings)
    progress = begin(
        await _progress(session, endpoint_id),
        vendor,
        wanted.since,
        datetime.fromisoformat(row["created_at"]),
        datetime.now(UTC),
    )
    return Success(data=_reconciled(await sweep(session, target, vendor, progress)))


def _vendor(scheme: str, wanted: Reconcile, http: httpx.AsyncClient) -> Vendor:
    token = wanted.token.get_secret_value()
    match scheme:
        case "github":
            if wanted.hook is None:
                raise InvalidRequest("hook: say which webhook of GitHub's this endpoint is")
            if wanted.event_types:
                raise InvalidRequest("eventTypes: GitHub's list is that of one webhook already")
            return GitHubDeliveries(http, token, wanted.hook)
        case "stripe":
            if wanted.hook is not None:
                raise InvalidRequest("hook: Stripe's list is the account's")
            return StripeEvents(http, token, wanted.event_types)
        case _:
            raise InvalidState("Only endpoints of the schemes github and stripe can be reconciled")


async def _progress(session: UserSession, endpoint_id: UUID) -> Progress | None:
    query = session.database.table("endpoint_reconciliations").select("state")
    rows: list[dict[str, Any]] = await run(query.eq("endpoint_id", endpoint_id))
    return Progress.model_validate(rows[0]["state"]) if rows else None


def _reconciled(report: Report) -> Reconciled:
    return Reconciled(
        complete=report.progress.is_complete and report.held_back_seconds is None,
        retry_after_seconds=report.held_back_seconds,
        since=report.progress.since,
        reached=report.reached,
        checked=report.checked,
        accepted=report.states["accepted"],
        duplicates=report.states["duplicate"],
        skipped=report.states["skipped"],
    )
