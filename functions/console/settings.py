"""Configuration of console. It has no service key: it acts with the user's own token."""

from __future__ import annotations

from shared.management.settings import ManagementSettings


class ConsoleSettings(ManagementSettings):
    """What console needs beside the project's URL."""
