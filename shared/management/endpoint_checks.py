"""What must hold together in an endpoint: scheme, its settings and secret; entity types and field maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from shared import field_maps
from shared.errors import InvalidRequest
from shared.management.models import at_place
from shared.signatures import Scheme, scheme_named

Columns = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Settled:
    """Columns fit to be stored."""

    columns: Columns
    entity_types: frozenset[str]
    """Those that the columns name; the owner must have them."""
    secret: str | None = field(repr=False)
    """The secret to set with them."""


def settle(
    columns: Mapping[str, Any], before: Mapping[str, Any] | None, given: SecretStr | None
) -> Settled:
    """Checks the columns to be set, and what they make of the endpoint as it was before.

    A new scheme needs settings and a secret of its own: the given one, or one that the scheme makes.

    Raises InvalidRequest or InvalidExpression, naming the field.
    """
    after = {**(before or {}), **columns}
    scheme = scheme_named(after["scheme"])
    has_new_scheme = before is None or before["scheme"] != after["scheme"]
    settled = dict(columns)
    if has_new_scheme or "scheme_settings" in columns:
        settings = scheme.settings(columns.get("scheme_settings", {}))
        settled["scheme_settings"] = settings.model_dump(
            mode="json", by_alias=True, exclude_unset=True
        )
    if not has_new_scheme and given is not None:
        raise InvalidRequest("secret: it is set with a new scheme; otherwise use rotate-secret")
    return Settled(
        settled,
        _entity_types(columns, after),
        choose_secret(scheme, given) if has_new_scheme else None,
    )


def choose_secret(scheme: Scheme[Any], given: SecretStr | None) -> str | None:
    """The given secret if the scheme can use it, else a new one; None for a scheme that takes none."""
    if given is None:
        return scheme.generate_secret() or None
    scheme.check_secret(given.get_secret_value())
    return given.get_secret_value() or None


def _entity_types(columns: Mapping[str, Any], after: Mapping[str, Any]) -> frozenset[str]:
    """The entity types that the columns name, which may not contradict each other."""
    maps: Mapping[str, Mapping[str, str]] = columns.get("field_maps", {})
    for name, field_map in maps.items():
        with at_place(f"fieldMaps.{name}"):
            field_maps.validate(field_map)
    allowed, default = after.get("allowed_object_types"), after.get("default_entity_table")
    if allowed and default and default not in allowed:
        raise InvalidRequest("defaultEntityTable: it must be one of allowedObjectTypes")
    named = [*columns.get("allowed_object_types", ()), columns.get("default_entity_table"), *maps]
    return frozenset(filter(None, named))
