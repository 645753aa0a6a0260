from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.signatures import Headers, storable_headers


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "Proxy-Authorization",
        "Cookie",
        "Set-Cookie",
        "X-Gitlab-Token",
        "X-Api-Key",
        "ApiKey",
        "X-Amz-Security-Token",
        "X-Client-Secret",
        "X-Password",
        "X-Auth",
        "X-Session-Id",
        "X-Credential",
    ],
)
def test_credentials_are_masked(name: str) -> None:
    stored = storable_headers(Headers([(name, "canary"), (name.lower(), "canary")]))
    assert stored == {name.lower(): "[hidden]"}


@pytest.mark.parametrize(
    "name", ["Idempotency-Key", "X-Hub-Signature-256", "Webhook-Signature", "Content-Type"]
)
def test_harmless_headers_are_kept(name: str) -> None:
    assert storable_headers(Headers([(name, "value")])) == {name.lower(): "value"}


def test_what_the_scheme_knows_to_be_a_credential_is_masked() -> None:
    headers = Headers([("X-Hook", "canary"), ("X-Other", "fine")])
    assert storable_headers(headers, {"x-hook"}) == {"x-hook": "[hidden]", "x-other": "fine"}


def test_repeated_values_are_joined() -> None:
    assert storable_headers(Headers([("Via", "a"), ("via", "b")])) == {"via": "a, b"}


def test_count_and_sizes_are_bounded() -> None:
    many = storable_headers(Headers((f"h{place}", "x") for place in range(1000)))
    assert list(many) == [f"h{place}" for place in range(64)]
    long = storable_headers(Headers([("a", "x" * 5000), ("n" * 101, "x"), ("b", "x" * 1024)]))
    assert long == {"a": "x" * 1023 + "…", "b": "x" * 1024}
    large = storable_headers(Headers((f"h{place}", "x" * 1024) for place in range(64)))
    assert sum(len(name) + len(value) for name, value in large.items()) <= 8192
    assert len(large) == 7


@settings(deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=30), st.binary(max_size=60))))
def test_whatever_comes_can_be_stored_as_jsonb(pairs: list[tuple[bytes, bytes]]) -> None:
    text = json.dumps(storable_headers(Headers(pairs)), ensure_ascii=False)
    assert text.isprintable()
    text.encode()
