from __future__ import annotations

from base64 import b64encode

import pytest

from shared.errors import InvalidRequest, InvalidSignature
from shared.signatures import Verified, storable_headers
from tests.shared.signatures.factories import Sender, request


def basic(credentials: str, word: str = "Basic") -> dict[str, str]:
    return {"Authorization": f"{word} {b64encode(credentials.encode()).decode()}"}


@pytest.mark.parametrize("word", ["Basic", "basic", "BASIC"])
def test_user_name_and_password_are_checked_together(word: str) -> None:
    sender = Sender("basic", "open sesame")
    assert sender.headers() == basic("ada:open sesame")
    assert sender.verify(basic("ada:open sesame", word)) == Verified()


@pytest.mark.parametrize(
    "credentials", ["ada:open", "eva:open sesame", "ada", ":open sesame", "ada:open sesame ", ""]
)
def test_anything_else_is_refused(credentials: str) -> None:
    with pytest.raises(InvalidSignature):
        Sender("basic", "open sesame").verify(basic(credentials))


def test_another_way_to_log_in_is_refused() -> None:
    with pytest.raises(InvalidSignature):
        Sender("basic", "open sesame").verify(basic("ada:open sesame", "Bearer"))


def test_a_password_may_hold_colons_and_umlauts_and_a_name_may_be_empty() -> None:
    sender = Sender("basic", "a:ö:b", username="")
    assert sender.verify(basic(":a:ö:b")) == Verified()


@pytest.mark.parametrize("username", ["a:b", "line\n", None])
def test_a_user_name_holds_no_colon_and_nothing_invisible(username: object) -> None:
    with pytest.raises(InvalidRequest, match="username"):
        Sender("basic", username=username)


def test_the_password_is_never_stored() -> None:
    sender = Sender("basic", "open sesame")
    credentials = sender.scheme.credential_headers(sender.settings)
    assert credentials == {"authorization"}
    stored = storable_headers(request(sender.headers()).headers, credentials)
    assert stored == {"authorization": "[hidden]"}
