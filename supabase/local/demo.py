"""The demo: signs a user up, makes endpoints and rules through the API, sends the sample webhooks as their sources
would, and shows what became of each. Ends with 0 only if all came through as they should.

Everything goes through the public addresses in .env; nothing here touches the database.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from demo_delivery import way_out
from samples import RULES, SAMPLES, Sample, Source

DEADLINE_SECONDS = 60
POLL_SECONDS = 0.15


@dataclass
class Outcome:
    """What is known of one sample."""

    sample: Sample
    answer: httpx.Response
    rule_ids: frozenset[str]
    """The demo's own rules. What a user's rules do beside them is no problem."""
    event: dict[str, Any] | None = None
    """As GET /api/log/{id} shows it, once it is through."""
    reviewed: bool = False

    @property
    def event_id(self) -> str | None:
        return self.answer.json()["data"]["id"] if self.answer.status_code == 202 else None

    def problems(self) -> list[str]:
        """In what way the sample did not come through as it should; empty if it did."""
        if self.event_id is None:
            return [f"refused with {self.answer.status_code}: {self.answer.json().get('code')}"]
        if self.event is None:
            return [f"not through after {DEADLINE_SECONDS} s"]
        found = {
            "status": self.event["status"],
            "entity": self.event["entityTable"],
            "person": self.event["isPerson"],
            "verified by": self.event["scheme"],
            "actions": sorted(
                step["actionType"]
                for step in rule_steps(self.event)
                if step["ruleId"] in self.rule_ids
            ),
        }
        wanted = {
            "status": "processed",
            "entity": self.sample.entity,
            "person": self.sample.is_person,
            "verified by": self.sample.source.scheme,
            "actions": sorted(self.sample.actions),
        }
        return [
            f"{name} is {found[name]}, not {wanted[name]}"
            for name in wanted
            if found[name] != wanted[name]
        ]


def rule_steps(event: dict[str, Any]) -> list[dict[str, Any]]:
    """The actions of rules that succeeded."""
    return [step for step in event["log"] if step["actionId"] and step["success"]]


class Demo:
    """The demo's user, and what it does through the API."""

    def __init__(self, values: dict[str, str]) -> None:
        self.values = values
        self.functions_url = values["FUNCTIONS_URL"].rstrip("/")
        self.client = httpx.Client(timeout=30)
        self.headers = {"Authorization": f"Bearer {self._access_token()}"}
        self.rule_ids: frozenset[str] = frozenset()

    def _access_token(self) -> str:
        """Signs in, or up where there is no such user yet."""
        url, headers = (
            self.values["SUPABASE_URL"],
            {"apikey": self.values["SUPABASE_PUBLISHABLE_KEY"]},
        )
        body = {"email": self.values["DEMO_EMAIL"], "password": self.values["DEMO_PASSWORD"]}
        for path in ("token?grant_type=password", "signup"):
            answer = self.client.post(f"{url}/auth/v1/{path}", headers=headers, json=body)
            if answer.is_success and "access_token" in answer.json():
                return str(answer.json()["access_token"])
        raise SystemExit(
            f"{body['email']} (DEMO_EMAIL in .env) can neither sign in nor up: {answer.status_code}.\n"
            "A project that asks for confirmed addresses needs the user made in its dashboard."
        )

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """The data of an API answer. An error ends the demo with the API's own words."""
        answer = self.client.request(
            method, f"{self.functions_url}/api{path}", headers=self.headers, json=body
        )
        if not answer.is_success:
            raise SystemExit(f"{method} /api{path}: {answer.status_code} {answer.text}")
        return answer.json()["data"]

    def secret(self, source: Source) -> str:
        """The same in every run, so that an endpoint made by an earlier one still verifies."""
        secret = self.secret_named(source.slug)
        return "whsec_" + secret if source.scheme in {"standard_webhooks", "stripe"} else secret

    def secret_named(self, name: str) -> str:
        key = self.values["FUNCTIONS_SECRET"].encode()
        return hmac.new(key, name.encode(), hashlib.sha256).hexdigest()

    def set_up(self) -> None:
        """Makes the endpoints and rules that are not there yet."""
        slugs = {endpoint["slug"] for endpoint in self.api("GET", "/endpoints?limit=100")["items"]}
        for source in dict.fromkeys(sample.source for sample in SAMPLES):
            if source.slug not in slugs:
                self.api("POST", "/endpoints", source.endpoint(self.secret(source)))
        ids = {rule["name"]: rule["id"] for rule in self.api("GET", "/rules?limit=100")["items"]}
        for rule in RULES:
            if rule["name"] not in ids:
                ids[rule["name"]] = self.api("POST", "/rules", rule)["id"]
        self.rule_ids = frozenset(ids[rule["name"]] for rule in RULES)

    def send(self, sample: Sample) -> Outcome:
        """Posts a sample as its source would."""
        body = sample.body()
        answer = self.client.post(
            f"{self.functions_url}/functions/v1/webhook-ingest/{sample.source.slug}",
            content=body,
            headers=sample.headers(body, self.secret(sample.source)),
        )
        return Outcome(sample, answer, self.rule_ids)

    def follow(self, outcome: Outcome) -> bool:
        """Looks how far an event is, and approves it if it waits for review. True when it is through."""
        if outcome.event_id is None:
            return True
        event = self.api("GET", f"/queue/{outcome.event_id}")
        if event["stage"] == "review":
            outcome.reviewed = True
            self.api("POST", f"/queue/{outcome.event_id}/approve")
        elif event["status"] in {"processed", "failed"}:
            outcome.event = self.api("GET", f"/log/{outcome.event_id}")
            return True
        return False


def show_progress(demo: Demo, console: Console) -> list[Outcome]:
    """Sends everything and waits until it is through."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        sending = progress.add_task("Sending", total=len(SAMPLES))
        outcomes = []
        for sample in SAMPLES:
            outcomes.append(demo.send(sample))
            progress.advance(sending)
        waiting = progress.add_task("Processing", total=len(SAMPLES))
        left = list(outcomes)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while left and time.monotonic() < deadline:
            left = [outcome for outcome in left if not demo.follow(outcome)]
            progress.update(waiting, completed=len(SAMPLES) - len(left))
            if left:
                time.sleep(POLL_SECONDS)
    return outcomes


def table(outcomes: list[Outcome]) -> Table:
    """What became of each sample."""
    columns = (
        "source",
        "event",
        "verified",
        "entity",
        "confidence",
        "person",
        "actions",
        "status",
        "ms",
    )
    result = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for outcome in outcomes:
        event = outcome.event
        cells = [
            outcome.sample.source.name,
            event["eventType"] if event else outcome.sample.event,
        ]
        if event is None:
            result.add_row(
                *cells, "", "", "", "", "", "; ".join(outcome.problems()), "", style="red"
            )
            continue
        took = (
            _time(event["processedAt"]) - _time(event["createdAt"])
            if event["processedAt"]
            else None
        )
        confidence = event["confidence"]
        status = "approved, " + event["status"] if outcome.reviewed else event["status"]
        person = event["person"] or {}
        cells += [
            event["scheme"],
            event["entityTable"] or "",
            "" if confidence is None else f"{confidence:.2f}",
            person.get("name") or person.get("email") or ("yes" if event["isPerson"] else "no"),
            ", ".join(step["actionType"] for step in rule_steps(event)),
            status,
            "" if took is None else f"{took.total_seconds() * 1000:.0f}",
        ]
        result.add_row(*cells, style="red" if outcome.problems() else None)
    return result


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def main() -> int:
    """Runs the demo; the status to exit with."""
    console = Console(width=None if sys.stdout.isatty() else 160)
    demo = Demo(dict(os.environ))
    demo.set_up()
    with way_out(demo.api, demo.secret_named("receiver"), str(time.time_ns())) as way:
        way.publish()
        outcomes = show_progress(demo, console)
        with console.status("Waiting for the retry"):
            way.follow()
    console.print(table(outcomes))
    console.print()
    console.print(way.table())
    console.print()
    wrong = len(way.problems())
    for problem in way.problems():
        console.print(f"Way out: {problem}", style="red")
    for outcome in outcomes:
        for problem in outcome.problems():
            wrong += 1
            console.print(
                f"{outcome.sample.source.name} {outcome.sample.event}: {problem}", style="red"
            )
    if not wrong:
        console.print(
            f"All {len(outcomes)} samples came through as they should, and the receiver got its "
            "events although it refused one twice.",
            style="green",
        )
    console.print(f"Console     {demo.functions_url}/console")
    console.print(f"API         {demo.functions_url}/api/docs")
    console.print(
        f"Queue       {demo.functions_url}/api/queue   (with a token: First steps in README.md)"
    )
    console.print(f"Log         {demo.functions_url}/api/log")
    console.print(f"Signed in   as {demo.values['DEMO_EMAIL']} (password: DEMO_PASSWORD in .env)")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
