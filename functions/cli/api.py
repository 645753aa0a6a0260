"""Calls to Switchhook's own API, as a user who signs in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import httpx

from functions.cli.settings import CliSettings

Item: TypeAlias = dict[str, Any]


class Refused(Exception):
    """An answer that is no success; its words are for the user."""

    def __init__(self, message: str, code: str) -> None:
        self.code = code
        super().__init__(message)


class ApiClient:
    """The API with a user's token."""

    def __init__(self, client: httpx.AsyncClient, base_url: str) -> None:
        self._client, self._base_url = client, base_url

    async def call(self, method: str, path: str, **options: Any) -> Any:
        """The answer's data.

        Raises:
            Refused: the API's own words, or that it cannot be reached.
        """
        try:
            answer = await self._client.request(method, f"{self._base_url}/{path}", **options)
            content = answer.json()
        except (httpx.HTTPError, ValueError):
            raise Refused(f"{self._base_url} does not answer", "service_unavailable") from None
        if not answer.is_success:
            raise Refused(content["error"], content["code"])
        return content["data"]

    async def items(
        self, path: str, *, limit: int | None = None, **filters: str
    ) -> AsyncIterator[Item]:
        """What a list has, page after page, up to `limit` entries."""
        given, cursor = 0, None
        while limit is None or given < limit:
            size = 100 if limit is None else min(100, limit - given)
            query: Mapping[str, str | int] = filters | {"limit": size}
            if cursor is not None:
                query = {**query, "cursor": cursor}
            page = await self.call("GET", path, params=query)
            for item in page["items"]:
                yield item
            given += len(page["items"])
            cursor = page["nextCursor"]
            if cursor is None:
                return


@asynccontextmanager
async def signed_in(settings: CliSettings) -> AsyncIterator[ApiClient]:
    """The API as the user whom the settings name."""
    base_url = f"{settings.functions_url.rstrip('/')}/api"
    async with httpx.AsyncClient(timeout=60) as client:
        api = ApiClient(client, base_url)
        session = await api.call(
            "POST",
            "auth/login",
            json={
                "email": settings.demo_email,
                "password": settings.demo_password.get_secret_value(),
            },
        )
        client.headers["Authorization"] = f"Bearer {session['accessToken']}"
        yield api
