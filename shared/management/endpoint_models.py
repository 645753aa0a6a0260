"""Endpoints as they are sent and answered."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, JsonValue, SecretStr, StringConstraints

from shared.management import slugs
from shared.management.models import (
    WHOLE,
    Changes,
    Confidence,
    Description,
    EntityTypeName,
    Name,
    Request,
    Resource,
    StoredResource,
    Timestamp,
)
from shared.signatures import SCHEMES

ProcessingMode = Literal["review", "automatic"]


def _known_scheme(name: str) -> str:
    if name not in SCHEMES:
        raise ValueError(f"must be one of {', '.join(SCHEMES)}")
    return name


def _free_slug(slug: str) -> str:
    if slug in slugs.RESERVED:
        raise ValueError("this one is reserved")
    return slug


SchemeName = Annotated[
    str, AfterValidator(_known_scheme), Field(json_schema_extra={"enum": list(SCHEMES)})
]
Slug = Annotated[str, StringConstraints(pattern=slugs.PATTERN), AfterValidator(_free_slug)]
ObjectTypes = Annotated[
    list[EntityTypeName],
    Field(max_length=100),
    AfterValidator(lambda names: list(dict.fromkeys(names))),
]
FieldMaps = Annotated[
    dict[EntityTypeName, dict[str, str]], Field(json_schema_extra={"additionalProperties": False})
]


class EndpointFields(Request):
    """What a user decides about an endpoint."""

    name: Name
    slug: Slug | None = Field(
        default=None,
        description="Last part of the address. Left out, a new endpoint's is made from its name and an "
        "existing one's stays.",
    )
    description: Description | None = None
    scheme: SchemeName = Field(description="How the source proves who it is.")
    scheme_settings: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="What the scheme leaves open, such as the header of `hmac`.",
    )
    secret: SecretStr | None = Field(
        default=None,
        exclude=True,
        description="Left out, one is made. For an existing endpoint only together with a new scheme: "
        "otherwise rotate it.",
    )
    processing_mode: ProcessingMode = Field(
        default="review",
        description="`automatic`: what is classified with enough confidence waits for nobody.",
    )
    confidence_threshold: Confidence = Field(
        default=0.7, description="How sure is sure enough for `automatic`."
    )
    allowed_object_types: ObjectTypes = Field(
        default_factory=list, description="Entity types that events may become; empty means all."
    )
    default_entity_table: EntityTypeName | None = Field(
        default=None, description="Entity type for events that the classifier cannot tell."
    )
    field_maps: FieldMaps = Field(
        default_factory=dict,
        description="Per entity type JMESPath by column, laid over the type's own.",
    )
    rate_limit_per_minute: Annotated[int, Field(ge=1, le=1_000_000), WHOLE] | None = None
    dedupe_window_seconds: Annotated[int, Field(ge=0, le=2_592_000), WHOLE] = Field(
        default=86_400,
        description="How long an equal body counts as the same delivery, if it has no id of its own.",
    )
    is_active: bool = True


class EndpointChanges(Changes, EndpointFields):
    """What to change of an endpoint."""


class Endpoint(StoredResource):
    """A source of webhooks and its address."""

    name: str
    slug: str
    url: str = Field(description="Where the source posts to.")
    description: str | None
    scheme: str
    scheme_settings: dict[str, Any]
    processing_mode: ProcessingMode
    confidence_threshold: float
    allowed_object_types: list[str]
    default_entity_table: str | None
    field_maps: dict[str, dict[str, str]]
    rate_limit_per_minute: int | None
    dedupe_window_seconds: int
    is_active: bool
    created_by: UUID
    created_at: Timestamp
    updated_at: Timestamp


class EndpointWithSecret(Endpoint):
    """The answer to the call that set the secret, the only one that shows it."""

    secret: str | None = Field(description="Null if this call set none. It is not shown again.")


class RotateSecret(Request):
    """A new secret."""

    secret: SecretStr | None = Field(default=None, description="Left out, one is made.")
    overlap_seconds: Annotated[int, Field(ge=0, le=604_800), WHOLE] = Field(
        default=86_400, description="How long the secrets so far stay valid."
    )


class NewSecret(Resource):
    """The answer to a rotation, the only one that shows the new secret."""

    secret: str = Field(description="It is not shown again.")
    previous_valid_until: Timestamp


class SampleCurl(Resource):
    """A command to try an endpoint with."""

    curl: str = Field(
        description="For bash, with the endpoint's secret in the variable SECRET. Where the vendor signs "
        "with a private key, that is the key as PEM, of a pair of your own."
    )
