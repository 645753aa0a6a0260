"""All schemes by name: every module in `schemes/` gives one as `SCHEME`."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Final

from shared.errors import InvalidRequest
from shared.signatures import schemes
from shared.signatures.scheme import Scheme


def _load() -> dict[str, Scheme[Any]]:
    modules = sorted(module.name for module in iter_modules(schemes.__path__))
    found: list[Scheme[Any]] = [
        import_module(f"{schemes.__name__}.{module}").SCHEME for module in modules
    ]
    return {scheme.name: scheme for scheme in found}


SCHEMES: Final[dict[str, Scheme[Any]]] = _load()


def scheme_named(name: str) -> Scheme[Any]:
    """Raises InvalidRequest if there is none."""
    try:
        return SCHEMES[name]
    except KeyError:
        raise InvalidRequest(f"The scheme must be one of {', '.join(SCHEMES)}") from None


def generate_secret(scheme: str) -> str:
    """A fresh secret in the form the scheme's vendor uses; empty if it takes none."""
    return scheme_named(scheme).generate_secret()
