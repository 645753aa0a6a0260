"""Calls to dispatch: `POST {}` delivers what is due, `POST {"delivery_ids": […]}` only those."""

from __future__ import annotations

import logging
from dataclasses import asdict
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from functions.dispatch.dispatcher import Dispatcher
from functions.dispatch.settings import DispatchSettings
from shared.errors import InvalidRequest
from shared.responses import success
from shared.worker import authorise

logger = logging.getLogger(__name__)


class DispatchRequest(BaseModel):
    """The body of a call."""

    model_config = ConfigDict(extra="forbid")

    delivery_ids: list[UUID] | None = Field(default=None, min_length=1, max_length=1000)


def dispatch_routes(settings: DispatchSettings) -> list[Route]:
    """Where dispatch is called, by those who know the functions' secret."""

    async def handle(request: Request) -> Response:
        authorise(request, settings.functions_secret.get_secret_value())
        try:
            asked = DispatchRequest.model_validate_json(await request.body() or b"{}")
        except ValidationError:
            raise InvalidRequest('Send {} or {"delivery_ids": [up to 1000 ids]}') from None
        dispatcher: Dispatcher = request.app.state.dispatcher
        if asked.delivery_ids is None:
            counts = await dispatcher.work()
        else:
            counts = await dispatcher.deliver([str(one) for one in asked.delivery_ids])
        if counts.claimed:
            logger.info("dispatched", extra=asdict(counts))
        return success(asdict(counts))

    paths = ("/", "/functions/v1/dispatch")
    return [Route(path, handle, methods=["POST"]) for path in paths]
