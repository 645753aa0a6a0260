"""A shell command that posts a signed sample to an endpoint, for each scheme.

Nobody can read an endpoint's secret back, so the command takes it from the variable SECRET and computes
the signature itself, with openssl. All text that people chose is quoted for the shell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from shlex import quote
from typing import Any

from shared.management.recipes import RECIPES
from shared.signatures import scheme_named

_VARIABLE = re.compile("(NOW|SIGNATURE)")


def sample_curl(url: str, scheme_name: str, raw_settings: Mapping[str, Any]) -> str:
    """The command, of several lines, for bash with curl and openssl.

    Raises InvalidRequest for an unknown scheme or settings that are not the scheme's.
    """
    settings = scheme_named(scheme_name).settings(raw_settings)
    recipe = RECIPES[scheme_name](settings, url)
    command = [
        f"curl -sS {quote(url)}",
        *(f"-H {word}" for word in (quote(f"Content-Type: {recipe.media_type}"), *recipe.headers)),
        '--data-binary "$BODY"',
    ]
    return "\n".join(
        [
            "NOW=$(date +%s)",
            *recipe.first,
            f"BODY={_filled_in(recipe.body)}",
            *recipe.before,
            " \\\n  ".join(command),
        ]
    )


def sample_body(
    scheme_name: str, raw_settings: Mapping[str, Any], secret: str, now: int
) -> tuple[bytes, str]:
    """The body of the sample as its source would send it at a time in unix seconds, and its media type.

    Raises InvalidRequest for an unknown scheme or settings that are not the scheme's.
    """
    scheme = scheme_named(scheme_name)
    recipe = RECIPES[scheme_name](scheme.settings(raw_settings), "")
    body = recipe.body.replace("NOW", str(now)).encode()
    return scheme.complete(body, secret, now), recipe.media_type


def _filled_in(body: str) -> str:
    """The body as a word, with the variables that it names."""
    pieces = enumerate(_VARIABLE.split(body))
    return "".join(f'"${piece}"' if place % 2 else quote(piece) for place, piece in pieces)
