"""What must hold together in a webhook: address, signature, headers and filter, and what of it is secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from shared.conditions import compile_filter
from shared.encryption import SecretBox
from shared.errors import InvalidRequest
from shared.management.cursors import Row
from shared.management.models import at_place
from shared.management.webhook_models import MASK, WebhookFields
from shared.outgoing_headers import check_headers
from shared.profiles import check_secret, checked_profile, generate_secret, header_names
from shared.targets import TargetPolicy, check_target

Columns = dict[str, Any]

DEFAULTS = {"kind": "http", "header_names": []}


@dataclass(frozen=True, slots=True)
class Settled:
    """Columns fit to be stored, and what is secret."""

    columns: Columns
    secrets: dict[str, Any] = field(repr=False)
    """As private.store_webhook_secrets takes them, but in plain text."""

    def columns_json(self) -> str:
        return json.dumps(self.columns)

    def secrets_json(self, box: SecretBox) -> str:
        """Encrypted."""
        return json.dumps(_encrypted(self.secrets, box))


def settle_new(new: WebhookFields, targets: TargetPolicy) -> Settled:
    """A new webhook. Raises InvalidRequest or InvalidExpression, naming the field."""
    settled = _settle(new, None, targets)
    settled.secrets["signing"] = choose_secret(new.secret)
    return settled


def settle_changes(changes: WebhookFields, before: Row, targets: TargetPolicy) -> Settled:
    """What is changed of a webhook. Raises InvalidRequest or InvalidExpression, naming the field."""
    if changes.secret is not None:
        raise InvalidRequest("secret: it is changed by regenerate-secret")
    return _settle(changes, before, targets)


def choose_secret(given: SecretStr | None) -> str:
    """The given secret if it can be used, else a new one."""
    if given is None:
        return generate_secret()
    with at_place("secret"):
        check_secret(given.get_secret_value())
    return given.get_secret_value()


def _settle(fields: WebhookFields, before: Row | None, targets: TargetPolicy) -> Settled:
    columns, secrets = fields.columns(), dict[str, Any]()
    slack = columns.pop("slack", None)
    after = {**(before or DEFAULTS), **columns}
    with at_place("filter"):
        compile_filter(columns.get("filter"))
    columns |= _slack(None if slack is None else fields, after, before)
    columns |= _signature(columns, after, before)
    headers = after["header_names"]
    if before is None or "headers" in fields.model_fields_set:
        secrets["headers"] = _headers(fields.headers, after["header_names"])
        headers = list(secrets["headers"])
    _refuse_signature_headers(headers, after | columns)
    _settle_url(columns, secrets, before, after["kind"], targets)
    return Settled(columns, secrets)


def _slack(given: WebhookFields | None, after: Columns, before: Row | None) -> Columns:
    """The column with the settings for Slack, if it is to be set."""
    is_slack = after["kind"] == "slack"
    if given is None:
        return {"slack_settings": {}} if before and before["kind"] != after["kind"] else {}
    settings = given.slack.model_dump(mode="json", by_alias=True, exclude_none=True)
    if settings and not is_slack:
        raise InvalidRequest("slack: it is for kind slack only")
    return {"slack_settings": settings}


def _signature(columns: Columns, after: Columns, before: Row | None) -> Columns:
    """The column with the profile's settings, if it is to be set. A new profile needs its own."""
    profile = after["signature_profile"]
    is_new = before is None or before["signature_profile"] != profile
    if not is_new and "signature_settings" not in columns:
        return {}
    with at_place("signatureSettings"):
        _, settings = checked_profile(profile, columns.get("signature_settings", {}))
    if settings is None:
        return {"signature_settings": {}}
    stored = settings.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return {"signature_settings": stored}


def _headers(given: Mapping[str, SecretStr], stored: list[str]) -> dict[str, str | None]:
    """Values by name; None keeps the one that is stored."""
    with at_place("headers"):
        checked = check_headers({name: one.get_secret_value() for name, one in given.items()})
    kept = {name.lower() for name in stored}
    headers: dict[str, str | None] = {}
    for name, value in checked.items():
        if value == MASK and name.lower() not in kept:
            raise InvalidRequest(f"headers.{name}: {MASK} keeps a stored value, and there is none")
        headers[name] = None if value == MASK else value
    return headers


def _refuse_signature_headers(names: list[str], after: Columns) -> None:
    profile, settings = checked_profile(after["signature_profile"], after["signature_settings"])
    taken = header_names(profile, settings)
    for name in names:
        if name.lower() in taken:
            raise InvalidRequest(f"headers.{name}: the signature profile sets this header")


def _settle_url(
    columns: Columns,
    secrets: dict[str, Any],
    before: Row | None,
    kind: str,
    targets: TargetPolicy,
) -> None:
    """Sorts the address into columns and secrets. For kind slack the column has the shown one."""
    was_secret = before is not None and before["kind"] == "slack"
    is_secret = kind == "slack"
    given = columns.pop("url", None)
    if before is not None and was_secret and given in (None, before["url"]):
        if not is_secret:
            raise InvalidRequest("url: give it with the new kind; the stored one is a secret")
        return
    if given is None:
        assert before is not None  # noqa: S101 (a new webhook has an address)
        if was_secret == is_secret:
            return
        given = before["url"]
    with at_place("url"):
        if is_secret and MASK in given:
            raise InvalidRequest(f"Give it whole: {MASK} stands for what is not shown")
        url = check_target(given, targets)
    columns["url"] = shown_url(url) if is_secret else url
    if is_secret or was_secret:
        secrets["url"] = url if is_secret else None


def shown_url(url: str) -> str:
    """An address that is a secret, as it is shown: without the last part of its path, and its query.

    Discord and others take Slack's messages at an address that ends with /slack: there it is the part
    before that.
    """
    parts = urlsplit(url)
    segments = parts.path.split("/")
    telling = [place for place, one in enumerate(segments) if one not in {"", "slack"}]
    if telling:
        segments[telling[-1]] = MASK
    return urlunsplit(parts._replace(path="/".join(segments), query=MASK if parts.query else ""))


def _encrypted(value: Any, box: SecretBox) -> Any:
    if isinstance(value, dict):
        return {name: _encrypted(one, box) for name, one in value.items()}
    return None if value is None else box.encrypt(value)
