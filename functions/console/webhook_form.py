"""The form of a webhook: from fields to what is stored, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functions.console.forms import Form, as_model
from shared.management.webhook_models import WebhookChanges, WebhookFields

CUSTOM = (
    "signatureHeader",
    "prefix",
    "encoding",
    "hash",
    "template",
    "eventHeader",
    "deliveryHeader",
    "attemptHeader",
    "timestampHeader",
    "userAgent",
)


def new_fields(form: Form) -> WebhookFields:
    """Raises InvalidRequest, naming the fields."""
    values = _values(form)
    if form.text("secret"):
        values["secret"] = form.text("secret")
    return as_model(WebhookFields, values)


def changed_fields(form: Form) -> WebhookChanges:
    """Raises InvalidRequest, naming the fields."""
    return as_model(WebhookChanges, _values(form))


def _values(form: Form) -> dict[str, Any]:
    kind, profile = form.text("kind"), form.text("signatureProfile")
    custom = {name: form.text(f"custom.{name}") for name in CUSTOM}
    slack = {name: form.text(f"slack.{name}") for name in ("channel", "linkTemplate")}
    return {
        "name": form.text("name"),
        "url": form.text("url"),
        "description": form.optional("description"),
        "events": form.lines("events"),
        "kind": kind,
        "signatureProfile": profile,
        "signatureSettings": _given(custom) if profile == "custom" else {},
        "bodyStyle": form.text("bodyStyle"),
        "headers": form.pairs("headers"),
        "filter": form.text("filter"),
        "timeoutSeconds": form.number("timeoutSeconds"),
        "rateLimitPerMinute": form.number("rateLimitPerMinute"),
        "slack": _given(slack) if kind == "slack" else {},
    }


def _given(values: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in values.items() if text}


def form_values(stored: Mapping[str, Any]) -> dict[str, Any]:
    """What the form shows of a webhook; defaults for what it does not have."""
    defaults: dict[str, Any] = {
        "name": "",
        "url": "",
        "description": "",
        "events": [],
        "kind": "http",
        "signature_profile": "standard",
        "signature_settings": {},
        "body_style": "compact",
        "headers": {},
        "filter": "",
        "timeout_seconds": 15,
        "rate_limit_per_minute": "",
        "slack": {},
    }
    shown = {name: stored.get(name, default) for name, default in defaults.items()}
    shown["events"] = "\n".join(shown["events"])
    return {name: "" if value is None else value for name, value in shown.items()}


def values_of(form: Form) -> dict[str, Any]:
    """What somebody typed, to be shown again beside what is wrong with it."""
    return {
        "name": form.text("name"),
        "url": form.text("url"),
        "description": form.text("description"),
        "events": form.text("events"),
        "kind": form.text("kind"),
        "signature_profile": form.text("signatureProfile"),
        "signature_settings": {name: form.text(f"custom.{name}") for name in CUSTOM},
        "body_style": form.text("bodyStyle"),
        "headers": form.pairs("headers"),
        "filter": form.text("filter"),
        "timeout_seconds": form.text("timeoutSeconds"),
        "rate_limit_per_minute": form.text("rateLimitPerMinute"),
        "slack": {name: form.text(f"slack.{name}") for name in ("channel", "linkTemplate")},
    }
