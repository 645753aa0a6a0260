"""Configuration of classify: what every worker has, and a language model for what is unsure."""

from __future__ import annotations

from pydantic import SecretStr

from shared.settings import WorkerSettings


class ClassifySettings(WorkerSettings):
    """See shared.settings; a runtime may give each worker other sizes."""

    llm_model: str | None = None
    """Name of a model. None: no language model is asked, and the package `openai` is not needed."""

    llm_base_url: str | None = None
    """Of any server that speaks OpenAI's chat completions; None: OpenAI's own."""

    llm_api_key: SecretStr | None = None
    """Servers of one's own may need none."""

    llm_timeout_seconds: float = 10.0
    """For one answer. One that fails for a passing reason is asked for once more."""

    llm_batch_seconds: float = 20.0
    """For all answers of a batch; under the lease, which they must not outlast."""

    llm_daily_tokens: int = 200_000
    """What a process may use in 24 hours, questions and answers together."""
