"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape

from functions.cli.api import Item, Refused
from functions.cli.findings import Finding

# What does not fit into a line is the terminal's to wrap: an id that is broken or cut cannot be typed again.
console = Console(soft_wrap=True)

MARKS = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "error": "[red]error[/]"}


def show_json(content: Any) -> None:
    typer.echo(json.dumps(content))


def show_items(items: Sequence[Item], columns: Sequence[str], *, as_json: bool) -> None:
    """A row per entry. People see these columns, programs all there are."""
    if as_json:
        show_json(items)
        return
    rows = [[one_line(text(item.get(column))) for column in columns] for item in items]
    widths = [max(map(cell_len, cells)) for cells in zip(columns, *rows, strict=True)]
    console.print(_row(columns, widths), style="bold", markup=False, highlight=False)
    for row in rows:
        console.print(_row(row, widths), markup=False, highlight=False)


def show_more_items(items: Sequence[Item], columns: Sequence[str], *, as_json: bool) -> None:
    """Entries of a list that goes on; for programs one JSON object a line."""
    if not as_json:
        show_items(items, columns, as_json=False)
        return
    for item in items:
        show_json(item)


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell + " " * (width - cell_len(cell)) for cell, width in zip(cells, widths, strict=True)
    )
    return "  ".join(padded).rstrip()


def one_line(words: str) -> str:
    """Without line breaks."""
    return " ".join(words.split())


def show_answer(answer: Item, *, as_json: bool) -> None:
    """A line per value. People see none that is empty, and an id once."""
    if as_json:
        show_json(answer)
        return
    for name, value in answer.items():
        if value is None or (name == "_id" and value == answer.get("id")):
            continue
        words = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        console.print(f"{name}: {words}", markup=False, highlight=False)


def show_event(event: Item, *, as_json: bool) -> None:
    """One line; for programs one JSON object a line."""
    if as_json:
        show_json(event)
        return
    words = [event["createdAt"], event["eventType"], event["stage"], event["status"], event["id"]]
    if "answered" in event:
        words.append(f"→ {event['answered'] or 'no answer'}")
    console.print(" ".join(words), markup=False, highlight=False)


def text(value: object) -> str:
    """A value as people read it."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(text, value))
        case _:
            return str(value)


def show_findings(findings: Sequence[Finding]) -> None:
    for finding in findings:
        says = escape(finding.says)
        console.print(f"{MARKS[finding.level]} {finding.check}: {says}", highlight=False)
        if finding.remedy:
            console.print(f"  → {finding.remedy}", highlight=False, markup=False)


def show_refusal(refused: Refused, *, as_json: bool) -> None:
    if as_json:
        show_json({"status": "error", "error": str(refused), "code": refused.code})
    else:
        console.print(f"[red]{escape(str(refused))}[/]", highlight=False)
