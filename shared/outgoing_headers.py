"""Rules for the headers that a webhook's owner adds to its deliveries: none of ours is overridden, and
nothing is smuggled into the request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from shared.errors import InvalidRequest

MAX_HEADERS = 20
MAX_NAME_LENGTH = 100
MAX_VALUE_LENGTH = 2_000

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A header's name: RFC 9110, section 5.6.2."""

TEXT = re.compile(r"[\t\x20-\x7e]*")
"""A header's value, of printable ASCII: what RFC 9110, section 5.5 leaves beyond that means something else
to each receiver."""

FRAMING = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""They say where a request goes, where it ends and what becomes of the connection (RFC 9110, section 7.6.1;
RFC 9112): only the sender may."""

OURS = FRAMING | {"accept-encoding", "content-encoding", "content-type"}
OUR_PREFIXES = ("webhook-", "svix-", "x-webhook-", "x-chatbots-")
"""Signatures, ids and timestamps, under each of the names by which receivers know them."""


def check_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers as they are stored and sent, without spaces around their values.

    Raises InvalidRequest, naming the header.
    """
    if len(headers) > MAX_HEADERS:
        raise InvalidRequest(f"There must be no more than {MAX_HEADERS} headers")
    checked: dict[str, str] = {}
    seen: set[str] = set()
    for name, value in headers.items():
        _check_name(name)
        if name.lower() in seen:
            raise InvalidRequest(f"The header {name} must be given once; case makes no difference")
        seen.add(name.lower())
        checked[name] = _checked_value(name, value)
    return checked


def is_sendable(name: str, value: str) -> bool:
    """Whether the header, whosever it is, leaves the request the one that it is meant to be."""
    return bool(TOKEN.fullmatch(name) and TEXT.fullmatch(value)) and name.lower() not in FRAMING


def _check_name(name: str) -> None:
    if len(name) > MAX_NAME_LENGTH:
        beginning = ascii(name[:20])
        raise InvalidRequest(
            f"The header {beginning}… must have a name of no more than {MAX_NAME_LENGTH} characters"
        )
    if not TOKEN.fullmatch(name):
        raise InvalidRequest(
            f"The header {name!a} must have a name of letters, digits and hyphens only"
        )
    if name.lower() in OURS or name.lower().startswith(OUR_PREFIXES):
        raise InvalidRequest(f"The header {name} is set by Switchhook, and must not be among these")


def _checked_value(name: str, value: str) -> str:
    if len(value) > MAX_VALUE_LENGTH:
        raise InvalidRequest(
            f"The header {name} must have a value of no more than {MAX_VALUE_LENGTH} characters"
        )
    if not TEXT.fullmatch(value):
        raise InvalidRequest(f"The header {name} must have a value of printable ASCII on one line")
    return value.strip(" \t")
