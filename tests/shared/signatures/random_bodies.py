"""Random bodies, over which vendors' libraries and this code have to agree."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from urllib.parse import urlencode

from tests.shared.signatures.factories import Sent

COUNT = 40

ALPHABET = "abc \t\"\\'/&=+%<>{}[]:,.0159éß€漢字𝒳😀\x00\x7f\u2028"


def random_text(source: random.Random) -> str:
    return "".join(source.choices(ALPHABET, k=source.randrange(40)))


def random_bodies() -> list[bytes]:
    """JSON objects, compact and spaced, escaped and not."""
    source = random.Random(1815)
    bodies = []
    for number in range(COUNT):
        value = {random_text(source): random_text(source), "n": source.randrange(10**9)}
        separators = source.choice([(",", ":"), (", ", ": ")])
        is_ascii = source.random() < 0.5
        text = json.dumps(value | {"id": number}, ensure_ascii=is_ascii, separators=separators)
        bodies.append(text.encode())
    return bodies


def random_forms() -> list[bytes]:
    source = random.Random(1852)
    return [
        urlencode(
            {random_text(source): random_text(source) for _ in range(source.randrange(1, 9))}
        ).encode()
        for _ in range(COUNT)
    ]


BODIES = random_bodies()
FORMS = random_forms()
OTHER = b'{"other":"body"}'


def changed(sent: Sent) -> Sent:
    return replace(sent, body=OTHER)


def header(sent: Sent, name: str) -> str:
    return dict(sent.headers)[name]
