"""The sample webhooks in tests/payloads as the pipeline sees them, and the shipped entity types."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.shared.signatures.factories import PAYLOADS, Sender

SCHEMES = {
    "autoresponder": "webhook_signature",
    "planhub": "standard_webhooks",
    "shop": "webhook_signature",
}
"""How those vendors of the samples sign that have no scheme of their own name."""
HEADER_TYPES = {"gitlab": "Issue Hook"}
"""What a header says the type is, where a sample's name cannot be that."""

REFERENCE_DATA = Path(__file__).parents[1] / "sql" / "90_reference_data.sql"
OWNER = "11111111-1111-4111-8111-111111111111"


@dataclass(frozen=True)
class Sample:
    name: str
    """Vendor and event, such as stripe/invoice.paid: its path in tests/payloads."""
    payload: dict[str, Any]
    event_type: str
    external_id: str | None

    def claimed(self, **changes: Any) -> dict[str, Any]:
        """As a claim hands it to a worker."""
        vendor = self.name.partition("/")[0]
        endpoint = {
            "id": str(uuid.uuid4()),
            "slug": vendor,
            "name": vendor.title(),
            "scheme": SCHEMES.get(vendor, vendor),
        }
        return {
            "id": str(uuid.uuid4()),
            "user_id": OWNER,
            "event_type": self.event_type,
            "external_id": self.external_id,
            "payload": self.payload,
            "attempts": 1,
            **changes,
            "endpoint": endpoint | changes.get("endpoint", {}),
        }


@cache
def sample(name: str) -> Sample:
    """A sample, with the event type and external id that its vendor's scheme reads out of it.

    Of several events in one body it is the last.
    """
    vendor, _, event = name.partition("/")
    body = (PAYLOADS / f"{name}.json").read_bytes()
    content = json.loads(body)
    payload = content[-1] if isinstance(content, list) else content
    sender = Sender(SCHEMES.get(vendor, vendor))
    topic = HEADER_TYPES.get(vendor, event)
    topic = topic.replace("_", "/") if vendor == "shopify" else topic
    headers = sender.headers(body, event_type=topic)
    described = sender.describe(payload, headers)
    return Sample(name, payload, described.event_type, described.external_id)


def sample_names() -> list[str]:
    return sorted(f"{path.parent.name}/{path.stem}" for path in PAYLOADS.glob("*/*.json"))


@cache
def shipped_types() -> list[dict[str, Any]]:
    """The entity types of sql/90_reference_data.sql, as a claim hands them to a worker."""
    rows = json.loads(REFERENCE_DATA.read_text().split("$entity_types$")[1])
    return [{**row, "user_id": None} for row in rows]


def claim(*events: dict[str, Any], types: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """What a claim RPC returns. `types` come beside the shipped ones."""
    return {
        "lease_id": str(uuid.uuid4()),
        "events": list(events),
        "entity_types": [*shipped_types(), *(types or [])],
    }
