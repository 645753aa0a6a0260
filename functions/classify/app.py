"""classify: tells what an event is and whether a person is behind it."""

from __future__ import annotations

from functools import partial

from functions.classify.classifiers.advisers import adviser_for
from functions.classify.classify import decide
from functions.classify.settings import ClassifySettings
from shared.worker import Stage, create_app

settings = ClassifySettings.from_environment()
app = create_app(
    Stage("classify", "classify", partial(decide, adviser=adviser_for(settings))), settings
)
