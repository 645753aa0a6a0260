"""Worker processes that are killed while they work, and replaced."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

WORKERS = 2
ROOT = Path(__file__).resolve().parents[2]


class Workers:
    """Worker processes, all started beforehand, so that one that is killed is replaced at once."""

    def __init__(self, functions: str, kills: int, environment: Mapping[str, str]) -> None:
        self._working: list[subprocess.Popen[str]] = []
        self._waiting = [self._start(functions, environment) for _ in range(WORKERS + kills)]

    @staticmethod
    def _start(functions: str, environment: Mapping[str, str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.acceptance.worker_process", functions],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def wait_until_started(self) -> None:
        for process in self._waiting:
            assert process.stdout is not None
            assert process.stdout.readline() == "started\n"

    def put_to_work(self, count: int) -> None:
        for _ in range(count):
            process = self._waiting.pop()
            self._working.append(process)
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()

    def kill_one(self) -> None:
        """SIGKILL for one of them; another takes its place."""
        self._end(self._working.pop(random.randrange(len(self._working))))
        self.put_to_work(1)

    @staticmethod
    def _end(process: subprocess.Popen[str]) -> None:
        process.send_signal(signal.SIGKILL)
        process.communicate()

    def end(self) -> None:
        for process in self._working + self._waiting:
            self._end(process)


class StartWorkers(Protocol):
    """Starts workers that are ended with the test.

    `functions`: pipeline or dispatch. Settings are the processes' environment.
    """

    def __call__(self, functions: str, kills: int, **settings: str) -> Workers: ...
