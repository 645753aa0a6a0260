"""Lists in pages: each begins after the last row of the one before, so rows that come or go shift nothing."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from shared.errors import InvalidRequest

Row = dict[str, Any]
Key = TypeVar("Key", bound=tuple[Any, ...])


@dataclass(frozen=True, slots=True)
class Order(Generic[Key]):
    """The order of a list, by columns that together are unique.

    Their values must need no escapes in PostgREST's quotes: ids, times, numbers, identifiers.
    """

    columns: tuple[str, ...]
    key: TypeAdapter[Key]
    """What the columns hold; a cursor is checked by it."""
    descending: bool = False

    def page_of(self, query: Any, *, limit: int, cursor: str | None, any_of: str = "") -> Any:
        """The query for one page, and one row more by which `cut` sees whether there is another page.

        `any_of` are conditions in PostgREST's words of which a row meets one; a query may not have
        others, because the local API server heeds one `or` only.

        Raises InvalidRequest for a cursor that is none of this list's.
        """
        for column in self.columns:
            query = query.order(column, desc=self.descending)
        after = "" if cursor is None else self._after(self._decode(cursor))
        if any_of and after:
            query = query.or_(f"and(or({any_of}),or({after}))")
        elif any_of or after:
            query = query.or_(any_of or after)
        return query.limit(limit + 1)

    def cut(self, rows: Sequence[Row], limit: int) -> tuple[Sequence[Row], str | None]:
        """The page's rows, and the cursor of the next page."""
        if len(rows) <= limit:
            return rows, None
        return rows[:limit], self._encode(rows[limit - 1])

    def after(self, row: Mapping[str, Any]) -> str:
        """The cursor of a page that begins after this row."""
        return self._encode(row)

    def start_of(self, cursor: str | None) -> str | None:
        """What the first column has in the last row before a page; None for the first page.

        For an RPC that pages by one column. Raises InvalidRequest for a cursor that is none of this list's.
        """
        return None if cursor is None else str(self._decode(cursor)[0])

    def _after(self, key: Key) -> str:
        """PostgREST's words for: the first columns as in the key, the next one past it."""
        operator = "lt" if self.descending else "gt"
        cases = []
        for place, column in enumerate(self.columns):
            equal = [
                f"{c}.eq.{_quoted(v)}" for c, v in zip(self.columns[:place], key, strict=False)
            ]
            conditions = [*equal, f"{column}.{operator}.{_quoted(key[place])}"]
            cases.append(f"and({','.join(conditions)})" if equal else conditions[0])
        return ",".join(cases)

    def _encode(self, row: Mapping[str, Any]) -> str:
        values = json.dumps([row[column] for column in self.columns], separators=(",", ":"))
        return urlsafe_b64encode(values.encode()).decode().rstrip("=")

    def _decode(self, cursor: str) -> Key:
        try:
            return self.key.validate_json(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        except (ValidationError, ValueError):
            raise InvalidRequest("cursor: this is not a nextCursor of this list") from None


def _quoted(value: object) -> str:
    return f'"{value.isoformat() if isinstance(value, datetime) else value}"'
