"""Configuration of ingest."""

from __future__ import annotations

from pydantic import SecretStr

from shared.settings import PipelineSettings


class IngestSettings(PipelineSettings):
    """All have defaults that suit a small serverless instance."""

    encryption_keys: SecretStr
    """Comma-separated Fernet keys; any of them may have encrypted an endpoint's secret."""

    functions_url: str = "http://127.0.0.1:8000"
    """Public base URL of the functions: what vendors sign as the address that they send to."""

    max_body_bytes: int = 1024 * 1024
    """Of the body after gzip."""

    max_header_bytes: int = 32 * 1024
    """Of all header names and values together."""

    body_deadline_seconds: float = 10.0
    """A body that has not arrived by then is refused."""

    endpoint_cache_seconds: float = 5.0
    """How long an endpoint's settings and secrets are kept: a rotation or a switch-off holds at the latest then.

    The database checks once more, when it stores, that the endpoint still exists and is active.
    """

    group_max_events: int = 500
    """Events that one RPC may store."""

    group_max_bytes: int = 4 * 1024 * 1024
    """Bytes that one RPC may carry, unless a single event has more."""

    group_concurrency: int = 2
    """RPCs under way at once."""

    group_overlap_events: int = 128
    """Events that must wait before an RPC starts beside one under way; fewer wait for it and go together."""
