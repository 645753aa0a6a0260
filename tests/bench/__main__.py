"""`make bench`: measures on a stack of its own what functions and pages reach, and how functions start."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import postgres
import stack as local_stack
from layout import on_free_ports, open_stack
from tests.bench import claim, cold_start, console, delivery, ingest, pipeline
from tests.running_stack import RunningStack


def main(parts: list[str]) -> None:
    """Runs the named parts (ingest, pipeline, claim, delivery, console, cold_start), or all."""
    with tempfile.TemporaryDirectory(prefix="switchhook-bench-") as folder:
        own = open_stack(on_free_ports(Path(folder)))
        try:
            local_stack.up(own, functions=False)
            stack = RunningStack.of(own)
            user = stack.sign_up()
            if not parts or "ingest" in parts:
                ingest.report(stack, user)
            if not parts or "pipeline" in parts:
                pipeline.report(stack, stack.sign_up())
            if not parts or "claim" in parts:
                claim.report(stack, user)
            if not parts or "delivery" in parts:
                delivery.report(stack)
            if not parts or "console" in parts:
                console.report(stack)
            if not parts or "cold_start" in parts:
                cold_start.report(stack, user)
        finally:
            local_stack.down(own)
            postgres.remove_data(own)


if __name__ == "__main__":
    main(sys.argv[1:])
