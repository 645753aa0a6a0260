"""What in a payload tells of people: who acted, addresses, names, phone numbers, ids.

The whole payload is walked, but for what is about the receiving business itself (merchant, store,
repository, assignee …). Field names are read in any language that the lexicon knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any, Literal

from functions.classify.classifiers import words
from functions.classify.classifiers.impersonal import kind_of_name

MAX_VALUES = 1_000
MAX_DEPTH = 8
MAX_KEYS = 200
MAX_ELEMENTS = 5

Record = Mapping[str, Any]
Role = Literal["who", "aside", ""]

# fmt: off
_WHO = frozenset({
    "actor", "admin", "affiliate", "ambassador", "applicant", "attendee", "author", "buyer",
    "callee", "caller", "candidate", "contact", "contacts", "creator", "customer", "customers",
    "employee", "from", "guest", "influencer", "invitee", "lead", "member", "participant",
    "participants", "patient", "payer", "person", "profile", "purchaser", "pusher", "recipient",
    "recipients", "registrant", "reporter", "requester", "respondent", "sender", "signer",
    "sponsor", "student", "submitter", "subscriber", "user", "visitor",
})
_WHO_WITH = {"billing": {"details", "address", "info"}, "shipping": {"address", "details", "name"},
             "default": {"address"}}
_ASIDE = frozenset({
    "agent", "app", "application", "assignee", "assignees", "authorizations", "base", "bcc", "cc",
    "company", "envelope", "head", "headers", "hook", "installation", "invoicer", "merchant",
    "organization", "organisation", "payee", "previous", "product", "project", "reply",
    "repository", "seller", "shop", "store", "team", "teams", "teammates", "vendor", "variant",
})
_ABOUT = frozenset({"id", "ids", "details", "detail", "info", "data", "address", "key", "sid"})
_STAFF = frozenset({("client",), ("owner",), ("agent", "id"), ("host", "id")})
_ID_WORDS = frozenset({"id", "ids", "external", "uuid", "sid", "key", "wa", "reference"})
_BESIDE_IDS = frozenset({"item", "default"})
_PHONE_WORDS = frozenset({"phone", "phones", "tel", "wa", "from", "to", "author", "caller", "sms"})
_FIRST = ("first name", "given name", "fname", "firstname")
_LAST = ("last name", "family name", "lname", "lastname", "surname")
_MACHINE_KINDS = frozenset({
    "api", "apikey", "app", "application", "automation", "bot", "integration", "machine",
    "oauthclient", "service", "service_account", "system", "webhook", "workflow",
})
_COMPANY_KINDS = frozenset({"organization", "organisation", "company", "business"})
# fmt: on
_EMAIL = re.compile(r"(?:[^<>@]{0,100}<)?([^\s@<>/:]{1,64})@[^\s@<>/]{1,200}\.[^\s@<>/.]{2,24}>?")
_PHONE = re.compile(r"(?:whatsapp:|tel:)?\+?[\d\s().\-]{7,24}")


@dataclass(slots=True)
class Traces:
    machines: list[int] = field(default_factory=list)
    """How deep in the payload something says that it is a machine, or a company, that acted."""
    actors: list[int] = field(default_factory=list)
    """How deep someone stands who is no machine."""
    mailboxes: list[str] = field(default_factory=list)
    """What stands before the @ of addresses, in lower case."""
    names: list[tuple[int, str]] = field(default_factory=list)
    """Depth and name of someone."""
    own_names: list[str] = field(default_factory=list)
    """Bare names of records, which may be anything's."""
    has_full_name: bool = False
    has_phone: bool = False
    has_id: bool = False


def find_traces(payload: Record) -> Traces:
    traces = Traces()
    # Breadth first, so that of a payload with too many values those further out are read.
    pending: list[tuple[Record, int, bool]] = [(payload, 0, False)]
    left = MAX_VALUES
    for record, depth, is_someone in pending:
        left -= len(record)
        if left < 0:
            break
        _mark(record, depth, is_someone, traces)
        _read_names(record, depth, is_someone, traces)
        for key, value in islice(record.items(), MAX_KEYS):
            role = _role(key)
            if role == "aside":
                continue
            if isinstance(value, dict | list):
                if depth < MAX_DEPTH:
                    inside = is_someone or role == "who"
                    pending += ((one, depth + 1, inside) for one in _records(value))
                traces.has_id |= role == "who" and _lists_ids(value)
            else:
                _read_value(key, value, depth, role, traces)
    return traces


def _records(value: dict[str, Any] | list[Any]) -> Iterable[Record]:
    elements = [value] if isinstance(value, dict) else value[:MAX_ELEMENTS]
    return (one for one in elements if isinstance(one, dict))


def _lists_ids(value: object) -> bool:
    """Whether it is a list of texts: `participants` may be their ids."""
    return isinstance(value, list) and any(isinstance(one, str) and one for one in value)


@lru_cache(maxsize=20_000)
def _role(key: str) -> Role:
    parts = words.split(key)
    found = set(parts)
    if not parts or (found & _ASIDE and parts[-1] not in _WHO and parts not in _STAFF):
        return "aside" if parts else ""
    if parts in _STAFF or parts[-1] in _WHO or (found & _WHO and parts[-1] in _ABOUT):
        return "who"
    if len(parts) == 2 and parts[1] == "by" and parts[0].endswith(("ed", "er", "en")):
        return "who"  # created_by, canceled_by
    return "who" if any(first in found and found & _WHO_WITH[first] for first in _WHO_WITH) else ""


@lru_cache(maxsize=20_000)
def _is_id(key: str) -> bool:
    parts = words.split(key)
    if parts in _STAFF or parts[-1:] == ("by",):
        return True
    return bool(parts) and set(parts) <= _WHO | _ID_WORDS | _BESIDE_IDS


def _mark(record: Record, depth: int, is_someone: bool, traces: Traces) -> None:
    if record.get("bot_id") or record.get("subtype") == "bot_message" or _is_flagged(record):
        traces.machines.append(depth)
        return
    if not is_someone:
        return
    kinds = (record.get("type"), record.get("accountType"), record.get("account_type"))
    kind = {kind.lower().replace(" ", "_") for kind in kinds if isinstance(kind, str)}
    login = record.get("login") or record.get("username") or ""
    if kind & (_MACHINE_KINDS | _COMPANY_KINDS) or (
        isinstance(login, str) and kind_of_name(login) == "machine"
    ):
        traces.machines.append(depth)
    elif record:
        traces.actors.append(depth)


def _is_flagged(record: Record) -> bool:
    return True in (record.get("bot"), record.get("is_bot"), record.get("isBot"))


def _read_names(record: Record, depth: int, is_someone: bool, traces: Traces) -> None:
    """First and last name, or a whole name under a key that says that it is someone's."""
    named = {
        joined: (key, value)
        for key, value in islice(record.items(), MAX_KEYS)
        if isinstance(value, str) and value.strip() and "name" in (joined := _joined(key))
    }
    first, last = (any(joined.endswith(ends) for joined in named) for ends in (_FIRST, _LAST))
    traces.has_full_name |= first and last
    traces.has_id |= first or last
    for joined, (key, value) in named.items():
        if joined == "name":
            if is_someone:
                traces.names.append((depth, value))
            else:
                traces.own_names.append(value)
        elif _is_whole_name(joined) and _role(key) != "aside":
            traces.names.append((depth, value))


def _joined(key: str) -> str:
    return " ".join(words.split(key))


@lru_cache(maxsize=20_000)
def _is_whole_name(key: str) -> bool:
    """`full name`, `display name`, `ticket requester name`; not `first name` or `file name`."""
    parts = key.split()
    if parts[-1] != "name" or key.endswith(_FIRST + _LAST):
        return False
    return bool(set(parts[:-1]) & (_WHO | {"full", "display", "real"}))


def _read_value(key: str, value: object, depth: int, role: Role, traces: Traces) -> None:
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return
        if "@" in text and len(text) <= 254 and (found := _EMAIL.fullmatch(text)):
            traces.mailboxes.append(found[1].lower())
            return
        parts = set(words.split(key))
        if parts & _PHONE_WORDS and "display" not in parts and _PHONE.fullmatch(text):
            traces.has_phone = True
        elif role == "who" and _is_id(key):
            # An id, or someone's name in place of one.
            traces.has_id = True
            if " " in text:
                traces.names.append((depth, text))
    elif isinstance(value, int) and not isinstance(value, bool) and value:
        traces.has_id |= role == "who" and _is_id(key)
