"""Every kind of JSON value that the languages of receivers print in ways of their own."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

LONE_SURROGATES = st.characters(categories=["Cs"])
INDEX_LIKE = st.one_of(
    st.integers(0, 20),
    st.integers(2**32 - 4, 2**32 + 4),
    st.integers(2**53 - 2, 2**53 + 2),
    st.integers(-2, 10**25),
).map(str)


def floats() -> st.SearchStrategy[float]:
    """Of all magnitudes, and those next to where a notation changes."""
    powers = st.integers(-330, 308).map(lambda exponent: float(f"1e{exponent}"))
    edges = st.sampled_from([1e-7, 1e-6, 1e-5, 1e-4, 1e15, 1e16, 1e21, 1e22, 2.0**53, 2.0**63])
    return st.one_of(
        st.floats(allow_nan=False, allow_infinity=False),
        st.floats(-1e6, 1e6),
        st.integers(-1000, 1000).map(float),
        st.integers(-100_000, 100_000).map(lambda cents: cents / 100),
        powers,
        st.builds(math.nextafter, edges, st.sampled_from([0.0, math.inf])),
        edges,
        st.just(-0.0),
    )


def integers() -> st.SearchStrategy[int]:
    return st.one_of(
        st.integers(-1000, 1000),
        st.integers(2**53 - 3, 2**53 + 3),
        st.integers(-(2**64), 2**64),
        st.integers(-(10**400), 10**400),
    )


def texts() -> st.SearchStrategy[str]:
    odd = st.sampled_from("\b\t\n\f\r\x00\x0b\x1b\x1f\x7f\x80\"\\/<>&'\u2028\u2029\ufeff\uffff😀é")
    return st.one_of(
        st.text(max_size=20),
        st.text(odd, max_size=10),
        st.text(st.one_of(LONE_SURROGATES, odd), max_size=6),
        st.just("2026-01-01T12:00:00.000Z"),
    )


def json_values() -> st.SearchStrategy[Any]:
    keys = st.one_of(texts(), INDEX_LIKE, st.sampled_from(["id", "01", "-1", "1.5", "__proto__"]))
    scalars = st.one_of(st.none(), st.booleans(), integers(), floats(), texts())
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=6),
        max_leaves=25,
    )
