"""Chromium, a reader who signs in to the console with it, and what no page may ever do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    ViewportSize,
    sync_playwright,
)

from tests.running_stack import User

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "tests" / "node" / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
DESKTOP: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 360, "height": 740}
LOCAL_HOSTS = {"127.0.0.1", "localhost"}

VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`CSP ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""
AXE_RUN = """
async () => {
  const found = await axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
  });
  return found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 200)).join(" | ")}`);
}
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A fresh browser, which asks nobody for anything by itself."""
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    assert path is not None, "Chromium is missing: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-background-networking"]
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Reader:
    """Somebody with a browser of their own."""

    context: BrowserContext
    page: Page
    base: str
    problems: list[str] = field(default_factory=list)
    """What went wrong in a page: errors of scripts, breaches of its policy, requests to other hosts."""

    @classmethod
    def open(cls, browser: Browser, base: str, **options: Any) -> Reader:
        context = browser.new_context(viewport=DESKTOP, **options)
        context.add_init_script(VIOLATIONS)
        context.set_default_timeout(15_000)
        reader = cls(context, context.new_page(), base)
        reader.watch(reader.page)
        return reader

    def watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.problems.append(f"{page.url}: {error}"))
        page.on("console", lambda message: self._hear(page, message))
        page.on("request", self._look_at)

    def _hear(self, page: Page, message: ConsoleMessage) -> None:
        # That a page is one that tells of an error is no error of it.
        is_the_page = message.location["url"] == page.url and "status of 404" in message.text
        if message.type in {"error", "warning"} and not is_the_page:
            self.problems.append(f"{page.url}: {message.text}")

    def _look_at(self, request: Request) -> None:
        if urlsplit(request.url).hostname not in LOCAL_HOSTS:
            self.problems.append(f"a request to {request.url}")

    def go(self, path: str) -> Page:
        self.page.goto(f"{self.base}{path}")
        return self.page

    def sign_in(self, user: User) -> None:
        page = self.go("/sign-in")
        page.get_by_label("E-mail").fill(user.email)
        page.get_by_label("Password").fill(user.password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{self.base}/")

    def wait_until_found(self) -> None:
        """Until a log that looks further has come to an end of that."""
        self.page.wait_for_selector("#look progress", state="detached")

    def wait_for(self, selector: str, **options: Any) -> None:
        self.page.wait_for_selector(selector, **options)

    def breaches_of_wcag(self) -> list[str]:
        """What axe-core finds against WCAG 2.2, levels A and AA."""
        # Put in by the browser's own tools, so that the page's policy neither hinders nor allows it.
        self.page.evaluate(f"() => {{ {AXE.read_text()} }}")
        found: list[str] = self.page.evaluate(AXE_RUN)
        return found

    def overflows(self) -> bool:
        """Whether the page is wider than the window."""
        wide: bool = self.page.evaluate(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )
        return wide

    def weight(self, path: str) -> int:
        """Bytes of a page with all that it loads, as nothing was kept from before."""
        sizes: list[int] = []

        def add(response: Any) -> None:
            sizes.append(len(response.body()))

        context = self.context.browser.new_context(storage_state=self.context.storage_state())  # type: ignore[union-attr]
        page = context.new_page()
        page.on("response", add)
        page.goto(f"{self.base}{path}", wait_until="networkidle")
        context.close()
        return sum(sizes)

    def text_of(self, selector: str) -> str:
        return self.page.inner_text(selector)
