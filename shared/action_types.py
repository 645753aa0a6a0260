"""The types of actions, one model each: what a configuration may hold, and what stands in for what
it leaves out.

A model is used twice. As it is saved, values that are templates are not looked at (shared/actions.py
sees to that), and a text that is too long is refused. Once templates are filled in (`RENDERED` in
the validation context), a text that came out too long is cut off.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from shared import field_maps
from shared.expressions import EvaluationFailed
from shared.field_functions import as_number, as_timestamp
from shared.field_maps import Document
from shared.templates import as_text

RENDERED = "rendered"
MAX_TAGS = 50
MAX_EVENT_NAME = 128
_NOT_IN_WORDS = re.compile(r"[^A-Za-z0-9_-]+")

JsonObject = dict[str, Any]


def _text(limit: int) -> Callable[[Any, ValidationInfo], Any]:
    def clean(value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool | int | float):
            value = as_text(value)
        if not isinstance(value, str):
            return value
        value = value.strip()
        if info.context == RENDERED and len(value) > limit:
            value = value[: limit - 1] + "…"
        return value or None

    return clean


def _number(value: Any) -> Any:
    if value is None or value == "":
        return None
    number = as_number(value)
    if number is None:
        raise ValueError("this is not a number")
    return number


def _timestamp(value: Any) -> Any:
    if value is None or value == "":
        return None
    moment = as_timestamp(value)
    if moment is None:
        raise ValueError("this is not a date or time")
    return moment


def _event_name(value: str) -> str:
    # As private.is_event_name has it.
    if not all(word and not _NOT_IN_WORDS.search(word) for word in value.split(".")):
        raise ValueError("this is not the name of an event, such as order.completed")
    return value


EventName = Annotated[
    Annotated[str, Field(max_length=MAX_EVENT_NAME), AfterValidator(_event_name)] | None,
    BeforeValidator(_text(MAX_EVENT_NAME)),
]
Word = Annotated[Annotated[str, Field(max_length=100)], BeforeValidator(_text(100))]
Line = Annotated[Annotated[str, Field(max_length=500)] | None, BeforeValidator(_text(500))]
Text = Annotated[Annotated[str, Field(max_length=10_000)] | None, BeforeValidator(_text(10_000))]
Number = Annotated[int | float | None, BeforeValidator(_number)]
Timestamp = Annotated[str | None, BeforeValidator(_timestamp)]
Target = Literal["entity", "person"]


class Action(BaseModel):
    """What all actions have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    action_type: ClassVar[str]
    constants: ClassVar[frozenset[str]] = frozenset({"target"})
    """Settings that cannot hold a template."""
    needed: ClassVar[tuple[str, ...]] = ()
    """Settings that may be left out, but must have come to something in the end."""
    defaults: ClassVar[dict[str, str]] = {}
    """For texts left out or come out as nothing: where to find them, in JMESPath over event,
    payload, data, person, entity and endpoint. Only done once templates are filled in.
    """

    @classmethod
    def normalise(cls, config: JsonObject) -> JsonObject:
        """Brings a configuration, templates filled in or not, into the form that the model has."""
        return config

    @classmethod
    def fill(
        cls,
        config: JsonObject,
        document: Document,
        invoice_field_map: Mapping[str, str],  # noqa: ARG003 - for extract_invoice
    ) -> JsonObject:
        """Puts in what the configuration leaves to the event.

        Raises EvaluationFailed where the event does not have it.
        """
        missing = {key: text for key, text in cls.defaults.items() if config.get(key) in (None, "")}
        return {**config, **field_maps.apply(document, missing)} if missing else config

    def deed(self) -> JsonObject:
        """What the database applies."""
        return self.model_dump(exclude_none=True)


class Tag(Action):
    """Tags the record or the person. `tag` and `tags` may both be given."""

    action_type = "tag"

    tags: list[Word] = Field(min_length=1, max_length=MAX_TAGS)
    target: Target = "entity"

    @classmethod
    def normalise(cls, config: JsonObject) -> JsonObject:
        tags: list[Any] = []
        for value in (config.get("tag"), config.get("tags")):
            tags += value if isinstance(value, list) else [value]
        rest = {key: value for key, value in config.items() if key not in ("tag", "tags")}
        return {**rest, "tags": _distinct(tags)}


def _distinct(tags: list[Any]) -> list[Any]:
    distinct: list[Any] = []
    for tag in tags:
        word = tag.strip() if isinstance(tag, str) else tag
        if word not in (None, "", *distinct):
            distinct.append(word)
    return distinct


class AssignRole(Action):
    """Gives the record or the person a role, such as customer or lead."""

    action_type = "assign_role"

    role: Word
    target: Target = "entity"


class InvoiceFields(BaseModel):
    """The columns of an invoice that an action may set."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    external_id: Line = None
    number: Line = None
    customer_email: Line = None
    status: Line = None
    amount: Number = None
    currency: Line = None
    issued_at: Timestamp = None
    due_at: Timestamp = None
    metadata: dict[str, Any] | None = None


class ExtractInvoice(Action):
    """Makes an invoice of what the payload holds: by the field map of the entity type invoice, with
    the columns in `fields` laid over it.
    """

    action_type = "extract_invoice"

    fields: InvoiceFields = InvoiceFields()

    @classmethod
    def fill(
        cls, config: JsonObject, document: Document, invoice_field_map: Mapping[str, str]
    ) -> JsonObject:
        given = config.get("fields", {})
        if not isinstance(given, dict):
            return config
        found = field_maps.apply(document, invoice_field_map)
        fields = {key: value for key, value in found.items() if key in InvoiceFields.model_fields}
        fields |= {key: value for key, value in given.items() if value not in (None, "")}
        if fields.keys().isdisjoint(("external_id", "number", "amount")):
            raise EvaluationFailed("The payload holds no invoice: no external_id, number or amount")
        return {**config, "fields": fields}


class CreateTicket(Action):
    """Opens a support ticket."""

    action_type = "create_ticket"
    needed = ("subject",)
    defaults = {
        "subject": "data.subject || data.ticket.subject || data.title || data.issue.title"
        " || data.conversation.title || entity.subject || event.type",
        "message": "data.ticket.message || data.content.text || text(data.message)"
        " || text(data.content) || data.description || data.text || payload.event.text"
        " || data.comment.body || data.issue.body || text(data.body)",
        "customer_email": "person.email || data.customer_email || data.email",
        "customer_name": "person.name || data.customer_name || data.name",
    }

    subject: Line = None
    message: Text = None
    priority: Literal["low", "medium", "high", "urgent"] = "medium"
    category: Word | None = None
    customer_email: Line = None
    customer_name: Line = None

    @classmethod
    def normalise(cls, config: JsonObject) -> JsonObject:
        priority = config.get("priority", "")
        if priority in (None, ""):
            return {key: value for key, value in config.items() if key != "priority"}
        return {**config, "priority": priority.lower() if isinstance(priority, str) else priority}


class StoreMessage(Action):
    """Keeps a message of a conversation."""

    action_type = "store_message"
    needed = ("content",)
    defaults = {
        "content": "data.content.text || text(data.content) || data.text || data.message.text"
        " || text(data.message) || payload.event.text || data.comment.body || text(data.body)"
        " || data.ticket.message",
        "conversation_id": "text(data.conversationId) || text(data.conversation_id)"
        " || text(data.conversation.id) || payload.event.thread_ts || payload.event.channel",
        "external_id": "payload.event.client_msg_id || text(data.message_id)"
        " || text(data.messageId) || event.external_id || text(data.id)",
        "sender": "text(data.sender) || data.sender.name || person.name || person.email"
        " || text(data.sender.id) || payload.event.user",
    }

    content: Text = None
    direction: Literal["inbound", "outbound"] = "inbound"
    conversation_id: Line = None
    external_id: Line = None
    sender: Line = None


class SetField(Action):
    """Sets one field of the record. Which fields there are, the database knows."""

    action_type = "set_field"
    constants = frozenset({"field"})

    field: str = Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")
    value: Any

    def deed(self) -> JsonObject:
        return {"field": self.field, "value": self.value}


class SendNotification(Action):
    """Tells the owner."""

    action_type = "send_notification"
    needed = ("title",)
    defaults = {
        "title": "join(': ', [endpoint.name, event.type])",
        "body": "entity.title || entity.subject || entity.name || entity.number"
        " || entity.order_number || person.name || person.email",
    }

    title: Line = None
    body: Text = None


class CallWebhook(Action):
    """Publishes an event to the webhooks that the owner has registered. Left out, it has the type of the
    event that came in, and tells of it, its person and its record.
    """

    action_type = "call_webhook"
    needed = ("event", "data")

    event: EventName = None
    data: dict[str, Any] | None = None

    @classmethod
    def fill(
        cls,
        config: JsonObject,
        document: Document,
        invoice_field_map: Mapping[str, str],  # noqa: ARG003 - for extract_invoice
    ) -> JsonObject:
        given = {key: value for key, value in config.items() if value not in (None, "")}
        came = document["event"]
        # Sources may put other signs between words: orders/create becomes orders.create.
        name = _NOT_IN_WORDS.sub(".", came["type"])[:MAX_EVENT_NAME].strip(".")
        return {
            "event": name,
            "data": {
                "event": {key: came[key] for key in ("type", "external_id", "data")},
                "person": document["person"],
                "entity": document["entity"],
            },
            **given,
        }


ACTIONS: dict[str, type[Action]] = {
    model.action_type: model
    for model in (
        Tag,
        AssignRole,
        ExtractInvoice,
        CreateTicket,
        StoreMessage,
        SetField,
        SendNotification,
        CallWebhook,
    )
}
