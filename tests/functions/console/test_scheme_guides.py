"""Every scheme has a guide with the fields of its settings."""

from __future__ import annotations

from functions.console.scheme_guides import GUIDES
from shared.signatures import SCHEMES


def test_every_scheme_has_a_guide_and_a_field_for_each_setting() -> None:
    told = {name: set(guide.settings) for name, guide in GUIDES.items()}

    assert told == {
        name: {field.alias or key for key, field in scheme.settings_model.model_fields.items()}
        for name, scheme in SCHEMES.items()
    }
