"""The form of an endpoint: from fields to what is stored, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functions.console.forms import Form, as_model
from functions.console.scheme_settings import Setting, settings_of
from shared.management.endpoint_models import EndpointChanges, EndpointFields

SETTING = "setting."


def new_fields(form: Form) -> EndpointFields:
    """Raises InvalidRequest, naming the fields."""
    values = _values(form)
    if form.text("secret"):
        values["secret"] = form.text("secret")
    return as_model(EndpointFields, values)


def changed_fields(form: Form) -> EndpointChanges:
    """Raises InvalidRequest, naming the fields."""
    values = _values(form)
    if form.text("secret") and form.text("scheme") != form.text("schemeBefore"):
        values["secret"] = form.text("secret")
    return as_model(EndpointChanges, values)


def _values(form: Form) -> dict[str, Any]:
    scheme = form.text("scheme")
    return {
        "name": form.text("name"),
        "slug": form.optional("slug"),
        "description": form.optional("description"),
        "scheme": scheme,
        "schemeSettings": _settings(form, scheme),
        "processingMode": form.text("processingMode"),
        "confidenceThreshold": form.number("confidenceThreshold"),
        "allowedObjectTypes": form.all("allowedObjectTypes"),
        "defaultEntityTable": form.optional("defaultEntityTable"),
        "fieldMaps": form.json("fieldMaps", {}),
        "rateLimitPerMinute": form.number("rateLimitPerMinute"),
        "dedupeWindowSeconds": form.number("dedupeWindowSeconds"),
    }


def _settings(form: Form, scheme: str) -> dict[str, Any]:
    """The settings that this scheme has and that say something; the form has those of others too."""
    found = {name: _value(form, one) for name, one in settings_of(scheme).items()}
    return {name: value for name, value in found.items() if value not in (None, "")}


def _value(form: Form, setting: Setting) -> Any:
    name = SETTING + setting.name
    match setting.kind:
        case "number":
            return form.number(name)
        case "json":
            return form.json(name)
        case _:
            return form.text(name)


def form_values(stored: Mapping[str, Any]) -> dict[str, Any]:
    """What the form shows of an endpoint; defaults for what it does not have."""
    defaults: dict[str, Any] = {
        "name": "",
        "slug": "",
        "description": "",
        "scheme": "standard_webhooks",
        "scheme_settings": {},
        "processing_mode": "review",
        "confidence_threshold": 0.7,
        "allowed_object_types": [],
        "default_entity_table": "",
        "field_maps": {},
        "rate_limit_per_minute": "",
        "dedupe_window_seconds": 86_400,
    }
    shown = {name: stored.get(name, default) for name, default in defaults.items()}
    return {name: "" if value is None else value for name, value in shown.items()}


def values_of(form: Form) -> dict[str, Any]:
    """What somebody typed, to be shown again beside what is wrong with it."""
    settings = {
        name.removeprefix(SETTING): form.text(name)
        for name in form.values
        if name.startswith(SETTING)
    }
    return {
        "name": form.text("name"),
        "slug": form.text("slug"),
        "description": form.text("description"),
        "scheme": form.text("scheme"),
        "scheme_settings": settings,
        "processing_mode": form.text("processingMode"),
        "confidence_threshold": form.text("confidenceThreshold"),
        "allowed_object_types": form.all("allowedObjectTypes"),
        "default_entity_table": form.text("defaultEntityTable"),
        "field_maps": form.text("fieldMaps"),
        "rate_limit_per_minute": form.text("rateLimitPerMinute"),
        "dedupe_window_seconds": form.text("dedupeWindowSeconds"),
    }
