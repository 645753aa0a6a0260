"""The settings a scheme can have. They arrive as JSON in an endpoint's `schemeSettings`.

Keys may be written in camelCase, as in the API, or with underscores. Header names are kept in lower
case, since they mean the same in any.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from shared.errors import InvalidRequest
from shared.signatures.macs import DEFAULT_TOLERANCE
from shared.signatures.request import SignedRequest

HeaderName = Annotated[
    str,
    StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$", to_lower=True),
]
"""A field name as RFC 9110, section 5.1, allows."""

Tolerance = Annotated[int, Field(ge=1, le=3600)]
"""Seconds that a signed timestamp may be away from now, both ways."""


def _public_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        has_host = False
    if not has_host or parts.scheme not in {"http", "https"} or "@" in parts.netloc:
        raise ValueError("it must be an http or https address")
    if "?" in url or "#" in url:
        raise ValueError("it must end before the question mark")
    return url


PublicUrl = Annotated[
    str,
    StringConstraints(pattern=r"^[!-~]+$", max_length=1000),
    AfterValidator(_public_url),
]
"""An address without its query."""


class SchemeSettings(BaseModel):
    """The base of every scheme's settings, and the settings of a scheme that has none."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        defer_build=True,  # until an endpoint has it: there are many, and most endpoints use a few
    )


Settings = TypeVar("Settings", bound=SchemeSettings)


def validated(model: type[Settings], raw: Mapping[str, object], subject: str) -> Settings:
    """Raises InvalidRequest, which names `subject` and each field that is wrong, and shows no input."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        problems = "; ".join(
            ": ".join(filter(None, [".".join(map(str, problem["loc"])), problem["msg"]]))
            for problem in error.errors(include_input=False, include_url=False)
        )
        raise InvalidRequest(f"Settings for {subject}: {problems}") from None


class TimestampSettings(SchemeSettings):
    """For schemes that sign a timestamp."""

    tolerance_seconds: Tolerance = DEFAULT_TOLERANCE


class FactSettings(SchemeSettings):
    """For schemes whose sender may name facts in headers of its own choice."""

    event_type_header: HeaderName | None = None
    delivery_id_header: HeaderName | None = None


class AddressSettings(SchemeSettings):
    """For schemes that sign the address to which they send."""

    public_url: PublicUrl | None = None
    """The address as the sender has it, where that is not the endpoint's `url`."""

    def address(self, request: SignedRequest) -> str:
        """The whole address, with the query that came."""
        base = self.public_url or request.url
        return f"{base}?{request.query}" if request.query else base
