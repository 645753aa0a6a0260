"""All schemes by name: every module in `schemes/` gives one as `SCHEME`, which has the module's name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Final

from typing_extensions import override

from shared.errors import InvalidRequest
from shared.signatures import schemes
from shared.signatures.scheme import Scheme


@cache
def _names() -> tuple[str, ...]:
    return tuple(sorted(module.name for module in iter_modules(schemes.__path__)))


class _Schemes(Mapping[str, Scheme[Any]]):
    """Loads each when it is first asked for, so that whoever needs a few, or none, starts sooner."""

    @override
    def __getitem__(self, name: str) -> Scheme[Any]:
        if name not in _names():  # nothing else is ever looked for as a module
            raise KeyError(name)
        scheme: Scheme[Any] = import_module(f"{schemes.__name__}.{name}").SCHEME
        return scheme

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(_names())

    @override
    def __len__(self) -> int:
        return len(_names())


SCHEMES: Final[Mapping[str, Scheme[Any]]] = _Schemes()


def scheme_named(name: str) -> Scheme[Any]:
    """Raises InvalidRequest if there is none."""
    try:
        return SCHEMES[name]
    except KeyError:
        raise InvalidRequest(f"The scheme must be one of {', '.join(SCHEMES)}") from None


def generate_secret(scheme: str) -> str:
    """A fresh secret in the form the scheme's vendor uses; empty if it takes none."""
    return scheme_named(scheme).generate_secret()
