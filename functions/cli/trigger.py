"""A webhook made here: a sample or a file, signed as the endpoint's source would."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx

from functions.cli.api import ApiClient, Item, Refused
from shared.errors import InvalidRequest, InvalidSignature
from shared.signatures import scheme_named

HOW_TO_SIGN = (
    ": no secret was given. Put the endpoint's secret, which was shown when it was made, "
    "into the environment variable SECRET, or give it with --secret"
)


@dataclass(frozen=True)
class Trigger:
    """What to send."""

    body: bytes
    event_type: str
    secret: str = field(repr=False)


def sample(event_type: str) -> bytes:
    """A person's first contact, another one with every call; most schemes find its type and id."""
    now, name = int(time.time()), uuid.uuid4().hex[:12]
    person = {"id": f"cust_{name}", "name": "Ada Lovelace", "email": f"ada+{name}@example.com"}
    content = {
        "id": f"evt_{name}",
        "type": event_type,
        "event_type": event_type,
        "external_id": person["id"],
        "created": now,
        "data": {**person, "object": person},
    }
    return json.dumps(content).encode()


async def find_endpoint(api: ApiClient, name: str) -> Item:
    """The user's endpoint with this id or slug."""
    async for endpoint in api.items("endpoints"):
        if name in {endpoint["id"], endpoint["slug"]}:
            return endpoint
    raise Refused(f"There is no endpoint {name}", "not_found")


async def send(endpoint: Item, trigger: Trigger) -> Any:
    """Ingest's answer, as data.

    Raises:
        Refused: what ingest says against it.
    """
    scheme, now = scheme_named(endpoint["scheme"]), int(time.time())
    if scheme.has_private_key:
        raise Refused(
            f"{scheme.name} signs with a private key, so only it can send", "invalid_state"
        )
    body = scheme.complete(trigger.body, trigger.secret, now)
    query = scheme.query(body)
    try:
        signed = scheme.sign(
            body,
            trigger.secret,
            scheme.settings(endpoint["schemeSettings"]),
            now,
            event_type=trigger.event_type,
            delivery_id=str(uuid.uuid4()),
        )
    except InvalidRequest as problem:
        # A scheme whose secrets have a form of their own, and no secret.
        if trigger.secret:
            raise
        raise Refused(problem.message + HOW_TO_SIGN, problem.code) from None
    async with httpx.AsyncClient(timeout=60) as client:
        try:
            answer = await client.post(
                endpoint["url"] + (f"?{query}" if query else ""),
                content=body,
                headers={"content-type": "application/json", **signed},
            )
            content = answer.json()
        except (httpx.HTTPError, ValueError):
            raise Refused(f"{endpoint['url']} does not answer", "service_unavailable") from None
    if not answer.is_success:
        unsigned = content["code"] == InvalidSignature.code and not trigger.secret
        raise Refused(content["error"] + (HOW_TO_SIGN if unsigned else ""), content["code"])
    return content["data"]
