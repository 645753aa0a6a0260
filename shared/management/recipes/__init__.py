"""How each scheme's sample is signed in a shell: one recipe for each scheme, as openssl does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shared.management.recipes import by_body, by_key_pair, by_time, own_senders
from shared.management.recipes.shell import Recipe

RECIPES: Mapping[str, Callable[[Any, str], Recipe]] = {
    **own_senders.RECIPES,
    **by_body.RECIPES,
    **by_time.RECIPES,
    **by_key_pair.RECIPES,
}
"""By scheme: makes a recipe of the endpoint's settings and address."""
