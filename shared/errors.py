"""Every error Switchhook answers with.

    SwitchhookError
    ├── InvalidRequest          400  WH001  invalid_request
    │   ├── InvalidJson         400  WH002  invalid_json
    │   └── InvalidExpression   400  WH018  invalid_expression
    ├── InvalidSignature        401  WH003  invalid_signature
    ├── Unauthorized            401  WH004  unauthorized
    ├── EndpointInactive        403  WH005  endpoint_inactive
    ├── Forbidden               403  WH006  forbidden
    ├── NotFound                404  WH007  not_found
    │   └── UnknownEndpoint     404  WH008  unknown_endpoint
    ├── MethodNotAllowed        405  WH009  method_not_allowed
    ├── RequestTimeout          408  WH010  request_timeout
    ├── Conflict                409  WH011  conflict
    │   ├── InvalidState        409  WH017  invalid_state
    │   └── IdempotencyKeyReused 409 WH020  idempotency_key_reused
    ├── PayloadTooLarge         413  WH012  payload_too_large
    ├── UnsupportedMediaType    415  WH013  unsupported_media_type
    ├── RateLimited             429  WH014  rate_limited
    ├── HeadersTooLarge         431  WH015  headers_too_large
    ├── InternalError           500  WH000  internal_error
    └── ServiceUnavailable      503  WH019  service_unavailable
        └── DatabaseUnavailable 503  WH016  database_unavailable

One error has one code, one HTTP status and one SQLSTATE, wherever it is raised. Between functions in
SQL it is raised with its SQLSTATE; where it leaves through PostgREST, with errcode PT404 (PostgREST's
way to choose the HTTP status) and its SQLSTATE as detail. `from_sqlstate` turns it back into the class.
Nothing is ever matched by its message.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar


class SwitchhookError(Exception):
    """A refusal or failure that a caller may be told about.

    `message` is shown to the caller, so it never holds a secret, a payload or a driver's own words.
    """

    code: ClassVar[str]
    status: ClassVar[int]
    sqlstate: ClassVar[str]
    default_message: ClassVar[str]

    def __init__(self, message: str | None = None, *, retry_after: int | None = None) -> None:
        self.message = message or self.default_message
        self.retry_after = retry_after
        """Seconds after which trying again makes sense; sent as the Retry-After header."""
        super().__init__(self.message)


class InvalidRequest(SwitchhookError):
    code, status, sqlstate = "invalid_request", 400, "WH001"
    default_message = "Invalid request"


class InvalidJson(InvalidRequest):
    code, sqlstate = "invalid_json", "WH002"
    default_message = "The body is not valid JSON"


class InvalidExpression(InvalidRequest):
    code, sqlstate = "invalid_expression", "WH018"
    default_message = "The expression is not valid"


class InvalidSignature(SwitchhookError):
    code, status, sqlstate = "invalid_signature", 401, "WH003"
    default_message = "Invalid signature"


class Unauthorized(SwitchhookError):
    code, status, sqlstate = "unauthorized", 401, "WH004"
    default_message = "A valid access token is required"


class EndpointInactive(SwitchhookError):
    code, status, sqlstate = "endpoint_inactive", 403, "WH005"
    default_message = "This endpoint is not active"


class Forbidden(SwitchhookError):
    code, status, sqlstate = "forbidden", 403, "WH006"
    default_message = "This is not allowed"


class NotFound(SwitchhookError):
    code, status, sqlstate = "not_found", 404, "WH007"
    default_message = "Not found"


class UnknownEndpoint(NotFound):
    code, sqlstate = "unknown_endpoint", "WH008"
    default_message = "There is no endpoint with this address"


class MethodNotAllowed(SwitchhookError):
    code, status, sqlstate = "method_not_allowed", 405, "WH009"
    default_message = "This method is not allowed here"


class RequestTimeout(SwitchhookError):
    code, status, sqlstate = "request_timeout", 408, "WH010"
    default_message = "The request took too long to arrive"


class Conflict(SwitchhookError):
    code, status, sqlstate = "conflict", 409, "WH011"
    default_message = "This already exists"


class InvalidState(Conflict):
    code, sqlstate = "invalid_state", "WH017"
    default_message = "This is not possible in the present state"


class IdempotencyKeyReused(Conflict):
    code, sqlstate = "idempotency_key_reused", "WH020"
    default_message = "This idempotency key was used before, for something else"


class PayloadTooLarge(SwitchhookError):
    code, status, sqlstate = "payload_too_large", 413, "WH012"
    default_message = "The body is too large"


class UnsupportedMediaType(SwitchhookError):
    code, status, sqlstate = "unsupported_media_type", 415, "WH013"
    default_message = "This media type is not supported"


class RateLimited(SwitchhookError):
    code, status, sqlstate = "rate_limited", 429, "WH014"
    default_message = "Too many requests"


class HeadersTooLarge(SwitchhookError):
    code, status, sqlstate = "headers_too_large", 431, "WH015"
    default_message = "The headers are too large"


class InternalError(SwitchhookError):
    code, status, sqlstate = "internal_error", 500, "WH000"
    default_message = "Something went wrong on our side"


class ServiceUnavailable(SwitchhookError):
    code, status, sqlstate = "service_unavailable", 503, "WH019"
    default_message = "Something that this needs cannot be reached; try again"


class DatabaseUnavailable(ServiceUnavailable):
    code, sqlstate = "database_unavailable", "WH016"
    default_message = "The database cannot be reached; try again"


def error_classes(base: type[SwitchhookError] = SwitchhookError) -> Iterator[type[SwitchhookError]]:
    """Every error class below `base`, parents first."""
    for subclass in base.__subclasses__():
        yield subclass
        yield from error_classes(subclass)


_BY_SQLSTATE = {error.sqlstate: error for error in error_classes()}
_BY_STATUS: dict[int, type[SwitchhookError]] = {}
for _error in error_classes():
    _BY_STATUS.setdefault(_error.status, _error)


def from_sqlstate(sqlstate: str) -> type[SwitchhookError] | None:
    """The error class that SQL raises as `sqlstate`, or None where it is not one of ours."""
    return _BY_SQLSTATE.get(sqlstate)


def from_status(status: int) -> type[SwitchhookError]:
    """The most general error class for an HTTP status; InternalError for one that has none."""
    return _BY_STATUS.get(status, InternalError)
