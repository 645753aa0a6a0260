"""Calls to Switchhook's own API, as a user who signs in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import httpx

from functions.cli.settings import CliSettings
from shared.errors import ServiceUnavailable, Unauthorized

Item: TypeAlias = dict[str, Any]


class Refused(Exception):
    """An answer that is no success; its words are for the user."""

    def __init__(self, message: str, code: str) -> None:
        self.code = code
        super().__init__(message)


class ApiClient:
    """The API with a user's token, which is renewed when it has run out."""

    def __init__(self, client: httpx.AsyncClient, settings: CliSettings) -> None:
        self._client, self._settings = client, settings
        self._base_url = f"{settings.functions_url.rstrip('/')}/api"

    async def sign_in(self) -> None:
        """Raises Refused if the user may not."""
        password = self._settings.demo_password.get_secret_value()
        credentials = {"email": self._settings.demo_email, "password": password}
        session = await self._ask("POST", "auth/login", json=credentials)
        self._client.headers["Authorization"] = f"Bearer {session['accessToken']}"

    async def call(self, method: str, path: str, **options: Any) -> Any:
        """The answer's data.

        Raises:
            Refused: the API's own words, or that it cannot be reached.
        """
        try:
            return await self._ask(method, path, **options)
        except Refused as refused:
            if refused.code != Unauthorized.code:
                raise
        await self.sign_in()
        return await self._ask(method, path, **options)

    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        try:
            answer = await self._client.request(method, f"{self._base_url}/{path}", **options)
            content = answer.json()
        except (httpx.HTTPError, ValueError):
            says = f"{self._base_url} does not answer"
            raise Refused(says, ServiceUnavailable.code) from None
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
    async with httpx.AsyncClient(timeout=60) as client:
        api = ApiClient(client, settings)
        await api.sign_in()
        yield api
