"""Trying a request on an endpoint: which part of it does not match. Nothing is stored."""

from __future__ import annotations

import time
from base64 import b64decode
from typing import Annotated, Self
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import (
    AwareDatetime,
    Field,
    SecretStr,
    Strict,
    StringConstraints,
    model_validator,
)

from functions.api.models import WITH_BODY, Success, refusals
from functions.api.routing import Session, create_router
from functions.api.trial import Finding, Part, Question, events_of, examine
from shared.errors import InvalidRequest, NotFound
from shared.management.endpoints import address_of, find_endpoint
from shared.management.models import Request, Resource
from shared.management.session import UserSession
from shared.signatures import Headers, SignedRequest, scheme_named

router = create_router("endpoints")

HeaderText = Annotated[str, StringConstraints(max_length=32_768)]


class TriedRequest(Request):
    """A request as the source sends it."""

    method: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{1,20}$", to_upper=True)] = "POST"
    url: Annotated[str, StringConstraints(max_length=4096)] | None = Field(
        default=None,
        description="Where it is sent to, with its query. Left out, it is the endpoint's own address.",
    )
    headers: dict[HeaderText, HeaderText | list[HeaderText]] = Field(
        default_factory=dict, description="A field that comes several times has a list."
    )
    body: str = Field(default="", description="As text, character for character.")
    body_base64: str | None = Field(
        default=None, description="Instead of `body`, for bytes that are no text."
    )
    secret: SecretStr | None = Field(
        default=None,
        exclude=True,
        description="The secret that the source signs with. It is used for this answer and not kept; "
        "without it all but the signature is checked.",
    )
    received_at: Annotated[AwareDatetime, Strict(False)] | None = Field(
        default=None, description="For a request of the past: when it came. Left out, it is now."
    )

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.body and self.body_base64 is not None:
            raise ValueError("send either body or bodyBase64")
        return self

    def octets(self) -> bytes:
        """Raises InvalidRequest."""
        if self.body_base64 is None:
            return self.body.encode()
        try:
            return b64decode(self.body_base64, validate=True)
        except ValueError:  # binascii.Error is one, and letters beyond ASCII are another
            raise InvalidRequest("bodyBase64: it is not base64") from None


class Check(Resource):
    """What was found about one part of the request."""

    part: Part = Field(
        description="`secret`, `url` …: the part that does not match, where that is clear."
    )
    matches: bool | None = Field(description="Null: it could not be checked.")
    words: str


class TriedEvent(Resource):
    """What the request would become."""

    event_type: str
    external_id: str | None
    delivery_id: str | None


class Trial(Resource):
    """The findings, in the order in which a webhook is looked at."""

    matches: bool | None = Field(
        description="Whether it would be accepted; null if all but the signature would be."
    )
    checks: list[Check]
    events: list[TriedEvent] = Field(description="At most ten; none if the body cannot be read.")


@router.post("/endpoints/{endpoint_id:uuid}/try", responses=refusals(*WITH_BODY, NotFound))
async def try_request(session: Session, endpoint_id: UUID, tried: TriedRequest) -> Success[Trial]:
    """Says which part of a request does not match: method, address, headers, time, signature, body.

    Nothing is stored. The endpoint's secret is not read, here as everywhere: send it along, or do
    without a word on the signature.
    """
    row = await find_endpoint(session, endpoint_id)
    scheme = scheme_named(row["scheme"])
    settings = scheme.settings(row["scheme_settings"])
    addresses = _addresses(session, row["slug"], getattr(settings, "public_url", None))
    received_at = time.time() if tried.received_at is None else tried.received_at.timestamp()
    question = Question(
        _signed(tried, addresses[0]),
        scheme,
        settings,
        row["is_active"],
        addresses,
        None if tried.secret is None else tried.secret.get_secret_value(),
        int(received_at),
    )
    findings = examine(question)
    events = [TriedEvent.model_validate(e, from_attributes=True) for e in events_of(question)]
    checks = [Check.model_validate(f, from_attributes=True) for f in findings]
    return Success(data=Trial(matches=_overall(findings), checks=checks, events=events))


def _overall(findings: list[Finding]) -> bool | None:
    if any(finding.matches is False for finding in findings):
        return False
    return None if any(finding.matches is None for finding in findings) else True


def _addresses(session: UserSession, slug: str, public_url: str | None) -> list[str]:
    usual = address_of(session, slug)
    base = usual.removesuffix(f"/functions/v1/webhook-ingest/{slug}")
    others = [f"{base}/functions/v1/{name}/{slug}" for name in ("ingest", "webhooks")]
    if slug == "receive":
        others.append(f"{base}/api/webhooks/receive")
    return [*([public_url] if public_url else []), usual, *others]


def _signed(tried: TriedRequest, address: str) -> SignedRequest:
    """Raises InvalidRequest for a url that is none."""
    try:
        url, query = (tried.url or address), urlsplit(tried.url or "").query
    except ValueError:
        raise InvalidRequest("url: this is not an address") from None
    pairs = [
        (name, value)
        for name, values in tried.headers.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    bare = url.partition("#")[0].partition("?")[0]
    return SignedRequest(tried.method, bare, Headers(pairs), tried.octets(), query)
