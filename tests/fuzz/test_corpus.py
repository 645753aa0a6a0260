"""The corpus is what its script makes of the senders, and every input in it is dealt with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.cases import NAMES, read, write
from tests.fuzz.corpus import inputs
from tests.fuzz.keep import keep, steps
from tests.fuzz.seeds import seeds
from tests.fuzz.target import one_input

INPUTS = inputs()
SEEDS = seeds()
MAX_INPUTS = 400
MAX_BYTES = 256 * 1024

PACKED = {name for name in SEEDS if name.startswith("gzip-")}
"""Other versions of zlib pack in another way."""


SETUPS = (
    *("discord-setup-1", "discord-setup-2", "intercom-setup-0", "meta-setup", "slack-setup-0"),
    *("woocommerce-setup", "zoom-setup-0"),
)


@pytest.mark.parametrize("name", sorted(INPUTS))
def test_every_input_of_the_corpus_is_taken_or_refused_as_declared(name: str) -> None:
    assert one_input(INPUTS[name])


def test_the_corpus_holds_every_seed_as_the_senders_make_it_now() -> None:
    made = {name: write(case) for name, case in SEEDS.items()}
    assert made.keys() <= INPUTS.keys(), "run .venv/bin/python -m tests.fuzz.keep"
    assert [name for name in made.keys() - PACKED if made[name] != INPUTS[name]] == []


def test_the_corpus_is_small() -> None:
    assert len(INPUTS) <= MAX_INPUTS
    assert sum(map(len, INPUTS.values())) <= MAX_BYTES


def test_no_two_inputs_are_the_same() -> None:
    assert len(set(INPUTS.values())) == len(INPUTS)


@pytest.mark.parametrize("name", sorted(SEEDS))
def test_a_seed_is_read_as_it_was_written(name: str) -> None:
    assert read(write(SEEDS[name])) == SEEDS[name]


@pytest.mark.parametrize("name", NAMES)
def test_what_a_vendor_signs_is_accepted(name: str) -> None:
    kinds = [kind for kind in ("genuine", "wire") if f"{name}-{kind}" in INPUTS]
    assert "genuine" in kinds
    assert {one_input(INPUTS[f"{name}-{kind}"]) for kind in kinds} == {"accepted"}


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        *((name, "invalid_signature") for name in sorted(SEEDS) if name.endswith("-late")),
        *((name, "answered") for name in SETUPS),
        ("standard_webhooks-v1a", "accepted"),
        ("standard_webhooks-v1a-unpadded", "invalid_signature"),
        ("body-surrogates", "accepted"),
        ("body-overflow", "invalid_json"),
        ("hubspot-array", "accepted"),
        ("gzip-whole", "accepted"),
        ("gzip-zeros", "payload_too_large"),
        ("gzip-deep", "invalid_json"),
        ("gzip-cut", "invalid_request"),
        ("media-type-text", "unsupported_media_type"),
        ("media-type-json", "accepted"),
        ("hmac-settings-3", "settings_refused"),
    ],
)
def test_seeds_reach_what_they_are_meant_to_reach(name: str, outcome: str) -> None:
    assert one_input(INPUTS[name]) == outcome


def test_the_script_keeps_what_reaches_more_and_nothing_else(tmp_path: Path) -> None:
    corpus, found = tmp_path / "corpus", tmp_path / "found"
    corpus.mkdir()
    found.mkdir()
    more = write(read(INPUTS["none-wire"])).replace(b"none", b"basic")
    known = (steps(write(case)) for case in SEEDS.values())
    assert steps(more) - set().union(*known)
    (found / "more").write_bytes(more)
    (found / "longer").write_bytes(more + b" ")
    (found / "known").write_bytes(INPUTS["none-wire"])
    (corpus / "gone").write_bytes(INPUTS["bearer-wire"])

    assert keep(corpus, found) == len(SEEDS) + 1
    kept = {path.name: path.read_bytes() for path in corpus.iterdir()}
    assert [data for name, data in kept.items() if name not in SEEDS] == [more]
