"""The words of an event that say what it is about: of its type, its field names, a few values.

Text written by people is never read: what someone writes in a message must not decide what kind of
record the message becomes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

MAX_KEYS = 120
"""Field names read per object. The longest lists of real vendors (Shopify orders) have 90."""
MAX_CONTAINERS = 40
MAX_WORDS = 8
MAX_NAME_LENGTH = 80

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+")
_SEPARATOR = re.compile(r"[./:\s]+")
_LABEL = re.compile(r"[\w.:/\- ]{2,40}")

# fmt: off
# Keys under which vendors wrap the record that an event is about.
_ENVELOPES = frozenset({
    "data", "object", "resource", "payload", "content", "item", "attributes", "detail", "event",
    "body", "record", "value", "fields", "form_response",
})
# Keys whose value names the kind of record.
_KIND_KEYS = frozenset({
    "object", "type", "kind", "object_kind", "object_type", "objecttype", "resource", "topic",
    "resource_type", "entity", "entity_type", "event_category", "eventcategory", "event_name",
})
# Words that every kind of event uses.
_COMMON = frozenset({
    "a", "an", "and", "any", "as", "at", "by", "end", "for", "from", "has", "have", "holder", "in",
    "is", "it", "its", "of", "on", "one", "or", "our", "such", "that", "the", "their", "this", "to",
    "which", "with", "without",
    "api", "app", "callback", "date", "event", "hook", "id", "key", "name", "notification",
    "object", "status", "test", "time", "type", "unknown", "uri", "url", "version", "webhook",
    "webhooks",
    "add", "added", "change", "changed", "complete", "completed", "create", "created", "creation",
    "delete", "deleted", "new", "remove", "removed", "update", "updated",
})
# fmt: on
# "name" says a lot next to "first" and "last", so it is common in event types only.
_COMMON_IN_KEYS = _COMMON - {"name"}


@dataclass(slots=True)
class EventWords:
    nouns: list[str] = field(default_factory=list)
    """Of the event type: what it is about ("customer", "subscription")."""
    actions: list[str] = field(default_factory=list)
    """Of the event type: what happened ("created")."""
    kinds: list[str] = field(default_factory=list)
    """Of values that name the kind of record ("object": "invoice")."""
    roots: list[list[str]] = field(default_factory=list)
    """Field names of the record, and of each envelope around it."""
    nested: list[list[str]] = field(default_factory=list)
    """Field names of each object inside the record."""
    containers: list[str] = field(default_factory=list)
    """Names of the objects inside the record."""


def split(name: str) -> list[str]:
    """The words of a name in snake_case, camelCase or kebab-case, in lower case."""
    words = _WORD.findall(name[:MAX_NAME_LENGTH])
    return [word.lower() for word in words[:MAX_WORDS]]


def telling(name: str) -> list[str]:
    """The words of a field name or description that not every kind of record uses."""
    return [word for word in split(name) if word not in _COMMON_IN_KEYS and len(word) > 1]


def read(event_type: str, payload: Mapping[str, Any]) -> EventWords:
    words = EventWords()
    words.nouns, words.actions = _split_type(event_type)
    _read_record(payload, words, event_type)
    return words


def _split_type(event_type: str) -> tuple[list[str], list[str]]:
    """`customer.subscription.trial_will_end` → customer, subscription / trial, will, end;
    `message_received` → message / received.
    """
    parts = [split(part) for part in _SEPARATOR.split(event_type[: 2 * MAX_NAME_LENGTH])]
    parts = [part for part in parts if part]
    if len(parts) == 1 and len(parts[0]) > 1:
        parts = [parts[0][:-1], parts[0][-1:]]
    actions = parts.pop() if len(parts) > 1 else []
    nouns = [word for part in parts for word in part]
    return _uncommon(nouns), _uncommon(actions)


def _uncommon(words: list[str]) -> list[str]:
    return [word for word in words if word not in _COMMON and len(word) > 1]


def _read_record(record: Mapping[str, Any], words: EventWords, event_type: str) -> None:
    """Reads a record or an envelope, and the envelopes inside it, as one level."""
    names: list[str] = []
    for name, value in islice(record.items(), MAX_KEYS):
        key = name.lower()
        if isinstance(value, dict):
            if key in _ENVELOPES and len(words.roots) < MAX_CONTAINERS:
                _read_record(value, words, event_type)
                continue
            words.containers.append(name[:MAX_NAME_LENGTH])
        elif key in _KIND_KEYS and isinstance(value, str) and value != event_type:
            words.kinds.extend(_uncommon(split(value)) if _LABEL.fullmatch(value) else [])
        if len(name) <= MAX_NAME_LENGTH:
            names.append(name)
        inner = _inner(value)
        if inner and len(words.nested) < MAX_CONTAINERS:
            inner_names = islice(inner, MAX_KEYS)
            words.nested.append([name for name in inner_names if len(name) <= MAX_NAME_LENGTH])
    words.roots.append(names)


def _inner(value: object) -> dict[str, Any] | None:
    """An object, or the first object of a list."""
    inner = value[0] if isinstance(value, list) and value else value
    return inner if isinstance(inner, dict) else None
