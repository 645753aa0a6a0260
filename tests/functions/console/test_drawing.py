"""Charts, trees and numbers: what is drawn of which values."""

from __future__ import annotations

from typing import Any

import pytest

from functions.console.charts import HEIGHT, bars, lines
from functions.console.formatting import count, duration, share, sureness
from functions.console.rule_form import FORMS
from functions.console.scheme_guides import GUIDES
from functions.console.scheme_settings import LABELS, every_setting, settings_of
from functions.console.trees import MAX_DEPTH, MAX_NODES, Node, tree
from shared.actions import ACTIONS
from shared.signatures import SCHEMES


def nodes(node: Node) -> int:
    return 1 + sum(map(nodes, node.children))


def point(total: int, good: int, bad: int, **latency: float | None) -> dict[str, Any]:
    return {"total": total, "good": good, "bad": bad, "p50_ms": None, "p95_ms": None} | latency


def test_bars_stand_on_the_ground_one_on_the_other() -> None:
    shape = bars([point(10, 5, 3), point(0, 0, 0)])
    first = shape.bars[0]
    assert shape.top == 10
    assert first.good_y + first.good_height == HEIGHT
    assert first.bad_y + first.bad_height == first.good_y
    assert first.rest_y == 0
    assert shape.bars[1].good_height == shape.bars[1].bad_height == 0


def test_a_chart_of_nothing_is_drawn() -> None:
    assert bars([]).bars == ()
    assert lines([point(0, 0, 0)], "p50_ms").paths == ("",)


def test_a_line_begins_anew_where_values_are_missing() -> None:
    series = [point(1, 1, 0, p50_ms=value) for value in (10.0, 20.0, None, 5.0)]
    shape = lines(series, "p50_ms")
    assert shape.paths[0].count("M") == 2
    assert len(shape.dots) == 1
    assert shape.top == 20


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1), (1, 1), (3, 5), (10, 10), (11, 20), (501, 1000)]
)
def test_the_upper_edge_is_a_round_number(value: int, top: float) -> None:
    assert bars([point(value, 0, 0)]).top == top


def test_a_tree_is_bounded_whatever_the_value() -> None:
    deep: Any = 1
    for _ in range(500):
        deep = [deep]
    wide = {str(place): list(range(300)) for place in range(300)}
    assert nodes(tree(deep)) <= MAX_DEPTH + 3
    assert nodes(tree(wide)) <= MAX_NODES + 300
    assert "characters in all" in tree("x" * 1_000_000).text
    assert len(tree("x" * 1_000_000).text) < 3000


def test_a_tree_tells_what_it_leaves_out() -> None:
    assert tree(list(range(203))).children[-1].text == "3 more"


def test_numbers_are_written_for_readers() -> None:
    assert [duration(value) for value in (None, 0.2, 3.4, 1500, 90_000, 9_000_000)] == [
        "\u2013",
        "under 1 ms",
        "3 ms",
        "1.5 s",
        "2 min",
        "2 h",
    ]
    assert share(999, 1000) == "99.9 %"
    assert share(1, 1) == "100 %"
    assert share(0, 0) == "\u2013"
    assert [sureness(one) for one in (0.697, 0.7, 0.29, 0.999, 1)] == [
        "69 %",
        "70 %",
        "29 %",
        "99 %",
        "100 %",
    ]
    assert count(1234567) == "1\u202f234\u202f567"


def test_every_scheme_is_explained_and_its_settings_have_labels() -> None:
    assert GUIDES.keys() == SCHEMES.keys()
    assert all(guide.steps for guide in GUIDES.values())
    for name in SCHEMES:
        fields = SCHEMES[name].settings_model.model_fields
        assert settings_of(name).keys() == {field.alias for field in fields.values()}, name
    assert every_setting().keys() <= LABELS.keys()


def test_settings_are_asked_for_by_their_kind() -> None:
    kinds = {name: setting.kind for name, setting in settings_of("hmac").items()}
    assert kinds["header"] == "line"
    assert kinds["toleranceSeconds"] == "number"
    assert kinds["hash"] == "choice"
    assert settings_of("hmac")["encoding"].choices == ("hex", "base64")


def test_every_action_has_a_form_with_all_its_settings() -> None:
    assert FORMS.keys() == ACTIONS.keys()
    for name, form in FORMS.items():
        assert {field.name for field in form.fields} == set(ACTIONS[name].model_fields), name
