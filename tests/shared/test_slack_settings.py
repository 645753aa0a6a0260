from __future__ import annotations

import pytest

from shared.errors import InvalidRequest
from shared.signatures.settings import validated
from shared.slack_settings import MAX_LINK_LENGTH, SlackSettings, link

TEMPLATE = "https://desk.example.com/tickets/{ticket.id}"


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"channel": "#support", "linkTemplate": TEMPLATE},
        {"channel": "C0123456789", "linkTemplate": "http://localhost:3000/?id={id}#{a_b.c-d.0}"},
        {"channel": "@ada", "linkTemplate": "https://desk.example.com"},
    ],
)
def test_settings_are_a_channel_and_a_link(raw: dict[str, object]) -> None:
    settings = validated(SlackSettings, raw, "Slack")

    assert settings.model_dump(by_alias=True, exclude_none=True) == raw


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ({"channel": ""}, "channel"),
        ({"channel": "<!channel>"}, "channel"),
        ({"channel": "#a b"}, "channel"),
        ({"channel": "#" + "a" * 81}, "channel"),
        ({"linkTemplate": "desk.example.com/{id}"}, "must start with https://"),
        ({"linkTemplate": "javascript:alert({id})"}, "must start with https://"),
        ({"linkTemplate": "https://{host}/tickets"}, "must start with https://"),
        ({"linkTemplate": "https://desk.{domain}/tickets"}, "must start with https://"),
        ({"linkTemplate": "https://ada@desk.example.com/"}, "must start with https://"),
        ({"linkTemplate": "https://desk.example.com/a b"}, "may hold"),
        ({"linkTemplate": "https://desk.example.com/<{id}>"}, "may hold"),
        ({"linkTemplate": "https://desk.example.com/{id"}, "may hold"),
        ({"linkTemplate": "https://desk.example.com/{}"}, "keys with dots"),
        ({"linkTemplate": "https://desk.example.com/{a..b}"}, "keys with dots"),
        ({"linkTemplate": "https://desk.example.com/{a[0]}"}, "keys with dots"),
        ({"linkTemplate": "https://desk.example.com/" + "a" * 500}, "linkTemplate"),
        ({"text": "hi"}, "text"),
    ],
)
def test_settings_that_make_no_sense_are_refused(raw: dict[str, object], problem: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        validated(SlackSettings, raw, "Slack")

    assert refusal.value.message.startswith("Settings for Slack: ")
    assert problem in refusal.value.message


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("abc-1", "abc-1"),
        ("a/b?c#d", "a%2Fb%3Fc%23d"),
        ("../../logout", "..%2F..%2Flogout"),
        ("https://evil.example", "https%3A%2F%2Fevil.example"),
        ("é <&>", "%C3%A9%20%3C%26%3E"),
        ("{ticket.id}", "%7Bticket.id%7D"),
        ("\\1", "%5C1"),
        (42, "42"),
        (42.0, "42"),
        (4.5, "4.5"),
    ],
)
def test_values_are_quoted(value: object, quoted: str) -> None:
    url = link(TEMPLATE, {"ticket": {"id": value}})

    assert url == f"https://desk.example.com/tickets/{quoted}"


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "ticket",
        {},
        {"ticket": None},
        {"ticket": {}},
        *(
            {"ticket": {"id": value}}
            for value in (None, "", [1], {"a": 1}, True, ".", "..", "\ud800", 2**64, 1e300)
        ),
        {"ticket": {"id": "a" * MAX_LINK_LENGTH}},
        {"ticket": {"id": "é" * (MAX_LINK_LENGTH // 4)}},
    ],
)
def test_there_is_no_link_without_its_value(data: object) -> None:
    assert link(TEMPLATE, data) is None


def test_each_place_gets_its_own_value() -> None:
    template = "https://desk.example.com/{a.b.c}/{d}?again={d}"

    assert link(template, {"a": {"b": {"c": 1}}, "d": "{a}"}) == (
        "https://desk.example.com/1/%7Ba%7D?again=%7Ba%7D"
    )
