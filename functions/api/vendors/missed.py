"""The one shape of a vendor that can be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Missed:
    """One event that the vendor could not deliver."""

    headers: Mapping[str, str]
    """As the vendor sends them with a webhook."""
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MissedPage:
    """One page of a vendor's list."""

    missed: list[Missed]
    checked: int
    """Entries looked at, those that had arrived among them."""
    oldest: datetime | None
    """When the last entry looked at is from."""
    next_cursor: str | None
    """Where the next page begins; None if there is nothing more to look at."""
    held_back_seconds: int | None = None
    """The vendor wants no more calls for so long: the page is not whole, and has to be asked for again."""


class Vendor(Protocol):
    """A vendor's API, with the caller's token."""

    @property
    def source(self) -> str:
        """What exactly is listed: a cursor is good for the same source only."""

    @property
    def keeps(self) -> timedelta:
        """How far back the vendor's list goes."""

    async def page(self, cursor: str | None, since: datetime) -> MissedPage:
        """A page of what is not older than `since`.

        Raises HeldBack, StaleCursor, InvalidRequest or ServiceUnavailable.
        """
