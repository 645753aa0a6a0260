"""Every page of the console, in the order in which the navigation tells them."""

from __future__ import annotations

from functions.console.pages import (
    deliveries,
    endpoints,
    log,
    overview,
    queue,
    rules,
    settings,
    sign_in,
    types,
    webhooks,
)

ROUTES = (
    *sign_in.ROUTES,
    *overview.ROUTES,
    *endpoints.ROUTES,
    *queue.ROUTES,
    *log.ROUTES,
    *webhooks.ROUTES,
    *deliveries.ROUTES,
    *rules.ROUTES,
    *settings.ROUTES,
    *types.ROUTES,
)
