"""Bundles: one zip per function with all that it needs and nothing else, for a serverless runtime.

    python -m functions.deploy.bundle [FUNCTION …] [--arch x86_64|arm64] [--python 3.13] [--telemetry] [--output dist]

A bundle holds the function, `shared/`, its packages as its lock pins them, if asked for those that telemetry needs,
and a `main.py` with `app` (ASGI), `handler` (AWS Lambda) and `target` (Google Cloud Functions). The same sources give
the same bytes.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

NAMES = {
    "ingest": "webhook-ingest",
    "classify": "classify",
    "prepare_for_rules": "prepare-for-rules",
    "process_rules": "process-rules",
    "dispatch": "dispatch",
    "api": "api",
    "console": "console",
}
"""Folder and deployed name of each function."""

PLATFORMS = {"x86_64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}
PYTHON = "3.13"

MEGABYTE = 1024 * 1024
MAX_UNPACKED = 250 * MEGABYTE
"""AWS Lambda's limit, the lowest of the runtimes'."""
MAX_HOT = 60 * MEGABYTE
"""Of what has to start at once when a webhook comes in or goes out."""
HOT = ("ingest", "dispatch")
MAX_TELEMETRY = 8 * MEGABYTE
"""What telemetry may add to these: it is loaded only where it is switched on."""

MAIN = '''\
"""Where a runtime finds the function {name}."""

from functions.{folder}.app import app
from shared.logs import log_as_json
from shared.runtimes import aws_handler, google_target

log_as_json()
handler = aws_handler(app)
target = google_target(app)
'''

MADE_AT = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can hold: when a bundle was made is no part of it."""

LEFT_OUT_PACKAGES = {
    # Runtimes bring a server of their own, and uvicorn does without these two.
    "httptools",
    "uvloop",
    # For cel's command line, which shared/expressions/library.py never loads.
    "markdown-it-py",
    "mdurl",
    "prompt-toolkit",
    "pygments",
    "rich",
    "shellingham",
    "typer",
    "wcwidth",
}
WITHOUT_ARM64 = {"classify": "wordllama, which reads its text, is not built for arm64"}

NOT_SOURCES = {"__pycache__", "node_modules"}
"""Folders of a function that hold no part of it. `make setup` has put what pages load into `static/vendor`."""

LEFT_OUT_FOLDERS = {"__pycache__", "bin"}
LEFT_OUT_FILES = {".lock", "INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json"}
"""What an installer notes down: it differs from one installation to the next, and nothing reads it."""
LEFT_OUT_SUFFIXES = {".c", ".h", ".pxd", ".pyc", ".pyi", ".pyx"}
"""What only compilers and type checkers read."""


class BundleError(Exception):
    """A bundle that cannot be made, or that is too large; the message says why."""


@dataclass(frozen=True)
class Bundle:
    function: str
    path: Path
    packed: int
    unpacked: int
    """Sizes in bytes."""
    telemetry: bool

    @property
    def limit(self) -> int:
        if self.function not in HOT:
            return MAX_UNPACKED
        return MAX_HOT + MAX_TELEMETRY if self.telemetry else MAX_HOT


def make(
    function: str,
    arch: str = "x86_64",
    python: str = PYTHON,
    output: Path | None = None,
    *,
    telemetry: bool = False,
) -> Bundle:
    """Write the bundle of one function into `output`, by default `dist/`."""
    if arch == "arm64" and function in WITHOUT_ARM64:
        raise BundleError(f"{function} cannot run on arm64: {WITHOUT_ARM64[function]}.")
    folder = output or ROOT / "dist"
    folder.mkdir(parents=True, exist_ok=True)
    suffix = "" if arch == "x86_64" else f"-{arch}"
    path = folder / f"{NAMES[function]}{suffix}.zip"
    with tempfile.TemporaryDirectory(prefix="switchhook-bundle-") as name:
        content = Path(name)
        locks = (function, "telemetry") if telemetry else (function,)
        _install(locks, arch, python, content)
        _copy_sources(function, content)
        (content / "main.py").write_text(MAIN.format(name=NAMES[function], folder=function))
        files = sorted(_kept(content), key=lambda file: file.relative_to(content).as_posix())
        unpacked = sum(file.stat().st_size for file in files)
        _pack(content, files, path)
    bundle = Bundle(function, path, path.stat().st_size, unpacked, telemetry)
    if bundle.unpacked > bundle.limit:
        path.unlink()
        raise BundleError(
            f"{bundle.path.name} has {_megabytes(bundle.unpacked)} unpacked; "
            f"{_megabytes(bundle.limit)} are allowed."
        )
    return bundle


def _install(locks: Sequence[str], arch: str, python: str, folder: Path) -> None:
    """The packages that these locks pin, as wheels for the runtime and not for this machine."""
    wanted = folder / "requirements.txt"
    pinned = [_wanted((ROOT / "requirements" / f"{lock}.txt").read_text()) for lock in locks]
    wanted.write_text("\n".join(pinned))
    command = [
        str(Path(sys.executable).parent / "uv"),
        *("pip", "install", "--quiet", "--target", str(folder)),
        *("--python-version", python, "--python-platform", PLATFORMS[arch]),
        *("--only-binary", ":all:", "--require-hashes", "--no-deps", "--link-mode", "copy"),
        *("-r", str(wanted)),
    ]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    wanted.unlink()
    if answer.returncode != 0:
        raise BundleError(
            f"The packages of {locks[0]} cannot be had for Python {python} on {arch}:\n{answer.stderr}"
        )


def _wanted(lock: str) -> str:
    """A lock without the packages that no bundle needs; each entry begins a line, and its hashes are indented."""
    entries = re.split(r"^(?=\w)", lock, flags=re.MULTILINE)
    return "".join(entry for entry in entries if entry.partition("==")[0] not in LEFT_OUT_PACKAGES)


def _copy_sources(function: str, folder: Path) -> None:
    sources = ("functions/__init__.py", f"functions/{function}", "shared")
    for source in sources:
        if (ROOT / source).is_file():
            (folder / source).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / source, folder / source)
            continue
        for file in _files_of(source):
            copy = folder / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)


def _files_of(source: str) -> Iterator[Path]:
    """Its modules, and what they read: a classifier's head, the templates and scripts of pages."""
    for path in (ROOT / source).rglob("*"):
        if path.is_file() and path.suffix != ".md" and not NOT_SOURCES & set(path.parts):
            yield path


def _kept(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if (
            path.is_file()
            and parts[0] not in LEFT_OUT_FOLDERS
            and "__pycache__" not in parts
            and path.name not in LEFT_OUT_FILES
            and path.suffix not in LEFT_OUT_SUFFIXES
        ):
            yield path


def _pack(folder: Path, files: list[Path], path: Path) -> None:
    draft = path.with_suffix(".part")
    with zipfile.ZipFile(draft, "w") as archive:
        for file in files:
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix(), MADE_AT)
            entry.create_system = 3  # Unix, so that the mode below counts
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED, 6)
    draft.replace(path)


def _megabytes(size: int) -> str:
    return f"{size / MEGABYTE:.1f} MB"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="Make bundles for serverless runtimes.")
    parser.add_argument("functions", nargs="*", metavar="FUNCTION", help=", ".join(NAMES))
    parser.add_argument("--arch", choices=PLATFORMS, default="x86_64")
    parser.add_argument("--python", default=PYTHON, help="the runtime's version of Python")
    parser.add_argument("--telemetry", action="store_true", help="with OpenTelemetry's packages")
    parser.add_argument("--output", type=Path, default=ROOT / "dist")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.functions) - {"all", *NAMES}:
        parser.error(f"no function {', '.join(sorted(unknown))}: there are {', '.join(NAMES)}")
    every = not asked.functions or "all" in asked.functions
    for function in NAMES if every else asked.functions:
        if every and asked.arch == "arm64" and function in WITHOUT_ARM64:
            print(f"{function} is left out: {WITHOUT_ARM64[function]}")
            continue
        made = make(function, asked.arch, asked.python, asked.output, telemetry=asked.telemetry)
        print(
            f"{made.path.name:28} {_megabytes(made.packed):>9} packed {_megabytes(made.unpacked):>9} "
            f"unpacked, of {_megabytes(made.limit)}"
        )


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except BundleError as error:
        sys.exit(str(error))
