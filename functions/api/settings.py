"""Configuration of api. It has no service key: it acts with the caller's own token."""

from __future__ import annotations

from shared.management.settings import ManagementSettings


class ApiSettings(ManagementSettings):
    """What api needs beside the project's URL: nothing of its own."""
