"""The functions a field map may call, beside those of JMESPath itself.

    text(value)                       a text, number or boolean as text; null for all else
    number(value)                     a number, or a text that holds one ("1,280.00"); else null
    lower(text), upper(text)          null for what is no text
    join_name(first, last)            "Ada Lovelace"; either may be null
    one_of(value, choices)            the choice that equals the text, whatever its case; else null
    multiply(first, second)           a product; null unless both are numbers
    from_minor_units(amount, currency)  cents to whole units, minding currencies without cents
    timestamp(value)                  ISO 8601 from a date, ISO 8601, Unix seconds or milliseconds
    json(value)                       outermost only: keeps an object or list, for a jsonb column

None of them raises on a value of the wrong kind: the answer is null, so that `||` can go on to the
next alternative. JMESPath's own functions do raise; then the whole expression gives null.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from decimal import Decimal

from jmespath import functions
from jmespath.exceptions import JMESPathError

MAX_TEXT_LENGTH = 10_000

# ISO 4217 gives these no minor unit. UGX and ISK have none either, but Stripe, whose amounts this
# is for, takes and sends them with two decimals (docs.stripe.com/currencies, special cases).
_NO_DECIMALS = frozenset(
    ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV")
) | {"XAF", "XOF", "XPF"}
_THREE_DECIMALS = frozenset(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"))

_GROUPED_NUMBER = re.compile(r"[+-]?\d{1,3}(?:[ ,\u00a0\u202f]\d{3})+(?:\.\d+)?")
_PLAIN_NUMBER = re.compile(r"[+-]?\d{1,40}(?:\.\d{1,40})?")
_UNIX_TIME = re.compile(r"\d{9,14}(?:\.\d{1,9})?")
_MILLISECONDS_FROM = 100_000_000_000
"""Unix seconds reach this in the year 5138; anything larger is milliseconds."""

_ANY: functions._Signature = {"types": []}


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def as_text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if is_number(value) else None


def as_number(value: object) -> int | float | None:
    if is_number(value):
        return value  # type: ignore[return-value]
    if not isinstance(value, str) or len(value) > 100:
        return None
    digits = value.strip()
    if _GROUPED_NUMBER.fullmatch(digits):
        digits = re.sub(r"[ ,\u00a0\u202f]", "", digits)
    if not _PLAIN_NUMBER.fullmatch(digits):
        return None
    return float(digits) if "." in digits else int(digits)


def from_minor_units(amount: object, currency: object) -> int | float | None:
    """Whole units of a currency; two decimals where the currency is not known."""
    number = as_number(amount)
    if number is None:
        return None
    code = currency.upper() if isinstance(currency, str) else ""
    if code in _NO_DECIMALS:
        return number
    divisor = 1000 if code in _THREE_DECIMALS else 100
    return float(Decimal(str(number)) / divisor)


def as_timestamp(value: object) -> str | None:
    """ISO 8601 with an offset. What names no offset is taken as UTC."""
    if isinstance(value, str):
        value = value.strip()
    number = as_number(value) if is_number(value) or _is_unix_time(value) else None
    try:
        if number is not None:
            seconds = number / 1000 if abs(number) >= _MILLISECONDS_FROM else number
            return datetime.fromtimestamp(seconds, UTC).isoformat()
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
    except (ValueError, OverflowError, OSError):
        return None
    return None


def _is_unix_time(value: object) -> bool:
    # Before ISO 8601 is tried: "1711011512000" is also a moment of the year 1711 in its short form.
    return isinstance(value, str) and _UNIX_TIME.fullmatch(value) is not None


class FieldFunctions(functions.Functions):
    """JMESPath's functions and ours. `join` and `to_string` are bounded: they are the two of
    JMESPath's own that can make a text much larger than anything in the payload.
    """

    @functions.signature(_ANY)
    def _func_text(self, value: object) -> str | None:
        return as_text(value)

    @functions.signature(_ANY)
    def _func_number(self, value: object) -> int | float | None:
        return as_number(value)

    @functions.signature(_ANY)
    def _func_lower(self, value: object) -> str | None:
        return value.lower() if isinstance(value, str) else None

    @functions.signature(_ANY)
    def _func_upper(self, value: object) -> str | None:
        return value.upper() if isinstance(value, str) else None

    @functions.signature(_ANY, _ANY)
    def _func_join_name(self, first: object, last: object) -> str | None:
        parts = [part.strip() for part in (first, last) if isinstance(part, str)]
        return " ".join(filter(None, parts)) or None

    @functions.signature(_ANY, _ANY)
    def _func_one_of(self, value: object, choices: object) -> str | None:
        if not isinstance(value, str) or not isinstance(choices, list):
            return None
        wanted = value.strip().casefold()
        matches = (c for c in choices if isinstance(c, str) and c.casefold() == wanted)
        return next(matches, None)

    @functions.signature(_ANY, _ANY)
    def _func_multiply(self, first: object, second: object) -> int | float | None:
        left, right = as_number(first), as_number(second)
        if left is None or right is None:
            return None
        product = Decimal(str(left)) * Decimal(str(right))
        return int(product) if product == product.to_integral_value() else float(product)

    @functions.signature(_ANY, _ANY)
    def _func_from_minor_units(self, amount: object, currency: object) -> int | float | None:
        return from_minor_units(amount, currency)

    @functions.signature(_ANY)
    def _func_timestamp(self, value: object) -> str | None:
        return as_timestamp(value)

    @functions.signature(_ANY)
    def _func_json(self, value: object) -> object:
        return value

    @functions.signature({"types": ["string"]}, {"types": ["array-string"]})
    def _func_join(self, separator: str, texts: list[str]) -> str:
        length = sum(map(len, texts)) + len(separator) * max(len(texts) - 1, 0)
        if length > MAX_TEXT_LENGTH:
            raise JMESPathError("join() made a text that is too long")
        return separator.join(texts)

    @functions.signature(_ANY)
    def _func_to_string(self, value: object) -> str:
        result = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        if len(result) > MAX_TEXT_LENGTH:
            raise JMESPathError("to_string() made a text that is too long")
        return result
