"""The prepare stage's decision: which person and which fields an event carries."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from functions.prepare_for_rules import prepare
from tests.samples import OWNER, claim, sample, shipped_types

Row = dict[str, Any]

CARVALHO = {
    "email": "ines.carvalho@example.com",
    "phone": "+351215550142",
    "name": "Inês Carvalho",
    "first_name": "Inês",
    "last_name": "Carvalho",
    "external_id": "cus_TSx8mWq0fJ2kLp",
}
LINDQVIST = {
    "email": "b.lindqvist@example.se",
    "name": "Björn Lindqvist",
    "first_name": "Björn",
    "last_name": "Lindqvist",
    "external_id": "user_2pQx8rT0sVn4",
}

EXPECTED: dict[str, tuple[str, Row | None, Row]] = {
    "stripe/customer.created": ("person", CARVALHO, CARVALHO),
    "stripe/customer.subscription.created": (
        "subscription",
        {"external_id": "cus_TSx8mWq0fJ2kLp"},
        {
            "external_id": "sub_1SWh6oLk2bQx7NvTc5Yp0HsA",
            "customer_external_id": "cus_TSx8mWq0fJ2kLp",
            "plan": "Growth",
            "status": "active",
            "amount": 49.0,
            "currency": "EUR",
            "current_period_end": "2025-12-21T08:02:50+00:00",
        },
    ),
    "stripe/invoice.paid": (
        "invoice",
        CARVALHO,
        {
            "external_id": "in_1SWh6oLk2bQx7NvT3VrGm7Uj",
            "number": "7C1F20B4-0001",
            "customer_email": "ines.carvalho@example.com",
            "status": "paid",
            "amount": 49.0,
            "currency": "EUR",
            "issued_at": "2025-11-21T08:02:50+00:00",
        },
    ),
    "stripe/checkout.session.completed": (
        "order",
        {
            "email": "haruka.mori@example.jp",
            "phone": "+81755550107",
            "name": "Haruka Mori",
            "first_name": "Haruka",
            "last_name": "Mori",
        },
        {
            "external_id": "cs_test_b1uYq0pW3jF8sZc4TnR6vKe2Lx",
            "order_number": "PL-20417",
            "customer_email": "haruka.mori@example.jp",
            "status": "complete",
            "total": 19150,  # yen have no smaller unit
            "currency": "JPY",
            "ordered_at": "2025-11-23T18:38:40+00:00",
            "metadata": {"order_number": "PL-20417"},
        },
    ),
    "shopify/customers_create": (
        "person",
        {
            "email": "kofi.mensah@example.gh",
            "phone": "+233305550148",
            "name": "Kofi Mensah",
            "first_name": "Kofi",
            "last_name": "Mensah",
            "company": "Mensah Interiors",
            "external_id": "8290051227993",
        },
        {
            "email": "kofi.mensah@example.gh",
            "phone": "+233305550148",
            "name": "Kofi Mensah",
            "first_name": "Kofi",
            "last_name": "Mensah",
            "company": "Mensah Interiors",
            "external_id": "8290051227993",
        },
    ),
    "shopify/orders_create": (
        "order",
        {
            "email": "noor.haddad@example.ca",
            "phone": "+16135550164",
            "name": "Noor Haddad",
            "first_name": "Noor",
            "last_name": "Haddad",
            "external_id": "8290047164633",
        },
        {
            "external_id": "6125518700825",
            "order_number": "1047",
            "customer_email": "noor.haddad@example.ca",
            "status": "paid",
            "total": 158.27,
            "currency": "CAD",
            "ordered_at": "2026-11-21T09:14:50-05:00",
        },
    ),
    "github/issues.opened": (
        "ticket",
        {"name": "priya-raman", "external_id": "5520143"},
        {
            "external_id": "3651120984",
            "ticket_number": "fernhill/ledger-sync#318",
            "subject": "Sync stops after a leap second",
            "message": "After 23:59:60 the worker logs `negative interval` and no longer picks up"
            " entries until it is restarted.",
            "status": "open",
            "category": "bug",
            "customer_name": "priya-raman",
            "url": "https://github.com/fernhill/ledger-sync/issues/318",
        },
    ),
    "slack/message": (
        "ticket",
        {"external_id": "U05QH2MARTA"},
        {
            "external_id": "C04SUPPORT1:1763721512.004219",
            "message": "Hi, our export has been stuck since this morning. Can someone have a look?",
        },
    ),
    "chatbots/message.created": (
        "ticket",
        {"external_id": "user123"},
        {
            "external_id": "60d21b4667d0d8992e610c85",  # the conversation's
            "message": "Hello, I need help with my account.",
            "metadata": {
                "source": "web-client",
                "clientInfo": {"browser": "Chrome", "os": "Windows"},
            },
        },
    ),
    "chatbots/conversation.created": (
        "ticket",
        {"external_id": "user123"},
        {
            "external_id": "60d21b4667d0d8992e610c85",
            "subject": "Support Request",
            "metadata": {"source": "website", "referrer": "contact-page"},
        },
    ),
    "shop/contact.created": (
        "person",
        {
            "email": "tomas.rivera@example.com",
            "phone": "+14155550119",
            "name": "Tomás Rivera",
            "first_name": "Tomás",
            "last_name": "Rivera",
            "company": "Rivera & Daughters Coffee",
            "title": "Owner",
            "external_id": "cust_4821",
        },
        {
            "email": "tomas.rivera@example.com",
            "phone": "+14155550119",
            "name": "Tomás Rivera",
            "first_name": "Tomás",
            "last_name": "Rivera",
            "company": "Rivera & Daughters Coffee",
            "title": "Owner",
            "external_id": "cust_4821",
        },
    ),
    "shop/order.completed": (
        "order",
        {
            "email": "mareike.vogt@example.de",
            "phone": "+493415550183",
            "name": "Mareike Vogt",
            "first_name": "Mareike",
            "last_name": "Vogt",
            "external_id": "cust_5110",
        },
        {
            "external_id": "ord_90233",
            "order_number": "S-90233",
            "customer_email": "mareike.vogt@example.de",
            "status": "completed",
            "total": 86.4,
            "currency": "EUR",
            "ordered_at": "2026-11-20T14:03:11+00:00",
        },
    ),
    "shop/influencer.applied": (
        "influencer",
        {
            "email": "amara@example.ng",
            "name": "Amara Okafor",
            "first_name": "Amara",
            "last_name": "Okafor",
        },
        {
            "external_id": "inf_337",
            "name": "Amara Okafor",
            "handle": "@brewedbyamara",
            "platform": "instagram",
            "email": "amara@example.ng",
            "followers": 48210,
            "profile_url": "https://www.instagram.com/brewedbyamara",
        },
    ),
    "autoresponder/ticket.create": (
        "ticket",
        {
            "email": "dmitri.hale@example.com",
            "name": "Dmitri Hale",
            "first_name": "Dmitri",
            "last_name": "Hale",
        },
        {
            "subject": "Cannot reset my password",
            "message": "The reset link says it has expired although I opened it within a minute."
            " Can you help?",
            "priority": "medium",
            "category": "Technical",
            "customer_email": "dmitri.hale@example.com",
            "customer_name": "Dmitri Hale",
        },
    ),
    "autoresponder/ticket.created": (
        "ticket",
        {"email": "lena.fors@example.se"},
        {
            "external_id": "5c3b7d52-8f0a-4f0e-9b1d-4c8a1e0a7f66",
            "ticket_number": "TKT-2026-041",
            "subject": "Where is my parcel?",
            "status": "new",
            "priority": "high",
            "category": "Shipping",
            "customer_email": "lena.fors@example.se",
        },
    ),
    "planhub/user.created": (
        "person",
        {**LINDQVIST, "phone": "+4685550127", "company": "Lindqvist Arkitekter AB"},
        {**LINDQVIST, "phone": "+4685550127", "company": "Lindqvist Arkitekter AB"},
    ),
    "planhub/invoice.overdue": (
        "invoice",
        None,
        {
            "external_id": "inv_7Yt20Zq",
            "number": "PH-2026-1187",
            "customer_email": "no-reply@lindqvist-arkitekter.example",
            "status": "overdue",
            "amount": 1280.0,
            "currency": "SEK",
            "issued_at": "2026-10-21T00:00:00+00:00",
            "due_at": "2026-11-20T23:59:59+00:00",
        },
    ),
    "planhub/subscription.canceled": (
        "subscription",
        LINDQVIST,
        {
            "external_id": "sub_88Kd1",
            "customer_external_id": "user_2pQx8rT0sVn4",
            "customer_email": "b.lindqvist@example.se",
            "plan": "Team",
            "status": "canceled",
            "amount": 1280,  # 16 seats
            "currency": "SEK",
            "current_period_end": "2026-11-30T23:59:59+00:00",
        },
    ),
}
"""Entity type, person, and fields for the type's table."""


def prepared(name: str, entity_table: str | None, **changes: Any) -> Row:
    """What becomes of one sample; `types` come beside the shipped entity types."""
    types = changes.pop("types", None)
    event = sample(name).claimed(entity_table=entity_table, **{"is_person": True, **changes})
    (result,) = prepare.decide(claim(event, types=types))
    return result


def own_type(name: str, target_table: str, field_map: dict[str, Any], owner: str = OWNER) -> Row:
    return {
        "user_id": owner,
        "name": name,
        "description": name,
        "target_table": target_table,
        "match_columns": [],
        "field_map": field_map,
    }


@pytest.mark.parametrize("name", EXPECTED)
def test_a_sample_gives_its_person_and_its_fields(name: str) -> None:
    entity_table, person, fields = EXPECTED[name]
    result = prepared(name, entity_table, is_person=person is not None)
    assert result["person"] == person
    assert result["fields"] == fields


def test_results_name_their_events_and_are_json() -> None:
    events = [
        sample(name).claimed(entity_table=kind, is_person=True)
        for name, (kind, _, _) in EXPECTED.items()
    ]
    results = prepare.decide(claim(*events))
    assert [result["id"] for result in results] == [event["id"] for event in events]
    assert json.loads(json.dumps(results, allow_nan=False)) == results


def test_a_machine_gives_no_person() -> None:
    assert prepared("stripe/invoice.paid", "invoice", is_person=False)["person"] is None


def test_a_machine_that_is_a_contact_still_has_fields() -> None:
    result = prepared("shop/contact.updated", "person", is_person=False)
    assert result["person"] is None
    assert result["fields"]["email"] == "noreply@warehouse.example"


def test_an_endpoints_own_field_map_lies_over_the_types() -> None:
    override = {
        "order_number": "data.items[0].sku",
        "status": None,
        "total": "data.nothing_there",
    }
    result = prepared(
        "shop/order.completed",
        "order",
        endpoint={"field_maps": {"order": override, "invoice": {"currency": "'XXX'"}}},
    )
    assert result["fields"]["order_number"] == "BEAN-ETH-1KG"
    assert result["fields"]["currency"] == "EUR"
    assert not {"status", "total"} & result["fields"].keys()


def test_an_endpoint_may_say_where_its_people_are() -> None:
    override = {"person": {"company": "data.shipping.address.city"}}
    result = prepared("shop/order.completed", "order", endpoint={"field_maps": override})
    assert result["person"]["company"] == "Leipzig"


def test_a_type_that_a_user_registered_fills_its_own_table() -> None:
    lead = own_type("lead", "leads", {"shop": "data.company", "score": "`7`"})
    result = prepared("shop/contact.created", "lead", types=[lead])
    assert result["fields"] == {"shop": "Rivera & Daughters Coffee", "score": 7}
    assert result["person"]["email"] == "tomas.rivera@example.com"


def test_a_users_own_type_hides_the_shipped_one_of_its_name() -> None:
    own = own_type("order", "orders", {"order_number": "'mine'"})
    assert prepared("shop/order.completed", "order", types=[own])["fields"] == {
        "order_number": "mine"
    }


def test_a_type_of_another_user_does_not_exist() -> None:
    foreign = own_type("lead", "leads", {"shop": "data.company"}, owner=str(uuid.uuid4()))
    assert "There is no entity type lead" in prepared(
        "shop/contact.created", "lead", types=[foreign]
    ).get("error", "")


def test_a_users_own_kind_of_people_is_normalised_too() -> None:
    field_map = {"email": "data.email", "phone": "data.phone"}
    own = own_type("patient", "people", field_map)
    result = prepared("shop/contact.created", "patient", types=[own])
    assert result["fields"] == {"email": "tomas.rivera@example.com", "phone": "+14155550119"}
    assert result["person"] == result["fields"]


def test_an_event_without_an_entity_type_is_refused() -> None:
    result = prepared("shop/order.completed", None)
    assert result.keys() == {"id", "error"}
    assert "no entity type" in result["error"]


def test_an_event_that_cannot_be_read_fails_alone() -> None:
    broken = sample("shop/order.completed").claimed(entity_table="order", payload="no object")
    whole = sample("shop/order.completed").claimed(entity_table="order")
    first, second = prepare.decide(claim(broken, whole))
    assert first == {"id": broken["id"], "error": "The payload could not be read"}
    assert second["fields"]["external_id"] == "ord_90233"


def test_a_broken_expression_costs_only_its_column() -> None:
    broken = own_type("order", "orders", {"status": "data.[", "currency": "data.currency", "x": 7})
    assert prepared("shop/order.completed", "order", types=[broken])["fields"] == {
        "currency": "EUR"
    }


def test_nobody_is_made_of_a_name_alone() -> None:
    payload = {"data": {"customer": {"name": "Ada Byron"}, "total": 5}}
    assert prepared("shop/order.completed", "order", payload=payload)["person"] is None


def test_a_contact_may_be_a_name_alone() -> None:
    payload = {"data": {"name": "Ada Byron"}}
    result = prepared("shop/contact.created", "person", payload=payload, external_id=None)
    assert result["person"] == {"name": "Ada Byron", "first_name": "Ada", "last_name": "Byron"}


def test_an_order_of_a_guest_does_not_lend_its_number_as_a_name() -> None:
    payload = {"id": 5, "name": "#1047", "order_number": 1047, "email": "ada@example.com"}
    result = prepared("shopify/orders_create", "order", payload=payload)
    assert result["person"] == {"email": "ada@example.com"}


def test_replies_in_a_thread_belong_to_one_ticket() -> None:
    first = sample("slack/message")
    reply = {**first.payload, "event": {**first.payload["event"], "thread_ts": "1763721512.004219"}}
    reply["event"]["ts"] = "1763722000.000100"
    result = prepared(
        "slack/message", "ticket", payload=reply, external_id="C04SUPPORT1:1763722000.000100"
    )
    assert result["fields"]["external_id"] == first.external_id


@pytest.mark.parametrize(
    ("said", "stored"),
    [("HIGH", "high"), ("normal", "medium"), ("critical", "urgent"), ("whenever", None), (1, None)],
)
def test_priorities_are_those_that_tickets_know(said: object, stored: str | None) -> None:
    payload = {"data": {"subject": "Help", "priority": said}}
    result = prepared("autoresponder/ticket.create", "ticket", payload=payload)
    assert result["fields"].get("priority") == stored


def test_several_seats_of_a_stripe_plan_are_paid_for() -> None:
    found = sample("stripe/customer.subscription.created").payload
    payload = json.loads(json.dumps(found))
    payload["data"]["object"]["items"]["data"][0]["quantity"] = 3
    result = prepared("stripe/customer.subscription.created", "subscription", payload=payload)
    assert result["fields"]["amount"] == 147.0


@pytest.mark.parametrize("shipped", shipped_types(), ids=lambda shipped: str(shipped["name"]))
def test_an_empty_payload_fills_nothing_but_what_the_event_says(shipped: Row) -> None:
    result = prepared("shop/order.completed", shipped["name"], payload={}, external_id="x_1")
    assert result["fields"] == {"external_id": "x_1"}


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("Ada@Example.COM", "ada@example.com"),
        (" ada@example.com ", "ada@example.com"),
        ("Ada Byron <ada@example.com>", "ada@example.com"),
        ("mailto:ada@example.com", "ada@example.com"),
        ("ada+shop@mail.example.co.uk", "ada+shop@mail.example.co.uk"),
        ("zoë@exämple.de", "zoë@exämple.de"),
        ("ada@localhost", None),
        ("ada@example.", None),
        ("ada@@example.com", None),
        ("ada example.com", None),
        ("ada@example.com, bob@example.com", None),
        ("", None),
        ("a" * 65 + "@example.com", None),
        ("ada@" + "a." * 130 + "com", None),
    ],
)
def test_an_email_address_has_one_form(text: str, email: str | None) -> None:
    assert prepare.normalise_email(text) == email


@pytest.mark.parametrize(
    ("text", "phone"),
    [
        ("+1 (415) 555-0119", "+14155550119"),
        ("+44 (0)20 5550 0199", "+442055500199"),
        ("0044 20 5550 0199", "+442055500199"),
        ("tel:+4685550127", "+4685550127"),
        ("613-555-0164", "6135550164"),
        ("613.555.0164 ext. 12", "6135550164"),
        ("613 555 0164x7", "6135550164"),
        ("5550164", "5550164"),
        ("555", None),
        ("1234567890123456", None),
        ("call me", None),
        ("+1 800 FLOWERS", None),
        ("", None),
        ("1 " * 40, None),
    ],
)
def test_a_phone_number_has_one_form(text: str, phone: str | None) -> None:
    assert prepare.normalise_phone(text) == phone


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"name": "Ada  Byron"}, ("Ada Byron", "Ada", "Byron")),
        ({"name": "Ana de la Cruz"}, ("Ana de la Cruz", "Ana", "de la Cruz")),
        ({"first_name": "Ada", "last_name": "Byron"}, ("Ada Byron", "Ada", "Byron")),
        ({"last_name": "Byron"}, ("Byron", None, "Byron")),
        ({"name": "A. Byron", "first_name": "Ada"}, ("A. Byron", "Ada", None)),
        ({"name": "ada-byron"}, ("ada-byron", None, None)),
        ({"name": "user 81"}, ("user 81", None, None)),
        ({}, (None, None, None)),
    ],
)
def test_names_complete_one_another(given: Row, names: tuple[str | None, ...]) -> None:
    person = prepare.normalise_person(given)
    assert tuple(person.get(key) for key in ("name", "first_name", "last_name")) == names


def test_what_does_not_fit_a_person_is_dropped_or_cut() -> None:
    person = prepare.normalise_person(
        {"email": True, "phone": 4155550119, "external_id": 81, "title": "x" * 300}
    )
    assert person == {"phone": "4155550119", "external_id": "81", "title": "x" * 255}
