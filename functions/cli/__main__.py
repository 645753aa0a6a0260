"""`switchhook`, the command line: python -m functions.cli."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from functions.cli.doctor import examine
from functions.cli.findings import Finding
from functions.cli.settings import CliSettings

app = typer.Typer(
    name="switchhook", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
console = Console()

AsJson = Annotated[bool, typer.Option("--json", help="For programs: JSON and nothing else.")]

MARKS = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "error": "[red]error[/]"}


@app.callback()
def root() -> None:
    """Switchhook from the command line. Settings come from the environment, or the file that ENV_FILE names."""


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Look at keys, schema, extensions, clocks and wake-ups, and say what to do. Ends with 1 if anything is wrong."""
    with console.status("Looking …") if not as_json else console.capture():
        findings = asyncio.run(examine(CliSettings()))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        _show(findings)
    raise typer.Exit(any(finding.level == "error" for finding in findings))


def _show(findings: list[Finding]) -> None:
    for finding in findings:
        says = escape(finding.says)
        console.print(f"{MARKS[finding.level]} {finding.check}: {says}", highlight=False)
        if finding.remedy:
            console.print(f"  → {finding.remedy}", highlight=False, markup=False)


if __name__ == "__main__":
    app()
