"""Which person an event speaks of: by email, then phone, then the source's own id."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.database.factories import Endpoint, make_endpoint, make_user
from tests.database.pipeline import prepared
from tests.database.rpcs import Connection, one

Person = dict[str, Any]


def met(connection: Connection, endpoint: Endpoint, **person: str) -> Person:
    """The person as stored after an event about an order of theirs."""
    found = prepared(connection, endpoint, person=person)
    return one(connection, "select * from public.people where id = %s", [found["person_id"]])


def told(connection: Connection, endpoint: Endpoint, **person: str) -> Person:
    """The person as stored after an event about themselves."""
    found = prepared(connection, endpoint, entity_table="person", person=person)
    return one(connection, "select * from public.people where id = %s", [found["person_id"]])


def test_an_email_finds_a_person_whatever_its_case(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    ada = met(hosted_database, endpoint, email="Ada@Example.com")

    assert met(hosted_database, endpoint, email="ada@example.COM")["id"] == ada["id"]


def test_a_phone_finds_a_person_of_whom_no_email_is_known(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    ada = met(hosted_database, endpoint, phone="+491")

    found = met(hosted_database, endpoint, email="ada@example.com", phone="+491")

    assert (found["id"], found["email"]) == (ada["id"], "ada@example.com")


def test_an_email_counts_more_than_a_phone(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    met(hosted_database, endpoint, phone="+491")
    ada = met(hosted_database, endpoint, email="ada@example.com")

    found = met(hosted_database, endpoint, email="ada@example.com", phone="+491")

    assert found["id"] == ada["id"]


def test_a_sources_own_id_finds_a_person(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    ada = met(hosted_database, endpoint, external_id="cus_1", email="ada@example.com")

    assert met(hosted_database, endpoint, external_id="cus_1")["id"] == ada["id"]


def test_another_sources_equal_id_is_another_person(hosted_database: Connection) -> None:
    owner = make_user(hosted_database)
    shop, crm = make_endpoint(hosted_database, owner), make_endpoint(hosted_database, owner)
    ada = met(hosted_database, shop, external_id="1")

    assert met(hosted_database, crm, external_id="1")["id"] != ada["id"]


def test_an_id_learned_later_belongs_to_the_source_that_told_it(
    hosted_database: Connection,
) -> None:
    owner = make_user(hosted_database)
    shop, crm = make_endpoint(hosted_database, owner), make_endpoint(hosted_database, owner)
    ada = met(hosted_database, shop, email="ada@example.com")
    met(hosted_database, crm, email="ada@example.com", external_id="1")

    assert met(hosted_database, crm, external_id="1")["id"] == ada["id"]
    assert met(hosted_database, shop, external_id="1")["id"] != ada["id"]


def test_the_first_sources_id_is_kept(hosted_database: Connection) -> None:
    owner = make_user(hosted_database)
    shop, crm = make_endpoint(hosted_database, owner), make_endpoint(hosted_database, owner)
    met(hosted_database, shop, email="ada@example.com", external_id="1")

    found = met(hosted_database, crm, email="ada@example.com", external_id="99")

    assert (found["external_id"], found["endpoint_id"]) == ("1", shop.id)


def test_the_same_email_with_two_owners_is_two_people(hosted_database: Connection) -> None:
    ada = met(hosted_database, make_endpoint(hosted_database), email="ada@example.com")

    other = met(hosted_database, make_endpoint(hosted_database), email="ada@example.com")

    assert other["id"] != ada["id"]
    assert other["user_id"] != ada["user_id"]


@pytest.mark.parametrize("key", ["email", "phone", "external_id"])
def test_another_owners_person_is_never_found(hosted_database: Connection, key: str) -> None:
    ada = met(hosted_database, make_endpoint(hosted_database), **{key: "same"})

    assert met(hosted_database, make_endpoint(hosted_database), **{key: "same"})["id"] != ada["id"]


def test_a_name_alone_makes_a_person_but_finds_none(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    ada = met(hosted_database, endpoint, name="Ada")

    assert met(hosted_database, endpoint, name="Ada")["id"] != ada["id"]


def test_an_event_about_something_else_fills_gaps_only(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    met(hosted_database, endpoint, email="ada@example.com", name="Ada")

    found = met(hosted_database, endpoint, email="ada@example.com", name="A. L.", company="ACME")

    assert (found["name"], found["company"]) == ("Ada", "ACME")


def test_an_event_about_the_person_tells_news(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    told(hosted_database, endpoint, email="ada@example.com", name="Ada", company="ACME")

    found = told(hosted_database, endpoint, email="ada@example.com", name="Ada Lovelace")

    assert (found["name"], found["company"]) == ("Ada Lovelace", "ACME")


def test_an_email_that_somebody_else_has_is_not_taken_over(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    ada = met(hosted_database, endpoint, email="ada@example.com")
    event_person = prepared(hosted_database, endpoint, person={"phone": "+492"})["person_id"]
    assert isinstance(event_person, uuid.UUID)
    hosted_database.execute("update public.people set phone = '+493' where id = %s", [ada["id"]])

    found = met(hosted_database, endpoint, email="ada@example.com", phone="+492")

    assert (found["id"], found["phone"]) == (ada["id"], "+493")
    emails = hosted_database.execute(
        "select email from public.people where id = %s", [event_person]
    )
    assert [row["email"] for row in emails] == [None]
