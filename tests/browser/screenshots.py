"""Pictures of every page: full and empty, light and dark, on a desk and on a phone.

    python -m tests.browser.screenshots [FOLDER]

They are made on a stack of their own, which is gone afterwards.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
from playwright.sync_api import Browser, ViewportSize
from psycopg.rows import dict_row

import functions_server
import postgres
import stack as local_stack
from layout import ROOT, on_free_ports, open_stack
from receiver import receiving
from tests.browser.browsing import DESKTOP, PHONE, Reader, chromium
from tests.browser.scenery import Account
from tests.browser.sights import EMPTY_PAGES, furnish
from tests.running_stack import RunningStack, User

SIZES: Mapping[str, ViewportSize] = {"desktop": DESKTOP, "phone": PHONE}
SCHEMES = ("light", "dark")
README_PICTURES = (
    ("console-overview", "overview-day", "light"),
    ("console-queue", "queue", "light"),
    ("console-webhook", "webhook", "dark"),
)
"""What the README shows: the file's name, the page, the scheme."""


@contextmanager
def own_stack() -> Iterator[RunningStack]:
    """Everything that runs for `make run`, on free ports."""
    with tempfile.TemporaryDirectory() as folder:
        own = open_stack(on_free_ports(Path(folder)))
        try:
            local_stack.up(own, functions=False)
            running = RunningStack.of(own)
            functions_server.ensure_gateway(own, running.values)
            functions_server.ensure_scheduler(own, running.values)
            yield running
        finally:
            local_stack.down(own)
            postgres.remove_data(own)


def take(
    browser: Browser, base: str, user: User | None, paths: Mapping[str, str], to: Path
) -> None:
    """A picture of each page in every size and scheme."""
    for scheme in SCHEMES:
        reader = Reader.open(browser, base, color_scheme=scheme)
        if user is not None:
            reader.sign_in(user)
        for size, viewport in SIZES.items():
            reader.page.set_viewport_size(viewport)
            for name, path in paths.items():
                reader.go(path)
                reader.wait_until_found()
                reader.page.wait_for_timeout(400)
                target = to / f"{name}-{size}-{scheme}.png"
                reader.page.screenshot(path=target, full_page=True)
                print(target)
        for problem in reader.problems:
            print("  ", problem)
        reader.context.close()


def take_for_readme(
    browser: Browser, base: str, user: User, paths: Mapping[str, str], to: Path
) -> None:
    """What a window on a desk shows of three pages, to be put into .github/."""
    for name, page, scheme in README_PICTURES:
        reader = Reader.open(browser, base, color_scheme=scheme)
        reader.sign_in(user)
        reader.go(paths[page]).wait_for_timeout(400)
        reader.page.screenshot(path=to / f"{name}.png")
        reader.context.close()


def main(folder: Path) -> None:
    with own_stack() as running, receiving() as receiver, chromium() as browser:
        base = f"{running.functions_url}/console"
        with psycopg.connect(
            running.database_url, autocommit=True, row_factory=dict_row
        ) as database:
            sights = furnish(
                Account(running.sign_up("ada"), running.functions_url), receiver, database
            )
        for part in ("full", "empty", "readme"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        take_for_readme(browser, base, sights.account.user, sights.paths, folder / "readme")
        take(browser, base, None, {"sign-in": "/sign-in"}, folder / "full")
        take(browser, base, sights.account.user, sights.paths, folder / "full")
        take(browser, base, running.sign_up("new"), EMPTY_PAGES, folder / "empty")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".stack" / "screenshots")
