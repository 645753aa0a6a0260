"""Whether a person stands behind an event, or a machine.

In this order, the first that says something decides:

1. the vendor's own mark of a machine on who acted (GitHub's `type: Bot`, Slack's `bot_id`), unless
   someone stands further out: a person who closes a bot's pull request;
2. the e-mail addresses: a person's own, or a machine's or role's (no-reply@, billing@);
3. the name: a company's or a machine's;
4. anything else that only people have: a phone number, a customer's id, a user who acted;
5. the record: a contact is someone even where only its id is told.

Nothing of the kind means no person.
"""

from __future__ import annotations

from functions.classify.classifiers.impersonal import kind_of_mailbox, kind_of_name
from functions.classify.classifiers.traces import Record, Traces, find_traces

OF_PEOPLE = frozenset({"person", "influencer"})
"""Entity types whose records are people."""


def is_person(payload: Record, entity_type: str | None = None) -> bool:
    """`entity_type` is what the event has been found to be."""
    traces = find_traces(payload)
    if traces.machines and min(traces.machines) <= min(traces.actors, default=99):
        return False
    if traces.mailboxes:
        kinds = {kind_of_mailbox(mailbox) for mailbox in traces.mailboxes}
        return "own" in kinds or ("role" in kinds and traces.has_full_name)
    is_of_people = entity_type in OF_PEOPLE
    names = [name for _, name in sorted(traces.names)] or (traces.own_names if is_of_people else [])
    if names and kind_of_name(names[0]) != "person":
        return False
    return bool(names) or _has_traces(traces) or is_of_people


def _has_traces(traces: Traces) -> bool:
    return bool(traces.actors or traces.has_full_name or traces.has_phone or traces.has_id)
