"""Contexts for tests of expressions, conditions, templates and actions."""

from __future__ import annotations

from typing import Any

from shared import field_maps
from shared.expressions import EVENT_BUDGET, Context


def context(
    payload: dict[str, Any] | None = None, budget: int = EVENT_BUDGET, **roots: Any
) -> Context:
    """The context of an event of the type order.completed with this payload."""
    payload = {} if payload is None else payload
    event = {
        "id": "0190f5a2-0000-7000-8000-000000000001",
        "type": "order.completed",
        "external_id": "ord_1",
        "payload": payload,
        "data": field_maps.subject(payload),
        "entity_table": "order",
        "is_person": True,
        "confidence": 0.9,
        "created_at": "2026-11-21T12:00:00+00:00",
    }
    endpoint = {"id": "e1", "slug": "shop", "name": "Shop", "scheme": "generic_hmac"}
    known = {"event": event, "person": None, "entity": None, "endpoint": endpoint}
    return Context(known | roots, budget)


def about(**data: Any) -> Context:
    """The context of an event whose payload has this as its data."""
    return context({"data": data})
