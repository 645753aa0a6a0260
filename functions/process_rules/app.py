"""process_rules: runs an event through its owner's automation rules."""

from __future__ import annotations

from functions.process_rules.process_rules import decide
from functions.process_rules.settings import ProcessRulesSettings
from shared.worker import Stage, create_app

app = create_app(Stage("rules", "process-rules", decide), ProcessRulesSettings.from_environment())
