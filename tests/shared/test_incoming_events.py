from __future__ import annotations

from typing import Any

import pytest

from shared.contents import Content
from shared.incoming_events import incoming_event
from shared.payload import parse
from tests.shared.signatures.factories import BODY, Sender, request


def row(content_type: str) -> dict[str, Any]:
    sender = Sender("none")
    received = request({"Content-Type": content_type})
    return incoming_event(received, Content(BODY, parse(BODY)), sender.scheme, sender.settings, ())


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("application/json; charset=utf-8", "application/json; charset=utf-8"),
        ("application/json; a=\x00\x7f\xe9", "application/json; a=\ufffd\ufffdé"),
        ("a" * 300, "a" * 200),
        ("", None),
    ],
)
def test_a_content_type_is_bounded_and_holds_nothing_that_jsonb_refuses(
    sent: str, kept: str | None
) -> None:
    assert row(sent)["content_type"] == kept
