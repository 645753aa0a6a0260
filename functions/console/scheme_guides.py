"""What to do at the source and what here, for each verification scheme: what the form and the page of an
endpoint tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.signatures import SCHEMES


@dataclass(frozen=True, slots=True)
class Guide:
    """How one scheme is set up."""

    title: str
    steps: Sequence[str]
    """In order. Each begins with where it is done."""
    source_makes_secret: bool = False
    """The source shows a secret of its own once it knows the address; it is then set here."""


_WRITTEN: Mapping[str, Guide] = {
    "standard_webhooks": Guide(
        "Standard Webhooks (Svix and many others)",
        (
            "At the source: paste the address where it asks for an endpoint URL.",
            "At the source: copy the signing secret, whsec_… or a public key whpk_….",
            "Here: set it as this endpoint's secret. Or paste the secret made here, if the source lets you choose.",
        ),
        source_makes_secret=True,
    ),
    "stripe": Guide(
        "Stripe",
        (
            "In Stripe: open Workbench → Webhooks, add a destination, and paste the address.",
            "In Stripe: choose the events, then reveal the signing secret, whsec_….",
            "Here: set it as this endpoint's secret.",
        ),
        source_makes_secret=True,
    ),
    "github": Guide(
        "GitHub",
        (
            "In GitHub: open the repository's or organisation's Settings → Webhooks → Add webhook.",
            "In GitHub: paste the address as Payload URL, and choose the content type application/json.",
            "In GitHub: paste the secret made here as Secret.",
        ),
    ),
    "shopify": Guide(
        "Shopify",
        (
            "In Shopify: open Settings → Notifications → Webhooks, and create a webhook in the format JSON.",
            "In Shopify: paste the address as URL.",
            "Here: set the key below the list of webhooks as this endpoint's secret; for an app, its client secret.",
        ),
        source_makes_secret=True,
    ),
    "slack": Guide(
        "Slack Events API",
        (
            "In Slack: open your app's Basic Information and copy the Signing Secret.",
            "Here: set it as this endpoint's secret, before the next step.",
            "In Slack: open Event Subscriptions and paste the address as Request URL. Slack's challenge is answered.",
        ),
        source_makes_secret=True,
    ),
    "gitlab": Guide(
        "GitLab",
        (
            "In GitLab: open Settings → Webhooks and add the address.",
            "In GitLab: paste the secret made here as secret token. Better: copy the signing token, whsec_….",
            "Here: if you took the signing token, set it as this endpoint's secret.",
        ),
    ),
    "woocommerce": Guide(
        "WooCommerce",
        (
            "In WooCommerce: open Settings → Advanced → Webhooks and add one with the address as delivery URL.",
            "In WooCommerce: paste the secret made here.",
        ),
    ),
    "square": Guide(
        "Square",
        (
            "In Square's Developer Console: add a webhook subscription with the address.",
            "Here: set the signature key that it shows as this endpoint's secret.",
        ),
        source_makes_secret=True,
    ),
    "paypal": Guide(
        "PayPal",
        (
            "In PayPal's developer dashboard: add the address to your app's webhooks.",
            "Here: set the webhook id that it shows, and PayPal's certificate.",
        ),
    ),
    "paddle": Guide(
        "Paddle",
        (
            "In Paddle: open Developer tools → Notifications and add the address.",
            "Here: set the secret key that it shows, pdl_ntfset_…, as this endpoint's secret.",
        ),
        source_makes_secret=True,
    ),
    "discord": Guide(
        "Discord",
        (
            "In Discord's developer portal: copy the application's public key.",
            "Here: set it, before the next step.",
            "In Discord: enter the address as webhook events endpoint. Discord's pings are answered.",
        ),
    ),
    "meta": Guide(
        "WhatsApp, Messenger, Instagram",
        (
            "In Meta's app dashboard: copy the app secret.",
            "Here: set it as this endpoint's secret, and choose a verify token.",
            "In Meta's app dashboard: enter the address and the verify token as callback.",
        ),
        source_makes_secret=True,
    ),
    "zoom": Guide(
        "Zoom",
        (
            "In Zoom's app: copy the secret token.",
            "Here: set it as this endpoint's secret, before the next step.",
            "In Zoom: enter the address as event notification endpoint. Zoom's validation is answered.",
        ),
        source_makes_secret=True,
    ),
    "twilio": Guide(
        "Twilio",
        (
            "In Twilio: enter the address for the number or service.",
            "Here: set the account's auth token as this endpoint's secret.",
        ),
        source_makes_secret=True,
    ),
    "sendgrid": Guide(
        "SendGrid",
        (
            "In SendGrid: add the address as event webhook, with signed requests.",
            "Here: set the verification key that it shows.",
        ),
    ),
    "mailgun": Guide(
        "Mailgun",
        (
            "In Mailgun: open Sending → Webhooks and add the address.",
            "Here: set the HTTP webhook signing key as this endpoint's secret.",
        ),
        source_makes_secret=True,
    ),
    "intercom": Guide(
        "Intercom",
        (
            "In Intercom's Developer Hub: enter the address under Webhooks.",
            "Here: set the app's client secret as this endpoint's secret.",
        ),
        source_makes_secret=True,
    ),
    "zendesk": Guide(
        "Zendesk",
        (
            "In Zendesk's Admin Center: create a webhook to the address.",
            "Here: set the signing secret that it shows as this endpoint's secret.",
        ),
        source_makes_secret=True,
    ),
    "hubspot": Guide(
        "HubSpot",
        (
            "In HubSpot's app: enter the address under Webhooks.",
            "Here: set the app's client secret as this endpoint's secret.",
        ),
        source_makes_secret=True,
    ),
    "linear": Guide(
        "Linear",
        (
            "In Linear: open Settings → API → Webhooks and add the address.",
            "Here: set the signing secret that it shows as this endpoint's secret.",
        ),
        source_makes_secret=True,
    ),
    "typeform": Guide(
        "Typeform",
        (
            "In Typeform: open the form's Connect → Webhooks and add the address.",
            "In Typeform: paste the secret made here.",
        ),
    ),
    "calendly": Guide(
        "Calendly",
        (
            "Through Calendly's API: subscribe the address, with the secret made here as signing_key.",
        ),
    ),
    "basic": Guide(
        "User name and password",
        (
            "At the source: paste the address.",
            "At the source: enter the user name chosen below, and the secret made here as password.",
        ),
    ),
    "chatbots": Guide(
        "Chatbot platforms (X-Chatbots-Signature)",
        (
            "On the platform: open the webhook settings and paste the address.",
            "On the platform: paste the secret made here. It sends X-Chatbots-Signature: sha256=….",
        ),
    ),
    "webhook_signature": Guide(
        "Your own code (X-Webhook-Signature)",
        (
            "In your code: keep the secret made here.",
            "In your code: compute the HMAC-SHA256 of the body's bytes with it, in hex.",
            "In your code: post to the address with the header X-Webhook-Signature, bare or after sha256=.",
        ),
    ),
    "hmac": Guide(
        "Any other HMAC",
        (
            "Here: say in which header the code comes, and what is signed how; the source's documentation tells.",
            "At the source: paste the address, and the secret made here; or set the source's secret here.",
        ),
    ),
    "bearer": Guide(
        "Token in a header",
        (
            "At the source: paste the address.",
            "At the source: let it send Authorization: Bearer and the secret made here, or another header.",
        ),
    ),
    "none": Guide(
        "No verification",
        (
            "At the source: paste the address. Whoever knows it can send, so use this only to try things out.",
        ),
    ),
}


def _guide(name: str) -> Guide:
    """What is written of a scheme; for a new one, what it says of itself."""
    written = _WRITTEN.get(name)
    steps = ("At the source: paste the address, and the secret made here.",)
    return written or Guide(SCHEMES[name].summary, steps)


GUIDES: Mapping[str, Guide] = {
    name: _guide(name) for name in sorted(SCHEMES, key=[*_WRITTEN, *SCHEMES].index)
}
"""Every scheme, in the order in which they are offered."""
