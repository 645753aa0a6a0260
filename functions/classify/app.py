"""classify: tells what an event is and whether a person is behind it."""

from __future__ import annotations

from functions.classify.classify import decide
from functions.classify.settings import ClassifySettings
from shared.worker import Stage, create_app

app = create_app(Stage("classify", "classify", decide), ClassifySettings())
