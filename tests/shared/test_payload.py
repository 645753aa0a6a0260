from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import InvalidJson
from shared.payload import MAX_DEPTH, parse

CANARY = "canary-7f3a"


def refusal(body: bytes) -> str:
    with pytest.raises(InvalidJson) as error:
        parse(body)
    assert CANARY not in error.value.message
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None
    return error.value.message


def nested(depth: int) -> bytes:
    """An object that is `depth` levels deep, in objects and lists by turns."""
    pairs = [(b'{"a":', b"}") if level % 2 == 0 else (b"[", b"]") for level in range(depth)]
    opening = b"".join(pair[0] for pair in pairs)
    return opening + b"1" + b"".join(pair[1] for pair in reversed(pairs))


def test_an_object_comes_back_as_value_and_as_text() -> None:
    body = '{"event":"a.b","data":{"name":"Zoë 🎈","n":[1,2.5,-3,true,null]}}'.encode()
    parsed = parse(body)
    assert parsed.value == json.loads(body)
    assert parsed.text == body.decode()
    assert not parsed.altered


def test_a_byte_order_mark_is_dropped() -> None:
    parsed = parse(b'\xef\xbb\xbf{"a":1}')
    assert parsed.text == '{"a":1}'
    assert not parsed.altered


@pytest.mark.parametrize("body", [b"", b" \n\t ", b"\xef\xbb\xbf"])
def test_an_empty_body_is_refused(body: bytes) -> None:
    assert "empty" in refusal(body)


@pytest.mark.parametrize("body", [b"[]", b'[{"a":1}]', b'"text"', b"1", b"null", b"true"])
def test_the_top_level_must_be_an_object(body: bytes) -> None:
    assert "object at its top level" in refusal(body)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'{"a":canary-7f3a}', "line 1, column 6"),
        (b'{\n"canary-7f3a": 1,\n  x}', "line 3, column 3"),
        (b'{"a":1} canary-7f3a', "line 1, column 9"),
        (b'{"a":NaN}', "line 1, column 6"),
        (b'{"a":Infinity}', "line 1, column 6"),
        (b'{"a":-Infinity}', "line 1"),
        (b'{"a":01}', "line 1"),
        (b'{"a":1.}', "line 1"),
        (b'{"a":.5}', "line 1"),
        (b'{"a":+1}', "line 1"),
        (b"{'a':1}", "line 1, column 2"),
        (b'{"a":1,}', "line 1"),
        (b'{"a":"\n"}', "line 1"),
        (b'{"a":"\x00"}', "line 1"),
        (b'{"a":"\\x41"}', "line 1"),
        (b'{"a":"\\u12"}', "line 1"),
        (b'{"a":"\\ud8"}', "line 1"),
        (b'{"a":"canary-7f3a', "line 1"),
        (b'{"a":1', "line 1"),
        (b"\x1f\x8b\x08", "byte 2"),
        (b'{"a":1e5-55}', "line 1"),
        (b'{"a":1e1e500}', "line 1"),
        ('{"é":x}'.encode(), "line 1, column 6"),
    ],
)
def test_what_is_not_json_is_refused_with_its_place_and_without_its_content(
    body: bytes, place: str
) -> None:
    assert place in refusal(body)


@pytest.mark.parametrize(
    ("body", "byte"),
    [
        (b'{"a":"\xff"}', 7),
        (b'{"a":"\xed\xa0\x80"}', 7),
        (b'{"a":"\xc0\x80"}', 7),
        (b"\xff\xfe{", 1),
    ],
)
def test_invalid_utf8_is_refused_with_its_place(body: bytes, byte: int) -> None:
    assert refusal(body) == f"The body is not valid UTF-8 at byte {byte}"


@pytest.mark.parametrize("depth", [1, 2, MAX_DEPTH])
def test_sixty_four_levels_are_accepted(depth: int) -> None:
    parse(nested(depth))


@pytest.mark.parametrize("depth", [65, 66, 500, 1023, 1024, 1025, 5000, 100_000])
def test_a_deeper_body_is_refused_quickly(depth: int) -> None:
    started = time.perf_counter()
    assert "deeper than 64 levels at line 1, column" in refusal(nested(depth))
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"a":[', b'{"a":"\\"","b":['])
def test_endless_opening_is_refused_as_too_deep(opening: bytes) -> None:
    assert "deeper than 64 levels" in refusal(opening * 100_000)


def test_depth_far_inside_a_large_body_is_found_too() -> None:
    body = b'{"a":[' + b"[1]," * 50_000 + nested(64) + b"]}"
    assert "deeper than 64 levels" in refusal(body)


def test_brackets_in_strings_and_beside_each_other_are_no_depth() -> None:
    body = {"a": "[{" * 500, "b": [[]] * 500, "c": '"[' * 100, "d\\": ["\\", "\\\\["] * 50}
    assert parse(json.dumps(body).encode()).value == body


def test_of_duplicate_keys_the_last_one_wins() -> None:
    assert parse(b'{"a":1,"b":0,"a":2}').value == {"a": 2, "b": 0}


@pytest.mark.parametrize(
    "number",
    [2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**120 + 7, -(10**90)],
)
def test_integers_keep_every_digit(number: int) -> None:
    parsed = parse(b'{"n":%d,"f":0.5}' % number)
    assert parsed.value == {"n": number, "f": 0.5}
    assert isinstance(parsed.value["n"], int)
    assert str(number) in parsed.text


@pytest.mark.parametrize(
    "number", ["0.1", "1e2", "-0.0", "1E+2", "1.5e-7", "1e308", "5e-308", "1" * 125 + "e11"]
)
def test_other_numbers_are_doubles_in_the_value_and_exact_in_the_text(number: str) -> None:
    parsed = parse(f'{{"n":{number}}}'.encode())
    assert parsed.value["n"] == float(number)
    assert isinstance(parsed.value["n"], float)
    assert number in parsed.text


def test_a_long_decimal_stays_exact_in_the_text() -> None:
    text = '{"n":0.12345678901234567890123456789}'
    assert parse(text.encode()).text == text


@pytest.mark.parametrize(
    ("number", "problem"),
    [
        ("9" * 5000, "over 128 characters"),
        ("-" + "9" * 128, "over 128 characters"),
        ("0." + "1" * 127, "over 128 characters"),
        ("1e" + "0" * 127, "over 128 characters"),
        ("1e200000", "exponent beyond"),
        ("1E+309", "exponent beyond"),
        ("1e-309", "exponent beyond"),
        ("0e999", "exponent beyond"),
        ("0.00001e400", "exponent beyond"),
        ("12345678901234567890e-400", "exponent beyond"),
        ("1e99999999999999999999999", "exponent beyond"),
        ("9e308", "not valid JSON"),
        ("9" * 128 + "e300", "over 128 characters"),
        ("1" * 126 + "e11", "over 128 characters"),
        ("9" * 100 + "e300", "not valid JSON"),
    ],
)
def test_a_number_that_cannot_be_kept_is_refused(number: str, problem: str) -> None:
    message = refusal(f'{{"n":{number}}}'.encode())
    assert problem in message
    assert "line 1, column" in message


@pytest.mark.parametrize("before", [":", ": ", ":\t", ":\n", ":\r", ":-", ":[", ":[0,", ":[0,-"])
def test_an_odd_number_is_found_wherever_it_stands(before: str) -> None:
    after = "]}" if "[" in before else "}"
    number = 12345678901234567891234
    parsed = parse(f'{{"n"{before}{number}{after}'.encode())
    assert json.dumps(parsed.value, separators=(",", ":")).endswith(f"{number}{after}")
    for refused in ("1." + "1" * 127, "1" * 64 + "." + "1" * 64, "1e999", "1e-999", "1.0E+999"):
        refusal(f'{{"n"{before}{refused}{after}'.encode())


def test_digits_in_strings_are_no_numbers() -> None:
    body = {"a": "9" * 5000, "b": "1e999", "c": '"1e999', "sha": "3e400" * 20}
    assert parse(json.dumps(body).encode()).value == body


@pytest.mark.parametrize(
    ("escaped", "stored"),
    [
        (r"\u0000", "\ufffd"),
        (r"a\u0000b", "a\ufffdb"),
        (r"\ud800", "\ufffd"),
        (r"\uDFFF", "\ufffd"),
        (r"\ud83d", "\ufffd"),
        (r"\ude00\ud83d", "\ufffd\ufffd"),
        (r"\ud83d\ud83d\ude00", "\ufffd😀"),
        (r"\ud83dx\ude00", "\ufffdx\ufffd"),
        (r"\ud83d\n", "\ufffd\n"),
        (r"\\\u0000", "\\\ufffd"),
    ],
)
def test_what_jsonb_cannot_hold_is_replaced(escaped: str, stored: str) -> None:
    parsed = parse(f'{{"k{escaped}":["{escaped}"]}}'.encode())
    assert parsed.value == {f"k{stored}": [stored]}
    assert parsed.altered
    assert json.loads(parsed.text) == parsed.value


@pytest.mark.parametrize(
    "escaped", [r"\ud83d\ude00", r"\\u0000", r"\\ud800", r"\u0001", r"\uffff", r"\\\\u0000"]
)
def test_what_only_looks_like_it_is_left_alone(escaped: str) -> None:
    body = f'{{"a":"{escaped}"}}'
    parsed = parse(body.encode())
    assert parsed.value == json.loads(body)
    assert parsed.text == body
    assert not parsed.altered


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"' + b'\\"' * 500_000,
        b'"' * 1_000_000,
        b"9" * 1_000_000,
        b"\\" * 1_000_000,
        b'{"a":"\\u0000' + b"\\ud800" * 150_000,
        b'{"a":' + b"1e5" * 300_000,
        b'{"a":12345678901234567890,"b":"' + b'\\"' * 500_000,
        b'{"a":' + b"[" * 60 + b"]" * 60 + b',"b":[[[[[["' + b'\\"' * 500_000,
    ],
)
def test_a_mebibyte_of_malice_takes_no_quadratic_time(body: bytes) -> None:
    started = time.perf_counter()
    refusal(body)
    assert time.perf_counter() - started < 2


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text('ab{["\\é', max_size=4), inner),
    max_leaves=12,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text("ab", max_size=3), VALUES), st.booleans())
def test_it_agrees_with_the_standard_library(value: dict[str, Any], ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only)
    parsed = parse(body.encode())
    assert parsed.value == value
    assert parsed.text == body
    assert not parsed.altered


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.one_of(
        st.binary(max_size=80),
        st.text('{}[]":,\\ud8090eE+-.aN \n', max_size=60).map(
            lambda text: ('{"a":' + text).encode()
        ),
    )
)
def test_noise_is_refused_or_storable(noise: bytes) -> None:
    try:
        parsed = parse(noise)
    except InvalidJson:
        return
    parsed.text.encode()
    assert json.loads(parsed.text) == parsed.value
    stored = json.dumps(parsed.value, ensure_ascii=False)
    stored.encode()
    assert "\\u0000" not in stored
