"""Calls of a vendor's API: what its refusals mean."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from typing import Any

import httpx

from shared.errors import InvalidRequest, ServiceUnavailable

logger = logging.getLogger(__name__)

USUAL_WAIT_SECONDS = 60
MAX_WAIT_SECONDS = 3600


class HeldBack(Exception):
    """The vendor has had enough calls for now."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"held back for {seconds} s")
        self.seconds = seconds


class StaleCursor(Exception):
    """The vendor does not know the cursor any more."""


async def fetch(
    http: httpx.AsyncClient,
    vendor: str,
    url: str,
    headers: Mapping[str, str],
    query: Mapping[str, str | list[str]],
) -> httpx.Response:
    """A good answer, or HeldBack, InvalidRequest or ServiceUnavailable. Nothing is followed or retried."""
    try:
        response = await http.get(url, headers=headers, params=query)
    except httpx.HTTPError as error:
        logger.warning("vendor not reachable", extra={"error": type(error).__name__})
        raise ServiceUnavailable(f"{vendor} cannot be reached; try again", retry_after=5) from None
    seconds = _held_back_seconds(response)
    if seconds is not None:
        raise HeldBack(seconds)
    if response.is_success:
        return response
    if response.status_code in {401, 403}:
        raise InvalidRequest(f"token: {vendor} does not let it list what was not delivered")
    if response.status_code >= 500:
        raise ServiceUnavailable(
            f"{vendor} answered {response.status_code}; try again", retry_after=5
        )
    return response


def parsed(vendor: str, response: httpx.Response) -> Any:
    """What a good answer says. Raises ServiceUnavailable where it is not JSON."""
    try:
        return json.loads(response.content)
    except ValueError:
        raise ServiceUnavailable(f"{vendor} answered something else than JSON") from None


def _held_back_seconds(response: httpx.Response) -> int | None:
    """429, or GitHub's way: 403 with one of its headers."""
    headers = response.headers
    after = headers.get("retry-after", "")
    is_used_up = headers.get("x-ratelimit-remaining") == "0"
    if response.status_code != 429 and not (response.status_code == 403 and (after or is_used_up)):
        return None
    reset = headers.get("x-ratelimit-reset", "")
    if after.isdecimal():
        seconds = int(after[:6])
    elif is_used_up and reset.isdecimal():
        seconds = int(reset[:12]) - int(time.time())
    else:
        seconds = USUAL_WAIT_SECONDS
    return max(1, min(MAX_WAIT_SECONDS, seconds))
