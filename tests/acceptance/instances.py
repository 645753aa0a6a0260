"""Functions as a runtime scales them: two instances of each, in processes of their own, of which one is killed."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from processes import free_port

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120
MOMENTS = 500
"""Looks for a moment at which a kill hurts."""


@dataclass
class Instance:
    """One process that serves one function."""

    process: subprocess.Popen[bytes]
    url: str
    under_way: set[object] = field(default_factory=set)
    """Requests that were sent to it and are not answered."""

    @classmethod
    def start(cls, function: str, environment: Mapping[str, str]) -> Instance:
        port = free_port()
        command = [sys.executable, "-m", "uvicorn", f"functions.{function}.app:app"]
        command += [f"--port={port}", "--log-level=warning", "--no-access-log"]
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        return cls(process, f"http://127.0.0.1:{port}")

    def wait_until_healthy(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "it ended by itself"
            try:
                if httpx.get(f"{self.url}/healthz", timeout=10).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError(f"{self.url} is not healthy")

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@dataclass
class Pair:
    """Two instances of a function, and what a client does that knows nothing of instances: it sends to either, and
    once more if there is no answer.
    """

    instances: list[Instance]
    client: httpx.AsyncClient
    broken_off: int = 0
    """Requests that were under way when their instance was killed."""

    @property
    def is_whole(self) -> bool:
        return len(self.instances) == 2

    async def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        while True:
            instance = random.choice(self.instances)
            try:
                return await self.send_to(instance, method, path, **request)
            except httpx.TransportError:
                assert instance not in self.instances, "no answer of an instance that runs"

    async def send_to(
        self, instance: Instance, method: str, path: str, **request: Any
    ) -> httpx.Response:
        this = object()
        instance.under_way.add(this)
        try:
            return await self.client.request(method, instance.url + path, **request)
        finally:
            instance.under_way.discard(this)

    async def kill_one(self, is_the_moment: Callable[[Instance], bool]) -> None:
        """SIGKILL for one of them in the midst of a request, at a moment that is told while both stand still.

        `is_the_moment` is given the one that would survive.
        """
        victim, survivor = random.sample(self.instances, 2)
        for _ in range(MOMENTS):
            await asyncio.sleep(random.uniform(0.005, 0.05))
            before = set(victim.under_way)
            for instance in self.instances:
                instance.freeze()
            await asyncio.sleep(0.05)  # what it had answered by then is read
            broken_off = before & victim.under_way
            if broken_off and is_the_moment(survivor):
                self.instances.remove(victim)
                self.broken_off = len(broken_off)
                victim.kill()
            for instance in self.instances:
                instance.thaw()
            if not self.is_whole:
                return
        raise AssertionError("there was no moment at which a kill would have hurt")


@contextmanager
def pairs(
    functions: tuple[str, ...], client: httpx.AsyncClient, settings: Mapping[str, str]
) -> Iterator[dict[str, Pair]]:
    """Two instances of each function, by its folder's name, all of them healthy; ended with the block."""
    environment = os.environ | dict(settings)
    started: list[Instance] = []
    try:
        by_function = {}
        for function in functions:
            instances = [Instance.start(function, environment) for _ in range(2)]
            started += instances
            by_function[function] = Pair(instances, client)
        for instance in started:
            instance.wait_until_healthy()
        yield by_function
    finally:
        for instance in started:
            instance.kill()
