"""Where inputs are kept."""

from __future__ import annotations

from pathlib import Path

CORPUS = Path(__file__).with_name("corpus")
"""Of the repository: replayed by the tests, and what each run begins with."""
WORK = Path(__file__).parents[2] / ".stack" / "fuzz"
"""What runs on this machine leave: inputs that show a fault."""
FOUND = WORK / "found"
"""Inputs that reach new code, for the next run to go on from."""


def inputs() -> dict[str, bytes]:
    """The corpus by file name."""
    return {path.name: path.read_bytes() for path in sorted(CORPUS.iterdir())}
