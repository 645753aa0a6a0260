"""prepare_for_rules: turns an event into a person and a record."""

from __future__ import annotations

from functions.prepare_for_rules.prepare import decide
from functions.prepare_for_rules.settings import PrepareForRulesSettings
from shared.worker import Stage, create_app

app = create_app(
    Stage("prepare", "prepare-for-rules", decide), PrepareForRulesSettings.from_environment()
)
