"""Which adviser is asked about what the classifier is unsure of: none, unless one is configured."""

from __future__ import annotations

from functions.classify.classifiers.base import Adviser
from functions.classify.settings import ClassifySettings


def adviser_for(settings: ClassifySettings) -> Adviser | None:
    if settings.llm_model is None:
        return None
    from functions.classify.classifiers.language_model import (  # noqa: PLC0415 - its package is optional
        LanguageModel,
    )

    return LanguageModel(settings.llm_model, settings)
