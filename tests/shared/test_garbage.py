"""A started function, in a process of its own: the collector's settings belong to the whole process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from cryptography.fernet import Fernet

from layout import ROOT
from shared.garbage import THRESHOLDS

STARTED = """
import asyncio, gc, importlib, sys

app = importlib.import_module(f"functions.{sys.argv[1]}.app").app

async def start():
    async with app.router.lifespan_context(app):
        print(*gc.get_threshold(), gc.get_freeze_count())

asyncio.run(start())
"""


@pytest.mark.parametrize(
    "function", ["ingest", "classify", "prepare_for_rules", "process_rules", "dispatch"]
)
def test_what_a_function_has_loaded_is_not_looked_at_again(function: str) -> None:
    settings = {
        "SUPABASE_URL": "http://127.0.0.1:1",
        "SUPABASE_SECRET_KEY": "key",
        "FUNCTIONS_SECRET": "secret",
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    }
    command = [sys.executable, "-c", STARTED, function]
    answer = subprocess.run(
        command, cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, check=True
    )

    *thresholds, frozen = map(int, answer.stdout.split())
    assert tuple(thresholds) == THRESHOLDS
    assert frozen > 10_000
