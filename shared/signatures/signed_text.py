"""What is signed, as a template: `{body}`, `{timestamp}` and `{id}`, and all else for itself."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

_PLACEHOLDER = re.compile(r"\{(timestamp|id|body)\}")


def _checked(template: str) -> str:
    pieces = _PLACEHOLDER.split(template)
    if any("{" in text or "}" in text for text in pieces[::2]):
        raise ValueError("template may hold {body}, {timestamp} and {id}, and no other braces")
    if pieces[1::2].count("body") != 1:
        raise ValueError("template must hold {body} once: what is not signed can be forged")
    return template


SignedTemplate = Annotated[str, StringConstraints(max_length=500), AfterValidator(_checked)]


@lru_cache(maxsize=1024)
def _pieces(template: str) -> tuple[str | bytes, ...]:
    """The template's own text as bytes, between the names of its placeholders as text."""
    pieces = _PLACEHOLDER.split(template)
    return tuple(piece if place % 2 else piece.encode() for place, piece in enumerate(pieces))


def signed_text(template: str, sent_at: bytes, message_id: bytes, body: bytes) -> bytes:
    """The bytes that a signature covers."""
    values = {"timestamp": sent_at, "id": message_id, "body": body}
    pieces = _pieces(template)
    return b"".join(values[piece] if isinstance(piece, str) else piece for piece in pieces)
