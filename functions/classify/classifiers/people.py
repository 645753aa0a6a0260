"""Whether a person stands behind an event, or a machine.

In this order, the first that says something decides:

1. the vendor's own mark of a machine on who acted (GitHub's `type: Bot`, Slack's `bot_id`);
2. the e-mail address: a person's own, or a machine's or role's (no-reply@, billing@);
3. the name: a company's or a machine's;
4. anything else that only people have: a phone number, a customer's id, a user who acted.

Nothing of the kind means no person.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

MAX_KEYS = 200

Record = Mapping[str, Any]

# fmt: off
_ENVELOPES = frozenset({
    "data", "object", "resource", "payload", "content", "item", "event", "detail",
})
_WHO = frozenset({
    "sender", "actor", "user", "author", "from", "customer", "requester", "contact", "buyer",
    "member", "subscriber", "payer", "visitor", "invitee", "lead", "owner", "pusher", "reporter",
    "customer_details", "billing_details", "billing_address", "client", "recipient", "creator",
})
_RECORDS = _ENVELOPES | {
    "issue", "pull_request", "comment", "ticket", "conversation", "message", "order",
    "subscription", "invoice", "review", "case", "account",
}
_MACHINE_KINDS = frozenset({
    "bot", "app", "application", "system", "service", "service_account", "machine", "integration",
    "automation", "api", "workflow",
})
_MACHINE_MAILBOXES = frozenset({
    "noreply", "donotreply", "nepasrepondre", "noresponder", "keineantwort", "mailer", "daemon",
    "mailerdaemon", "postmaster", "bounce", "bounces", "bot", "robot", "notification",
    "notifications", "notify", "alert", "alerts", "automated", "system", "cron", "root", "devnull",
})
_MACHINE_PARTS = frozenset({"alerts", "bounces", "mailer", "notification", "notifications"})
_ROLE_MAILBOXES = frozenset({
    "abuse", "accounting", "accounts", "admin", "billing", "careers", "contact", "enquiries",
    "feedback", "finance", "hello", "help", "helpdesk", "hi", "hr", "info", "invoice", "invoices",
    "it", "jobs", "legal", "mail", "marketing", "newsletter", "office", "orders", "owner",
    "payments", "press", "privacy", "purchasing", "sales", "security", "service", "shop", "store",
    "support", "team", "webmaster",
})
_ORGANISATIONS = frozenset({
    "ab", "ag", "aps", "asa", "bv", "company", "corp", "corporation", "foundation",
    "gmbh", "group", "holding", "holdings", "inc", "kg", "kk", "limited", "llc", "llp", "ltd", "nv",
    "oy", "oyj", "plc", "pty", "pvt", "sa", "sarl", "sas", "sl", "spa", "srl", "ug",
})
_MACHINES = frozenset({
    "alerts", "automation", "bot", "cron", "daemon", "integration", "monitor", "monitoring",
    "noreply", "notification", "notifications", "robot", "runner", "scheduler", "service", "system",
})
# fmt: on
_PHONES = ("phone", "phone_number", "customer_phone", "mobile", "contact_phone")
_NAMES = ("first_name", "firstName", "given_name", "last_name", "lastName", "family_name")
_FULL_NAMES = ("name", "full_name", "fullName", "display_name", "customer_name", "contact_name")
_IDS = (
    *("customer", "customer_id", "customerId", "contact_id", "contactId", "user", "user_id"),
    *("userId", "subscriber_id", "participants", "member_id"),
)
_TRACES = _PHONES + _NAMES + _IDS
_PUNCTUATION = re.compile(r"[._\-+]+")
_WORD = re.compile(r"[^\W_]+")


def is_person(payload: Record) -> bool:
    records = list(_records(payload))
    actors = [actor for record in records for actor in _actors(record)]
    if any(map(_is_marked, [*records, *actors])) or any(map(_is_machine, actors)):
        return False
    everyone = [*actors, *records]
    mailboxes = [mailbox for one in everyone for mailbox in _mailboxes(one)]
    has_full_name = any(_has(one, _NAMES[:3]) and _has(one, _NAMES[3:]) for one in everyone)
    if mailboxes:
        kinds = {_kind_of_mailbox(mailbox) for mailbox in mailboxes}
        return "own" in kinds or ("role" in kinds and has_full_name)
    if any(map(_is_impersonal, _names(actors, records))):
        return False
    return has_full_name or bool(actors) or any(_has(one, _TRACES) for one in records)


def _names(actors: list[Record], records: list[Record]) -> Iterator[str]:
    """Whole names. A record's own "name" may be a product's."""
    for actor in actors:
        yield from (str(actor[key]) for key in _FULL_NAMES if actor.get(key))
    for record in records:
        yield from (str(record[key]) for key in _FULL_NAMES[1:] if record.get(key))


def _records(payload: Record) -> Iterator[Record]:
    """The body, the envelopes in it, and the record in them."""
    yield payload
    for key in payload.keys() & _RECORDS:
        inner = payload[key]
        if isinstance(inner, dict):
            yield from _records(inner) if key in _ENVELOPES else (inner,)


def _actors(record: Record) -> Iterator[Record]:
    for key in record.keys() & _WHO:
        actor = record[key]
        if isinstance(actor, dict):
            yield actor


def _has(record: Record, keys: tuple[str, ...]) -> bool:
    return any(record.get(key) not in (None, "", [], {}) for key in keys)


def _is_marked(record: Record) -> bool:
    flags = (record.get("bot"), record.get("is_bot"), record.get("isBot"))
    return bool(record.get("bot_id")) or record.get("subtype") == "bot_message" or True in flags


def _is_machine(actor: Record) -> bool:
    login, kind = actor.get("login") or actor.get("username"), actor.get("type")
    if isinstance(login, str) and login.lower().endswith(("[bot]", "-bot", "_bot")):
        return True
    return isinstance(kind, str) and kind.lower() in _MACHINE_KINDS


def _mailboxes(record: Record) -> Iterator[str]:
    """What stands before the @ in the record's e-mail addresses, in lower case."""
    for key, value in islice(record.items(), MAX_KEYS):
        if not isinstance(value, str) or "@" not in value or len(value) > 254:
            continue
        if "email" in key.lower() or key in ("from", "sender", "From"):
            yield value.strip().rpartition("<")[2].partition("@")[0].lower()


def _kind_of_mailbox(mailbox: str) -> str:
    """machine, role or own."""
    parts = [part for part in _PUNCTUATION.split(mailbox.partition("+")[0]) if part]
    joined = "".join(parts)
    if joined in _MACHINE_MAILBOXES or not _MACHINE_PARTS.isdisjoint(parts):
        return "machine"
    if "noreply" in joined or "donotreply" in joined:
        return "machine"
    return "role" if joined in _ROLE_MAILBOXES or set(parts[:1]) & _ROLE_MAILBOXES else "own"


def _is_impersonal(name: str) -> bool:
    words = [word.lower() for word in _WORD.findall(name[:200])]
    return bool(words) and (words[-1] in _ORGANISATIONS or not _MACHINES.isdisjoint(words))
