"""When telemetry is on, and what there is of it when it is off."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from shared import telemetry
from shared.telemetry.spans import NOT_COUNTED, OFF

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
BLOCK = """
import importlib.abc, logging, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Missing())
logging.basicConfig(format="%(levelname)s %(message)s", stream=sys.stdout)
"""
START = "from shared import telemetry\nprint(telemetry.start('ingest'), telemetry.current)\n"


def run(root: Path, code: str, environment: dict[str, str]) -> str:
    """What a Python of its own prints; nothing of this process's environment is seen by it."""
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env={"PYTHONPATH": str(root), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout + answer.stderr


@pytest.mark.parametrize(
    ("environment", "signals"),
    [
        ({}, []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, []),
        ({"OTEL_SERVICE_NAME": "mine"}, []),
        (ENDPOINT, ["traces", "metrics"]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9/v1/traces"}, ["traces"]),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1:9/v1/metrics"}, ["metrics"]),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "TRUE"}, []),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "false"}, ["traces", "metrics"]),
        ({**ENDPOINT, "OTEL_METRICS_EXPORTER": "none"}, ["traces"]),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "otlp"}, ["traces", "metrics"]),
    ],
)
def test_what_is_exported_is_for_the_environment_to_say(
    environment: dict[str, str], signals: list[str]
) -> None:
    assert telemetry.wanted(environment) == signals


@pytest.mark.parametrize(
    "function", ["ingest", "classify", "prepare_for_rules", "process_rules", "dispatch", "console"]
)
def test_without_an_endpoint_nothing_of_it_is_loaded(project_root: Path, function: str) -> None:
    settings = ("SUPABASE_URL", "SUPABASE_SECRET_KEY", "FUNCTIONS_SECRET", "ENCRYPTION_KEYS")
    code = f"""
import asyncio, sys
from cryptography.fernet import Fernet
import os
os.environ["ENCRYPTION_KEYS"] = Fernet.generate_key().decode()
from functions.{function}.app import app

async def live():
    async with app.router.lifespan_context(app):
        pass

asyncio.run(live())
print(sorted(name for name in sys.modules if name.startswith(("opentelemetry", "google.protobuf"))))
"""
    environment = dict.fromkeys((*settings, "SUPABASE_PUBLISHABLE_KEY"), "http://unused.invalid")

    assert run(project_root, code, {**environment, "ENV_FILE": "/dev/null"}) == "[]\n"


def test_an_endpoint_without_the_packages_is_one_line_and_no_more(project_root: Path) -> None:
    said = run(project_root, BLOCK + START, ENDPOINT)

    assert said == (
        "WARNING no telemetry: an OTLP endpoint is set, but the packages of requirements/telemetry.txt"
        " are missing (opentelemetry)\nFalse None\n"
    )


def test_what_the_sdk_cannot_be_set_up_with_is_one_line_and_no_more(project_root: Path) -> None:
    code = "import logging\nlogging.basicConfig(format='%(message)s')\n" + START
    wrong = {**ENDPOINT, "OTEL_BSP_MAX_QUEUE_SIZE": "-1"}

    assert "no telemetry: the SDK cannot be set up (ValueError)" in run(project_root, code, wrong)


def test_what_is_off_hands_out_the_same_two_objects() -> None:
    scope = {"path": "/", "headers": []}

    assert telemetry.request(scope) is telemetry.rpc("ingest_events", "http://x") is OFF
    assert telemetry.group([None]) is telemetry.batch("classify", []) is OFF
    assert telemetry.wake("classify", "http://x") is OFF
    assert telemetry.receipt() is NOT_COUNTED
    assert telemetry.log_fields() == telemetry.outgoing_headers() == {}
