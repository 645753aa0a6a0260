"""The target takes any input, and fails when what it fuzzes does not keep its promises."""

from __future__ import annotations

import gzip
import platform
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.ingest import ingest
from functions.ingest.refusals import Refusal
from shared import contents
from shared.errors import InvalidJson, PayloadTooLarge, RateLimited
from shared.payload import Parsed, parse
from shared.signatures import SCHEMES
from shared.signatures.macs import refusal
from tests.fuzz import __main__ as command
from tests.fuzz import bodies, by_hypothesis, json_oracle, target
from tests.fuzz.by_hypothesis import INPUTS, trial
from tests.fuzz.cases import NAMES, Case, read, write
from tests.fuzz.corpus import CORPUS
from tests.fuzz.dictionary import dictionary, words
from tests.fuzz.endpoints import TOKEN, endpoint
from tests.fuzz.target import one_input

JSON = ((b"Content-Type", b"application/json"),)


def genuine(scheme: str = "stripe", body: bytes = b'{"id":"evt_1"}', **fields: Any) -> bytes:
    return write(Case(scheme, lines=JSON, body=body, is_genuine=True, **fields))


def test_whatever_hypothesis_makes_is_taken_or_refused_as_declared() -> None:
    trial(1000)()


@settings(deadline=None)
@given(st.binary() | INPUTS)
def test_any_bytes_are_a_case_that_can_be_written_and_read_again(data: bytes) -> None:
    case = read(data)
    assert case.scheme in NAMES
    assert read(write(case)) == case


def test_any_word_chooses_a_scheme_and_a_name_its_own() -> None:
    assert [read(f"POST {name}".encode()).scheme for name in NAMES] == NAMES
    assert {read(b"POST %d" % number).scheme for number in range(1000)} == set(NAMES)


def test_lines_replace_what_the_vendor_signs_and_then_nothing_need_be_accepted() -> None:
    assert one_input(genuine()) == "accepted"
    changed = genuine().replace(b"\n\n", b"\nstripe-signature: t=1,v1=00\n\n", 1)
    assert one_input(changed) == "invalid_signature"


def test_a_key_of_another_vendors_need_not_be_accepted() -> None:
    other = orjson.dumps({"publicKey": "00" * 31 + "01"})
    assert one_input(genuine("discord", settings=other)) == "invalid_signature"


def test_it_fails_when_something_undeclared_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RateLimited

    monkeypatch.setattr(ingest, "contents_of", fail)
    with pytest.raises(RateLimited):
        one_input(genuine())


@pytest.mark.parametrize("name", NAMES)
def test_it_fails_when_what_a_vendor_signed_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise refusal("by mistake")

    monkeypatch.setattr(type(SCHEMES[name]), "verify", refuse)
    with pytest.raises(AssertionError, match="genuine, but refused"):
        one_input(write(read((CORPUS / f"{name}-genuine").read_bytes())))


def test_it_fails_when_a_genuine_object_is_refused_for_its_body(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: bytes) -> Parsed:
        raise InvalidJson

    monkeypatch.setattr(contents, "parse", refuse)
    with pytest.raises(AssertionError, match="genuine, but refused"):
        one_input(genuine())
    with pytest.raises(AssertionError, match="genuine, but refused"):
        one_input(genuine("hubspot", b'[{"eventId":1}]'))
    assert one_input(genuine("hubspot", b"[1]")) == "invalid_json"


def test_it_fails_when_a_secret_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    told = genuine("bearer")
    assert one_input(told) == "accepted"
    receiver = endpoint("bearer", b"{}")
    assert receiver is not None
    monkeypatch.setattr(type(receiver.scheme), "verify", lambda *_: None)
    monkeypatch.setattr(ingest, "incoming_event", lambda *_: {"headers": {"authorization": TOKEN}})
    with pytest.raises(AssertionError, match="a secret is told"):
        one_input(told)


def test_it_fails_when_a_refusal_tells_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    unsigned = write(Case("bearer", lines=JSON, body=b"{}"))
    assert one_input(unsigned) == "invalid_signature"
    monkeypatch.setattr(Refusal, "row", lambda _: {"headers": {}, "reason": f"no {TOKEN}"})
    with pytest.raises(AssertionError, match="a secret is told"):
        one_input(unsigned)


def test_a_secret_that_the_sender_wrote_is_not_told() -> None:
    for name in (TOKEN, TOKEN.upper()):
        lines = (*JSON, (b"X-A", name.encode()), (name.encode(), b""))
        assert one_input(write(Case("none", lines=lines, body=b"{}"))) == "accepted"
    escaped = b'{"type":"%b"}' % TOKEN.replace("7", "\\u0037").encode()
    assert one_input(write(Case("none", lines=JSON, body=escaped))) == "accepted"


@pytest.mark.parametrize("text", ["\0", "a" * 9000])
def test_it_fails_when_headers_cannot_be_stored(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Refusal, "row", lambda _: {"headers": {"a": text}})
    with pytest.raises(AssertionError):
        one_input(write(Case("stripe")))


def test_it_fails_when_more_is_read_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = Case(
        "none",
        lines=(*JSON, (b"Content-Encoding", b"gzip")),
        body=gzip.compress(b" " * target.LIMIT + b" {}"),
    )
    assert one_input(write(packed)) == "payload_too_large"

    async def read_all(*_: object, **__: object) -> bytes:
        return b" " * target.LIMIT + b" {}"

    monkeypatch.setattr(target, "read_body", read_all)
    with pytest.raises(AssertionError):
        one_input(write(packed))


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (b'{"a":1}', Parsed({"a": 2}, '{"a":1}', altered=False)),
        (b'{"a":1}', Parsed({"a": 1.0}, '{"a":1.0}', altered=True)),
        (b'{"a":1}', Parsed({"a": 1}, '{ "a":1}', altered=False)),
        (b'{"a":"\\u0000"}', Parsed({"a": "\0"}, '{"a":"\\u0000"}', altered=True)),
        (b'{"a":"\\u0000"}', Parsed({"a": "\ufffd"}, '{"a":"\\u0000"}', altered=False)),
        (b'{"a":"\\u0000"}', Parsed({"a": "?"}, '{"a":"?"}', altered=True)),
        (b"[]", Parsed({}, "{}", altered=True)),
        (b'{"a":NaN}', Parsed({"a": None}, '{"a":null}', altered=True)),
        (b'{"a":1e309}', Parsed({"a": 0}, '{"a":0}', altered=True)),
    ],
)
def test_it_fails_when_a_body_is_parsed_wrongly(
    body: bytes, wrong: Parsed, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies.check_object(body)
    monkeypatch.setattr(bodies, "parse", lambda given: wrong if given == body else parse(given))
    with pytest.raises(AssertionError):
        bodies.check_object(body)


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (b"[{},1]", [b"{}"]),
        (b"[{},1]", [b"{}", b"2"]),
        (b"[1,2]", [b"2", b"1"]),
        (b"[1 , 2]", [b"1 ,", b"2"]),
    ],
)
def test_it_fails_when_an_array_is_split_wrongly(
    body: bytes, wrong: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies.check_array(body)
    monkeypatch.setattr(bodies, "split_array", lambda _: wrong)
    with pytest.raises((AssertionError, ValueError)):
        bodies.check_array(body)


@pytest.mark.parametrize("error", [InvalidJson, PayloadTooLarge])
def test_it_fails_when_an_array_is_refused(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: bytes) -> list[bytes]:
        raise error

    monkeypatch.setattr(bodies, "split_array", refuse)
    with pytest.raises(AssertionError):
        bodies.check_array(b"[{}]")


def test_it_fails_when_a_form_or_gzip_is_read_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(b"abc")
    bodies.check_form(b"a=%00")
    bodies.check_gzip(packed, 3)
    monkeypatch.setattr(bodies, "parse_form", lambda _: Parsed({"a": "\0"}, "{}", altered=True))
    with pytest.raises(AssertionError):
        bodies.check_form(b"a=%00")
    for wrong in (b"abd", b"abcd"):
        monkeypatch.setattr(bodies, "gunzip", lambda *_, wrong=wrong: wrong)
        with pytest.raises(AssertionError):
            bodies.check_gzip(packed, 3)


@pytest.mark.parametrize(
    ("body", "is_read"),
    [
        (b'{"a":[1,-2.5e3,"\\ud800"]}', True),
        (b"[" * 64 + b"]" * 64, True),
        (b"[" * 65 + b"]" * 65, False),
        (b"[" * 10**5, False),
        (b"1" * 128, True),
        (b"1" * 129, False),
        (b"1e308", True),
        (b"1e309", False),
        (b"10e308", False),
        (b"1e-309", False),
        (b"NaN", False),
        (b"\xff", False),
        (b"{", False),
    ],
)
def test_the_other_parser_knows_the_bounds(body: bytes, is_read: bool) -> None:
    assert (bodies.reading(body) is not None) == is_read


@pytest.mark.parametrize("value", ["\0", {"\ud800": 1}, [{"a": ["\udfff"]}]])
def test_what_jsonb_refuses_is_seen_at_any_depth(value: object) -> None:
    assert not json_oracle.is_storable(value)
    assert json_oracle.is_storable(json_oracle.storable(value))
    assert json_oracle.is_storable({"a": ["\x01", 1, None, {"é": "\ue000"}]})


def test_the_dictionary_names_every_scheme_in_the_fuzzers_notation() -> None:
    lines = dictionary().splitlines()
    assert len(lines) == len(words())
    assert {f'"{name}"' for name in NAMES} | {'"\\x22publicUrl\\x22:"', '"\\x0a\\x0a"'} <= set(
        lines
    )
    assert all(line.isascii() and line.isprintable() for line in lines)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["fuzz", *arguments])
    command.main()


@pytest.fixture
def without_atheris(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "find_spec", lambda _: None)
    monkeypatch.setattr(by_hypothesis, "BATCH", 5)


@pytest.mark.usefixtures("without_atheris")
def test_without_atheris_it_is_said_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"needs atheris.*; this is \w+ 3\.") as stopped:
        run(monkeypatch, "300")
    assert isinstance(stopped.value.code, str), "a text as its code is printed, and is 1"


@pytest.mark.usefixtures("without_atheris")
def test_where_there_is_no_atheris_hypothesis_may_make_the_inputs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    run(monkeypatch, "1", "--or-hypothesis")
    assert "hypothesis made" in capsys.readouterr().out


@pytest.mark.usefixtures("without_atheris")
def test_where_there_is_an_atheris_that_is_not_installed_nothing_stands_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    monkeypatch.setattr(sys, "implementation", SimpleNamespace(name="cpython"))
    with pytest.raises(SystemExit, match="needs atheris"):
        run(monkeypatch, "1", "--or-hypothesis")


def test_hypothesis_fails_on_what_the_target_fails_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(data: bytes) -> str:
        assert b"stripe" not in data
        return "accepted"

    monkeypatch.setattr(by_hypothesis, "one_input", fail)
    with pytest.raises(AssertionError):
        by_hypothesis.run(0)
    with pytest.raises(AssertionError):
        trial(1000)()


def test_one_input_can_be_replayed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "input").write_bytes(genuine())
    run(monkeypatch, "1", "--replay", str(tmp_path / "input"))
    assert capsys.readouterr().out == "accepted\n"
