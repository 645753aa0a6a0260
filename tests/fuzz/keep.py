"""Makes the corpus: the seeds, and of what fuzzing found the shortest inputs that reach more code.

Run it as `.venv/bin/python -m tests.fuzz.keep`, after `make fuzz`, or when a scheme was added.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from tests.fuzz.cases import read, write
from tests.fuzz.corpus import CORPUS, FOUND
from tests.fuzz.seeds import seeds
from tests.fuzz.target import one_input

ROOT = Path(__file__).parents[2]
MEASURED = tuple(f"{ROOT / folder}/" for folder in ("functions", "shared"))

Step = tuple[CodeType, int, int]
"""From one line of a function to the next."""


def keep(corpus: Path, found: Path) -> int:
    """Rewrites the corpus; how many inputs it has."""
    inputs = {name: write(case) for name, case in seeds().items()}
    # What is made once, such as a key, is no reason to keep the input that came first.
    for data in inputs.values():
        one_input(data)
    reached = set[object]().union(*(steps(data) for data in inputs.values()))
    known = [path.read_bytes() for folder in (corpus, found) for path in folder.glob("*")]
    for data in sorted(set(known), key=lambda data: (len(data), data)):
        more = steps(data) - reached
        if more:
            reached |= more
            inputs[hashlib.sha256(data).hexdigest()[:16]] = data
    for path in corpus.glob("*"):
        path.unlink()
    for name, data in inputs.items():
        (corpus / name).write_bytes(data)
    return len(inputs)


def steps(data: bytes) -> set[object]:
    """What an input reaches: the steps it takes, and how each scheme answers."""
    taken: set[object] = set()

    def enter(frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if not code.co_filename.startswith(MEASURED):
            return None
        before = 0

        def step(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal before
            if event == "line":
                taken.add((code, before, frame.f_lineno))
                before = frame.f_lineno
            return step

        return step

    sys.settrace(enter)
    try:
        outcome = one_input(data)
    finally:
        sys.settrace(None)
    return taken | {(read(data).scheme, outcome)}


if __name__ == "__main__":
    print(f"{keep(CORPUS, FOUND)} inputs in {CORPUS.relative_to(ROOT)}")
