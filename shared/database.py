"""The one door to the database: PostgREST. RPCs are plain posts, tables are asked through Supabase's own client.

Nothing else imports a Supabase client, and this module does so with the first query on a table: the functions
of the pipeline make none, and start without it. A call either returns what the database answered or raises an
error from `shared.errors`, so that no caller ever looks at a driver's message.
"""

from __future__ import annotations

import json
import logging
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import orjson

from shared import errors, telemetry
from shared.http_client import create_database_session

if TYPE_CHECKING:
    import httpx
    from postgrest import AsyncPostgrestClient, AsyncRequestBuilder

logger = logging.getLogger(__name__)

CODE_ERRORS: dict[str, type[errors.SwitchhookError]] = {
    "42501": errors.Forbidden,  # insufficient_privilege: no grant, or row level security said no
    "23505": errors.Conflict,  # unique_violation
    "23503": errors.InvalidRequest,  # foreign_key_violation
    "23502": errors.InvalidRequest,  # not_null_violation
    "23514": errors.InvalidRequest,  # check_violation
    "PGRST116": errors.NotFound,  # one row was asked for, none is visible
    "PGRST301": errors.Unauthorized,  # the JWT does not verify
    "PGRST302": errors.Unauthorized,  # anonymous access is off
    "PGRST303": errors.Unauthorized,  # the JWT's claims do not hold (expired, wrong audience)
    "401": errors.Unauthorized,
    "40001": errors.DatabaseUnavailable,  # serialization_failure: the same call may work next time
    "40P01": errors.DatabaseUnavailable,  # deadlock_detected
    "55P03": errors.DatabaseUnavailable,  # lock_not_available
    "57014": errors.DatabaseUnavailable,  # query_canceled: statement timeout
}
"""Codes of PostgreSQL and PostgREST that have one meaning for callers."""

CLASS_ERRORS: dict[str, type[errors.SwitchhookError]] = {
    "08": errors.DatabaseUnavailable,  # connection exception
    "53": errors.DatabaseUnavailable,  # insufficient resources
    "57": errors.DatabaseUnavailable,  # operator intervention: shutting down, starting up
    "22": errors.InvalidRequest,  # data exception
}
"""The same by class, the first two characters of a SQLSTATE."""


def error_from(
    code: str | None, message: str | None, details: object = None, *, status: int | None = None
) -> errors.SwitchhookError:
    """The error that a PostgREST error body stands for, or else the HTTP status that it came with.

    Only our own messages are passed on.
    """
    code = str(code or "")
    # "PT404" is PostgREST's way to choose the HTTP status; which error it is stands in the details.
    own = errors.from_sqlstate(str(details) if code.startswith("PT") else code)
    if own is not None:
        return own(message)
    known = CODE_ERRORS.get(code) or CLASS_ERRORS.get(code[:2] if len(code) == 5 else "")
    # Three digits are the HTTP status of an answer that is not PostgREST's, such as a gateway's 502.
    is_away = status in AWAY or code in UNREACHABLE or (len(code) == 3 and code.startswith("5"))
    if known is None and is_away:
        known = errors.DatabaseUnavailable
    if known is None:
        logger.error("database call failed", extra={"sqlstate": code})
        return errors.InternalError()
    return known()


UNREACHABLE = frozenset({"PGRST000", "PGRST001", "PGRST002", "PGRST003", "SUP"})
"""PostgREST is up, and PostgreSQL is not or has no connection free. The last is the local server's word for
whatever it could not do, a database that is away among it."""

AWAY = frozenset({502, 503, 504})
"""What a proxy ahead of PostgREST answers where it does not reach it, with whatever body."""

SCHEMA_HEADERS = {"Accept-Profile": "public", "Content-Profile": "public"}
"""Without them PostgREST takes the first of the schemas that a project exposes."""


class _Connections:
    """What a database shares with those who see it as a user. Each kind is opened when it is first needed."""

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._session: aiohttp.ClientSession | None = None
        self._client: httpx.AsyncClient | None = None

    def session(self, url: str) -> aiohttp.ClientSession:
        """For RPCs."""
        if self._session is None:
            self._session = create_database_session(url, timeout_seconds=self._timeout_seconds)
        return self._session

    def client(self) -> httpx.AsyncClient:
        """For Supabase's client."""
        from shared.httpx_client import create_client  # noqa: PLC0415 (see the module's docstring)

        if self._client is None:
            self._client = create_client(timeout_seconds=self._timeout_seconds)
        return self._client

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
        if self._client is not None:
            await self._client.aclose()


class Database:
    """Calls as one identity: the service role, or the user whose access token is given.

    Args:
        url: base URL of the Supabase project.
        key: API key, secret (service role) or publishable.
        access_token: a user's JWT; then row level security decides what is seen.
        timeout_seconds: for each phase of a call (connect, each read), not for a call as a whole.
        connections: another database's, to be shared; without any the database opens and closes its own.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        access_token: str | None = None,
        timeout_seconds: float = 15.0,
        connections: _Connections | None = None,
    ) -> None:
        self._headers = {"apikey": key}
        if access_token is not None:
            self._headers["Authorization"] = f"Bearer {access_token}"
        self._owns_connections = connections is None
        self._connections = connections or _Connections(timeout_seconds)
        self._url, self._key = url, key
        self._rest = f"{url.rstrip('/')}/rest/v1"
        self._tables: AsyncPostgrestClient | None = None

    def as_user(self, access_token: str) -> Database:
        """The same database seen by a user, over the same connections."""
        return Database(
            self._url, self._key, access_token=access_token, connections=self._connections
        )

    def table(self, name: str) -> AsyncRequestBuilder:
        """A query on a table or view; run it with `run`."""
        from postgrest import AsyncPostgrestClient  # noqa: PLC0415 (see the module's docstring)

        if self._tables is None:
            self._tables = AsyncPostgrestClient(
                self._rest, headers=self._headers, http_client=self._connections.client()
            )
        return self._tables.from_(name)

    async def call(self, function: str, **arguments: Any) -> Any:
        """Calls an RPC. An argument that carries JSON is passed as text.

        Raises:
            SwitchhookError: what the function raised, or DatabaseUnavailable.
        """
        body = orjson.dumps(arguments)
        with telemetry.rpc(function, self._rest):
            return await self._request("POST", f"rpc/{function}", body)

    async def ping(self) -> bool:
        """Whether the database answers at all, be it with a refusal."""
        try:
            await self._request("GET", "entity_types?select=id&limit=1")
        except errors.DatabaseUnavailable:
            return False
        except errors.SwitchhookError:
            return True
        return True

    async def _request(self, method: str, path: str, body: bytes | None = None) -> Any:
        session = self._connections.session(self._url)
        json_headers = {"Accept": "application/json", "Content-Type": "application/json"}
        headers = {**self._headers, **SCHEMA_HEADERS, **json_headers}
        try:
            async with session.request(
                method, f"{self._rest}/{path}", data=body, headers=headers, allow_redirects=False
            ) as response:
                content = await response.read()
        except (aiohttp.ClientError, OSError) as error:
            raise _unreachable(error) from None
        if response.status >= 300:
            raise _refusal(response.status, content)
        try:
            return json.loads(content) if content else None
        except ValueError as error:  # a page of some proxy's
            raise _unreachable(error) from None

    async def aclose(self) -> None:
        """Closes the connections, if they are its own."""
        if self._owns_connections:
            await self._connections.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


def _refusal(status: int, content: bytes) -> errors.SwitchhookError:
    try:
        told = json.loads(content)
    except ValueError:
        told = None
    if not isinstance(told, dict) or not isinstance(told.get("code"), str):
        return error_from(str(status), None)  # not PostgREST's
    return error_from(told["code"], told.get("message"), told.get("details"), status=status)


def _unreachable(error: Exception) -> errors.DatabaseUnavailable:
    logger.warning("database not reachable", extra={"error": type(error).__name__})
    return errors.DatabaseUnavailable(retry_after=5)


async def run(query: Any) -> Any:
    """Runs a query of the Supabase client and returns its data.

    Raises:
        SwitchhookError: see `error_from`.
    """
    import httpx  # noqa: PLC0415 (whoever has a query has loaded both)
    from postgrest.exceptions import APIError  # noqa: PLC0415

    try:
        with telemetry.query(query):
            return (await query.execute()).data
    except APIError as error:
        raise error_from(error.code, error.message, error.details) from None
    except httpx.HTTPError as error:
        raise _unreachable(error) from None
