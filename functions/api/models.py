"""The bodies that answers have: one for all that went well, one for every refusal."""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Field

from shared import errors
from shared.management.models import Resource

Data = TypeVar("Data")


class Success(BaseModel, Generic[Data]):
    """The body of everything that went well."""

    status: Literal["success"] = "success"
    data: Data


class Failure(Resource):
    """The body of every refusal and failure."""

    status: Literal["error"] = "error"
    error: str = Field(description="What went wrong, in words.")
    code: str = Field(description="The same for the same error, for programs.")
    request_id: str = Field(description="Also in the X-Request-Id header, and in our logs.")


WITH_BODY: tuple[type[errors.SwitchhookError], ...] = (
    errors.InvalidRequest,
    errors.InvalidJson,
    errors.RequestTimeout,
    errors.PayloadTooLarge,
    errors.UnsupportedMediaType,
)
"""How a body may be refused."""


def refusals(*possible: type[errors.SwitchhookError]) -> dict[int | str, dict[str, Any]]:
    """For `responses=`: what every route may be refused with, and these errors."""
    told: list[type[errors.SwitchhookError]] = [errors.Unauthorized, errors.DatabaseUnavailable]
    told += [error for error in possible if error not in told]
    documented: dict[int | str, dict[str, Any]] = {}
    for error in sorted(told, key=lambda one: one.status):
        words = f"`{error.code}`: {error.default_message}"
        before = documented.get(error.status)
        description = f"{before['description']}; {words}" if before else words
        documented[error.status] = {"model": Failure, "description": description}
    return documented
