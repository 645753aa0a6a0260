"""What lists on pages have in common."""

from __future__ import annotations

from typing import Any

from functions.console.visits import Visit
from shared.management import endpoints, entity_types
from shared.management.models import ListQuery

PAGE_SIZE = 50
FIRST_LOOK = 1000
"""So many rows are looked at for those that a filter lets through before a page is shown."""
FURTHER_LOOK = 20_000
"""The same where somebody goes on looking."""


def list_query(visit: Visit, limit: int = PAGE_SIZE) -> ListQuery:
    """Which page of a list is wanted, and whose rows."""
    return ListQuery(limit=limit, cursor=cursor_of(visit), owner=visit.owner)


def cursor_of(visit: Visit) -> str | None:
    return visit.request.query_params.get("cursor", "")[:1000] or None


async def choices(visit: Visit) -> dict[str, Any]:
    """What lists of events can be filtered by: the reader's endpoints, and the types events can become."""
    wanted = ListQuery(limit=100, owner=visit.owner)
    sources = await endpoints.list_endpoints(visit.session, wanted)
    types = await entity_types.list_entity_types(visit.session, wanted)
    return {
        "endpoints": sources.items,
        "entity_types": sorted({one.name for one in types.items}),
    }
