"""`make fuzz`: gives inputs to the target for a while, mutating those that reach new code."""

from __future__ import annotations

import argparse
import platform
import sys
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.corpus import CORPUS, FOUND, WORK

INSTRUMENTED = ["functions.ingest", "shared"]

MAX_LENGTH = 10_240
MAX_SECONDS = 30
"""For one input: over that it hangs."""
MAX_MEGABYTES = 1024

NEEDED = "make fuzz needs atheris, which there is for CPython 3.11 to 3.14 on Linux x86_64 (glibc)"


def main() -> None:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("seconds", type=int)
    parser.add_argument(
        "--or-hypothesis",
        action="store_true",
        help="where there is no atheris, let hypothesis make the inputs",
    )
    parser.add_argument("--replay", type=Path, metavar="FILE", help="give this input only")
    parser.add_argument("options", nargs="*", help="libFuzzer's own, after --")
    given = parser.parse_args()
    if given.replay:
        from tests.fuzz.target import one_input  # noqa: PLC0415

        print(one_input(given.replay.read_bytes()))
    elif find_spec("atheris"):
        fuzz(given.seconds, given.options)
    elif given.or_hypothesis and not has_atheris():
        from tests.fuzz.by_hypothesis import run  # noqa: PLC0415

        print(f"{NEEDED}; hypothesis made {run(given.seconds)} inputs instead")
    else:
        ours = f"{platform.python_implementation()} {platform.python_version()}"
        sys.exit(f"{NEEDED}; this is {ours} on {platform.system()} {platform.machine()}")


def has_atheris() -> bool:
    """Whether there is an atheris for this Python: then it may be missing, but is not left out."""
    return (
        sys.implementation.name == "cpython"
        and sys.version_info < (3, 15)
        and (platform.system(), platform.machine()) == ("Linux", "x86_64")
        and platform.libc_ver()[0] == "glibc"
    )


def fuzz(seconds: int, options: list[str]) -> None:
    """Runs libFuzzer, which ends the process: with 0 only if nothing was found."""
    import atheris  # noqa: PLC0415

    with atheris.instrument_imports(include=INSTRUMENTED):
        from tests.fuzz.dictionary import dictionary  # noqa: PLC0415
        from tests.fuzz.target import one_input  # noqa: PLC0415

    FOUND.mkdir(parents=True, exist_ok=True)
    words = WORK / "dictionary"
    words.write_text(dictionary())

    def take(data: bytes) -> None:
        one_input(data)

    arguments = [
        *(f"-max_total_time={seconds}", f"-max_len={MAX_LENGTH}", f"-timeout={MAX_SECONDS}"),
        *(f"-rss_limit_mb={MAX_MEGABYTES}", "-print_final_stats=1", "-print_pcs=0"),
        *(f"-dict={words}", f"-artifact_prefix={WORK}/", *options),
        *(str(FOUND), str(CORPUS)),
    ]
    atheris.Setup([sys.argv[0], *arguments], take)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
