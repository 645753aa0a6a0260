"""What to do at the source and what here, for each verification scheme: what the form and the page of an
endpoint tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FACTS = ("eventTypeHeader", "deliveryIdHeader")


@dataclass(frozen=True, slots=True)
class Guide:
    """How one scheme is set up."""

    title: str
    steps: Sequence[str]
    """In order. Each begins with where it is done."""
    source_makes_secret: bool = False
    """The source shows a secret of its own once it knows the address; it is then set here."""
    settings: Sequence[str] = ()
    """Fields of the form that this scheme has."""


GUIDES: Mapping[str, Guide] = {
    "standard_webhooks": Guide(
        "Standard Webhooks (Svix and many others)",
        (
            "At the source: paste the address where it asks for an endpoint URL.",
            "At the source: copy the signing secret, whsec_… or a public key whpk_….",
            "Here: set it as this endpoint's secret. Or paste the secret made here, if the source lets you choose.",
        ),
        source_makes_secret=True,
        settings=("toleranceSeconds",),
    ),
    "stripe": Guide(
        "Stripe",
        (
            "In Stripe: open Workbench → Webhooks, add a destination, and paste the address.",
            "In Stripe: choose the events, then reveal the signing secret, whsec_….",
            "Here: set it as this endpoint's secret.",
        ),
        source_makes_secret=True,
        settings=("toleranceSeconds",),
    ),
    "github": Guide(
        "GitHub",
        (
            "In GitHub: open the repository's or organisation's Settings → Webhooks → Add webhook.",
            "In GitHub: paste the address as Payload URL, and choose the content type application/json.",
            "In GitHub: paste the secret made here as Secret.",
        ),
    ),
    "gitlab": Guide(
        "GitLab",
        (
            "In GitLab: open the project's or group's Settings → Webhooks and paste the address as URL.",
            "In GitLab: paste the secret made here as secret token.",
            "Better, where GitLab shows a signing token, whsec_…: set that here as this endpoint's secret.",
        ),
        settings=("toleranceSeconds",),
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
    "woocommerce": Guide(
        "WooCommerce",
        (
            "In WordPress: open WooCommerce → Settings → Advanced → Webhooks, and add a webhook.",
            "In WordPress: paste the address as delivery URL and the secret made here as secret.",
        ),
    ),
    "square": Guide(
        "Square",
        (
            "In Square's Developer Console: open Webhooks → Subscriptions, and add the address.",
            "Here: set the signature key that Square shows as this endpoint's secret.",
        ),
        source_makes_secret=True,
        settings=("publicUrl",),
    ),
    "paypal": Guide(
        "PayPal",
        (
            "In PayPal's developer dashboard: add the address to your app's webhooks.",
            "Here: set the webhook id that PayPal shows, and the certificate, which the README tells how to get.",
        ),
        settings=("webhookId", "certificates", "toleranceSeconds"),
    ),
    "paddle": Guide(
        "Paddle",
        (
            "In Paddle: open Developer tools → Notifications, and add the address as destination.",
            "Here: set the secret key pdl_ntfset_… that Paddle shows as this endpoint's secret.",
        ),
        source_makes_secret=True,
        settings=("toleranceSeconds",),
    ),
    "slack": Guide(
        "Slack Events API",
        (
            "In Slack: open your app's Basic Information and copy the Signing Secret.",
            "Here: set it as this endpoint's secret, before the next step.",
            "In Slack: open Event Subscriptions and paste the address as Request URL. Slack's challenge is answered.",
        ),
        source_makes_secret=True,
        settings=("toleranceSeconds",),
    ),
    "discord": Guide(
        "Discord",
        (
            "In Discord's Developer Portal: open your application and copy its public key.",
            "Here: set it as public key, before the next step.",
            "In Discord: paste the address as webhook events endpoint. Discord's pings are answered.",
        ),
        settings=("publicKey", "toleranceSeconds"),
    ),
    "meta": Guide(
        "WhatsApp, Messenger, Instagram (Meta)",
        (
            "In Meta's app dashboard: copy the app secret, and think of a verify token.",
            "Here: set the app secret as this endpoint's secret, and the verify token.",
            "In Meta's app dashboard: open Webhooks, and enter the address and the same token.",
        ),
        source_makes_secret=True,
        settings=("verifyToken",),
    ),
    "zoom": Guide(
        "Zoom",
        (
            "In Zoom's App Marketplace: open your app's features and copy the secret token.",
            "Here: set it as this endpoint's secret, before the next step.",
            "In Zoom: paste the address as event notification endpoint. Zoom's validation is answered.",
        ),
        source_makes_secret=True,
        settings=("toleranceSeconds",),
    ),
    "twilio": Guide(
        "Twilio",
        (
            "Here: set the account's auth token as this endpoint's secret.",
            "In Twilio: paste the address for the phone number, messaging service or product.",
        ),
        source_makes_secret=True,
        settings=("publicUrl", "algorithm"),
    ),
    "sendgrid": Guide(
        "SendGrid",
        (
            "In SendGrid: open Settings → Mail settings → Event webhooks, paste the address, and switch signing on.",
            "Here: set the verification key that SendGrid shows as public key.",
        ),
        settings=("publicKey", "toleranceSeconds"),
    ),
    "mailgun": Guide(
        "Mailgun",
        (
            "In Mailgun: open Sending → Webhooks and add the address.",
            "Here: set the HTTP webhook signing key as this endpoint's secret.",
        ),
        source_makes_secret=True,
        settings=("toleranceSeconds",),
    ),
    "intercom": Guide(
        "Intercom",
        (
            "In Intercom's Developer Hub: open your app's Webhooks and paste the address.",
            "Here: set the app's client secret as this endpoint's secret.",
        ),
        source_makes_secret=True,
    ),
    "zendesk": Guide(
        "Zendesk",
        (
            "In Zendesk's Admin Center: open Apps and integrations → Webhooks, and create one to the address.",
            "Here: set the signing secret that Zendesk shows as this endpoint's secret.",
        ),
        source_makes_secret=True,
        settings=("toleranceSeconds",),
    ),
    "hubspot": Guide(
        "HubSpot",
        (
            "In HubSpot: open your app's Webhooks and paste the address as target URL.",
            "Here: set the app's client secret as this endpoint's secret.",
        ),
        source_makes_secret=True,
        settings=("publicUrl", "toleranceSeconds"),
    ),
    "linear": Guide(
        "Linear",
        (
            "In Linear: open Settings → API → Webhooks and paste the address.",
            "Here: set the signing secret that Linear shows as this endpoint's secret.",
        ),
        source_makes_secret=True,
        settings=("toleranceSeconds",),
    ),
    "typeform": Guide(
        "Typeform",
        (
            "In Typeform: open the form's Connect → Webhooks and paste the address.",
            "In Typeform: paste the secret made here as secret.",
        ),
    ),
    "calendly": Guide(
        "Calendly",
        (
            "Through Calendly's API: subscribe the address, with the secret made here as signing_key.",
        ),
        settings=("toleranceSeconds",),
    ),
    "chatbots": Guide(
        "Chatbot platforms (X-Chatbots-Signature)",
        (
            "On the platform: open the webhook settings and paste the address.",
            "On the platform: paste the secret made here. It sends X-Chatbots-Signature: sha256=….",
        ),
        settings=FACTS,
    ),
    "webhook_signature": Guide(
        "Your own code (X-Webhook-Signature)",
        (
            "In your code: keep the secret made here.",
            "In your code: compute the HMAC-SHA256 of the body's bytes with it, in hex.",
            "In your code: post to the address with the header X-Webhook-Signature, bare or after sha256=.",
        ),
        settings=FACTS,
    ),
    "hmac": Guide(
        "Any other HMAC",
        (
            "Here: say in which header the code comes, and what is signed how; the source's documentation tells.",
            "At the source: paste the address, and the secret made here; or set the source's secret here.",
        ),
        settings=(
            "header",
            "prefix",
            "encoding",
            "hash",
            "template",
            "timestampHeader",
            "toleranceSeconds",
            *FACTS,
        ),
    ),
    "bearer": Guide(
        "Token in a header",
        (
            "At the source: paste the address.",
            "At the source: let it send Authorization: Bearer and the secret made here, or another header.",
        ),
        settings=("header", "prefix", *FACTS),
    ),
    "basic": Guide(
        "User name and password",
        (
            "Here: choose a user name.",
            "At the source: paste the address, the user name, and the secret made here as password.",
        ),
        settings=("username", *FACTS),
    ),
    "none": Guide(
        "No verification",
        (
            "At the source: paste the address. Whoever knows it can send, so use this only to try things out.",
        ),
        settings=FACTS,
    ),
}
