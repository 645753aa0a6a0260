"""The settings of webhooks that post to Slack: `api` checks them, `dispatch` follows them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import quote

from pydantic import AfterValidator, StringConstraints

from shared.signatures.settings import SchemeSettings

MAX_LINK_LENGTH = 2_000
"""A link that comes out longer is left out."""

_PATH = re.compile(r"\{([^{}]*)\}")
_DOTTED = re.compile(r"[A-Za-z0-9_-]{1,100}(?:\.[A-Za-z0-9_-]{1,100}){0,9}")
# The host is the owner's alone: what an event says stands after it.
_SITE = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:[/?#]|$)")
_URL_CHARACTERS = re.compile(r"[!#-;=?-\[\]_a-z~]*")


def _checked(template: str) -> str:
    if not _SITE.match(template):
        raise ValueError("linkTemplate must start with https:// and a host, written out")
    *texts, last = _PATH.split(template)[::2]
    if not all(_URL_CHARACTERS.fullmatch(text) for text in (*texts, last)):
        raise ValueError("linkTemplate may hold what URLs may hold, and {paths.into.data}")
    if not all(_DOTTED.fullmatch(path) for path in _PATH.findall(template)):
        raise ValueError("In linkTemplate, {} holds keys with dots between them")
    return template


LinkTemplate = Annotated[str, StringConstraints(max_length=500), AfterValidator(_checked)]
"""A URL in which `{ticket.id}` stands for what is there in the event's data."""


class SlackSettings(SchemeSettings):
    channel: Annotated[str, StringConstraints(pattern=r"^[#@]?[^\s<>&#@]{1,80}$")] | None = None
    """Where Slack heeds it: only older incoming webhooks may post to another channel than theirs."""
    link_template: LinkTemplate | None = None


def link(template: str, data: object) -> str | None:
    """The URL with the data's values in it; None if one is missing or is no text or number."""
    values = [_value(data, path) for path in _PATH.findall(template)]
    if not all(values):
        return None
    remaining = iter(values)
    url = _PATH.sub(lambda _: quote(next(remaining), safe=""), template)
    return url if len(url) <= MAX_LINK_LENGTH else None


def _value(data: object, path: str) -> str:
    for key in path.split("."):
        if not isinstance(data, Mapping):
            return ""
        data = data.get(key)
    if isinstance(data, str):
        # Browsers resolve dots, which would lead to another page than the template's.
        return "" if data in {".", ".."} or not _is_encodable(data) else data
    if isinstance(data, int | float) and not isinstance(data, bool) and abs(data) < 2**63:
        return str(int(data) if data == int(data) else data)
    return ""


def _is_encodable(text: str) -> bool:
    return len(text) <= MAX_LINK_LENGTH and not any("\ud800" <= mark <= "\udfff" for mark in text)
