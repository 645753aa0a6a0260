"""Set-up requests: vendors that ask an address something before they send events to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Handshake:
    """What to answer. The request is not stored."""

    json: Mapping[str, object] | None = None
    text: str | None = None
    status: int = 200


PONG: Final = Handshake(json={"status": "success", "data": {"state": "pong"}})
"""The answer to a vendor that only asks whether somebody is there."""
