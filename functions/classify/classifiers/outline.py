"""What leaves for a language model: the names of an event's fields, and of what kind their values are.

No value does, but for short labels of the kind of record (`"object": "invoice"`). So nothing about
people goes out, nothing that they write can give orders, and two events of one shape are one
question, asked once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

from functions.classify.classifiers import words

MAX_FIELDS = 150
MAX_DEPTH = 5
MAX_NAME_LENGTH = 60

_LABEL = re.compile(r"[A-Za-z][A-Za-z_.:/-]{1,39}")
"""Narrower than what the classifier reads, which stays here: one word, without digits."""
_KINDS = {bool: "true or false", int: "number", float: "number", str: "text", type(None): "null"}


def outline(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Bounded in fields, depth and length of names; of a list, its first element."""
    return _Outline().of_record(payload, 0)


class _Outline:
    def __init__(self) -> None:
        self._left = MAX_FIELDS

    def of_record(self, record: Mapping[str, Any], depth: int) -> dict[str, Any]:
        drawn: dict[str, Any] = {}
        for name, value in islice(record.items(), MAX_FIELDS):
            if self._left <= 0:
                break
            self._left -= 1
            drawn[name[:MAX_NAME_LENGTH]] = self._of_value(name, value, depth)
        return drawn

    def _of_value(self, name: str, value: object, depth: int) -> Any:
        if isinstance(value, dict):
            return self.of_record(value, depth + 1) if depth < MAX_DEPTH else "object"
        if isinstance(value, list):
            return (
                [self._of_value(name, value[0], depth + 1)] if value and depth < MAX_DEPTH else []
            )
        if isinstance(value, str) and words.is_kind(name, value) and _LABEL.fullmatch(value):
            return f"text: {value}"
        return _KINDS.get(type(value), "text")
