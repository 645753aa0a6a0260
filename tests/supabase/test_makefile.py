from __future__ import annotations

import re
import subprocess
from pathlib import Path


def test_make_alone_lists_every_target(project_root: Path) -> None:
    answer = subprocess.run(["make"], cwd=project_root, capture_output=True, text=True, check=True)
    listed = set(re.findall(r"^  make (\w+)", answer.stdout, re.MULTILINE))
    makefile = (project_root / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))

    assert listed == targets
    wanted = "help setup run up down reset test check bench migration"
    assert set(wanted.split()) <= listed
