"""The form of a rule, in which each type of action has fields of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from functions.console.formatting import plain_json
from functions.console.forms import Form
from shared.management.rules import Rule


@dataclass(frozen=True, slots=True)
class Field:
    """One setting of an action."""

    name: str
    label: str
    kind: str = "line"
    """line, text, list (of words with commas), json, or choice."""
    help: str = ""
    choices: Sequence[str] = ()
    required: bool = False

    @property
    def options(self) -> list[tuple[str, str]]:
        return [("", "as usual"), *((one, one) for one in self.choices)]


@dataclass(frozen=True, slots=True)
class ActionForm:
    """How a type of action is shown."""

    title: str
    words: str
    fields: Sequence[Field]


TARGET = Field("target", "Of", "choice", choices=("entity", "person"))

FORMS: Mapping[str, ActionForm] = {
    "tag": ActionForm(
        "Tag",
        "Tags the record or the person.",
        (Field("tags", "Tags", "list", "With commas between them.", required=True), TARGET),
    ),
    "assign_role": ActionForm(
        "Assign a role",
        "Gives the record or the person a role, such as customer.",
        (Field("role", "Role", required=True), TARGET),
    ),
    "extract_invoice": ActionForm(
        "Extract an invoice",
        "Makes an invoice of what the payload holds.",
        (
            Field(
                "fields",
                "Fields",
                "json",
                "Columns laid over what is found, as JSON. Leave it empty to take what is found.",
            ),
        ),
    ),
    "create_ticket": ActionForm(
        "Open a ticket",
        "Opens a support ticket. What is left empty is taken from the event.",
        (
            Field("subject", "Subject"),
            Field("message", "Message", "text"),
            Field("priority", "Priority", "choice", choices=("low", "medium", "high", "urgent")),
            Field("category", "Category"),
            Field("customer_email", "Customer's e-mail"),
            Field("customer_name", "Customer's name"),
        ),
    ),
    "store_message": ActionForm(
        "Keep a message",
        "Keeps a message of a conversation. What is left empty is taken from the event.",
        (
            Field("content", "Content", "text"),
            Field("direction", "Direction", "choice", choices=("inbound", "outbound")),
            Field("conversation_id", "Conversation"),
            Field("external_id", "Id at the source"),
            Field("sender", "Sender"),
        ),
    ),
    "set_field": ActionForm(
        "Set a field",
        "Sets one field of the record.",
        (Field("field", "Field", required=True), Field("value", "Value", "text", required=True)),
    ),
    "send_notification": ActionForm(
        "Notify me",
        "Leaves a notification for you. What is left empty is taken from the event.",
        (Field("title", "Title"), Field("body", "Text", "text")),
    ),
    "call_webhook": ActionForm(
        "Publish an event",
        "Publishes an event to your webhooks. What is left empty is taken from the event that came in.",
        (
            Field("event", "Event", help="Such as order.completed."),
            Field("data", "Data", "json", "An object, whose texts may hold {{ templates }}."),
        ),
    ),
}


def rule_fields(form: Form) -> dict[str, Any]:
    """What the rule is to be. Raises InvalidRequest for JSON that is none."""
    return {
        "entityTable": form.text("entityTable"),
        "name": form.text("name"),
        "description": form.optional("description"),
        "condition": form.text("condition"),
        "priority": form.number("priority"),
        "isActive": form.checked("isActive"),
        "actions": [_action(form, place) for place in form.items("actions")],
    }


def _action(form: Form, place: str) -> dict[str, Any]:
    action_type = form.text(f"{place}.type")
    shown = FORMS.get(action_type)
    config: dict[str, Any] = form.json(f"{place}.rest", {})
    for field in shown.fields if shown else ():
        name = f"{place}.{action_type}.{field.name}"
        value = _value(form, name, field)
        if value not in (None, "", []):
            config[field.name] = value
    return {"id": form.optional(f"{place}.id"), "actionType": action_type, "actionConfig": config}


def _value(form: Form, name: str, field: Field) -> Any:
    match field.kind:
        case "list":
            return form.lines(name)
        case "json":
            return form.json(name)
        case _:
            return form.text(name)


def form_values(rule: Rule | None) -> dict[str, Any]:
    """What the form shows of a rule; defaults for a new one."""
    if rule is None:
        return {
            "entity_table": "",
            "name": "",
            "description": "",
            "condition": "",
            "priority": 100,
            "is_active": True,
            "actions": [],
        }
    return {
        "entity_table": rule.entity_table,
        "name": rule.name,
        "description": rule.description or "",
        "condition": rule.condition,
        "priority": rule.priority,
        "is_active": rule.is_active,
        "actions": [
            {"id": str(one.id), **_shown(one.action_type, one.action_config)}
            for one in rule.actions
        ],
    }


def _shown(action_type: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as texts for the fields; those that have no field, as JSON beside them."""
    rest = dict(config)
    if action_type == "tag" and "tag" in rest:
        tags = rest.get("tags", [])
        rest["tags"] = [rest.pop("tag"), *(tags if isinstance(tags, list) else [tags])]
    values: dict[str, str] = {}
    shown = FORMS.get(action_type)
    for field in shown.fields if shown else ():
        if field.name in rest:
            values[field.name] = _text(rest.pop(field.name), field)
    return {"type": action_type, "values": values, "rest": plain_json(rest) if rest else ""}


def _text(value: Any, field: Field) -> str:
    if field.kind == "json":
        return plain_json(value)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else plain_json(value)


def values_of(form: Form) -> dict[str, Any]:
    """What somebody typed, to be shown again beside what is wrong with it."""
    actions = []
    for place in form.items("actions"):
        action_type = form.text(f"{place}.type")
        shown = FORMS.get(action_type)
        values = {
            field.name: form.text(f"{place}.{action_type}.{field.name}")
            for field in (shown.fields if shown else ())
        }
        actions.append(
            {
                "id": form.text(f"{place}.id"),
                "type": action_type,
                "values": values,
                "rest": form.text(f"{place}.rest"),
            }
        )
    return {
        "entity_table": form.text("entityTable"),
        "name": form.text("name"),
        "description": form.text("description"),
        "condition": form.text("condition"),
        "priority": form.text("priority"),
        "is_active": form.checked("isActive"),
        "actions": actions,
    }
