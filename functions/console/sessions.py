"""Who is signed in: Supabase Auth's tokens in cookies that no script can read."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from functions.console.guards import new_nonce
from shared.errors import Unauthorized
from shared.management import auth
from shared.management.access_token import Caller, read_caller
from shared.management.auth import SignedIn
from shared.management.session import Backend

BASES = ("/functions/v1/console", "/console")
"""Where the pages are: deployed, and under a domain of one's own."""

ACCESS, REFRESH, NONCE = "switchhook_access", "switchhook_refresh", "switchhook_nonce"
EVERYBODY = "switchhook_everybody"
FLASH = "switchhook_flash"
KEPT_SECONDS = 30 * 24 * 3600
LEEWAY_SECONDS = 30
REUSE_SECONDS = 10.0
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Opened:
    """Who calls, and the session to be kept in cookies if it is a new one."""

    caller: Caller
    renewed: SignedIn | None = None


class Sessions:
    """Opens sessions out of cookies, and renews those that have run out."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._renewing: dict[str, asyncio.Task[SignedIn]] = {}

    async def open(self, request: Request) -> Opened:
        """Raises Unauthorized for a browser in which nobody is signed in (any more)."""
        caller = _caller(request.cookies.get(ACCESS))
        if caller is not None and caller.expires_at > time.time() + LEEWAY_SECONDS:
            return Opened(caller)
        token = request.cookies.get(REFRESH)
        if not token:
            raise Unauthorized("Sign in to go on.")
        renewed = await asyncio.shield(self._renewal(token))
        return Opened(read_caller(f"Bearer {renewed.access_token}"), renewed)

    def _renewal(self, token: str) -> asyncio.Task[SignedIn]:
        """A refresh token works once, and a page asks for several things at a time: they share one answer."""
        task = self._renewing.get(token)
        if task is None:
            task = asyncio.create_task(auth.refresh(self._backend, token))
            self._renewing[token] = task
            loop = asyncio.get_running_loop()
            loop.call_later(REUSE_SECONDS, self._renewing.pop, token, None)
        return task


def _caller(token: str | None) -> Caller | None:
    try:
        return read_caller(f"Bearer {token}") if token else None
    except Unauthorized:
        return None


def keep(request: Request, response: Response, session: SignedIn) -> None:
    """Puts a session into the browser's cookies."""
    set_cookie(request, response, ACCESS, session.access_token)
    set_cookie(request, response, REFRESH, session.refresh_token)


def forget(request: Request, response: Response) -> None:
    """Takes a session out of the browser's cookies, and what belonged to it."""
    for name in (ACCESS, REFRESH, NONCE, EVERYBODY, FLASH):
        delete_cookie(request, response, name)


def nonce_of(request: Request) -> tuple[str, bool]:
    """What the tokens of a browser's pages are made of, and whether it is to be kept as a new one."""
    kept = request.cookies.get(NONCE)
    return (kept, False) if kept else (new_nonce(), True)


def flash_of(request: Request) -> str | None:
    """What the page before has left to be said."""
    kept = request.cookies.get(FLASH)
    return unquote(kept)[:500] if kept else None


def base_of(request: Request) -> str:
    """The path below which the pages are, such as /console."""
    base: str = request.scope.get("root_path", "")
    # An error may be told before any route was found.
    path = request.url.path
    return base or next((one for one in BASES if path.startswith(one)), BASES[-1])


def set_cookie(
    request: Request, response: Response, name: str, value: str, seconds: int = KEPT_SECONDS
) -> None:
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path=base_of(request),
        httponly=True,
        secure=_is_remote(request),
        samesite="lax",
    )


def delete_cookie(request: Request, response: Response, name: str) -> None:
    response.delete_cookie(
        name,
        path=base_of(request),
        httponly=True,
        secure=_is_remote(request),
        samesite="lax",
    )


def _is_remote(request: Request) -> bool:
    """Whether cookies must go over TLS. Which it is cannot be told from the scheme behind a proxy."""
    return urlsplit(f"//{request.headers.get('host', '')}").hostname not in LOCAL_HOSTS
