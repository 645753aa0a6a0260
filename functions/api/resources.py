"""Every resource of the API, in the order in which its description tells them."""

from __future__ import annotations

from functions.api import (
    deliveries,
    delivery_log,
    endpoint_reconcile,
    endpoint_refusals,
    endpoint_trial,
    endpoints,
    entity_types,
    event_types,
    log,
    login,
    overrides,
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

ROUTERS = tuple(
    resource.router
    for resource in (
        login,
        endpoints,
        endpoint_refusals,
        endpoint_trial,
        endpoint_reconcile,
        queue,
        overrides,
        trace,
        replays,
        log,
        rules,
        rule_trials,
        entity_types,
        webhooks,
        webhook_trials,
        webhook_stats,
        delivery_log,
        deliveries,
        published_events,
        event_types,
    )
)
