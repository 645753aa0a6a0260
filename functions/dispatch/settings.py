"""Configuration of dispatch."""

from __future__ import annotations

from pydantic import SecretStr

from shared.settings import PipelineSettings


class DispatchSettings(PipelineSettings):
    """What dispatch needs beside the keys that every pipeline function has."""

    encryption_keys: SecretStr
    """Comma-separated Fernet keys; secrets of webhooks are stored under them."""

    dispatch_concurrency: int = 500
    """Deliveries under way at once in one process, 1 to 1000."""

    dispatch_per_webhook: int = 256
    """Of these, to one webhook at most. Slow and failing ones get fewer, down to 4."""

    dispatch_lease_seconds: int = 60
    """How long a delivery belongs to a worker; over 30, the longest that a receiver may take."""

    dispatch_time_budget_seconds: float = 25.0
    """A call stops claiming more after this long; under the runtime's own limit."""

    delivery_allowed_ports: str = "443"
    """Ports that webhooks may be on, comma-separated."""

    delivery_allowed_networks: str = ""
    """Networks that webhooks may be in although they are not public, comma-separated; there http and any port
    are fine. For the local stack: 127.0.0.0/8,::1/128."""
