"""A shell command that posts a signed sample to an endpoint, for each scheme.

Nobody can read an endpoint's secret back, so the command takes it from the variable SECRET and computes
the signature itself, with openssl. All text that people chose is quoted for the shell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Any

from shared.signatures import scheme_named

_KEY = '-hmac "$SECRET"'
_DECODED_KEY = '-mac HMAC -macopt "hexkey:$KEY"'
_DECODE_KEY = (
    'KEY=$(printf %s "${SECRET#whsec_}" | openssl base64 -d -A | od -An -v -tx1 | tr -d " \\n")'
)
_PLACEHOLDER = re.compile(r"\{(timestamp|id|body)\}")

# NOW stands for the time, which makes each sample another event.
CONTACT = (
    '{"event_type":"contact.created","external_id":"cust_NOW",'
    '"data":{"name":"Ada Lovelace","email":"ada@example.com","company":"Analytical Engines"}}'
)
STANDARD = (
    '{"type":"contact.created",'
    '"data":{"id":"cust_NOW","name":"Ada Lovelace","email":"ada@example.com"}}'
)
STRIPE = (
    '{"id":"evt_NOW","object":"event","type":"customer.created","created":NOW,"data":{"object":'
    '{"id":"cus_NOW","object":"customer","name":"Ada Lovelace","email":"ada@example.com"}}}'
)
GITHUB = (
    '{"action":"opened","issue":{"id":NOW,"number":1,"title":"The engine stops",'
    '"user":{"login":"ada"}},"repository":{"full_name":"ada/engine"},"sender":{"login":"ada"}}'
)
SHOPIFY = (
    '{"id":NOW,"name":"#1001","email":"ada@example.com","total_price":"99.00","currency":"EUR",'
    '"customer":{"first_name":"Ada","last_name":"Lovelace","email":"ada@example.com"}}'
)
SLACK = (
    '{"type":"event_callback","event_id":"EvNOW","event":'
    '{"type":"message","channel":"C024BE91L","user":"U2147483697","text":"Hello","ts":"NOW.000100"}}'
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one scheme's request is put together. Headers and `before` are shell words and lines."""

    body: str
    headers: Sequence[str] = ()
    before: Sequence[str] = ()


def sample_curl(url: str, scheme_name: str, raw_settings: Mapping[str, Any]) -> str:
    """The command, of several lines, for bash with curl and openssl.

    Raises InvalidRequest for an unknown scheme or settings that are not the scheme's.
    """
    settings = scheme_named(scheme_name).settings(raw_settings)
    recipe = RECIPES[scheme_name](settings)
    body = '"$NOW"'.join(map(quote, recipe.body.split("NOW")))
    command = [
        f"curl -sS {quote(url)}",
        *(f"-H {word}" for word in ("'Content-Type: application/json'", *recipe.headers)),
        '--data-binary "$BODY"',
    ]
    return "\n".join(["NOW=$(date +%s)", f"BODY={body}", *recipe.before, " \\\n  ".join(command)])


def sample_body(scheme_name: str, raw_settings: Mapping[str, Any], now: int) -> str:
    """The body of the sample, as it is at a time in unix seconds.

    Raises InvalidRequest for an unknown scheme or settings that are not the scheme's.
    """
    settings = scheme_named(scheme_name).settings(raw_settings)
    return RECIPES[scheme_name](settings).body.replace("NOW", str(now))


def _header(name: str, literal: str = "", rest: str = "") -> str:
    return quote(f"{name}: {literal}") + rest


def _code(signed: str, *, key: str = _KEY, encoding: str = "hex", hash_name: str = "sha256") -> str:
    """A word that becomes the HMAC of the shell word `signed`."""
    mac = f"printf %s {signed} | openssl dgst -{hash_name} {key}"
    if encoding == "base64":
        return f'"$({mac} -binary | openssl base64 -A)"'
    return f'"$({mac} | sed "s/.*= *//")"'


def _facts(settings: Any) -> list[str]:
    """The headers in which the endpoint's settings say that type and id come."""
    words = []
    if settings.event_type_header:
        words.append(_header(settings.event_type_header, "contact.created"))
    if settings.delivery_id_header:
        words.append(_header(settings.delivery_id_header, rest='"$NOW"'))
    return words


def _hmac(settings: Any) -> Recipe:
    values = {"timestamp": '"$NOW"', "id": '"$NOW"', "body": '"$BODY"'}
    pieces = _PLACEHOLDER.split(settings.template)
    signed = "".join(
        values[piece] if place % 2 else quote(piece) for place, piece in enumerate(pieces) if piece
    )
    code = _code(signed, encoding=settings.encoding, hash_name=settings.hash)
    headers = [*_facts(settings), _header(settings.header, settings.prefix, code)]
    if settings.timestamp_header:
        headers.append(_header(settings.timestamp_header, rest='"$NOW"'))
    return Recipe(CONTACT, headers)


def _bearer(settings: Any) -> Recipe:
    token = _header(settings.header, settings.full_prefix, '"$SECRET"')
    return Recipe(CONTACT, [*_facts(settings), token])


def _chatbots(settings: Any) -> Recipe:
    signature = _header("X-Chatbots-Signature", "sha256=", _code('"$BODY"'))
    return Recipe(CONTACT, [*_facts(settings), signature])


def _webhook_signature(settings: Any) -> Recipe:
    signature = _header("X-Webhook-Signature", "sha256=", _code('"$BODY"'))
    return Recipe(CONTACT, [*_facts(settings), signature])


def _none(settings: Any) -> Recipe:
    return Recipe(CONTACT, _facts(settings))


def _stripe(_: Any) -> Recipe:
    return Recipe(STRIPE, ['"Stripe-Signature: t=$NOW,v1="' + _code('"$NOW.$BODY"')])


def _github(_: Any) -> Recipe:
    return Recipe(
        GITHUB,
        [
            _header("X-GitHub-Event", "issues"),
            _header("X-GitHub-Delivery", rest='"$NOW"'),
            _header("X-Hub-Signature-256", "sha256=", _code('"$BODY"')),
        ],
    )


def _shopify(_: Any) -> Recipe:
    return Recipe(
        SHOPIFY,
        [
            _header("X-Shopify-Topic", "orders/create"),
            _header("X-Shopify-Event-Id", rest='"$NOW"'),
            _header("X-Shopify-Hmac-Sha256", rest=_code('"$BODY"', encoding="base64")),
        ],
    )


def _slack(_: Any) -> Recipe:
    return Recipe(
        SLACK,
        [
            _header("X-Slack-Request-Timestamp", rest='"$NOW"'),
            _header("X-Slack-Signature", "v0=", _code('"v0:$NOW:$BODY"')),
        ],
    )


def _standard_webhooks(_: Any) -> Recipe:
    code = _code('"msg_$NOW.$NOW.$BODY"', key=_DECODED_KEY, encoding="base64")
    return Recipe(
        STANDARD,
        [
            _header("webhook-id", "msg_", '"$NOW"'),
            _header("webhook-timestamp", rest='"$NOW"'),
            _header("webhook-signature", "v1,", code),
        ],
        before=[_DECODE_KEY],
    )


RECIPES: Mapping[str, Callable[[Any], Recipe]] = {
    "bearer": _bearer,
    "chatbots": _chatbots,
    "github": _github,
    "hmac": _hmac,
    "none": _none,
    "shopify": _shopify,
    "slack": _slack,
    "standard_webhooks": _standard_webhooks,
    "stripe": _stripe,
    "webhook_signature": _webhook_signature,
}
