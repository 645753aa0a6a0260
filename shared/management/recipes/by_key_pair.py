"""Vendors that sign with a private key, which nobody else has.

To try such an endpoint, give it the public half of a pair of one's own. SECRET then holds the private
key as PEM.
"""

from __future__ import annotations

from shlex import quote
from typing import Any

from shared.management.recipes.shell import ISO_TIME, Recipe, header

DISCORD = (
    '{"version":1,"application_id":"1","type":1,"event":{"type":"ENTITLEMENT_CREATE",'
    '"data":{"id":"NOW","user_id":"1815","sku_id":"1"}}}'
)
PAYPAL = (
    '{"id":"WH-NOW","event_type":"PAYMENT.CAPTURE.COMPLETED","resource_type":"capture",'
    '"resource":{"id":"NOW","amount":{"value":"99.00","currency_code":"EUR"}}}'
)
SENDGRID = (
    '[{"email":"ada@example.com","timestamp":NOW,"event":"delivered",'
    '"sg_event_id":"event-NOW","sg_message_id":"message-NOW"}]'
)

_WITH_KEY = '<(printf "%s\\n" "$SECRET")'


def _signature(signed: str) -> str:
    """A word that becomes the base64 signature of the shell word `signed`."""
    made = f"printf %s {signed} | openssl dgst -sha256 -sign {_WITH_KEY}"
    return f'"$({made} | openssl base64 -A)"'


def _discord(*_: Any) -> Recipe:
    """Openssl reads what it signs with Ed25519 from a file only."""
    signed = 'FILE=$(mktemp); printf %s "$NOW$BODY" > "$FILE"'
    made = f'openssl pkeyutl -sign -rawin -inkey {_WITH_KEY} -in "$FILE"'
    as_hex = 'od -An -v -tx1 | tr -d " \\n"'
    return Recipe(
        DISCORD,
        [
            header("X-Signature-Timestamp", rest='"$NOW"'),
            header("X-Signature-Ed25519", rest='"$SIGNATURE"'),
        ],
        before=[f'{signed}; SIGNATURE=$({made} | {as_hex}); rm "$FILE"'],
    )


def _sendgrid(*_: Any) -> Recipe:
    return Recipe(
        SENDGRID,
        [
            header("X-Twilio-Email-Event-Webhook-Timestamp", rest='"$NOW"'),
            header("X-Twilio-Email-Event-Webhook-Signature", rest=_signature('"$NOW$BODY"')),
        ],
    )


def _paypal(settings: Any, _: str) -> Recipe:
    """The CRC-32 is what gzip puts at its end."""
    checksum = (
        'CRC=$(printf %s "$BODY" | gzip -c | tail -c8 | head -c4 | od -An -tu4 | tr -d " \\n")'
    )
    signed = f'"$NOW|$TIME|"{quote(settings.webhook_id or "")}"|$CRC"'
    return Recipe(
        PAYPAL,
        [
            header("PAYPAL-TRANSMISSION-ID", rest='"$NOW"'),
            header("PAYPAL-TRANSMISSION-TIME", rest='"$TIME"'),
            header("PAYPAL-TRANSMISSION-SIG", rest=_signature(signed)),
        ],
        before=[ISO_TIME, checksum],
    )


RECIPES = {"discord": _discord, "paypal": _paypal, "sendgrid": _sendgrid}
