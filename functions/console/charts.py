"""Charts as shapes for SVG: where each bar and point goes. Colours and words are the templates' business."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 600.0, 120.0
_STEPS = (1, 2, 5, 10)


@dataclass(frozen=True, slots=True)
class Bar:
    """One piece of time: how much went well, how much did not, and what is left of the whole."""

    x: float
    width: float
    good_y: float
    good_height: float
    bad_y: float
    bad_height: float
    rest_y: float
    rest_height: float
    point: Any


@dataclass(frozen=True, slots=True)
class Bars:
    bars: tuple[Bar, ...]
    top: float
    """What the upper edge stands for."""


@dataclass(frozen=True, slots=True)
class Lines:
    paths: tuple[str, ...]
    """One for each name; `M` begins anew where values are missing."""
    dots: tuple[tuple[float, float, int], ...]
    """Values with none beside them, which a line would not show: x, y, and which path."""
    slots: tuple[tuple[float, float, Any], ...]
    """x, width and point of each piece of time."""
    top: float


def bars(series: Sequence[Any]) -> Bars:
    """Stacked bars of `good`, `bad` and the rest of `total`."""
    top = _round_up(max((point["total"] for point in series), default=0))
    step = WIDTH / max(1, len(series))
    gap = min(2.0, step / 4)
    shapes = []
    for place, point in enumerate(series):
        good, bad = (HEIGHT * point[name] / top for name in ("good", "bad"))
        rest = HEIGHT * max(0, point["total"] - point["good"] - point["bad"]) / top
        shapes.append(
            Bar(
                x=round(place * step + gap / 2, 2),
                width=round(step - gap, 2),
                good_y=round(HEIGHT - good, 2),
                good_height=round(good, 2),
                bad_y=round(HEIGHT - good - bad, 2),
                bad_height=round(bad, 2),
                rest_y=round(HEIGHT - good - bad - rest, 2),
                rest_height=round(rest, 2),
                point=point,
            )
        )
    return Bars(tuple(shapes), top)


def lines(series: Sequence[Any], *names: str) -> Lines:
    """A line for each name."""
    values = [point[name] for point in series for name in names if point[name] is not None]
    top = _round_up(max(values, default=0))
    step = WIDTH / max(1, len(series))
    paths, dots = [], []
    for which, name in enumerate(names):
        path, dot = _path([point[name] for point in series], step, top)
        paths.append(path)
        dots += [(x, y, which) for x, y in dot]
    slots = tuple(
        (round(place * step, 2), round(step, 2), point) for place, point in enumerate(series)
    )
    return Lines(tuple(paths), tuple(dots), slots, top)


def _path(
    values: Sequence[float | None], step: float, top: float
) -> tuple[str, list[tuple[float, float]]]:
    pieces, alone = [], []
    for place, value in enumerate(values):
        if value is None:
            continue
        x, y = round((place + 0.5) * step, 2), round(HEIGHT - HEIGHT * value / top, 2)
        has_before = place > 0 and values[place - 1] is not None
        has_after = place + 1 < len(values) and values[place + 1] is not None
        pieces.append(f"{'L' if has_before else 'M'}{x} {y}")
        if not has_before and not has_after:
            alone.append((x, y))
    return " ".join(pieces), alone


def _round_up(value: float) -> float:
    """The next round number: 1, 2 or 5 times a power of ten."""
    if value <= 1:
        return 1.0
    power = 10 ** (len(str(int(value))) - 1)
    return float(next(step * power for step in _STEPS if step * power >= value))
