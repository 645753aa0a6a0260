"""Vendors that sign the body, or the body with its address, and no time beside it."""

from __future__ import annotations

from shlex import quote
from typing import Any
from urllib.parse import quote as percent_encoded

from shared.management.recipes.shell import Recipe, code, header

GITHUB = (
    '{"action":"opened","issue":{"id":NOW,"number":1,"title":"The engine stops",'
    '"user":{"login":"ada"}},"repository":{"full_name":"ada/engine"},"sender":{"login":"ada"}}'
)
SHOPIFY = (
    '{"id":NOW,"name":"#1001","email":"ada@example.com","total_price":"99.00","currency":"EUR",'
    '"customer":{"first_name":"Ada","last_name":"Lovelace","email":"ada@example.com"}}'
)
WOOCOMMERCE = (
    '{"id":NOW,"number":"1001","status":"processing","total":"99.00","currency":"EUR",'
    '"billing":{"first_name":"Ada","last_name":"Lovelace","email":"ada@example.com"}}'
)
INTERCOM = (
    '{"type":"notification_event","id":"notif_NOW","topic":"contact.user.created","data":{"item":'
    '{"type":"contact","id":"NOW","role":"user","name":"Ada Lovelace","email":"ada@example.com"}}}'
)
LINEAR = (
    '{"action":"create","type":"Issue","webhookTimestamp":NOW000,'
    '"data":{"id":"issue-NOW","identifier":"ENG-1","title":"The engine stops"}}'
)
MAILGUN = (
    '{"signature":{"timestamp":"NOW","token":"token-NOW","signature":"SIGNATURE"},'
    '"event-data":{"event":"delivered","id":"event-NOW","recipient":"ada@example.com"}}'
)
META = (
    '{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":'
    '{"messaging_product":"whatsapp","contacts":[{"profile":{"name":"Ada Lovelace"},"wa_id":"1555"}],'
    '"messages":[{"from":"1555","id":"wamid.NOW","type":"text","text":{"body":"Hello"}}]}}]}]}'
)
SQUARE = (
    '{"type":"payment.created","event_id":"event-NOW","data":{"type":"payment","id":"payment-NOW",'
    '"object":{"payment":{"id":"payment-NOW","amount_money":{"amount":9900,"currency":"EUR"}}}}}'
)
TYPEFORM = (
    '{"event_id":"event-NOW","event_type":"form_response","form_response":{"form_id":"lT4Z3j",'
    '"token":"token-NOW","answers":[{"type":"email","email":"ada@example.com"}]}}'
)
TWILIO = (
    ("Body", "Hello"),
    ("From", "+15550001815"),
    ("MessageSid", "SMNOW"),
    ("SmsStatus", "received"),
    ("To", "+15550001816"),
)
"""In the order in which it is signed."""


def _github(*_: Any) -> Recipe:
    return Recipe(
        GITHUB,
        [
            header("X-GitHub-Event", "issues"),
            header("X-GitHub-Delivery", rest='"$NOW"'),
            header("X-Hub-Signature-256", "sha256=", code('"$BODY"')),
        ],
    )


def _shopify(*_: Any) -> Recipe:
    return Recipe(
        SHOPIFY,
        [
            header("X-Shopify-Topic", "orders/create"),
            header("X-Shopify-Event-Id", rest='"$NOW"'),
            header("X-Shopify-Hmac-Sha256", rest=code('"$BODY"', encoding="base64")),
        ],
    )


def _woocommerce(*_: Any) -> Recipe:
    return Recipe(
        WOOCOMMERCE,
        [
            header("X-WC-Webhook-Topic", "order.created"),
            header("X-WC-Webhook-Delivery-ID", rest='"$NOW"'),
            header("X-WC-Webhook-Signature", rest=code('"$BODY"', encoding="base64")),
        ],
    )


def _intercom(*_: Any) -> Recipe:
    return Recipe(INTERCOM, [header("X-Hub-Signature", "sha1=", code('"$BODY"', hash_name="sha1"))])


def _linear(*_: Any) -> Recipe:
    signature = header("Linear-Signature", rest=code('"$BODY"'))
    return Recipe(LINEAR, [header("Linear-Delivery", rest='"$NOW"'), signature])


def _mailgun(*_: Any) -> Recipe:
    word = code('"${NOW}token-$NOW"')
    return Recipe(MAILGUN, first=[f"SIGNATURE={word}"])


def _meta(*_: Any) -> Recipe:
    return Recipe(META, [header("X-Hub-Signature-256", "sha256=", code('"$BODY"'))])


def _square(settings: Any, url: str) -> Recipe:
    signed = f'{quote(settings.public_url or url)}"$BODY"'
    word = code(signed, encoding="base64")
    return Recipe(SQUARE, [header("x-square-hmacsha256-signature", rest=word)])


def _typeform(*_: Any) -> Recipe:
    word = code('"$BODY"', encoding="base64")
    return Recipe(TYPEFORM, [header("Typeform-Signature", "sha256=", word)])


def _twilio(settings: Any, url: str) -> Recipe:
    form = "&".join(f"{name}={percent_encoded(value)}" for name, value in TWILIO)
    joined = "".join(name + value for name, value in TWILIO).replace("NOW", '"$NOW"')
    signed = quote(settings.public_url or url) + joined
    word = code(signed, encoding="base64", hash_name=settings.algorithm)
    return Recipe(
        form,
        [
            header("I-Twilio-Idempotency-Token", rest='"$NOW"'),
            header("X-Twilio-Signature", rest=word),
        ],
        media_type="application/x-www-form-urlencoded",
    )


RECIPES = {
    "github": _github,
    "intercom": _intercom,
    "linear": _linear,
    "mailgun": _mailgun,
    "meta": _meta,
    "shopify": _shopify,
    "square": _square,
    "twilio": _twilio,
    "typeform": _typeform,
    "woocommerce": _woocommerce,
}
