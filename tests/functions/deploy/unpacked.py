"""Bundles unpacked into folders of their own, and run there by a Python that sees no other package."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import httpx
from packaging.requirements import Requirement

from functions.deploy import bundle

PYTHON = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
"""The interpreter under the tests' environment; with -S it knows nothing of any environment."""


class Bundles:
    """Each function's bundle for this machine's Python, made when it is first asked for."""

    def __init__(self, folder: Path, *, telemetry: bool = False) -> None:
        self._folder = folder
        self._telemetry = telemetry

    def made(self, function: str) -> Path:
        path = self._folder / f"{bundle.NAMES[function]}.zip"
        if not path.exists():
            version = f"3.{sys.version_info.minor}"
            bundle.make(function, python=version, output=self._folder, telemetry=self._telemetry)
        return path

    def unpacked(self, function: str) -> Path:
        folder = self._folder / function
        if not folder.exists():
            with zipfile.ZipFile(self.made(function)) as archive:
                archive.extractall(folder)
        return folder


def linked(folder: Path, *packages: str) -> Path:
    """A folder with these installed packages and what they need: what a runtime has beside the bundle."""
    folder.mkdir(exist_ok=True)
    waiting, seen = list(packages), set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue  # for another platform or Python
        for file in found.files or ():
            top = file.parts[0]
            if top not in {"..", "__pycache__"} and not (folder / top).exists():
                (folder / top).symlink_to(str(found.locate_file(top)))
        for text in found.requires or ():
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                waiting.append(needed.name)
    return folder


@contextmanager
def running(
    folder: Path, arguments: list[str], environment: Mapping[str, str], *packages: Path
) -> Iterator[subprocess.Popen[str]]:
    """A program in the bundle's folder, which sees its own packages first, then these, and no others."""
    process = subprocess.Popen(
        [str(PYTHON), "-S", "-m", *arguments],
        cwd=folder,
        env={
            "PATH": os.defpath,
            "PYTHONPATH": os.pathsep.join(map(str, (folder, *packages))),
            "PYTHONDONTWRITEBYTECODE": "1",
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def wait_until_healthy(process: subprocess.Popen[str], url: str) -> httpx.Response:
    """The first answer of /healthz; with what the program printed if it ends before."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(process.communicate()[0])
        try:
            return httpx.get(f"{url}/healthz", timeout=30)
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")
