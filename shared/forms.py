"""Form-encoded bodies, as some vendors send and sign them."""

from __future__ import annotations

from urllib.parse import parse_qsl

import orjson

from shared.errors import InvalidRequest
from shared.payload import Parsed

MAX_FIELDS = 1000

Fields = list[tuple[str, str]]


def form_fields(body: bytes) -> Fields | None:
    """Names and values in order; None for a body that is not UTF-8, or has over 1,000 fields."""
    try:
        return parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError:
        return None


def parse_form(body: bytes) -> Parsed:
    """The form as a JSON object: a name that comes several times has its values in a list.

    NUL, which jsonb cannot hold, becomes U+FFFD. Raises InvalidRequest for a malformed form.
    """
    fields = form_fields(body)
    if not fields:
        raise InvalidRequest(f"The form is empty, not UTF-8, or has over {MAX_FIELDS} fields")
    value: dict[str, str | list[str]] = {}
    for name, text in fields:
        name, text = (part.replace("\0", "\ufffd") for part in (name, text))  # noqa: PLW2901
        before = value.get(name)
        if before is None:
            value[name] = text
        elif isinstance(before, str):
            value[name] = [before, text]
        else:
            before.append(text)
    return Parsed(value, orjson.dumps(value).decode(), altered=True)
