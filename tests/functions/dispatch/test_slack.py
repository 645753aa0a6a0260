from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.models.attachments import Attachment, AttachmentField

from functions.dispatch.slack import (
    MAX_FIELDS,
    MAX_LABEL_LENGTH,
    MAX_TITLE_LENGTH,
    MAX_VALUE_LENGTH,
    colour,
    slack_message,
)
from tests.json_values import json_values

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TICKET = {
    "id": "7f1c",
    "ticket_number": "TKT-2024-001",
    "subject": "Printer on fire",
    "status": "new",
    "priority": "high",
    "customer_name": "Ada Lovelace",
    "customer_email": "ada@example.com",
}


def message(event_type: str, data: object, **options: Any) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(slack_message(event_type, NOON, data, **options))
    return parsed


def attachment(event_type: str, data: object, **options: Any) -> dict[str, Any]:
    (only,) = message(event_type, data, **options)["attachments"]
    assert isinstance(only, dict)
    return only


def fields(event_type: str, data: object) -> dict[str, str]:
    return {field["title"]: field["value"] for field in attachment(event_type, data)["fields"]}


def texts(value: Any) -> list[str]:
    """All texts of an attachment that Slack shows."""
    own = [value[name] for name in ("title", "fallback", "footer")]
    return own + [field[name] for field in value["fields"] for name in ("title", "value")]


def test_a_tickets_event_shows_its_details() -> None:
    shown = attachment("ticket.created", {"ticket": TICKET})

    assert shown["title"] == "Ticket created: TKT-2024-001 Printer on fire"
    assert shown["fallback"] == shown["title"]
    assert shown["footer"] == "ticket.created"
    assert shown["ts"] == 1_767_268_800
    assert fields("ticket.created", {"ticket": TICKET}) == {
        "Ticket": "TKT-2024-001",
        "Subject": "Printer on fire",
        "Status": "new",
        "Priority": "high",
        "Customer": "Ada Lovelace (ada@example.com)",
    }


def test_a_ticket_may_be_the_data_itself_and_written_in_camel_case() -> None:
    data = {
        "ticketNumber": 12,
        "title": "Hello",
        "customer": {"name": "Ada", "email": "ada@example.com"},
    }

    assert fields("ticket.updated", data) == {
        "Ticket": "12",
        "Subject": "Hello",
        "Customer": "Ada (ada@example.com)",
    }


def test_what_stands_beside_a_ticket_is_shown_too() -> None:
    data = {"ticket": TICKET, "ai_response": {"id": "r1"}, "reason": "Off topic"}
    shown = fields("ai.response.rejected", data)

    assert shown["Reason"] == "Off topic"
    assert attachment("ai.response.rejected", data)["title"] == (
        "AI response rejected: TKT-2024-001 Printer on fire"
    )


def test_other_events_show_what_can_be_read_first() -> None:
    data = {
        "conversationId": "c1",
        "sender": {"id": "user123", "is_bot": False},
        "nothing": None,
        "empty": " ",
        "list": [1, 2],
        "price": 49.0,
        "size": 12345678901234567890,
    }

    assert fields("message.created", data) == {
        "Conversation id": "c1",
        "Sender id": "user123",
        "Sender is bot": "no",
        "Price": "49",
        "Size": "12345678901234567000",
    }


def test_a_type_and_a_key_without_words_are_shown_as_they_are() -> None:
    shown = attachment("-._", {"-": "text"})

    assert shown["title"] == "-._"
    assert fields("-._", {"-": "text"}) == {"-": "text"}


def test_a_name_is_the_title_of_what_has_no_subject() -> None:
    shown = attachment("chatbot.trained", {"id": "b1", "name": "Helper"})

    assert shown["title"] == "Chatbot trained: Helper"


@pytest.mark.parametrize(("data", "shown"), [("hi", {"Data": "hi"}), (7, {"Data": "7"}), ([1], {})])
def test_data_that_is_no_object_is_shown_if_it_can_be(data: object, shown: dict[str, str]) -> None:
    assert fields("note.added", data) == shown


def test_short_values_stand_side_by_side() -> None:
    shown = attachment("a.b", {"short": "a" * 40, "long": "a" * 41})["fields"]

    assert [field["short"] for field in shown] == [True, False]


@pytest.mark.parametrize(
    ("words", "alike"),
    [
        (("ticket.created", "message.new", "conversation.added", "feedback.received"), True),
        (("ticket.resolved", "ai.response.approved", "campaign.completed"), True),
        (("ticket.updated", "conversation.assigned"), True),
        (("ticket.escalated", "ai.response.rejected", "message.failed", "MESSAGE.FAILED"), True),
        (("user.deleted", "tag_removed"), True),
        (("order.shipped", "ping"), True),
        (
            (
                *("ticket.created", "ticket.resolved", "ticket.updated", "ticket.escalated"),
                *("ticket.deleted", "ai.response.requires_review", "order.shipped"),
            ),
            False,
        ),
    ],
)
def test_the_colour_says_what_happened(words: tuple[str, ...], alike: bool) -> None:
    assert len({colour(word) for word in words}) == (1 if alike else len(words))


def test_the_last_word_that_says_something_decides_the_colour() -> None:
    assert colour("new.order.deleted") == colour("deleted")
    assert colour("deleted.order.restored.v2") == colour("deleted")


@pytest.mark.parametrize("channel", ["#support", "C012"])
def test_a_channel_is_named_if_there_is_one(channel: str) -> None:
    assert message("a.b", {}, channel=channel)["channel"] == channel
    assert "channel" not in message("a.b", {})


def test_the_title_leads_to_the_record() -> None:
    template = "https://desk.example.com/tickets/{ticket.id}"

    shown = attachment("ticket.created", {"ticket": TICKET}, link_template=template)
    assert shown["title_link"] == "https://desk.example.com/tickets/7f1c"
    assert "title_link" not in attachment("ticket.created", {}, link_template=template)
    assert "title_link" not in attachment("ticket.created", {"ticket": TICKET})


HOSTILE = ["<!channel>", "<!here|x>", "<@U123>", "<https://evil.example|bank>", "a & b", "&lt;"]


@pytest.mark.parametrize("text", HOSTILE)
def test_markup_in_an_event_is_text(text: str) -> None:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    in_ticket = {"ticket_number": text, "subject": text, "status": text, "customer_name": text}
    shown = texts(attachment("ticket.created", {"ticket": in_ticket}))
    shown += texts(attachment("a.b", {text: text}))

    assert not [own for own in shown if "<" in own or ">" in own]
    assert shown.count(escaped) >= 4


def test_plain_names_are_no_mentions_and_links_show_nothing_of_themselves() -> None:
    sent = message("a.b", {"text": "@channel @here @ada https://evil.example"})

    assert sent["parse"] == "none"
    assert sent["link_names"] is False
    assert sent["unfurl_links"] is False
    assert sent["unfurl_media"] is False
    assert sent["attachments"][0]["mrkdwn_in"] == []


def test_what_cannot_be_shown_is_replaced() -> None:
    shown = fields("a.b", {"text": "a\x00b\u202ec\ud800d\r\n  e\U0001f468\u200d\U0001f469"})

    assert shown == {"Text": "a\ufffdb\ufffdc\ufffdd e\U0001f468\u200d\U0001f469"}


def test_long_texts_are_cut_before_they_are_escaped() -> None:
    (field,) = attachment("a.b", {"k" * 500: "<" * 10_000})["fields"]

    assert field["value"] == "&lt;" * (MAX_VALUE_LENGTH - 1) + "…"
    assert len(field["title"]) == MAX_LABEL_LENGTH
    assert field["title"].endswith("…")
    assert fields("a.b", {"k": f"v{' ' * 10_000}v"}) == {"K": "v…"}
    exact = attachment("a.b", {"k": "v" * MAX_VALUE_LENGTH})["fields"][0]
    assert exact["value"] == "v" * MAX_VALUE_LENGTH


def test_a_huge_event_becomes_a_small_message() -> None:
    data = {f"key{number}": "x" * 1_000 for number in range(10_000)}
    deep: dict[str, Any] = {"text": "bottom"}
    for _ in range(900):
        deep = {"deep": deep}

    assert len(slack_message("a.b", NOON, data)) < 10_000
    assert fields("a.b", {"none": dict.fromkeys(map(str, range(10_000))), "id": "1"}) == {}
    assert fields("a.b", {"deep": deep, "id": "1"}) == {"Id": "1"}


EVENT_TYPES = st.from_regex(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", fullmatch=True).filter(
    lambda name: len(name) <= 128
)


@settings(max_examples=300, deadline=None)
@given(
    event_type=st.sampled_from(["ticket.created", "ai.response.approved"]) | EVENT_TYPES,
    data=json_values() | st.fixed_dictionaries({"ticket": json_values()}),
)
def test_any_event_becomes_a_message_within_slacks_limits(event_type: str, data: Any) -> None:
    template = "https://desk.example.com/{ticket.id}/{id}"
    shown = attachment(event_type, data, link_template=template)

    Attachment(
        text="",
        fallback=shown["fallback"],
        color=shown["color"],
        title=shown["title"],
        title_link=shown.get("title_link"),
        fields=[AttachmentField(**field) for field in shown["fields"]],
        footer=shown["footer"],
        ts=shown["ts"],
    ).validate_json()
    assert 0 < len(shown["title"]) <= MAX_TITLE_LENGTH * 5
    assert len(shown["fields"]) <= MAX_FIELDS
    assert not [text for text in texts(shown) if "<" in text or ">" in text or not text]
