"""How values are printed. That JavaScript really prints them so is shown in tests/acceptance/test_receivers.py."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings

from functions.dispatch import json_text
from functions.dispatch.json_text import compact, ecmascript_number, spaced
from tests.json_values import json_values

many = settings(max_examples=500, deadline=None)
in_both_styles = pytest.mark.parametrize("style", [compact, spaced])

Style = Callable[[object], bytes]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (5.0, "5"),
        (-1.5, "-1.5"),
        (0.1, "0.1"),
        (123.456, "123.456"),
        (1e-5, "0.00001"),
        (1.5e-6, "0.0000015"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (-1.25e-7, "-1.25e-7"),
        (1e16, "10000000000000000"),
        (123456789012345680.0, "123456789012345680"),
        (1e20, "100000000000000000000"),
        (999999999999999900000.0, "999999999999999900000"),
        (1e21, "1e+21"),
        (1.5e300, "1.5e+300"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
    ],
)
def test_a_double_is_printed_as_ecma_262_says(number: float, text: str) -> None:
    assert ecmascript_number(number) == text
    assert compact([number]) == f"[{text}]".encode()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (2**53 - 1, "9007199254740991"),
        (2**53 + 1, "9007199254740992"),
        (12345678901234567890, "12345678901234567000"),
        (-(2**64), "-18446744073709552000"),
        (10**21, "1e+21"),
        (Decimal("49.90"), "49.9"),
        (Decimal("49.00"), "49"),
    ],
)
def test_a_number_is_the_double_that_javascript_reads(number: int | Decimal, text: str) -> None:
    assert compact({"n": number}) == f'{{"n":{text}}}'.encode()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (12345678901234567890, "12345678901234567890"),
        (10**400, str(10**400)),
        (5.0, "5.0"),
        (-0.0, "-0.0"),
        (1e16, "1e+16"),
        (1e-7, "1e-07"),
        (Decimal("49.90"), "49.9"),
        (Decimal("1e30"), str(10**30)),
        (Decimal(10**400), str(10**400)),
    ],
)
def test_python_keeps_the_digits_of_integers(number: object, text: str) -> None:
    assert spaced({"n": number}) == f'{{"n": {text}}}'.encode()


def test_what_no_double_holds_is_a_string_for_javascript() -> None:
    assert compact([10**400, -(10**309)]) == f'["{10**400}","-{10**309}"]'.encode()
    assert compact([Decimal("1.5e400")]) == b'["1.5E+400"]'
    assert compact([2**1024 - 2**970 - 1]) == b"[1.7976931348623157e+308]"


def test_what_python_reads_no_more_is_a_string() -> None:
    readable = 10**4300 - 1

    assert spaced([readable]) == b"[" + b"9" * 4300 + b"]"
    assert spaced([-(10**4300)]) == b'["-1' + b"0" * 4300 + b'"]'
    assert spaced([Decimal("1e9999999")]) == b'["1E+9999999"]'
    assert compact([10**5000]) == b'["1' + b"0" * 5000 + b'"]'


@in_both_styles
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, Decimal("NaN"), Decimal("Inf")])
def test_nan_and_infinity_are_refused(style: Style, number: object) -> None:
    with pytest.raises(ValueError, match="JSON has no NaN"):
        style({"n": [number]})


@in_both_styles
@pytest.mark.parametrize("value", [{1, 2}, b"bytes", object(), {("a", "b"): 1}])
def test_what_json_does_not_know_is_refused(style: Style, value: object) -> None:
    with pytest.raises(ValueError, match="JSON"):
        style({"value": value})


def test_keys_that_are_array_indexes_come_first_in_javascript() -> None:
    value = {
        "b": 1,
        "10": 2,
        "9": 3,
        "01": 4,
        "4294967295": 5,
        "4294967294": 6,
        "0": 7,
        "-1": 8,
        "1.5": 9,
        "": 10,
        "a": {"z": 1, "2": 2, "1": 3},
        "1²": 11,
        "1٣": 12,
    }

    assert compact(value).decode() == (
        '{"0":7,"9":3,"10":2,"4294967294":6,"b":1,"01":4,"4294967295":5,'
        '"-1":8,"1.5":9,"":10,"a":{"1":3,"2":2,"z":1},"1²":11,"1٣":12}'
    )
    assert list(json.loads(spaced(value))) == list(value)


def test_texts_are_escaped_as_javascript_does() -> None:
    text = '"\\/\b\t\n\f\r\x00\x0b\x1f\x7f\u2028é😀'

    assert compact(text).decode() == ('"\\"\\\\/\\b\\t\\n\\f\\r\\u0000\\u000b\\u001f\x7f\u2028é😀"')


def test_texts_are_escaped_as_python_does() -> None:
    assert (
        spaced("/\x00\x1f\x7f\u2028é😀") == b'"/\\u0000\\u001f\\u007f\\u2028\\u00e9\\ud83d\\ude00"'
    )


def test_half_a_character_is_escaped_and_two_halves_are_one() -> None:
    assert compact({"\udfff": "a\ud800b", "é": "\ud83d\ude00"}).decode() == (
        '{"\\udfff":"a\\ud800b","é":"😀"}'
    )
    assert spaced(["\ud800", "\ud83d\ude00"]) == b'["\\ud800", "\\ud83d\\ude00"]'


@in_both_styles
@pytest.mark.parametrize("depth", [300, 100_000])
def test_deep_values_are_printed(style: Style, depth: int) -> None:
    assert style(nested(depth, [])) == b"[" * depth + b"[]" + b"]" * depth
    assert style(nested(depth, 0.5)) == b"[" * depth + b"0.5" + b"]" * depth
    assert compact(nested(depth, 5.0)) == b"[" * depth + b"5" + b"]" * depth


def nested(depth: int, value: object) -> object:
    for _ in range(depth):
        value = [value]
    return value


@many
@given(json_values())
def test_python_prints_again_what_it_parsed(value: Any) -> None:
    body = spaced(value).decode()

    assert json.dumps(json.loads(body)) == body


@many
@given(json_values())
def test_javascript_gets_what_python_gets_as_far_as_doubles_go(value: Any) -> None:
    assert json.loads(compact(value), parse_int=float) == json.loads(
        spaced(value), parse_int=lambda digits: as_double(int(digits))
    )


def as_double(number: int) -> float | str:
    try:
        return float(number)
    except OverflowError:
        return str(number)


@many
@given(json_values())
def test_the_fast_way_prints_what_the_thorough_one_does(value: Any) -> None:
    thorough = json_text._JAVASCRIPT.text(value)
    whole = thorough.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")

    assert compact(value) == whole.encode("utf-8", "backslashreplace")
    assert spaced(value).decode() == json_text._PYTHON.text(value)
