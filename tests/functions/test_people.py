"""Who stands behind an event: what the classifier finds of people, and what it takes for a machine."""

from __future__ import annotations

from typing import Any

import pytest

from functions.classify.classifiers.impersonal import kind_of_mailbox, kind_of_name
from functions.classify.classifiers.people import is_person


@pytest.mark.parametrize(
    "payload",
    [
        {"kunde": {"vorname": "Eva", "nachname": "Sommer"}},
        {"donnees": {"client": {"courriel": "elise@example.fr"}}},
        {"dados": {"remetente": {"nome": "Rui Alves"}}},
        {"data": {"object": {"payment": {"customer_id": "RDX9"}}}},
        {"From": "whatsapp:+447700900123", "Body": "Hi"},
        {"email_addresses": [{"email_address": "mo.said@example.eg"}]},
        {"field_data": [{"name": "email", "values": ["x"]}, {"value": "joe@example.com"}]},
        {"canceled_by": "Jan Kos"},
        {"participants": ["user123"]},
        {"team_member": {"id": "1yJ"}},
        {"sender": {"login": "ann", "type": "User"}, "issue": {"user": {"type": "Bot"}}},
        {"event": {"user": "U1"}, "authorizations": [{"is_bot": True}]},
    ],
)
def test_a_person_is_found_anywhere_in_a_payload(payload: dict[str, Any]) -> None:
    assert is_person(payload)


@pytest.mark.parametrize(
    "payload",
    [
        {"merchant_email": "ada@example.com"},
        {"seller": {"name": "Ada Byron", "email": "ada@example.com"}},
        {"repository": {"owner": {"login": "ada"}}},
        {"assignees": [{"name": "Ada Byron"}]},
        {"product": {"user_name": "Ada"}},
        {"user_agent": "Mozilla/5.0", "ip": "203.0.113.9"},
        {"kunde": {"name": "Nord Bau GmbH", "email": "buchhaltung@nord-bau.example"}},
        {"sender": {"login": "deployer[bot]"}, "issue": {"user": {"login": "ann"}}},
        {"user": {"accountType": "app", "displayName": "Automation"}},
        {"text": "Write to ada@example.com"},
        {"display_phone_number": "15550100"},
    ],
)
def test_the_receivers_side_and_machines_are_no_people(payload: dict[str, Any]) -> None:
    assert not is_person(payload)


def test_a_persons_record_is_about_someone_even_where_it_only_has_an_id() -> None:
    assert is_person({"id": 26}, "person")
    assert not is_person({"id": 26}, "order")
    assert not is_person({"id": 26, "email": "no-reply@example.com"}, "person")
    assert not is_person({"id": 26, "name": "Stock Import"}, "person")


def test_a_payload_without_end_is_read_up_to_a_bound() -> None:
    deep: dict[str, Any] = {"email": "ada@example.com"}
    for _ in range(500):
        deep = {"inner": deep}
    assert not is_person(deep)
    wide = {"rows": {f"k{at}": at for at in range(5_000)}, "then": {"email": "ada@example.com"}}
    assert not is_person(wide)


@pytest.mark.parametrize(
    ("mailbox", "kind"),
    [("naoresponda", "machine"), ("compta", "role"), ("fatture", "role"), ("élise.roche", "own")],
)
def test_mailboxes_are_known_in_several_languages(mailbox: str, kind: str) -> None:
    assert kind_of_mailbox(mailbox) == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Kivi Oy", "company"),
        ("renovate-bot", "machine"),
        ("Integração Estoque", "machine"),
        ("Bâti Sud SARL", "company"),
        ("Ada Byron", "person"),
        ("Co", "person"),
    ],
)
def test_names_tell_companies_and_machines(name: str, kind: str) -> None:
    assert kind_of_name(name) == kind
