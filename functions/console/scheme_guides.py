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
    "none": Guide(
        "No verification",
        (
            "At the source: paste the address. Whoever knows it can send, so use this only to try things out.",
        ),
        settings=FACTS,
    ),
}
