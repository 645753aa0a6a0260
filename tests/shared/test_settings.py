"""Where settings come from, and what wins."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.settings import WorkerSettings

FILE = """\
SUPABASE_URL=https://file.supabase.co
SUPABASE_SECRET_KEY="from the file"
FUNCTIONS_SECRET=  # none
WORKER_BATCH_SIZE=7
SOMETHING_ELSE=of somebody else's
"""


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Nothing set, and a file."""
    for name in WorkerSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    (tmp_path / "settings").write_text(FILE)
    monkeypatch.setenv("ENV_FILE", str(tmp_path / "settings"))
    return monkeypatch


def test_the_environment_wins_over_the_file_and_what_is_given_over_both(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("SUPABASE_URL", "https://set.supabase.co")
    environment.setenv("FUNCTIONS_SECRET", "set")
    environment.setenv("WORKER_LEASE_SECONDS", "90")

    settings = WorkerSettings.from_environment(worker_lease_seconds=120)

    assert settings.supabase_url == "https://set.supabase.co"
    assert settings.supabase_secret_key.get_secret_value() == "from the file"
    assert (settings.worker_batch_size, settings.worker_lease_seconds) == (7, 120)
    assert settings.worker_time_budget_seconds == 25.0


def test_what_is_empty_is_not_set(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SUPABASE_URL", "")
    environment.setenv("WORKER_BATCH_SIZE", "")

    with pytest.raises(ValidationError, match="functions_secret\n  Field required") as missing:
        WorkerSettings.from_environment()
    assert missing.value.error_count() == 1

    environment.setenv("FUNCTIONS_SECRET", "set")
    settings = WorkerSettings.from_environment()
    assert (settings.supabase_url, settings.worker_batch_size) == ("https://file.supabase.co", 7)


def test_an_error_shows_no_value(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("FUNCTIONS_SECRET", "set")
    environment.setenv("WORKER_BATCH_SIZE", "canary")

    with pytest.raises(ValidationError, match="worker_batch_size") as wrong:
        WorkerSettings.from_environment()
    assert "canary" not in str(wrong.value)
    assert "from the file" not in str(wrong.value)


def test_without_a_file_nothing_is_loaded_to_read_one(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ENV_FILE", "/nowhere")
    environment.setenv("SUPABASE_URL", "https://set.supabase.co")
    environment.setenv("SUPABASE_SECRET_KEY", "key")
    environment.setenv("FUNCTIONS_SECRET", "set")
    environment.setitem(sys.modules, "dotenv", None)  # importing it would fail

    assert WorkerSettings.from_environment().supabase_url == "https://set.supabase.co"
