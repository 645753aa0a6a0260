from __future__ import annotations

import pytest

from tests.functions.deploy.unpacked import Bundles
from tests.running_stack import RunningStack


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    return Bundles(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="session")
def bundles_with_telemetry(tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    return Bundles(tmp_path_factory.mktemp("bundles_with_telemetry"), telemetry=True)


@pytest.fixture(scope="session")
def settings(stack: RunningStack) -> dict[str, str]:
    """What a runtime is told by environment: no file, and receivers on this machine."""
    return {
        **{name: value for name, value in stack.values.items() if name != "ENV_FILE"},
        "DELIVERY_ALLOWED_NETWORKS": "127.0.0.0/8",
    }
