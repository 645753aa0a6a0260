from __future__ import annotations

import pytest

from shared.errors import InvalidRequest
from shared.signatures import EventDescription, Verified
from tests.shared.signatures.factories import Sender


def test_everything_is_accepted() -> None:
    assert Sender("none").verify({}, b"", keys=[]) == Verified()


def test_it_takes_no_secret() -> None:
    with pytest.raises(InvalidRequest):
        Sender("none").scheme.check_secret("s")


def test_facts_are_found_by_convention() -> None:
    sender = Sender("none", eventTypeHeader="X-Kind")
    headers = sender.headers(event_type="a.b", delivery_id="d1")
    assert sender.describe({"type": "c", "data": {"id": 5}}, headers) == EventDescription(
        "a.b", "5", "d1"
    )
