"""Samples: a webhook as the source would send it, posted to the endpoint's own address."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass

import httpx

from shared.errors import InvalidState, ServiceUnavailable
from shared.management.endpoint_models import Endpoint
from shared.management.sample_curl import sample_body
from shared.management.session import UserSession
from shared.signatures import scheme_named

REFRESH_SECONDS = 1.2
"""After which ingest, asked with a signature that does not fit, looks for newer secrets again."""
SAMPLE_TYPES = {"github": "issues", "shopify": "orders/create"}


@dataclass(frozen=True, slots=True)
class SampleAnswer:
    """What the endpoint answered."""

    status: int
    words: str
    event_id: str | None
    body: str


async def send_sample(session: UserSession, endpoint: Endpoint) -> SampleAnswer:
    """Signs with a secret that is good for two minutes. Raises ServiceUnavailable, or RateLimited."""
    scheme = scheme_named(endpoint.scheme)
    if scheme.has_private_key:
        raise InvalidState("This source signs with a private key of its own, so only it can send")
    secret = scheme.generate_secret()
    if secret:
        await session.database.call(
            "lend_endpoint_secret",
            p_endpoint_id=str(endpoint.id),
            p_secret_ciphertext=session.backend.secrets.encrypt(secret),
        )
    response = await _post(session, endpoint, secret)
    if response.status_code == httpx.codes.UNAUTHORIZED:
        await asyncio.sleep(REFRESH_SECONDS)
        response = await _post(session, endpoint, secret)
    return _result(response)


async def _post(session: UserSession, endpoint: Endpoint, secret: str) -> httpx.Response:
    scheme = scheme_named(endpoint.scheme)
    settings = scheme.settings(endpoint.scheme_settings)
    now = int(time.time())
    body, media_type = sample_body(endpoint.scheme, endpoint.scheme_settings, secret, now)
    headers = scheme.sign(
        body,
        secret,
        settings,
        now,
        event_type=SAMPLE_TYPES.get(endpoint.scheme, "contact.created"),
        delivery_id=f"test-{uuid.uuid4()}",
    )
    query = scheme.query(body)
    try:
        return await session.backend.http.post(
            endpoint.url + (f"?{query}" if query else ""),
            content=body,
            headers={"Content-Type": media_type, **headers},
        )
    except httpx.HTTPError:
        raise ServiceUnavailable(
            "The endpoint's address cannot be reached from here; try the command below instead"
        ) from None


def _result(response: httpx.Response) -> SampleAnswer:
    try:
        content = response.json()
    except ValueError:
        content = {}
    data = content.get("data") or {}
    return SampleAnswer(
        response.status_code,
        content.get("error") or ("Taken" if response.is_success else "Refused"),
        data.get("id") or data.get("event_id") or data.get("eventId"),
        response.text[:2000],
    )
