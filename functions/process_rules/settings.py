"""Configuration of process_rules: what every worker has."""

from __future__ import annotations

from shared.settings import WorkerSettings


class ProcessRulesSettings(WorkerSettings):
    """See shared.settings; a runtime may give each worker other sizes."""
