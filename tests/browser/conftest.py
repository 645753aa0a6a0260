"""A browser, and readers of the console with accounts of their own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, expect

from receiver import Receiver, receiving
from tests.browser.browsing import Reader, chromium
from tests.browser.scenery import Account
from tests.running_stack import RunningStack, User

if shutil.which("chromium") is None and "CI" not in os.environ:
    collect_ignore_glob = ["test_*.py"]  # tests/conftest.py says so at the head of the run

expect.set_options(timeout=15_000)  # a busy machine is slow, and no test asserts a time
Connection = psycopg.Connection[dict[str, Any]]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One per module: while it is there, no test may be a coroutine."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@dataclass(frozen=True)
class Console:
    """Opens browsers on the console, and looks at the end whether any page did what none may do."""

    browser: Browser
    base: str
    readers: list[Reader]

    def open(self, user: User | None = None, **options: Any) -> Reader:
        reader = Reader.open(self.browser, self.base, **options)
        self.readers.append(reader)
        if user is not None:
            reader.sign_in(user)
        return reader


@pytest.fixture
def console(browser: Browser, pipeline_url: str) -> Iterator[Console]:
    console = Console(browser, f"{pipeline_url}/console", [])
    yield console
    problems = [problem for reader in console.readers for problem in reader.problems]
    for reader in console.readers:
        reader.context.close()
    assert problems == []


@pytest.fixture
def make_account(
    stack: RunningStack, new_user: Callable[[], User]
) -> Iterator[Callable[[], Account]]:
    """A fresh user, and what they do through the API."""
    accounts: list[Account] = []

    def make() -> Account:
        accounts.append(Account(new_user(), stack.functions_url))
        return accounts[-1]

    yield make
    for account in accounts:
        account.client.close()
