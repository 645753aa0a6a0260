"""Templates: `{{ CEL }}` within the texts of an action's configuration.

An expression sees what a condition sees (shared/conditions.py), and nothing else: there are no
statements, and what comes out of a template is never read as one.

- A text that is one template and nothing more gives the value as it is: `"{{ event.data.total }}"`
  is a number. What is missing gives null.
- A template within a longer text is put in as text: numbers as written (5.0 as 5), true and false,
  lists and maps as JSON, null and what is missing as nothing.
- A text is cut off at 10,000 characters. A list or map that would be longer as JSON is refused.
- To write `{{` itself: `{{ "{{" }}`.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from shared.errors import InvalidExpression
from shared.expressions import (
    Context,
    EvaluationFailed,
    Expression,
    MissingValue,
    compile_expression,
)
from shared.expressions.tokens import refuse, tokens

MAX_LENGTH = 10_000
"""Characters of a template, and of what it gives."""
MAX_EXPRESSIONS = 50
OPEN, CLOSE = "{{", "}}"

_CUT = "…"
_CLOSING = {"{": "}", "(": ")", "[": "]"}


@dataclass(frozen=True, slots=True)
class Template:
    """A text with expressions in it."""

    parts: tuple[str | Expression, ...]

    @property
    def is_constant(self) -> bool:
        return all(isinstance(part, str) for part in self.parts)

    def render(self, context: Context) -> Any:
        """A JSON value. Raises EvaluationFailed where an expression does not work."""
        if len(self.parts) == 1 and isinstance(self.parts[0], Expression):
            return _bounded(_value(self.parts[0], context))
        texts = []
        room = MAX_LENGTH
        for part in self.parts:
            text = part if isinstance(part, str) else as_text(_value(part, context))
            texts.append(text)
            room -= len(text)
            if room < 0:
                break
        return _cut("".join(texts))


@lru_cache(maxsize=1_024)
def _compile(text: str) -> Template | str:
    try:
        return Template(tuple(_parts(text)))
    except InvalidExpression as error:
        return error.message


def compile_template(text: str) -> Template:
    """Raises InvalidExpression, which says what is wrong and where."""
    compiled = _compile(text)
    if isinstance(compiled, str):
        raise InvalidExpression(compiled)
    return compiled


def is_template(text: str) -> bool:
    return OPEN in text


def _parts(text: str) -> Iterator[str | Expression]:
    if len(text) > MAX_LENGTH:
        raise InvalidExpression(f"A text with templates has at most {MAX_LENGTH} characters")
    if text.count(OPEN) > MAX_EXPRESSIONS:
        raise InvalidExpression(f"A text has at most {MAX_EXPRESSIONS} templates")
    position = 0
    while (start := text.find(OPEN, position)) >= 0:
        if start > position:
            yield text[position:start]
        end = _end(text, start)
        source = text[start + len(OPEN) : end]
        try:
            yield compile_expression(source.strip())
        except InvalidExpression as error:
            raise InvalidExpression(f"In {{{{{source}}}}}: {error.message}") from None
        position = end + len(CLOSE)
    if position < len(text) or not text:
        yield text[position:]


def _end(text: str, start: int) -> int:
    """Where the template that starts there is closed: `}}` in a text or of two maps is another."""
    open_brackets: list[str] = []
    for token in tokens(text, start + len(OPEN)):
        if token.text in _CLOSING:
            open_brackets.append(_CLOSING[token.text])
        elif open_brackets and token.text == open_brackets[-1]:
            open_brackets.pop()
        elif token.text == "}" and text.startswith(CLOSE, token.position):
            return token.position
    return refuse("A template is not closed with }}", text, start)


def _value(expression: Expression, context: Context) -> Any:
    try:
        return as_json(expression.evaluate(context))
    except MissingValue:
        return None


def as_json(value: Any) -> Any:
    """What the library gives as what PostgreSQL can hold: NUL becomes U+FFFD, times ISO 8601."""
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {as_text(as_json(key)): as_json(item) for key, item in value.items()}
    match value:
        case str():
            plain: Any = value.replace("\0", "\ufffd")
        case datetime():
            plain = value.isoformat()
        case timedelta():
            plain = f"{value.total_seconds()}s"
        case bytes():
            plain = b64encode(value).decode()
        case None | int() | float():
            plain = value
        case _:
            raise EvaluationFailed("The value has a type that JSON does not know")
    if isinstance(plain, float) and not math.isfinite(plain):
        raise EvaluationFailed("A number is not finite")
    return plain


def as_text(value: Any) -> str:
    """A JSON value within a text."""
    match value:
        case None:
            return ""
        case str():
            return value
        case float() if value.is_integer() and abs(value) < 2**53:
            return str(int(value))
        case _:
            return json.dumps(value, ensure_ascii=False)


def _bounded(value: Any) -> Any:
    if isinstance(value, str):
        return _cut(value)
    if isinstance(value, list | dict) and len(as_text(value)) > MAX_LENGTH:
        raise EvaluationFailed(f"A list or map has over {MAX_LENGTH} characters as JSON")
    return value


def _cut(text: str) -> str:
    return text if len(text) <= MAX_LENGTH else text[: MAX_LENGTH - len(_CUT)] + _CUT
