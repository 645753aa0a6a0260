"""Every resource of the API, in the order in which its description tells them."""

from __future__ import annotations

from functions.api import (
    deliveries,
    delivery_log,
    endpoints,
    entity_types,
    event_types,
    log,
    login,
    published_events,
    queue,
    replays,
    rule_trials,
    rules,
    trace,
    webhook_stats,
    webhook_trials,
    webhooks,
)

ROUTERS = (
    login.router,
    endpoints.router,
    queue.router,
    trace.router,
    replays.router,
    log.router,
    rules.router,
    rule_trials.router,
    entity_types.router,
    webhooks.router,
    webhook_trials.router,
    webhook_stats.router,
    delivery_log.router,
    deliveries.router,
    published_events.router,
    event_types.router,
)
