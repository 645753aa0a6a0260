"""Mistakes in expressions: whatever people write, they are told where it is wrong and what to write instead."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.actions import validate_action
from shared.conditions import compile_condition, compile_filter
from shared.errors import InvalidExpression
from shared.expressions.tokens import tokens
from shared.templates import compile_template

SOUND = [
    "event.data.total > 100 && event.data.currency == 'EUR'",
    "event.type.startsWith('invoice.') && person != null",
    "entity.status == 'paid' || 'vip' in event.data.tags",
    "has(event.data.coupon)",
    "event.data.items.exists(i, i.sku == 'GIFT' && i.price > 1.5)",
    "event.data.email.matches('(?i)@example[.]com$')",
    "size(event.data.items) >= 2 ? event.is_person : !event.is_person",
    "timestamp(event.created_at) > timestamp('2026-01-01T00:00:00Z')",
    "event.data['first-name'] == \"it's\" && endpoint.slug in ['a', 'b']",
]
FOREIGN = [
    *("and", "or", "not", "is", "like", "between", "if", "then", "None", "nil", "True", "NULL"),
    *("=", "=>", "<>", "===", "&", "|", "??", "?.", "$", "#", ";", "@", "`", "“", "”", "~", "\\"),
    *("{{", "}}", "1,000", "100€", "len(x)", "now()", "lower(event.type)", ".length()", "[*]"),
    *("event.typ", "order", "data.total", "''", "'", '"', "(", ")", "[", "]", "{", "}", "..", "."),
]
JARGON = re.compile(
    r"token recognition|viable|mismatched|extraneous|input|antlr|literal", re.IGNORECASE
)
PLACE = re.compile(r" \((?:line (\d+), )?character (\d+)\)$")


def refusal(text: str) -> str | None:
    """Why a condition is refused; none for one that is not."""
    try:
        compile_condition(text)
    except InvalidExpression as error:
        return error.message
    return None


def place(message: str) -> tuple[int, int]:
    found = PLACE.search(message)
    assert found, message
    return int(found[1] or 1), int(found[2])


def assert_can_be_acted_on(message: str, text: str) -> None:
    """It says where, and what is missing, allowed or to be written instead."""
    line, character = place(message)
    lines = text.split("\n")
    assert 1 <= line <= len(lines)
    assert 1 <= character <= len(lines[line - 1]) + 1
    words = PLACE.sub("", message)
    assert not JARGON.search(words), message
    assert re.search(
        r"; |, but |takes |use |At most|More than|cannot|too long|Choose|not valid: ", words
    ), message
    assert len(message) < 500


def wrong(text: str) -> str:
    message = refusal(text)
    assume(message is not None)
    assert message is not None
    return message


@given(st.sampled_from(SOUND), st.data())
@settings(max_examples=200, deadline=None)
def test_a_slip_of_the_pen_gets_a_message_to_act_on(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    until = data.draw(st.integers(at, min(len(text), at + 3)))
    typed = data.draw(st.text("abi.,'\"()[]{}=<>!&|?:+-*/% \n\\$#@;`“é1", max_size=3))
    text = text[:at] + typed + text[until:]

    assert_can_be_acted_on(wrong(text), text)


@given(st.sampled_from(SOUND), st.sampled_from(FOREIGN), st.data())
@settings(max_examples=200, deadline=None)
def test_words_of_other_languages_get_a_message_to_act_on(
    text: str, foreign: str, data: st.DataObject
) -> None:
    starts = [token.position for token in tokens(text)]
    at = data.draw(st.sampled_from(starts))
    replaced = data.draw(st.booleans())
    end = next((start for start in starts if start > at), len(text)) if replaced else at
    text = f"{text[:at]} {foreign} {text[end:]}"

    assert_can_be_acted_on(wrong(text), text)


@given(st.sampled_from(SOUND), st.sampled_from("@#;`“”~$€"), st.data())
@settings(max_examples=200, deadline=None)
def test_the_place_is_that_of_the_mistake(text: str, symbol: str, data: st.DataObject) -> None:
    at = data.draw(st.sampled_from([token.position for token in tokens(text)]))
    before, after = text[:at], text[at:]

    message = wrong(f"{before}{symbol}{after}")
    assert place(message) == (1, at + 1)
    with_lines = wrong(f"// Told in two lines\n{before}{symbol}{after}")
    assert place(with_lines) == (2, at + 1)


@given(st.sampled_from(SOUND), st.sampled_from(FOREIGN), st.data())
@settings(max_examples=200, deadline=None)
def test_a_template_says_the_same_of_its_expression(
    text: str, foreign: str, data: st.DataObject
) -> None:
    at = data.draw(st.sampled_from([token.position for token in tokens(text)]))
    text = f"{text[:at]} {foreign} {text[at:]}"
    assume("}}" not in text and "{{" not in text)
    wrong(text)
    config = {"title": f"Total: {{{{ {text} }}}}"}

    with pytest.raises(InvalidExpression) as caught:
        validate_action("send_notification", config)
    assert caught.value.message.startswith("title: ")
    assert PLACE.search(caught.value.message)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("event.is_person and true", "write && for and"),
        ("event.is_person OR true", "write || for or"),
        ("not event.is_person", "write ! for not"),
        ("event.type <> 'a'", "write != for not equal"),
        ("event.data.total => 1", "write >= for at least"),
        ("event.type === 'a'", "compare with =="),
        ("event.type is null", "compare with == or !="),
        ("event.type == nil", "write null"),
        ("event.is_person == True", "write true"),
        ("event.type == order", "quote a text: 'order'"),
        ("total > 1", "as in event.data.total"),
        ("data.total > 1", "write event.data"),
        ("Event.type == 'a'", "write event"),
        ("event.type == “a”", "write texts in plain quotes"),
        ("event.type == 'it's'", r"a quote within a text as \'"),
        ("event.data.first-name == 'a'", 'event.data["the-name"]'),
        ("event.data.$id == 1", 'event.data["the-name"]'),
        ("event.data.items.1.sku == 'a'", "read an item of a list as [1]"),
        ("event.data.in == 1", 'read the field as ["in"]'),
        ("event.type in ('a', 'b')", "a list stands in square brackets"),
        ("event.data.total > 1,000", "numbers have no separators"),
        ("event.data.items[*].sku == 'a'", "use items.exists(i, …)"),
        ("event.data.items.any(i, i.x)", "use .exists(i, …)"),
        ("event.data.items.exists(i.x > 1)", "as in exists(i, i.price > 5)"),
        ("exists(event.data.items, i, i.x)", "write value.exists(…)"),
        ("contains(event.type, 'a')", "write value.contains(…)"),
        ("event.type.contains('a', 'b')", "contains() takes one value"),
        ("event.type.size('a') > 1", "size() takes nothing"),
        ("event.type.getHours(1, 2) > 1", "getHours() takes nothing, or a time zone"),
        ("event.type.startswith('a')", "did you mean startsWith()?"),
        ("event.type.toLowerCase() == 'a'", "matches('(?i)…') compares whatever the case"),
        ("len(event.data.items) > 1", "use size(value)"),
        ("timestamp(event.created_at) > now()", "expressions depend on the event alone"),
        ("event.type =~ /a/", "write .matches('pattern')"),
        ("event.type.matches(/a/)", "write patterns in quotes"),
        ("event?.type == 'a'", "has(event.data.total)"),
        ("event.data ?? 1", "has(event.data.total)"),
        ("{{ event.is_person }}", "a condition stands without {{ }}"),
        ("if event.is_person then true", "write condition ? this : that"),
        ("event.type == 'a';", "leave it out"),
        ("event.is_person)", "no bracket is open for it"),
        ("[event.is_person", "',' or ']' is missing"),
        (r"event.type == '\q'", r"write \\ for a backslash"),
        ("event.data.total > 99999999999999999999", "write larger ones with a point"),
        ("duration('1d') > duration('1h')", "duration() takes a text such as '90s' or '1h30m'"),
        ("timestamp('yesterday') < timestamp(event.created_at)", "'2026-11-25T10:00:00Z'"),
        ("int('many') > 1", "int() takes a text such as '12'"),
    ],
)
def test_a_common_mistake_is_told_what_to_write(text: str, advice: str) -> None:
    message = refusal(text)
    assert message is not None
    assert advice in message
    assert_can_be_acted_on(message, text)


def test_a_filter_names_what_filters_see() -> None:
    with pytest.raises(InvalidExpression, match=r"There is no person; use event \(character 1\)"):
        compile_filter("person != null")
    with pytest.raises(InvalidExpression, match=r"There is no payload; write event\.data "):
        compile_filter("payload.total > 1")


@pytest.mark.parametrize("text", SOUND)
def test_what_is_sound_is_not_refused(text: str) -> None:
    assert refusal(text) is None
    assert compile_template(f"{{{{ {text} }}}}").parts
