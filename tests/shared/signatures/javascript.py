"""Programs for Node, such as vendors' libraries, asked in one process for many answers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from node import NODE, TESTS

VENDORS = TESTS / "vendors.mjs"
SECOND_OPINION = TESTS / "second_opinion.mjs"
PATIENCE_SECONDS = 120

Question = tuple[str, dict[str, Any]]


def ask(questions: Sequence[Question], program: Path = VENDORS) -> list[Any]:
    """The answers in order; None where the library threw an error."""
    done = subprocess.run(
        [str(NODE), str(program)],
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: list[Any] = json.loads(done.stdout)
    assert len(answers) == len(questions)
    return answers
