"""What the classifier reads of an event: words in English, of records wherever they are wrapped."""

from __future__ import annotations

import pytest

from functions.classify.classifiers import words
from functions.classify.classifiers.lexicon import in_english, plain
from functions.classify.classifiers.terms import terms


@pytest.mark.parametrize(
    ("word", "english"),
    [
        ("rechnung", ("invoice",)),
        ("bestellnummer", ("order", "number")),
        ("kundennummer", ("customer", "number")),
        ("einzelpreis", ("price",)),
        ("prenom", ("first", "name")),
        ("assinatura", ("subscription",)),
        ("subscription", ("subscription",)),
        ("description", ("description",)),
    ],
)
def test_words_and_compounds_are_put_into_english(word: str, english: tuple[str, ...]) -> None:
    assert in_english(word) == english


def test_accents_are_taken_off_and_other_scripts_are_left() -> None:
    assert plain("Überweisung, Straße, créée, 注文") == "Uberweisung, Strasse, creee, 注文"


def test_names_are_split_before_they_are_put_into_english() -> None:
    assert words.split("ticketRequester_correo") == ("ticket", "requester", "email")


def test_the_record_is_found_in_its_envelopes() -> None:
    payload = {"entry": [{"changes": [{"value": {"wamid": 1, "texto": 2}}]}]}
    assert ["wamid", "texto"] in words.read("x", payload).roots


def test_an_object_named_like_the_event_is_the_record() -> None:
    payload = {"a": 1, "b": 2, "c": 3, "d": 4, "invoices": {"due": 1}, "other": {"else": 2}}
    read = words.read("invoice.paid", payload)
    assert ["due"] in read.roots
    assert read.nested == [["else"]]


def test_an_object_with_next_to_nothing_beside_it_is_the_record() -> None:
    assert ["subject"] in words.read("unknown", {"hook": {"subject": 1}}).roots


def test_questions_of_a_form_are_read_like_field_names_and_answers_are_not() -> None:
    form = {"fields": [{"title": "Number of followers"}], "answers": [{"text": "an invoice"}]}
    read = words.read("form_response", form)
    assert ["Number of followers"] in read.roots
    assert "an invoice" not in [text for level in read.roots for text in level]


def test_the_same_words_count_once() -> None:
    one = terms(words.read("x.y", {"line_1": 1, "line_2": 2, "lines": 3}))
    assert one.texts.count("line") == 1
