"""The words of an event that say what it is about: of its type, its field names, a few values.

Text written by people is never read: what someone writes in a message must not decide what kind of
record the message becomes. What a form asks is read like field names, as it is what they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any

from functions.classify.classifiers.lexicon import in_english, plain

MAX_KEYS = 120
"""Field names read per object. The longest lists of real vendors (Shopify orders) have 90."""
MAX_CONTAINERS = 40
MAX_DEPTH = 8
MAX_WORDS = 8
MAX_NAME_LENGTH = 80
MAX_LABELS = 40
FEW_FIELDS = 3
"""An object with no more fields than this beside one object in it is an envelope around that."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+")
_REMEMBERED_NAMES = 20_000
_SEPARATOR = re.compile(r"[./:\s]+")
_LABEL = re.compile(r"[\w.:/\- ]{2,40}")

# fmt: off
# Keys under which vendors wrap the record that an event is about.
_ENVELOPES = frozenset({
    "data", "object", "resource", "payload", "content", "item", "attributes", "detail", "event",
    "body", "record", "value", "fields", "form response", "event data", "entry", "changes",
    "current", "properties",
})
# Keys whose value names the kind of record.
_KIND_KEYS = frozenset({
    "object", "type", "kind", "object kind", "object type", "objecttype", "resource", "topic",
    "resource type", "entity", "entity type", "event category", "eventcategory", "event name",
    "field", "webhook event", "resource name",
})
# Lists and objects in which forms keep what they ask, and the keys of each question's text.
_FORMS = frozenset({
    "answers", "custom questions", "definition", "field data", "fields", "form fields", "questions",
    "questions and answers", "responses",
})
_ASKS = ("title", "label", "question", "name", "ref")
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


@lru_cache(maxsize=_REMEMBERED_NAMES)
def split(name: str) -> tuple[str, ...]:
    """The words of a name in snake_case, camelCase or kebab-case: lower case, in English."""
    words = _WORD.findall(plain(name[:MAX_NAME_LENGTH]))[:MAX_WORDS]
    return tuple(english for word in words for english in in_english(word.lower()))


@lru_cache(maxsize=_REMEMBERED_NAMES)
def telling(name: str) -> tuple[str, ...]:
    """The words of a field name or description that not every kind of record uses."""
    return tuple(word for word in split(name) if word not in _COMMON_IN_KEYS and len(word) > 1)


def read(event_type: str, payload: Mapping[str, Any]) -> EventWords:
    words = EventWords()
    words.nouns, words.actions = _split_type(event_type)
    about = frozenset(map(_singular, words.nouns))
    _read_record(payload, words, event_type, about, 0)
    return words


def is_kind(name: str, value: str) -> bool:
    """Whether a field's value names a kind of record: `"object": "invoice"`."""
    return " ".join(split(name)) in _KIND_KEYS and _LABEL.fullmatch(value) is not None


def _split_type(event_type: str) -> tuple[list[str], list[str]]:
    """`customer.subscription.trial_will_end` → customer, subscription / trial, will, end;
    `message_received` → message / received.
    """
    parts = [split(part) for part in _SEPARATOR.split(event_type[: 2 * MAX_NAME_LENGTH])]
    parts = [part for part in parts if part]
    if len(parts) == 1 and len(parts[0]) > 1:
        parts = [parts[0][:-1], parts[0][-1:]]
    actions = parts.pop() if len(parts) > 1 else ()
    nouns = [word for part in parts for word in part]
    return _uncommon(nouns), _uncommon(actions)


def _uncommon(words: Iterable[str]) -> list[str]:
    return [word for word in words if word not in _COMMON and len(word) > 1]


def _singular(word: str) -> str:
    return word.removesuffix("s")


def _read_record(
    record: Mapping[str, Any],
    words: EventWords,
    event_type: str,
    about: frozenset[str],
    depth: int,
) -> None:
    """Reads a record or an envelope, and the envelopes inside it, as one level."""
    names: list[str] = []
    wraps = _wraps(record)
    for name, value in islice(record.items(), MAX_KEYS):
        parts = split(name)
        key = " ".join(parts)
        inner = _inner(value)
        if key in _FORMS and inner is not None:
            words.roots.append(_labels(value))
        may_descend = inner is not None and len(words.roots) < MAX_CONTAINERS and depth < MAX_DEPTH
        if may_descend and key in _ENVELOPES:
            _read_record(inner or {}, words, event_type, about, depth + 1)
            continue
        if len(name) <= MAX_NAME_LENGTH:
            names.append(name)
        if isinstance(value, str):
            if value != event_type and is_kind(name, value):
                words.kinds.extend(_uncommon(split(value)))
        elif inner:
            words.containers.append(name[:MAX_NAME_LENGTH])
            is_about = isinstance(value, dict) and not about.isdisjoint(map(_singular, parts))
            if may_descend and (wraps or is_about):
                _read_record(inner, words, event_type, about, depth + 1)
            elif len(words.nested) < MAX_CONTAINERS:
                inner_names = islice(inner, MAX_KEYS)
                words.nested.append([name for name in inner_names if len(name) <= MAX_NAME_LENGTH])
    words.roots.append(names)


def _wraps(record: Mapping[str, Any]) -> bool:
    """Whether next to nothing stands beside the one object in it."""
    if len(record) > FEW_FIELDS + 1:
        return False
    return sum(isinstance(value, dict) for value in record.values()) == 1


def _inner(value: object) -> dict[str, Any] | None:
    """An object, or the first object of a list."""
    inner = value[0] if isinstance(value, list) and value else value
    return inner if isinstance(inner, dict) else None


def _labels(form: dict[str, Any] | list[Any]) -> list[str]:
    """What a form asks, as short texts."""
    questions = [form, *_lists_in(form)] if isinstance(form, dict) else form
    texts = (
        question.get(key)
        for question in questions[:MAX_LABELS]
        if isinstance(question, dict)
        for key in _ASKS
    )
    return [text for text in texts if isinstance(text, str) and len(text) <= MAX_NAME_LENGTH]


def _lists_in(form: dict[str, Any]) -> list[Any]:
    return [one for value in form.values() if isinstance(value, list) for one in value[:MAX_LABELS]]
