"""The figures as one small page: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from tests.evaluation.figures import Bin, Figures

SIDE = 300
"""Of the plot, in pixels."""

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: #1c2430; background: #fff }
section { margin-top: 2.5rem } table { border-collapse: collapse; margin: 1rem 0 }
th, td { padding: .25rem .75rem; text-align: right; border-bottom: 1px solid #d8dee6 }
th:first-child, td:first-child { text-align: left } td.right { background: #e3f3e8 }
td.wrong { background: #fbe6e3 } svg text { font-size: 12px; fill: #1c2430 }
"""


def page(parts: Mapping[str, tuple[Figures, float]]) -> str:
    """`parts`: by title, figures and milliseconds per event."""
    sections = "".join(_section(title, *part) for title, part in parts.items())
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>How good the classifier is</title><style>{_STYLE}</style>"
        f"<h1>How good the classifier is</h1>{sections}</html>\n"
    )


def rows(figures: Figures, milliseconds: float) -> list[tuple[str, str]]:
    """What is told of a part, in words and figures."""
    return [
        ("events, vendors", f"{figures.events}, {figures.vendors}"),
        ("entity type is right", f"{figures.entity_type:.1%}"),
        ("is_person is right", f"{figures.is_person:.1%}"),
        ("sent to review at 0.7", f"{figures.review:.1%}"),
        ("right of those that pass", f"{figures.passed_right:.1%}"),
        ("calibration error", f"{figures.calibration_error:.3f}"),
        ("… with events that get no type", f"{figures.calibration_error_of_all:.3f}"),
        ("time per event, warm", f"{milliseconds:.2f} ms"),
    ]


def confusion(figures: Figures) -> list[list[str]]:
    """The first row has the answers' names, the first column the labels'."""
    kinds = sorted({kind or "" for pair in figures.confusion for kind in pair}, reverse=True)
    table = [["is \\ said", *(kind or "none" for kind in kinds)]]
    for label in kinds:
        counts = (figures.confusion[label or None, answer or None] for answer in kinds)
        table.append([label or "none", *(str(count or "") for count in counts)])
    return table


def _section(title: str, figures: Figures, milliseconds: float) -> str:
    told = "".join(
        f"<tr><td>{escape(what)}<td>{escape(figure)}"
        for what, figure in rows(figures, milliseconds)
    )
    head, *labels = confusion(figures)
    body = "".join(
        "<tr>" + "".join(_cell(cell, at, number) for at, cell in enumerate(line))
        for number, line in enumerate(labels, start=1)
    )
    heads = "".join(f"<th>{escape(name)}" for name in head)
    return (
        f"<section><h2>{escape(title)}</h2><table>{told}</table>{_plot(figures.bins)}"
        f"<table><tr>{heads}{body}</table></section>"
    )


def _cell(text: str, column: int, row: int) -> str:
    kind = "" if not column or not text else ' class="right"' if column == row else ' class="wrong"'
    return f"<td{kind}>{escape(text)}"


def _plot(bins: Iterable[Bin]) -> str:
    """Stated confidence against the share that is right; on the diagonal both are the same."""
    dots = "".join(
        f'<circle cx="{_x(one.stated):.1f}" cy="{_y(one.right):.1f}" r="{3 + one.count**0.5:.1f}"'
        ' fill="#2f6fb3" fill-opacity=".65">'
        f"<title>{one.count} events: {one.stated:.2f} stated, {one.right:.2f} right</title></circle>"
        for one in bins
    )
    ticks = "".join(
        f'<text x="{_x(at / 5):.0f}" y="{SIDE + 38}" text-anchor="middle">{at / 5:.1f}</text>'
        f'<text x="32" y="{_y(at / 5) + 4:.0f}" text-anchor="end">{at / 5:.1f}</text>'
        for at in range(6)
    )
    return (
        f'<svg width="{SIDE + 60}" height="{SIDE + 64}" role="img" '
        'aria-label="Stated confidence against the share that is right">'
        f'<rect x="40" y="20" width="{SIDE}" height="{SIDE}" fill="none" stroke="#d8dee6"/>'
        f'<line x1="40" y1="{SIDE + 20}" x2="{SIDE + 40}" y2="20" stroke="#98a3b3" '
        f'stroke-dasharray="4 4"/>{ticks}{dots}'
        f'<text x="40" y="12">share that is right</text>'
        f'<text x="{SIDE + 40}" y="{SIDE + 56}" text-anchor="end">stated confidence</text></svg>'
    )


def _x(value: float) -> float:
    return 40 + value * SIDE


def _y(value: float) -> float:
    return 20 + (1 - value) * SIDE
