from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidRequest
from shared.outgoing_headers import FRAMING, check_headers, is_sendable


def test_headers_come_out_as_they_were_without_spaces_around_values() -> None:
    headers = {"Authorization": "Bearer abc", "X-Tenant": "  4 2\t", "X-Empty": ""}

    assert check_headers(headers) == headers | {"X-Tenant": "4 2"}


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "a:b", "a\r\nb", "a\0", "ä", "\uff28ost", "a\tb", "a(b)", "a/b", '"a"']
)
def test_a_name_is_a_token(name: str) -> None:
    with pytest.raises(InvalidRequest, match="letters, digits and hyphens"):
        check_headers({name: "value"})


@pytest.mark.parametrize(
    "value",
    ["a\r\nHost: b", "a\nb", "a\rb", "a\0b", "a\x0bb", "a\x7fb", "a\x1bb", "ä", "a\u2028b", "a\n"],
)
def test_a_value_is_printable_and_on_one_line(value: str) -> None:
    with pytest.raises(InvalidRequest, match=r"X-Custom .*printable") as refusal:
        check_headers({"X-Custom": value})
    assert value not in refusal.value.message


@pytest.mark.parametrize(
    "name",
    [
        *["Host", "HOST", "content-length", "Content-Type", "Transfer-Encoding", "Connection"],
        *["Keep-Alive", "TE", "Trailer", "Upgrade", "Proxy-Authorization", "Proxy-Connection"],
        *["Accept-Encoding", "Content-Encoding", "Expect", "Webhook-Id", "webhook-signature"],
        *["WEBHOOK-TIMESTAMP", "svix-id", "Svix-Signature", "X-Webhook-Signature"],
        *["x-webhook-anything", "X-Chatbots-Signature", "x-chatbots-event"],
    ],
)
def test_none_of_our_own_headers_is_overridden(name: str) -> None:
    with pytest.raises(InvalidRequest, match=f"header {name} is set by Switchhook"):
        check_headers({name: "value"})


def test_a_header_is_given_once_whatever_its_case() -> None:
    with pytest.raises(InvalidRequest, match="x-tenant must be given once"):
        check_headers({"X-Tenant": "1", "x-tenant": "2"})


def test_number_and_sizes_are_bounded() -> None:
    check_headers({f"X-{number}": "" for number in range(20)})
    check_headers({"X" * 100: "v" * 2000})
    with pytest.raises(InvalidRequest, match="20 headers"):
        check_headers({f"X-{number}": "" for number in range(21)})
    with pytest.raises(InvalidRequest, match="100 characters"):
        check_headers({"X" * 101: ""})
    with pytest.raises(InvalidRequest, match=r"X-Long .*2000 characters"):
        check_headers({"X-Long": "v" * 2001})


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3))
def test_whatever_passes_can_be_sent(headers: dict[str, str]) -> None:
    try:
        checked = check_headers(headers)
    except InvalidRequest:
        return

    assert all(is_sendable(name, value) for name, value in checked.items())
    assert check_headers(checked) == checked


@pytest.mark.parametrize("name", sorted(FRAMING))
def test_what_frames_a_request_is_never_sent(name: str) -> None:
    assert not is_sendable(name.title(), "value")
    assert is_sendable("Webhook-Signature", "v1,abc")
