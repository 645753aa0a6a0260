"""How good the classifier is may not fall unseen, and the two parts stay apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from functions.classify import classify
from functions.classify.classifiers import head, words
from functions.classify.classifiers.base import EntityType
from tests.evaluation import train
from tests.evaluation.__main__ import main
from tests.evaluation.figures import Answer, Figures, answers, bins, figures
from tests.evaluation.labelled_events import PARTS, LabelledEvent, labelled_events
from tests.samples import OWNER, claim, sample_names, shipped_types


@pytest.fixture(scope="module", params=[False, True], ids=["all", "without-samples"])
def held_out(request: pytest.FixtureRequest) -> Figures:
    """Of all vendors held out, and of those alone of whose webhooks no test has a sample."""
    sampled = {name.partition("/")[0] for name in sample_names()} if request.param else set()
    events = [event for event in labelled_events("held_out") if event.vendor not in sampled]
    assert len({event.vendor for event in events}) >= 6
    return figures(answers(events))


def test_entity_types_of_vendors_never_seen_are_right(held_out: Figures) -> None:
    assert held_out.entity_type >= 0.90


def test_people_of_vendors_never_seen_are_told_from_machines(held_out: Figures) -> None:
    assert held_out.is_person >= 0.95


def test_what_passes_without_review_is_right(held_out: Figures) -> None:
    assert held_out.passed_right >= 0.95
    assert held_out.review <= 0.35


def test_confidence_is_true_to_its_name(held_out: Figures) -> None:
    assert held_out.calibration_error <= 0.08
    assert held_out.calibration_error_of_all <= 0.08


def test_what_it_was_trained_on_is_right() -> None:
    tuning = figures(answers(labelled_events("tuning")))
    assert tuning.entity_type >= 0.98
    assert tuning.is_person >= 0.98


def test_a_type_that_a_user_describes_takes_events_that_ship_as_nothing() -> None:
    """Whatever the event is about, a type with another name and that one word is enough."""
    taken = []
    for event in labelled_events("tuning"):
        nouns = words.read(event.event_type, {}).nouns
        if event.entity_type is None and nouns:
            described = f"Something of ours: {nouns[-1]}, with value."
            own = {"user_id": OWNER, "name": "thing", "description": described}
            (result,) = classify.decide(claim(event.claimed(), types=[own]))
            taken.append(result["entity_table"] == "thing")
    assert len(taken) > 80
    assert sum(taken) / len(taken) >= 0.7


def test_no_vendor_is_in_both_parts() -> None:
    tuning, held_out = ({one.vendor for one in labelled_events(part)} for part in PARTS)
    assert not tuning & held_out
    assert len(held_out) >= 6


def test_there_are_enough_events_of_every_kind() -> None:
    events = [event for part in PARTS for event in labelled_events(part)]
    kinds = {one["name"] for one in shipped_types()} | {None}
    assert len(events) >= 400
    assert len(labelled_events("held_out")) >= 120
    for part in PARTS:
        assert {event.entity_type for event in labelled_events(part)} == kinds


def test_no_two_events_are_alike() -> None:
    events = [event for part in PARTS for event in labelled_events(part)]
    assert len({repr((one.event_type, one.payload)) for one in events}) == len(events)


def test_the_head_is_what_training_gives() -> None:
    types = [EntityType(one["name"], one["description"]) for one in shipped_types()]
    shipped = head.load()
    assert list(shipped.types) == types
    trained = train.fit(train.read_rows(types, labelled_events("tuning")))
    assert np.allclose(trained.pairs, shipped.pairs, atol=0.02)
    assert np.allclose(train.by_group(trained.learned), shipped.learned, atol=0.05)


def answer(confidence: float, said: str | None, label: str | None) -> Answer:
    event = LabelledEvent("v", 1, "t", {}, label, is_person=False)
    return Answer(event, said, is_person=False, confidence=confidence)


def test_the_calibration_error_is_the_distance_of_stated_and_right() -> None:
    sure_and_half_right = [answer(0.95, "order", kind) for kind in ("order", "ticket")]
    assert figures(sure_and_half_right).calibration_error == pytest.approx(0.45)
    without_type = answer(0.2, None, None)
    assert figures([*sure_and_half_right, without_type]).calibration_error == pytest.approx(0.45)
    assert figures([without_type]).calibration_error_of_all == pytest.approx(0.2)


def test_full_confidence_has_a_bin() -> None:
    (only,) = bins([answer(1.0, "order", "order")])
    assert (only.count, only.stated, only.right) == (1, 1.0, 1.0)


def test_the_page_has_figures_confusions_and_a_plot(tmp_path: Path) -> None:
    main(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    plots = [rest.partition("</svg>")[0] for rest in text.split("<svg")[1:]]
    assert [plot.count("<circle") for plot in plots] == [
        len(figures(answers(labelled_events(part))).bins) for part in PARTS
    ]
    assert "calibration error" in text
    assert 'class="wrong"' in text
