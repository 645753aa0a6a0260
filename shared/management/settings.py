"""Configuration of what acts for users. There is no service key in it: it acts with the user's own token."""

from __future__ import annotations

from pydantic import SecretStr

from shared.settings import Settings


class ManagementSettings(Settings):
    """What api and console need beside the project's URL."""

    supabase_publishable_key: SecretStr
    """The project's publishable key (sb_publishable_…). It identifies the application, not the user."""

    encryption_keys: SecretStr
    """Comma-separated Fernet keys; the first encrypts the secrets of endpoints and webhooks."""

    functions_secret: SecretStr
    """What dispatch takes as bearer token. It gives no way to the database."""

    functions_url: str = "http://127.0.0.1:8000"
    """Public base URL of the functions, for the addresses that endpoints are given."""

    dispatch_url: str = ""
    """Where dispatch answers, if it is deployed at an address of its own."""

    delivery_allowed_ports: str = "443"
    """Comma-separated ports that webhooks may be sent to."""

    delivery_allowed_networks: str = ""
    """Comma-separated networks of the operator's own that webhooks may be sent to, such as 127.0.0.0/8."""

    max_body_bytes: int = 1024 * 1024
    """Of a request's body."""

    body_deadline_seconds: float = 10.0
    """A body that has not arrived by then is refused."""
