from __future__ import annotations

import gzip
import io
import random
import tracemalloc
import zlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.compression import MAX_MEMBERS, Gunzip, gunzip
from shared.errors import InvalidRequest, PayloadTooLarge

BODY = b'{"event":"a.b"}' * 50


def test_a_body_up_to_the_limit_comes_out_whole() -> None:
    assert gunzip(gzip.compress(BODY), len(BODY)) == BODY
    assert gunzip(gzip.compress(b""), 0) == b""


def test_one_byte_more_is_too_large() -> None:
    with pytest.raises(PayloadTooLarge):
        gunzip(gzip.compress(BODY), len(BODY) - 1)


def test_a_bomb_is_cut_at_the_limit_without_being_inflated() -> None:
    bomb = gzip.compress(bytes(20_000_000), compresslevel=1)
    tracemalloc.start()
    try:
        with pytest.raises(PayloadTooLarge):
            gunzip(bomb, 100_000)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_bomb_in_small_pieces_is_cut_at_the_limit_too() -> None:
    bomb = gzip.compress(bytes(1_000_000))
    inflater = Gunzip(100_000)
    pieces = (bomb[start : start + 10] for start in range(0, len(bomb), 10))
    out = 0

    def feed_all() -> None:
        nonlocal out
        for piece in pieces:
            out += len(inflater.feed(piece))

    with pytest.raises(PayloadTooLarge):
        feed_all()
    assert 0 < out <= 100_000


def test_a_bomb_inside_a_bomb_is_inflated_once() -> None:
    inner = gzip.compress(BODY)
    assert gunzip(gzip.compress(inner), 10_000) == inner


def test_several_members_are_one_body() -> None:
    halves = gzip.compress(BODY[:100]) + gzip.compress(b"") + gzip.compress(BODY[100:])
    assert gunzip(halves, len(BODY)) == BODY
    with pytest.raises(PayloadTooLarge):
        gunzip(halves, len(BODY) - 1)


def test_the_number_of_members_is_bounded() -> None:
    assert gunzip(gzip.compress(b"") * MAX_MEMBERS, 10) == b""
    with pytest.raises(InvalidRequest, match="members"):
        gunzip(gzip.compress(b"") * 50_000, 10)


@settings(deadline=None)
@given(st.lists(st.integers(0, 200), max_size=6), st.integers(0, 2**32))
def test_it_does_not_matter_how_the_body_is_cut(cuts: list[int], seed: int) -> None:
    body = random.Random(seed).randbytes(300)
    compressed = gzip.compress(body[:150]) + gzip.compress(body[150:])
    inflater = Gunzip(300)
    bounds = [0, *sorted(cuts), len(compressed)]
    pieces = [compressed[start:end] for start, end in pairwise(bounds)]
    assert b"".join(map(inflater.feed, pieces)) == body
    inflater.finish()


@pytest.mark.parametrize("length", [0, 1, 5, 10, 30])
def test_a_truncated_body_is_refused(length: int) -> None:
    with pytest.raises(InvalidRequest, match="ends too early"):
        gunzip(gzip.compress(BODY)[:length], 10_000)
    with pytest.raises(InvalidRequest, match="ends too early"):
        gunzip(gzip.compress(BODY)[:-1], 10_000)


@pytest.mark.parametrize("body", [b"plain", b"{}", zlib.compress(BODY), b"\x1f\x8b" + bytes(20)])
def test_what_is_not_gzip_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        gunzip(body, 10_000)


def test_trailing_bytes_are_refused() -> None:
    for trailing in (b"garbage, long enough", bytes(512)):
        with pytest.raises(InvalidRequest):
            gunzip(gzip.compress(BODY) + trailing, 10_000)


def test_a_wrong_checksum_is_refused() -> None:
    compressed = bytearray(gzip.compress(BODY))
    compressed[-8] ^= 1
    with pytest.raises(InvalidRequest):
        gunzip(bytes(compressed), 10_000)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_unforeseen(noise: bytes) -> None:
    for body in (noise, gzip.compress(BODY)[:20] + noise):
        try:
            inflated = gunzip(body, 1000)
        except (InvalidRequest, PayloadTooLarge):
            continue
        assert inflated == gzip.GzipFile(fileobj=io.BytesIO(body)).read()
