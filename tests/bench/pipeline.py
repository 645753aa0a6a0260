"""How many events a second go through classify, prepare and rules."""

from __future__ import annotations

import asyncio
import time

import psycopg

from functions.classify.classify import decide as classify
from functions.prepare_for_rules.prepare import decide as prepare
from functions.process_rules.process_rules import decide as process_rules
from shared.database import Database
from shared.settings import WorkerSettings
from shared.worker import Stage, work
from tests.bench.ingest import make_target, measure
from tests.running_stack import RunningStack, User

EVENTS = 5_000
STAGES = (
    Stage("classify", "classify", classify),
    Stage("prepare", "prepare-for-rules", prepare),
    Stage("rules", "process-rules", process_rules),
)
RULES = {
    "tag": '{"tag": "ordered"}',
    "assign_role": '{"role": "customer", "target": "person"}',
    "send_notification": '{"title": "Order {{ event.external_id }}"}',
}


def fill(stack: RunningStack, user: User) -> float:
    """Puts events into the queue, through ingest, and rules beside them. Events per second that ingest took."""
    with psycopg.connect(stack.database_url, autocommit=True) as database:
        for action, config in RULES.items():
            database.execute(
                "with rule as (insert into public.entity_automation_rules (user_id, entity_table, name, condition)"
                " values (%s, 'order', %s, 'event.data.total > 100') returning id)"
                " insert into public.entity_rule_actions (user_id, rule_id, position, action_type, action_config)"
                " select %s, id, 1, %s, %s from rule",
                [user.id, action, user.id, action, config],
            )
    target = make_target(stack, user, mode="automatic")
    figures = measure(stack, target, "tests.bench.variants:ingest", EVENTS * 10 // 11)
    return float(figures["per_second"])


async def run(stack: RunningStack) -> dict[str, float]:
    """Events per second of each stage, one after the other, with one worker."""
    settings = WorkerSettings(
        supabase_url=stack.api_url,
        supabase_secret_key=stack.secret_key,
        functions_secret=stack.functions_secret,
        worker_time_budget_seconds=600,
    )
    rates: dict[str, float] = {}
    async with Database(stack.api_url, stack.secret_key, timeout_seconds=60) as database:
        for stage in STAGES:
            started = time.perf_counter()
            counts = await work(database, stage, settings)
            rates[stage.name] = counts.finished / (time.perf_counter() - started)
            if counts.failed or counts.lost or not counts.finished:
                raise RuntimeError(f"{stage.name} did not work: {counts}")
    return rates


def report(stack: RunningStack, user: User) -> None:
    """Prints a line per stage, beside ingest of the same events, and what they reach together."""
    ingest_rate = fill(stack, user)
    rates = asyncio.run(run(stack))
    print(f"Pipeline, {EVENTS} events, one worker, three rules with an action each:")
    for name, rate in {"ingest": ingest_rate, **rates}.items():
        print(f"  {name:40} {rate:8.0f} events/s   {rate / ingest_rate:.2f} of ingest")
    together = 1 / sum(1 / rate for rate in rates.values())
    print(f"  {'together, one after the other':40} {together:8.0f} events/s", flush=True)
