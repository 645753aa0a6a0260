"""What tests need of a running stack: its addresses and keys, users, and acting as one of them in SQL."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
import psycopg

import env_file
from layout import Stack


@dataclass(frozen=True)
class User:
    """A signed-up user with a valid access token."""

    id: uuid.UUID
    email: str
    password: str = field(repr=False)
    token: str = field(repr=False)


@dataclass(frozen=True)
class RunningStack:
    stack: Stack
    values: Mapping[str, str] = field(repr=False)
    """Its .env, for processes that a test starts: {**os.environ, **stack.values}."""

    @classmethod
    def of(cls, stack: Stack) -> Self:
        values = env_file.read(stack.env_path) | {"ENV_FILE": str(stack.env_path)}
        return cls(stack, values)

    @property
    def api_url(self) -> str:
        return self.values["SUPABASE_URL"]

    @property
    def functions_url(self) -> str:
        return self.values["FUNCTIONS_URL"]

    @property
    def publishable_key(self) -> str:
        return self.values["SUPABASE_PUBLISHABLE_KEY"]

    @property
    def secret_key(self) -> str:
        return self.values["SUPABASE_SECRET_KEY"]

    @property
    def functions_secret(self) -> str:
        return self.values["FUNCTIONS_SECRET"]

    @property
    def encryption_keys(self) -> str:
        return self.values["ENCRYPTION_KEYS"]

    @property
    def database_url(self) -> str:
        return self.values["DATABASE_URL"]

    def sign_up(self, name: str | None = None) -> User:
        """A new user, through the real Auth API. `name` is what stands before the @ in the address."""
        email, password = f"{name or uuid.uuid4().hex}@example.com", uuid.uuid4().hex
        response = httpx.post(
            f"{self.api_url}/auth/v1/signup",
            headers={"apikey": self.publishable_key},
            json={"email": email, "password": password},
            timeout=30,
        )
        response.raise_for_status()
        answer = response.json()
        return User(uuid.UUID(answer["user"]["id"]), email, password, answer["access_token"])

    def headers(self, user: User | None = None) -> dict[str, str]:
        """Headers for the Data API: as this user, or as anon."""
        headers = {"apikey": self.publishable_key}
        return headers | ({} if user is None else {"Authorization": f"Bearer {user.token}"})

    def service_headers(self) -> dict[str, str]:
        """Headers for the Data API as service_role."""
        return {"apikey": self.secret_key}


def act_as(
    connection: psycopg.Connection[Any], role: str, user_id: uuid.UUID | None = None
) -> None:
    """Go on in this transaction as the Data API would: with this role and this user's claims."""
    claims = {"role": role} | ({} if user_id is None else {"sub": str(user_id)})
    connection.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps(claims)])
    connection.execute("select set_config('role', %s, true)", [role])


def add_user(connection: psycopg.Connection[Any]) -> uuid.UUID:
    """A user in a hosted stand-in's `auth.users`, where no Auth server runs."""
    user_id = uuid.uuid4()
    connection.execute(
        "insert into auth.users (id, email) values (%s, %s)", [user_id, f"{user_id}@example.com"]
    )
    return user_id
