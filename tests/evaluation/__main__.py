"""`make evaluate`: what the classifier makes of the labelled events, in figures and as a page."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.evaluation.figures import answers, figures, milliseconds_per_event
from tests.evaluation.labelled_events import labelled_events
from tests.evaluation.page import confusion, page, rows

PARTS = {"tuning": "The part that it was trained on", "held_out": "Vendors that it has never seen"}
PAGE = Path(".stack/evaluation.html")


def main(path: Path = PAGE) -> None:
    console = Console()
    measured = {}
    for part, title in PARTS.items():
        events = labelled_events(part)
        found = figures(answers(events))
        measured[title] = found, milliseconds_per_event(events)
        table = Table(title=title, title_justify="left", show_header=False)
        for row in rows(*measured[title]):
            table.add_row(*row)
        console.print(table)
        head, *lines = confusion(found)
        counts = Table(*head)
        for line in lines:
            counts.add_row(*line)
        console.print(counts)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(measured))
    console.print(f"Written to {path}")


if __name__ == "__main__":
    main()
