"""All that the API has routes for, in the order in which its description lists them."""

from __future__ import annotations

from functions.api import (
    endpoint_refusals,
    endpoint_trial,
    endpoints,
    entity_types,
    log,
    queue,
    rules,
)

ROUTERS = tuple(
    resource.router
    for resource in (
        endpoints,
        endpoint_refusals,
        endpoint_trial,
        queue,
        log,
        rules,
        entity_types,
    )
)
