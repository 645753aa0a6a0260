"""The headers with which a profile signs, as settings that are checked when they are saved."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, StringConstraints, model_validator

from shared.signatures.macs import Encoding, Hash
from shared.signatures.settings import SchemeSettings
from shared.signatures.signed_text import SignedTemplate

_RESERVED = frozenset(
    {
        *("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),
        *("accept", "accept-encoding", "expect", "host", "http2-settings", "user-agent"),
    }
)
_RESERVED_PREFIXES = ("content-", "proxy-", "webhook-")


def is_reserved_header(name: str) -> bool:
    """Whether a header is ours or the connection's (RFC 9110, section 7.6.1), in any case: no
    setting and no custom header of a webhook may have its name.
    """
    lower = name.lower()
    return lower in _RESERVED or lower.startswith(_RESERVED_PREFIXES)


def _not_reserved(name: str) -> str:
    if is_reserved_header(name):
        raise ValueError(f"{name} is not for a webhook to set")
    return name


HeaderName = Annotated[
    str,
    StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$"),
    AfterValidator(_not_reserved),
]
"""A field name as RFC 9110, section 5.1, allows, sent as it is written."""


class CustomSettings(SchemeSettings):
    """The headers of a profile; as JSON, the `custom` profile's settings."""

    signature_header: HeaderName
    prefix: Annotated[str, StringConstraints(pattern=r"^([!-~][ -~]*)?$", max_length=50)] = ""
    """What stands before the code in the header, such as `sha256=`."""
    encoding: Encoding = "hex"
    hash: Hash = "sha256"
    template: SignedTemplate = "{body}"
    """What is signed: `{body}`, `{timestamp}` and `{id}` stand for the body, and for what
    `webhook-timestamp` and `webhook-id` carry.
    """
    event_header: HeaderName | None = None
    delivery_header: HeaderName | None = None
    """Carries what `webhook-id` does: the same id on every try."""
    attempt_header: HeaderName | None = None
    """Carries an id that each try has of its own."""
    timestamp_header: HeaderName | None = None
    """Carries unix seconds, as `webhook-timestamp` does."""
    user_agent: (
        Annotated[str, StringConstraints(pattern=r"^[!-~]([ -~]*[!-~])?$", max_length=200)] | None
    ) = None

    @property
    def header_names(self) -> list[str]:
        """In lower case."""
        names = (
            self.signature_header,
            self.event_header,
            self.delivery_header,
            self.attempt_header,
            self.timestamp_header,
        )
        return [name.lower() for name in names if name is not None]

    @model_validator(mode="after")
    def _each_header_has_one_meaning(self) -> Self:
        if len(set(self.header_names)) < len(self.header_names):
            raise ValueError("each header can carry one thing only")
        return self
