"""The way of one event: from the body that came in to the deliveries that came of it."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import Field, JsonValue, computed_field

from functions.api.models import Success, refusals
from functions.api.routing import Session, create_router
from shared.errors import NotFound
from shared.management.events import Stage, Status
from shared.management.models import Resource, StoredResource, Timestamp

router = create_router("queue")


class Body(Resource):
    """The body as it came, before anything read it."""

    size: int = Field(description="Bytes.")
    sha256: str
    content_type: str | None


class Received(Resource):
    """The request."""

    at: Timestamp
    body: Body | None = Field(description="Null if it is not kept any more.")


class TracedEndpoint(StoredResource):
    """Where the event came in."""

    name: str
    slug: str

    @computed_field
    def link(self) -> str:
        return f"/api/endpoints/{self.id}"


class Verification(Resource):
    """How it was made sure of who sent the request. One that does not pass is not stored."""

    scheme: str
    verified: bool = Field(description="False where the endpoint verifies nothing.")
    at: Timestamp
    endpoint: TracedEndpoint


class Decision(Resource):
    """What a person decided."""

    action: str
    by: UUID | None
    details: dict[str, JsonValue]
    at: Timestamp


class Label(Resource):
    """What the event is taken for, and by whom."""

    entity_table: str | None
    is_person: bool | None
    classified_by: str | None = Field(description="The classifier, or `user:` and an id.")
    confidence: float | None
    classifier: dict[str, JsonValue] | None = Field(
        description="What the classifier said, whatever people have decided since."
    )
    decisions: list[Decision]


class Finding(Resource):
    """How a person or record was come by."""

    id: UUID
    how: Literal["made", "found"]
    found_by: list[str] = Field(
        description="The columns that matched; `earlier_try`: this event's own."
    )
    at: Timestamp


class Step(Resource):
    """One thing that was done with the event."""

    action_type: str
    success: bool
    error: str | None
    result: dict[str, JsonValue]
    at: Timestamp


class ActionStep(Step):
    """One action of a rule; `condition` stands for a condition that failed."""

    action_id: UUID | None
    action_config: dict[str, JsonValue]
    duration_ms: float | None


class TracedRule(StoredResource):
    """A rule that did something, or failed."""

    name: str | None = Field(description="Null if it is not there any more.")
    actions: list[ActionStep]

    @computed_field
    def link(self) -> str | None:
        return None if self.name is None else f"/api/rules/{self.id}"


class TracedDelivery(StoredResource):
    """What one webhook got."""

    webhook_id: UUID
    webhook_name: str
    status: str
    attempts: int
    response_status: int | None
    error: str | None
    created_at: Timestamp
    finished_at: Timestamp | None

    @computed_field
    def link(self) -> str:
        return f"/api/webhooks/{self.webhook_id}/deliveries/{self.id}"


class Outgoing(StoredResource):
    """An event that was published because of this one."""

    type: str
    at: Timestamp
    action_id: UUID | None = Field(description="The action that led to it, where one did.")
    deliveries: list[TracedDelivery]

    @computed_field
    def link(self) -> str:
        return f"/api/events/{self.id}"


class Trace(StoredResource):
    """The way of one event."""

    event_type: str
    external_id: str | None
    status: Status
    stage: Stage
    error: str | None
    processed_at: Timestamp | None
    received: Received
    verification: Verification
    label: Label
    person: Finding | None
    entity: Finding | None
    steps: list[Step] = Field(description="What the pipeline and people did, in order.")
    rules: list[TracedRule]
    outgoing: list[Outgoing] = Field(description="The first hundred.")

    @computed_field
    def link(self) -> str:
        return f"/api/queue/{self.id}"


@router.get("/queue/{event_id:uuid}/trace", responses=refusals(NotFound))
async def trace_event(session: Session, event_id: UUID) -> Success[Trace]:
    """One event from the body that came in to the deliveries that came of it."""
    found = await session.database.call("get_event_trace", p_event_id=str(event_id))
    return Success(data=Trace.model_validate(found))
