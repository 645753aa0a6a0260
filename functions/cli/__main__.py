"""`switchhook`, the command line: python -m functions.cli."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TypeVar

import httpx
import typer
from typer.exceptions import TyperException

from functions.cli.api import ApiClient, Item, Refused, signed_in
from functions.cli.doctor import examine
from functions.cli.listen import Forwarding, Listener, forward, is_address
from functions.cli.output import (
    one_line,
    show_answer,
    show_event,
    show_findings,
    show_items,
    show_json,
    show_more_items,
    show_refusal,
)
from functions.cli.settings import CliSettings
from functions.cli.trigger import Trigger, find_endpoint, sample, send
from shared.errors import InvalidRequest, SwitchhookError

Answer = TypeVar("Answer")

app = typer.Typer(
    name="switchhook", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)

AsJson = Annotated[bool, typer.Option("--json", help="For programs: JSON and nothing else.")]
Limit = Annotated[int, typer.Option(min=1, help="How many at most, newest first.")]

ATTEMPT_COLUMNS = (
    "attemptedAt",
    "eventType",
    "outcome",
    "responseStatus",
    "latencyMs",
    "attempt",
    "deliveryId",
    "error",
)
POLL_SECONDS = 1.0


@app.callback()
def root() -> None:
    """Switchhook from the command line. Settings come from the environment, or the file that ENV_FILE names.

    Commands act as DEMO_EMAIL with DEMO_PASSWORD.
    """


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Look at keys, schema, extensions, clocks and wake-ups, and say what to do. Ends with 1 if anything is wrong."""
    findings = asyncio.run(examine(CliSettings.from_environment()))
    if as_json:
        show_json([asdict(finding) for finding in findings])
    else:
        show_findings(findings)
    raise typer.Exit(any(finding.level == "error" for finding in findings))


@app.command()
def endpoints(as_json: AsJson = False) -> None:
    """List your endpoints."""
    found = _as_user(lambda api: _all(api, "endpoints"), as_json=as_json)
    columns = ("slug", "scheme", "processingMode", "isActive", "url", "id")
    show_items(found, columns, as_json=as_json)


@app.command()
def webhooks(as_json: AsJson = False) -> None:
    """List your webhooks."""
    found = _as_user(lambda api: _all(api, "webhooks"), as_json=as_json)
    columns = ("name", "active", "events", "url", "disabledReason", "id")
    show_items(found, columns, as_json=as_json)


@app.command()
def tail(
    webhook_id: str,
    limit: Limit = 20,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the last attempts to deliver something to a webhook, oldest first."""

    async def watch(api: ApiClient) -> None:
        seen: set[str] = set()
        while True:
            path = f"webhooks/{webhook_id}/logs"
            found = [item async for item in api.items(path, limit=limit)][::-1]
            fresh = [attempt for attempt in found if attempt["id"] not in seen]
            if not follow:
                show_items(found, ATTEMPT_COLUMNS, as_json=as_json)
                return
            if fresh:
                show_more_items(fresh, ATTEMPT_COLUMNS, as_json=as_json)
            seen.update(attempt["id"] for attempt in found)
            await asyncio.sleep(POLL_SECONDS)

    _as_user(watch, as_json=as_json)


def _address(url: str) -> str:
    if url and not is_address(url):
        raise typer.BadParameter(f"{url} is no address that starts with http:// or https://")
    return url


@app.command()
def listen(
    endpoint: Annotated[str, typer.Argument(help="An endpoint's slug or id.")],
    forward_to: Annotated[
        str, typer.Option(callback=_address, help="Post each event to this URL.")
    ] = "",
    secret: Annotated[
        str, typer.Option(envvar="SECRET", help="Sign what is posted with the endpoint's secret.")
    ] = "",
    count: Annotated[int, typer.Option(min=0, help="End after so many events; 0: never.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Show an endpoint's events as they come in, and post them to a program on this machine."""

    async def heard(api: ApiClient) -> None:
        source = await find_endpoint(api, endpoint)
        listener = Listener(api, source["id"])
        await listener.poll()
        typer.echo(f"Listening to {source['url']}", err=True)
        shown = 0
        async with httpx.AsyncClient(timeout=30) as client:
            while count == 0 or shown < count:
                for event in await listener.poll():
                    line = dict(event)
                    if forward_to:
                        to = Forwarding(forward_to, secret)
                        line["answered"] = await forward(api, client, source, event, to)
                    show_event(line, as_json=as_json)
                    shown += 1
                await asyncio.sleep(POLL_SECONDS if count == 0 or shown < count else 0)

    _as_user(heard, as_json=as_json)


@app.command()
def replay(event_id: str, as_json: AsJson = False) -> None:
    """Deliver a published event once more to all who subscribe."""
    answer = _as_user(lambda api: api.call("POST", f"events/{event_id}/replay"), as_json=as_json)
    show_answer(answer, as_json=as_json)


@app.command()
def retry(webhook_id: str, delivery_id: str, as_json: AsJson = False) -> None:
    """Send one delivery once more."""
    path = f"webhooks/{webhook_id}/deliveries/{delivery_id}/retry"
    answer = _as_user(lambda api: api.call("POST", path), as_json=as_json)
    show_answer(answer, as_json=as_json)


@app.command()
def trigger(
    endpoint: Annotated[str, typer.Argument(help="An endpoint's slug or id.")],
    secret: Annotated[
        str, typer.Option(envvar="SECRET", help="The endpoint's secret, which is shown only once.")
    ] = "",
    file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The body; a sample otherwise.")
    ] = None,
    event: Annotated[str, typer.Option(help="The event's type.")] = "contact.created",
    as_json: AsJson = False,
) -> None:
    """Send an endpoint a webhook, signed as its source would."""
    body = sample(event) if file is None else file.read_bytes()

    async def sent(api: ApiClient) -> Any:
        return await send(await find_endpoint(api, endpoint), Trigger(body, event, secret))

    show_answer(_as_user(sent, as_json=as_json), as_json=as_json)


async def _all(api: ApiClient, path: str) -> list[Item]:
    return [item async for item in api.items(path)]


def _as_user(work: Callable[[ApiClient], Awaitable[Answer]], *, as_json: bool) -> Answer:
    """What the work gives; ends the program with 1 if it is refused."""

    async def run() -> Answer:
        async with signed_in(CliSettings.from_environment()) as api:
            return await work(api)

    try:
        return asyncio.run(run())
    except Refused as refused:
        show_refusal(refused, as_json=as_json)
    except SwitchhookError as error:
        show_refusal(Refused(error.message, error.code), as_json=as_json)
    raise typer.Exit(1)


def main() -> None:
    """What is typed, done. Programs are told in JSON too that something was typed wrong."""
    if "--json" not in sys.argv:
        app()
    try:
        status = app(standalone_mode=False)
    except TyperException as error:
        message = one_line(error.format_message())
        show_refusal(Refused(message, InvalidRequest.code), as_json=True)
        status = error.exit_code
    sys.exit(status)


if __name__ == "__main__":
    main()
