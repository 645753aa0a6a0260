"""What each verification scheme leaves open, as fields of a form: read off the schemes themselves."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from functions.console.formatting import words
from shared.signatures import SCHEMES

LABELS: Mapping[str, tuple[str, str]] = {
    "header": ("Header with the code", "For a token the default is Authorization."),
    "prefix": ("What stands before it", "Such as sha256=."),
    "encoding": ("Written in", ""),
    "hash": ("Hash", ""),
    "algorithm": ("Hash", ""),
    "template": (
        "What is signed",
        "{body}, {timestamp} and {id} stand for the body and the two headers.",
    ),
    "timestampHeader": ("Header with the time", ""),
    "toleranceSeconds": ("Seconds that the time may be off", ""),
    "eventTypeHeader": ("Header with the event's type", ""),
    "deliveryIdHeader": ("Header with the delivery's id", ""),
    "username": ("User name", ""),
    "publicUrl": ("Address as the source has it", "If it is another than the one shown here."),
    "publicKey": ("Public key", ""),
    "verifyToken": ("Verify token", "Of your choice; the source asks for it too."),
    "webhookId": ("Webhook id", ""),
    "certificates": ("Certificates", "A JSON list of texts."),
}

FACTS = frozenset({"eventTypeHeader", "deliveryIdHeader"})
Kind = Literal["line", "number", "choice", "json"]


@dataclass(frozen=True, slots=True)
class Setting:
    """One field."""

    name: str
    label: str
    help: str
    kind: Kind
    choices: Sequence[str] = ()
    is_required: bool = False


def settings_of(scheme: str) -> dict[str, Setting]:
    """The settings of a scheme by name: in its own order, those that all senders may choose last."""
    model = SCHEMES[scheme].settings_model if scheme in SCHEMES else None
    fields = model.model_fields if model is not None else {}
    found = [_setting(field.alias or name, field) for name, field in fields.items()]
    found.sort(key=lambda setting: setting.name in FACTS)
    return {setting.name: setting for setting in found}


def every_setting() -> dict[str, Setting]:
    """Those of all schemes: the form has them all, and shows those of the scheme that is chosen."""
    found: dict[str, Setting] = {}
    for scheme in SCHEMES:
        for name, one in settings_of(scheme).items():
            if name not in found or one.is_required:
                found[name] = one
    return dict(sorted(found.items(), key=lambda item: item[0] in FACTS))


def _setting(name: str, field: FieldInfo) -> Setting:
    label, explanation = LABELS.get(name, (words(name), ""))
    kind, choices = _kind(field.annotation)
    return Setting(name, label, explanation, kind, choices, field.is_required())


def _kind(annotation: Any) -> tuple[Kind, Sequence[str]]:
    origin = get_origin(annotation)
    if origin is Literal:
        return "choice", tuple(map(str, get_args(annotation)))
    if origin in {Union, types.UnionType}:
        (inner, *_) = (one for one in get_args(annotation) if one is not type(None))
        return _kind(inner)
    if origin is not None and hasattr(annotation, "__metadata__"):
        return _kind(get_args(annotation)[0])
    if origin in {list, tuple, dict} or annotation in {list, tuple, dict}:
        return "json", ()
    return ("number" if annotation is int else "line"), ()
