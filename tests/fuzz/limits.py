"""Bodies and settings at the limits of what is accepted, and beyond."""

from __future__ import annotations

from shared.batches import MAX_ITEMS
from shared.forms import MAX_FIELDS
from shared.payload import MAX_DEPTH, MAX_NUMBER_LENGTH

BODIES = {
    "empty": b"",
    "not-utf-8": b'{"a":"\xff"}',
    "byte-order-mark": b'\xef\xbb\xbf {"a":1}',
    "nul": b'{"a\\u0000":"\\u0000","b":"\\\\u0000"}',
    "surrogates": b'{"a":"\\ud83d\\ude00","b":"\\ud83d","c":"\\udE00\\uD83d"}',
    "same-keys": b'{"a":1,"a":{"a":2}}',
    "nan": b'{"a":NaN,"b":-Infinity}',
    "exponents": b'{"a":1e308,"b":-2.5E-300}',
    "overflow": b'{"a":100e308}',
    "long-integer": b'{"a":12345678901234567890,"b":-18446744073709551616}',
    "longest-number": b'{"a":%s}' % (b"1" * MAX_NUMBER_LENGTH),
    "long-fraction": b'{"a":0.1234567890123456789,"b":-0,"c":1E0}',
    "deepest": b'{"a":' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}",
    "too-deep": b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}",
    "far-too-deep": b'{"a":' + b"[" * 300 + b"]" * 300 + b"}",
    "escapes": b'{"a":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9"}',
    "unfinished": b'{"a":["b","c',
    "array": b' [{"event":"open"},\n{"event":"click","a":"\\u0000"}, {}]',
    "array-of-texts": b'["a",1,null]',
}

FORMS = {
    "names": b"a=1&b=%C3%A9&a=2&c&a=%00",
    "not-utf-8": b"a=%ff",
    "too-many": b"&".join([b"a="] * (MAX_FIELDS + 1)),
    "message": b"MessageSid=SM1&MessageStatus=delivered&To=%2B15551234567",
}

BOMBS = {
    "zeros": b"\0" * 1_000_000,
    "deep": b"[" * 100_000,
    "items": b"[" + b",".join([b"{}"] * (MAX_ITEMS + 1)) + b"]",
    "spaces": b'{"a":1}' + b" " * 60_000,
    "quotes": b'{"a":' + b'"\\' * 30_000,
    "fields": b"{"
    + b",".join(b'"%d":1e%d' % (number, number % 300) for number in range(999))
    + b"}",
}
"""Before they are compressed."""

SETTINGS: tuple[tuple[str, dict[str, object]], ...] = (
    ("hmac", {"template": "{timestamp}:{body}", "timestampHeader": "X-Time"}),
    ("hmac", {"template": "{body}{id}", "timestampHeader": None, "encoding": "base64"}),
    ("hmac", {"prefix": "", "hash": "sha1", "eventTypeHeader": "X-Event", "toleranceSeconds": 1}),
    ("hmac", {"toleranceSeconds": 0, "header": " ", "unknown": 1}),
    ("hmac", {"template": "{body}"}),
    ("hmac", {"template": "{body}{id}", "timestampHeader": None, "deliveryIdHeader": None}),
    ("hmac", {"template": "{body}{other}"}),
    ("hmac", {"template": "{id}"}),
    ("hmac", {"timestampHeader": "X-Signature"}),
    ("hmac", {"deliveryIdHeader": "X-Timestamp"}),
    ("hubspot", {"publicUrl": None}),
    ("square", {"publicUrl": None}),
    ("twilio", {"publicUrl": None}),
    ("square", {"publicUrl": "https://[::1"}),
    ("square", {"publicUrl": "ftp://a@b"}),
    ("square", {"publicUrl": "https://example.com/?a"}),
    ("twilio", {"publicUrl": "http://example.com:80"}),
    ("twilio", {"algorithm": "sha256"}),
    ("discord", {"publicKey": None}),
    ("discord", {"publicKey": "00"}),
    ("sendgrid", {"publicKey": None}),
    ("sendgrid", {"publicKey": "AAAA"}),
    ("paypal", {"webhookId": None}),
    ("paypal", {"certificates": ["-----BEGIN CERTIFICATE-----"]}),
    ("meta", {"verifyToken": None}),
    ("bearer", {"header": "X-Api-Key", "prefix": "Token "}),
)
"""Changes to the usual ones: what may be chosen, and what is refused."""
