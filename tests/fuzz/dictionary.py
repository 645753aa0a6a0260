"""Words that inputs are made of, for the fuzzer to put in."""

from __future__ import annotations

from tests.fuzz.cases import NAMES
from tests.fuzz.endpoints import KEYS, endpoint
from tests.fuzz.seeds import seeds

WORDS = (
    *("GET ", "POST ", " genuine", "?hub.mode=subscribe&", "bodySHA256=", "\n", "\n\n", ": "),
    *("content-encoding: gzip", "content-type: application/x-www-form-urlencoded"),
    *("t=1780000000,v1=", "v1,", "v1a,", "sha256=", "v0=", "Bearer ", "Basic ", "whsec_"),
    *('{"', '":', '",', "{}", "[]", "[{", "null", "true", "NaN", "Infinity", "1e308", "1e-309"),
    *("\\u0000", "\\ud800", "\\udc00", "\\\\", '\\"', "18446744073709551616", "-0", "0.1e1"),
    *("%00", "%ff", "%F0%9F%98%80", "&", "=", "+", "{body}", "{id}", "{timestamp}", "X-Fact"),
)
OCTETS = (b"\xef\xbb\xbf", b"\x00", b"\xff", b"\xed\xa0\x80", b"\x1f\x8b\x08\x00", b"\xe2\x80\xa8")


def words() -> list[bytes]:
    """Names of schemes, header fields and settings, keys, and what parsers look for."""
    found = {word.encode() for word in WORDS} | set(OCTETS)
    found |= {key.encode() for keys in KEYS.values() for key in keys}
    for name in NAMES:
        usual = endpoint(name, b"{}")
        assert usual is not None
        fields = type(usual.settings).model_fields.items()
        found.add(name.encode())
        found |= {proof.encode() for proof in usual.scheme.proof_headers(usual.settings)}
        found |= {f'"{field.alias or key}":'.encode() for key, field in fields}
    found |= {name for case in seeds().values() for name, _ in case.lines if len(name) < 60}
    return sorted(found - {b""})


def dictionary() -> str:
    """The words in libFuzzer's notation, a line for each."""
    return "".join(f'"{_escaped(word)}"\n' for word in words())


def _escaped(word: bytes) -> str:
    return "".join(
        chr(octet) if 0x20 <= octet < 0x7F and octet not in b'"\\' else f"\\x{octet:02x}"
        for octet in word
    )
