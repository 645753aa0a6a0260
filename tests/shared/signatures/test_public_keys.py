from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.signatures.public_keys import from_base64, from_hex

SPELLINGS = st.one_of(
    st.binary(max_size=9),
    st.text("AQRgw+/=-_ \n", max_size=9).map(str.encode),
    st.text("0aAfFx ", max_size=9).map(str.encode),
)


@given(st.binary(min_size=1, max_size=40))
def test_bytes_come_back_from_hex_and_base64(octets: bytes) -> None:
    assert from_hex(octets.hex().encode()) == octets
    assert from_base64(b64encode(octets)) == octets


@given(SPELLINGS)
def test_there_is_one_spelling_for_the_same_bytes(value: bytes) -> None:
    from_hexadecimal, found = from_hex(value), from_base64(value)
    assert not from_hexadecimal or from_hexadecimal.hex().encode() == value
    assert not found or b64encode(found) == value


@pytest.mark.parametrize(
    "value", [b"QR==", b"QQ", b"QQ==\n", b"Q Q==", b"QQ==QQ==", b"_-8=", b"\xc3\xa9"]
)
def test_other_spellings_of_base64_do_not_count(value: bytes) -> None:
    assert from_base64(b"QQ==") == b"A"
    assert from_base64(value) == b""


@pytest.mark.parametrize("value", [b"0A", b"0", b"0 a", b" 0a", b"0x0a", b"\xff"])
def test_other_spellings_of_hex_do_not_count(value: bytes) -> None:
    assert from_hex(b"0a") == b"\n"
    assert from_hex(value) == b""
