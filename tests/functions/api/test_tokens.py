"""Tokens that nobody may get in with, each one change away from a user's own, against the running API."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.functions.api.conftest import Account, data_of, refused
from tests.running_stack import RunningStack

Claims = dict[str, Any]


def encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def token(claims: Claims, key: str, algorithm: str = "HS256") -> str:
    """A JWT as this key signs it."""
    hashes = {"HS256": hashlib.sha256, "HS512": hashlib.sha512}
    parts = ({"alg": algorithm, "typ": "JWT"}, claims)
    signed = ".".join(encoded(json.dumps(part).encode()) for part in parts)
    if algorithm not in hashes:
        return f"{signed}."
    return f"{signed}.{encoded(hmac.digest(key.encode(), signed.encode(), hashes[algorithm]))}"


def claims_of(user_token: str) -> Claims:
    part = user_token.split(".")[1]
    claims: Claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def altered(made: str, claims: Claims) -> str:
    """With other claims under the signature of the first."""
    head, _, signature = made.split(".")
    return ".".join((head, encoded(json.dumps(claims).encode()), signature))


HOUR = 3600
FORGERIES: dict[str, Callable[[Claims, str], str]] = {
    "expired": lambda claims, key: token(claims | {"exp": int(time.time()) - HOUR}, key),
    "for another audience": lambda claims, key: token(claims | {"aud": "billing"}, key),
    "for other audiences": lambda claims, key: token(claims | {"aud": ["billing", "x"]}, key),
    "for an audience of another type": lambda claims, key: token(claims | {"aud": 7}, key),
    "signed by somebody else": lambda claims, _: token(claims, "x" * 64),
    "signed with an empty key": lambda claims, _: token(claims, ""),
    "signed by nobody": lambda claims, key: token(claims, key, "none"),
    "signed by nobody, with something for a signature": lambda claims, key: (
        token(claims, key, "none") + encoded(b"signature")
    ),
    "signed by nobody, spelled otherwise": lambda claims, key: token(claims, key, "nOnE"),
    "without its signature": lambda claims, key: token(claims, key).rpartition(".")[0] + ".",
    "of another user": lambda claims, key: altered(
        token(claims, key), claims | {"sub": "0198c0de-0000-7000-8000-000000000000"}
    ),
    "made to last": lambda claims, key: altered(token(claims, key), claims | {"exp": 2**40}),
    "of the service": lambda claims, key: token(claims | {"role": "service_role"}, key),
    "of nobody": lambda claims, key: token({k: v for k, v in claims.items() if k != "sub"}, key),
}


@pytest.fixture
def key(stack: RunningStack) -> str:
    """What the stack's Auth signs with."""
    return stack.stack.secrets.jwt_secret


async def test_a_users_claims_signed_with_that_key_get_in(
    connect: Callable[..., Any], anna: Account, key: str
) -> None:
    """Or the refusals below prove nothing."""
    claims = claims_of(anna.user.token)
    for audience in (claims["aud"], [claims["aud"], "billing"]):
        client = await connect(Authorization=f"Bearer {token(claims | {'aud': audience}, key)}")
        await data_of(client.get("/api/endpoints"))


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_token_is_refused_that_is(
    name: str, connect: Callable[..., Any], anna: Account, key: str
) -> None:
    endpoint = await anna.create_endpoint()
    forged = FORGERIES[name](claims_of(anna.user.token), key)
    client = await connect(Authorization=f"Bearer {forged}")
    url = f"/api/endpoints/{endpoint['id']}"
    await refused(client.get("/api/endpoints"), 401, "unauthorized")
    await refused(client.get(url), 401, "unauthorized")
    await refused(client.patch(url, json={"name": "Mine"}), 401, "unauthorized")
    await refused(client.delete(url), 401, "unauthorized")
    assert (await data_of(anna.client.get(url)))["name"] == endpoint["name"]
