"""Pieces of a shell command: all text that people chose is quoted, and the secret is in SECRET."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Any

KEY = '-hmac "$SECRET"'
DECODED_KEY = '-mac HMAC -macopt "hexkey:$KEY"'
DECODE_KEY = (
    'KEY=$(printf %s "${SECRET#whsec_}" | openssl base64 -d -A | od -An -v -tx1 | tr -d " \\n")'
)
ISO_TIME = "TIME=$(date -u +%Y-%m-%dT%H:%M:%SZ)"

# NOW stands for the time, which makes each sample another event.
CONTACT = (
    '{"event_type":"contact.created","external_id":"cust_NOW",'
    '"data":{"name":"Ada Lovelace","email":"ada@example.com","company":"Analytical Engines"}}'
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one scheme's request is put together. Headers and lines are shell words and lines."""

    body: str
    """In which NOW and SIGNATURE stand for those variables."""
    headers: Sequence[str] = ()
    first: Sequence[str] = ()
    """Lines before the body is made."""
    before: Sequence[str] = ()
    """Lines between that and the request."""
    media_type: str = "application/json"


def header(name: str, literal: str = "", rest: str = "") -> str:
    """A header's word: its name, a text, and then words that the shell fills in."""
    return quote(f"{name}: {literal}") + rest


def code(signed: str, *, key: str = KEY, encoding: str = "hex", hash_name: str = "sha256") -> str:
    """A word that becomes the HMAC of the shell word `signed`."""
    mac = f"printf %s {signed} | openssl dgst -{hash_name} {key}"
    if encoding == "base64":
        return f'"$({mac} -binary | openssl base64 -A)"'
    return f'"$({mac} | sed "s/.*= *//")"'


def facts(settings: Any) -> list[str]:
    """The headers in which the endpoint's settings say that type and id come."""
    words = []
    if settings.event_type_header:
        words.append(header(settings.event_type_header, "contact.created"))
    if settings.delivery_id_header:
        words.append(header(settings.delivery_id_header, rest='"$NOW"'))
    return words
