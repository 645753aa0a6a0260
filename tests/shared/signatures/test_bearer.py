from __future__ import annotations

import pytest

from shared.errors import InvalidRequest, InvalidSignature
from shared.signatures import Verified, storable_headers
from tests.shared.signatures.factories import Sender, request


@pytest.mark.parametrize("word", ["Bearer", "bearer", "BEARER"])
def test_the_token_stands_after_bearer_in_any_case(word: str) -> None:
    sender = Sender("bearer", "t0ken")
    assert sender.verify({"Authorization": f"{word} t0ken"}) == Verified()


@pytest.mark.parametrize(
    "value", ["t0ken", "Basic t0ken", "Bearer", "Bearer t0ken2", "Beaver t0ken"]
)
def test_anything_else_is_refused(value: str) -> None:
    with pytest.raises(InvalidSignature):
        Sender("bearer", "t0ken").verify({"Authorization": value})


def test_a_header_of_ones_own_carries_the_bare_token() -> None:
    sender = Sender("bearer", "t0ken", header="X-Hook")
    assert sender.headers() == {"x-hook": "t0ken"}
    sender.verify({"X-Hook": "t0ken"})
    with pytest.raises(InvalidSignature):
        sender.verify({"Authorization": "Bearer t0ken"})


def test_another_prefix_can_be_set() -> None:
    sender = Sender("bearer", "t0ken", prefix="Token ")
    sender.verify({"Authorization": "Token t0ken"})
    with pytest.raises(InvalidSignature):
        sender.verify({"Authorization": "Bearer t0ken"})


def test_the_token_is_never_stored_whatever_its_header_is_called() -> None:
    sender = Sender("bearer", "t0ken", header="X-Hook")
    credentials = sender.scheme.credential_headers(sender.settings)
    stored = storable_headers(request({"X-Hook": "t0ken"}).headers, credentials)
    assert stored == {"x-hook": "[hidden]"}


def test_a_header_name_must_be_one() -> None:
    with pytest.raises(InvalidRequest, match="header"):
        Sender("bearer", header="X Hook")
