"""What an owner's rules make of one event: for the worker, and for whoever tries a rule.

Pure: an event as `claim_rules` hands it out goes in, with rules; what `finish_rules` takes for it comes
out. The rules of an event are the active ones of its owner for its entity type, lowest priority number
first (then in the order of the claim, the older one first), each with its actions in order of position.

All conditions and templates of an event see it as it was claimed: what one rule does, such as
set_field, is not seen by the next. An action that has already succeeded for the event is left out,
so that a reprocessed event goes on where it failed. A rule that fails does not hold up the others.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict

from shared import field_maps
from shared.actions import render_action
from shared.conditions import compile_condition
from shared.errors import InvalidRequest
from shared.expressions import Context, EvaluationFailed, OutOfBudget

MAX_RESULTS = 100
"""Actions, and conditions that failed, that one event may lead to in one pass."""

CONDITION = "condition"
"""Stands for the action type where it is the condition of a rule that failed."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class RuleAction(_Model):
    id: str
    position: int
    action_type: str
    action_config: dict[str, Any]


class Rule(_Model):
    id: str
    user_id: str
    entity_table: str
    name: str
    condition: str | None
    priority: int
    actions: list[RuleAction]


class ClaimedEvent(_Model):
    id: str
    user_id: str
    event_type: str
    external_id: str | None = None
    payload: dict[str, Any]
    entity_table: str | None
    is_person: bool | None = None
    confidence: float | None = None
    created_at: str | None = None
    endpoint: dict[str, Any]
    person: dict[str, Any] | None = None
    entity: dict[str, Any] | None = None
    done_actions: frozenset[str] = frozenset()


class InvoiceFieldMap(_Model):
    user_id: str | None
    """Whose it is; None for the one that ships with Switchhook."""
    field_map: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one action, or of a rule whose condition failed."""

    rule_id: str
    action_id: str | None
    action_type: str
    action_config: dict[str, Any]
    duration_ms: float
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        result: dict[str, Any] = {
            "rule_id": self.rule_id,
            "action_id": self.action_id,
            "action_type": self.action_type,
            "action_config": self.action_config,
            "duration_ms": self.duration_ms,
        }
        return result if self.error is None else {**result, "error": self.error}


class Rulebook:
    """The rules of all owners in a batch, and how each reads invoices."""

    def __init__(self, rules: list[Rule], invoice_field_maps: list[InvoiceFieldMap]) -> None:
        self._rules: defaultdict[tuple[str, str], list[Rule]] = defaultdict(list)
        for rule in sorted(rules, key=lambda rule: rule.priority):
            self._rules[rule.user_id, rule.entity_table].append(rule)
        self._invoice_field_maps = {
            owned.user_id: field_maps.merge(owned.field_map, None) for owned in invoice_field_maps
        }

    def rules_for(self, event: ClaimedEvent) -> list[Rule]:
        return self._rules.get((event.user_id, event.entity_table or ""), [])

    def invoice_field_map(self, user_id: str) -> dict[str, str]:
        """An owner's own, or else the one that ships."""
        own = self._invoice_field_maps.get(user_id)
        return self._invoice_field_maps.get(None, {}) if own is None else own


def process_rules(event: ClaimedEvent, rulebook: Rulebook) -> list[Result]:
    """What is to be done for an event, in order, and what could not be found out."""
    run = _Run(context_of(event), rulebook.invoice_field_map(event.user_id))
    for rule in rulebook.rules_for(event):
        pending = [action for action in rule.actions if action.id not in event.done_actions]
        if pending:
            run.apply(rule, sorted(pending, key=lambda action: action.position))
        if run.is_over:
            break
    return run.results


def context_of(event: ClaimedEvent) -> Context:
    """What conditions and templates see of an event; shared/conditions.py tells users of it."""
    about = {
        "id": event.id,
        "type": event.event_type,
        "external_id": event.external_id,
        "payload": event.payload,
        "data": field_maps.subject(event.payload),
        "entity_table": event.entity_table,
        "is_person": event.is_person,
        "confidence": event.confidence,
        "created_at": event.created_at,
    }
    return Context(
        {
            "event": about,
            "person": event.person,
            "entity": event.entity,
            "endpoint": event.endpoint,
        }
    )


class _Run:
    """One event's way through its rules."""

    def __init__(self, context: Context, invoice_field_map: dict[str, str]) -> None:
        self.results: list[Result] = []
        self.is_over = False
        """Whether one event has led to as much as it may; the last result says so."""
        self._context = context
        self._invoice_field_map = invoice_field_map

    def apply(self, rule: Rule, actions: list[RuleAction]) -> None:
        started = time.perf_counter()
        try:
            holds = compile_condition(rule.condition).holds(self._context)
        except (EvaluationFailed, InvalidRequest) as error:
            what = (rule.id, None, CONDITION, {"condition": rule.condition})
            self._add(*what, started, error)
            return
        for action in actions if holds else ():
            self._render(rule, action)
            if self.is_over:
                return

    def _render(self, rule: Rule, action: RuleAction) -> None:
        started = time.perf_counter()
        kind, config, failure = action.action_type, action.action_config, None
        try:
            config = render_action(kind, config, self._context, self._invoice_field_map)
        except (EvaluationFailed, InvalidRequest) as error:
            config, failure = _storable(config), error
        self._add(rule.id, action.id, kind, config, started, failure)

    def _add(
        self,
        rule_id: str,
        action_id: str | None,
        action_type: str,
        config: dict[str, Any],
        started: float,
        failure: EvaluationFailed | InvalidRequest | None,
    ) -> None:
        error = failure.message if failure else None
        if len(self.results) == MAX_RESULTS:
            error = f"One event may lead to {MAX_RESULTS} actions at most; reprocess it for more"
        self.is_over = isinstance(failure, OutOfBudget) or len(self.results) == MAX_RESULTS
        duration = round((time.perf_counter() - started) * 1000, 3)
        self.results.append(Result(rule_id, action_id, action_type, config, duration, error))


def _storable(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration for the log; none where it is nested too deeply to be written again."""
    try:
        orjson.dumps(config)
    except TypeError:
        return {}
    return config
