"""Senders of one's own, and platforms that sign as the endpoint's settings say."""

from __future__ import annotations

import re
from shlex import quote
from typing import Any

from shared.management.recipes.shell import CONTACT, Recipe, code, facts, header

_PLACEHOLDER = re.compile(r"\{(timestamp|id|body)\}")


def _hmac(settings: Any, _: str) -> Recipe:
    values = {"timestamp": '"$NOW"', "id": '"$NOW"', "body": '"$BODY"'}
    pieces = _PLACEHOLDER.split(settings.template)
    signed = "".join(
        values[piece] if place % 2 else quote(piece) for place, piece in enumerate(pieces) if piece
    )
    word = code(signed, encoding=settings.encoding, hash_name=settings.hash)
    headers = [*facts(settings), header(settings.header, settings.prefix, word)]
    if settings.timestamp_header:
        headers.append(header(settings.timestamp_header, rest='"$NOW"'))
    return Recipe(CONTACT, headers)


def _bearer(settings: Any, _: str) -> Recipe:
    token = header(settings.header, settings.full_prefix, '"$SECRET"')
    return Recipe(CONTACT, [*facts(settings), token])


def _basic(settings: Any, _: str) -> Recipe:
    words = f'{quote(settings.username + ":")}"$SECRET"'
    credentials = f'"$(printf %s {words} | openssl base64 -A)"'
    return Recipe(CONTACT, [*facts(settings), header("Authorization", "Basic ", credentials)])


def _chatbots(settings: Any, _: str) -> Recipe:
    signature = header("X-Chatbots-Signature", "sha256=", code('"$BODY"'))
    return Recipe(CONTACT, [*facts(settings), signature])


def _webhook_signature(settings: Any, _: str) -> Recipe:
    signature = header("X-Webhook-Signature", "sha256=", code('"$BODY"'))
    return Recipe(CONTACT, [*facts(settings), signature])


def _none(settings: Any, _: str) -> Recipe:
    return Recipe(CONTACT, facts(settings))


RECIPES = {
    "basic": _basic,
    "bearer": _bearer,
    "chatbots": _chatbots,
    "hmac": _hmac,
    "none": _none,
    "webhook_signature": _webhook_signature,
}
