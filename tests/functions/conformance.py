"""Requests made from an OpenAPI description, right and wrong ones, and what must hold of every answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

Case = schemathesis.Case[Any]
Operation = schemathesis.APIOperation[Any, Any, Any, Any]
Mode = schemathesis.GenerationMode

RIGHT, WRONG = Mode.POSITIVE, Mode.NEGATIVE
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
FRAMING = {"connection", "content-length", "expect", "host", "te", "transfer-encoding", "upgrade"}
"""Headers that are the connection's: wrong ones never get as far as an application."""


def _as_it_is(_: Any) -> None:
    pass


@dataclass(frozen=True)
class Sender:
    """Where requests go, and what the test knows and the description does not."""

    base_url: str
    headers: dict[str, str] = field(default_factory=dict)
    fill: Callable[[Case], None] = _as_it_is
    """Puts things into a right request, such as ids that there are."""
    sign: Callable[[requests.PreparedRequest], None] = _as_it_is
    """Has the last word on any request."""


def operations(description: dict[str, Any]) -> dict[str, Operation]:
    """All of a description's, by method and path."""
    found = schemathesis.openapi.from_dict(description).get_all_operations()
    return {result.ok().label: result.ok() for result in found if isinstance(result, Ok)}


def assert_conforms(operation: Operation, mode: Mode, times: int, sender: Sender) -> None:
    """No answer is a 5xx, has a status that is not told, or another shape than is told.

    What is wrong is refused.
    """
    checks = [*CHECKS, negative_data_rejection] if mode is WRONG else CHECKS

    @settings(
        max_examples=times,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def answers(case: Case) -> None:
        if mode is RIGHT:
            sender.fill(case)
        request = requests.Request(**case.as_transport_kwargs(sender.base_url, sender.headers))
        request.headers = {k: v for k, v in request.headers.items() if k.lower() not in FRAMING}
        prepared = session.prepare_request(request)
        sender.sign(prepared)
        response = session.send(prepared, timeout=30, allow_redirects=False)
        case.validate_response(response, checks=checks)

    with requests.Session() as session:
        session.trust_env = False
        answers()
