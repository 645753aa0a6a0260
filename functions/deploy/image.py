"""The image's `main.py`: the application of the function that FUNCTION names (see Dockerfile)."""

from __future__ import annotations

import importlib
import os

from shared.logs import log_as_json

app = importlib.import_module(f"functions.{os.environ['FUNCTION']}.app").app
log_as_json()
