"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from functions.cli.api import Item, Refused
from functions.cli.findings import Finding

console = Console()

MARKS = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "error": "[red]error[/]"}


def show_json(content: Any) -> None:
    typer.echo(json.dumps(content))


def show_items(items: Sequence[Item], columns: Sequence[str], *, as_json: bool) -> None:
    """A row per entry. People see these columns, programs all there are."""
    if as_json:
        show_json(items)
        return
    table = Table(*columns, box=None)
    for item in items:
        table.add_row(*(escape(text(item.get(column))) for column in columns))
    console.print(table)


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
        show_json({"error": str(refused), "code": refused.code})
    else:
        console.print(f"[red]{escape(str(refused))}[/]", highlight=False)
