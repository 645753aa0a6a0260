"""What a span is to those who are in one: a block of code that may say what it is about.

These two record nothing: they are what there is while telemetry is off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

Value = str | bool | int | float | Sequence[str]


class Span:
    """A block that is not recorded."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """The end of the block."""

    def set(self, attributes: Mapping[str, Value]) -> None:
        """Says what the block is about. Never a secret, a payload, or what only a payload says."""

    def rename(self, name: str) -> None:
        """To what is known only by now; of few values."""

    def fail(self, error_type: str) -> None:
        """Says that it did not go well, by a code of few values."""


class Receipt:
    """A webhook that is being received, and not counted."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """It was answered, or refused."""

    def stored(self, states: Sequence[str]) -> None:
        """Of each of its events: accepted or duplicate."""


OFF = Span()
NOT_COUNTED = Receipt()
