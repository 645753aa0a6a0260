"""Vendors that sign a time with the body."""

from __future__ import annotations

from shlex import quote
from typing import Any

from shared.management.recipes.shell import DECODE_KEY, DECODED_KEY, ISO_TIME, Recipe, code, header

STANDARD = (
    '{"type":"contact.created",'
    '"data":{"id":"cust_NOW","name":"Ada Lovelace","email":"ada@example.com"}}'
)
STRIPE = (
    '{"id":"evt_NOW","object":"event","type":"customer.created","created":NOW,"data":{"object":'
    '{"id":"cus_NOW","object":"customer","name":"Ada Lovelace","email":"ada@example.com"}}}'
)
SLACK = (
    '{"type":"event_callback","event_id":"EvNOW","event":'
    '{"type":"message","channel":"C024BE91L","user":"U2147483697","text":"Hello","ts":"NOW.000100"}}'
)
CALENDLY = (
    '{"event":"invitee.created","payload":{"uri":"https://api.calendly.com/invitees/NOW",'
    '"name":"Ada Lovelace","email":"ada@example.com"}}'
)
GITLAB = (
    '{"object_kind":"issue","user":{"name":"Ada Lovelace"},"object_attributes":'
    '{"id":NOW,"iid":1,"title":"The engine stops","action":"open"}}'
)
HUBSPOT = (
    '[{"eventId":NOW,"subscriptionId":1,"portalId":1,"occurredAt":NOW000,"attemptNumber":0,'
    '"subscriptionType":"contact.creation","objectId":NOW}]'
)
PADDLE = (
    '{"event_id":"evt_NOW","event_type":"customer.created",'
    '"data":{"id":"ctm_NOW","name":"Ada Lovelace","email":"ada@example.com"}}'
)
ZENDESK = (
    '{"type":"zen:event-type:ticket.created","subject":"zen:ticket:NOW",'
    '"detail":{"id":"NOW","subject":"The engine stops","status":"NEW"}}'
)
ZOOM = (
    '{"event":"meeting.ended","event_ts":NOW000,"payload":{"account_id":"1",'
    '"object":{"uuid":"uuid-NOW","id":"1815","topic":"Analytical Engines"}}}'
)

_STANDARD_CODE = code('"msg_$NOW.$NOW.$BODY"', key=DECODED_KEY, encoding="base64")


def _stripe(*_: Any) -> Recipe:
    return Recipe(STRIPE, ['"Stripe-Signature: t=$NOW,v1="' + code('"$NOW.$BODY"')])


def _calendly(*_: Any) -> Recipe:
    return Recipe(CALENDLY, ['"Calendly-Webhook-Signature: t=$NOW,v1="' + code('"$NOW.$BODY"')])


def _paddle(*_: Any) -> Recipe:
    return Recipe(PADDLE, ['"Paddle-Signature: ts=$NOW;h1="' + code('"$NOW:$BODY"')])


def _slack(*_: Any) -> Recipe:
    return Recipe(
        SLACK,
        [
            header("X-Slack-Request-Timestamp", rest='"$NOW"'),
            header("X-Slack-Signature", "v0=", code('"v0:$NOW:$BODY"')),
        ],
    )


def _zoom(*_: Any) -> Recipe:
    return Recipe(
        ZOOM,
        [
            header("x-zm-request-timestamp", rest='"$NOW"'),
            header("x-zm-signature", "v0=", code('"v0:$NOW:$BODY"')),
        ],
    )


def _zendesk(*_: Any) -> Recipe:
    return Recipe(
        ZENDESK,
        [
            header("X-Zendesk-Webhook-Invocation-Id", rest='"$NOW"'),
            header("X-Zendesk-Webhook-Signature-Timestamp", rest='"$TIME"'),
            header("X-Zendesk-Webhook-Signature", rest=code('"$TIME$BODY"', encoding="base64")),
        ],
        before=[ISO_TIME],
    )


def _hubspot(settings: Any, url: str) -> Recipe:
    signed = f'POST{quote(settings.public_url or url)}"${{BODY}}${{NOW}}000"'
    return Recipe(
        HUBSPOT,
        [
            header("X-HubSpot-Request-Timestamp", rest='"$NOW"000'),
            header("X-HubSpot-Signature-v3", rest=code(signed, encoding="base64")),
        ],
    )


def _standard_webhooks(*_: Any) -> Recipe:
    return Recipe(
        STANDARD,
        [
            header("webhook-id", "msg_", '"$NOW"'),
            header("webhook-timestamp", rest='"$NOW"'),
            header("webhook-signature", "v1,", _STANDARD_CODE),
        ],
        before=[DECODE_KEY],
    )


def _gitlab(*_: Any) -> Recipe:
    """The secret tells whether it is a signing token."""
    signed = f'PROOF="webhook-signature: v1,"{_STANDARD_CODE}'
    choice = f'case "$SECRET" in\n  whsec_*) {DECODE_KEY}; {signed} ;;\n'
    choice += '  *) PROOF="X-Gitlab-Token: $SECRET" ;;\nesac'
    return Recipe(
        GITLAB,
        [
            header("X-Gitlab-Event", "Issue Hook"),
            header("webhook-id", "msg_", '"$NOW"'),
            header("webhook-timestamp", rest='"$NOW"'),
            '"$PROOF"',
        ],
        before=[choice],
    )


RECIPES = {
    "calendly": _calendly,
    "gitlab": _gitlab,
    "hubspot": _hubspot,
    "paddle": _paddle,
    "slack": _slack,
    "standard_webhooks": _standard_webhooks,
    "stripe": _stripe,
    "zendesk": _zendesk,
    "zoom": _zoom,
}
