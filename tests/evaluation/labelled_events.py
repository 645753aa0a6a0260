"""The labelled events, as the files beside this module hold them; README.md tells their format."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.samples import OWNER

FOLDER = Path(__file__).parent
PARTS = ("tuning", "held_out")


@dataclass(frozen=True)
class LabelledEvent:
    vendor: str
    """The file's name, such as stripe."""
    line: int
    event_type: str
    payload: dict[str, Any]
    entity_type: str | None
    """What it is; None where no record fits."""
    is_person: bool

    @property
    def name(self) -> str:
        return f"{self.vendor}:{self.line} {self.event_type}"

    def claimed(self) -> dict[str, Any]:
        """As a claim hands it to the worker."""
        return {
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, self.name)),
            "user_id": OWNER,
            "event_type": self.event_type,
            "payload": self.payload,
            "endpoint": {},
        }


@cache
def labelled_events(part: str) -> tuple[LabelledEvent, ...]:
    """All events of a part, by vendor."""
    return tuple(event for path in sorted((FOLDER / part).glob("*.jsonl")) for event in _read(path))


def _read(path: Path) -> Iterator[LabelledEvent]:
    head, *lines = (json.loads(line) for line in path.read_text().splitlines())
    for number, line in enumerate(lines, start=2):
        envelope = "$data" if line.get("bare") else head["envelope"]
        yield LabelledEvent(
            vendor=path.stem,
            line=number,
            event_type=line["type"],
            payload=_filled(envelope, {"$type": line["type"], "$data": line["data"]}),
            entity_type=line["is"],
            is_person=line["person"],
        )


def _filled(envelope: Any, values: dict[str, Any]) -> Any:
    if isinstance(envelope, dict):
        return {key: _filled(value, values) for key, value in envelope.items()}
    if isinstance(envelope, list):
        return [_filled(value, values) for value in envelope]
    return values.get(envelope, envelope) if isinstance(envelope, str) else envelope
