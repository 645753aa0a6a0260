"""What to do about a mistake in an expression, by what people bring along from other languages.

A refusal says what is wrong and where; what stands here says what to write instead.
"""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

_TEXTS = "write texts in plain quotes, as 'paid'"
_KEYS = """read a field with another name as event.data["the-name"]"""
_LISTS = "a list stands in square brackets, as in ['a', 'b'], and numbers have no separators"
_LOOPS = "use items.exists(i, …), items.all(i, …) or items.map(i, …)"
_CONDITIONAL = "write condition ? this : that"
_PARTS = "use .contains(), .startsWith(), .endsWith() or .matches()"

_TOKENS = {
    "and": "write && for and",
    "or": "write || for or",
    "&": "write && for and",
    "|": "write || for or",
    "is": "compare with == or !=",
    "like": _PARTS,
    "matches": "write .matches('pattern')",
    "contains": "write .contains('text')",
    "between": "write a >= 1 && a <= 5",
    "then": _CONDITIONAL,
    "else": _CONDITIONAL,
    ",": _LISTS,
    ";": "leave it out: there is one expression",
    "#": "begin comments with //",
    "*": _LOOPS,
    "~": "write .matches('pattern')",
    "/": "write patterns in quotes, as matches('a.*')",
    "%": "write .contains('text') for a part of a text",
    "{": "a condition stands without {{ }}",
    "}": "a map is written as {'name': value}, and a condition stands without {{ }}",
    "$": "write paths without $, as event.data.total",
    "\\": "a backslash stands in texts only",
    ")": "no bracket is open for it, or a value is missing before it",
    "]": "no bracket is open for it, or a value is missing before it",
    **dict.fromkeys("\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}", _TEXTS),
    **dict.fromkeys("\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}", _TEXTS),
    **dict.fromkeys("\N{DOUBLE LOW-9 QUOTATION MARK}\N{ACUTE ACCENT}`«»", _TEXTS),
}
"""By the token that is not expected, in lower case."""

_AFTER = {
    "not": "write ! for not",
    "if": _CONDITIONAL,
    "let": "there are no variables: write the value where it is used",
    "var": "there are no variables: write the value where it is used",
}
"""By the token before, in lower case."""

_EQUALS = {">": "write >= for at least", "~": "write .matches('pattern')"}
"""A single = by what follows it."""

_NAMES = {
    **dict.fromkeys(("nil", "none", "null", "undefined"), "write null"),
    "true": "write true",
    "false": "write false",
    "not": "write ! for not",
    "if": _CONDITIONAL,
    "now": "there is no clock: expressions depend on the event alone",
    "today": "there is no clock: expressions depend on the event alone",
}

_LOWER = "matches('(?i)…') compares whatever the case"
_CLOCK = "expressions depend on the event alone"
_FUNCTIONS = {
    **dict.fromkeys(("len", "length", "count"), "use size(value)"),
    **dict.fromkeys(("any", "some", "find"), "use .exists(i, …)"),
    "every": "use .all(i, …)",
    **dict.fromkeys(("includes", "has", "indexof", "in"), "use .contains('text') or 'a' in list"),
    **dict.fromkeys(
        ("lower", "upper", "tolowercase", "touppercase", "lowerascii", "upperascii"), _LOWER
    ),
    **dict.fromkeys(("now", "today", "date"), _CLOCK),
    **dict.fromkeys(("regex", "match", "test"), "use .matches('pattern')"),
    **dict.fromkeys(("float", "number", "decimal"), "use double(value)"),
    **dict.fromkeys(("str", "tostring", "text"), "use string(value)"),
    **dict.fromkeys(("join", "split", "replace", "trim", "strip"), "texts are joined with +"),
}


def about_token(token: str, before: str, following: str) -> str:
    """What to do about a token that is not expected, by its neighbours; empty where nothing is known."""
    if before.lower() in _AFTER:
        return _AFTER[before.lower()]
    if token == "=":  # noqa: S105 (a token of an expression)
        return _EQUALS.get(following, "compare with ==")
    if (before, token) == ("<", ">"):
        return "write != for not equal"
    if token.startswith(".") and token[1:].isdigit():
        return f"read an item of a list as [{token[1:]}]"
    if token == "?" or (before, token) == ("?", "."):  # noqa: S105
        return "write has(event.data.total) to ask whether a field is there"
    return _KEYS if before == "." else _TOKENS.get(token.lower(), "")


def about_value(*, follows_text: bool) -> str:
    """What to do about a value that follows a value."""
    if follows_text:
        return "join with && or ||, and write a quote within a text as \\'"
    return "join conditions with && or ||"


def about_name(name: str, known: Collection[str], *, follows_hyphen: bool) -> str:
    """What to do about a name that is none of those known."""
    meant = _NAMES.get(name.lower())
    if meant is not None:
        return meant
    if follows_hyphen:
        return f"use {', '.join(known)}; {_KEYS}"
    if name.lower() in known:
        return f"write {name.lower()}"
    if name in ("data", "payload"):
        return f"write event.{name if 'person' in known else 'data'}"
    if name in ("person", "entity", "endpoint"):
        return f"use {', '.join(known)}"
    return f"use {', '.join(known)}, as in event.data.{name}, or quote a text: '{name}'"


def about_function(name: str, known: Collection[str], others: Collection[str]) -> str:
    """What to do about a function that is none of those known; `others` are called the other way."""
    if name in others:
        return f"write value.{name}(…)"
    meant = _FUNCTIONS.get(name.lower())
    if meant is not None:
        return meant
    alike = {one.lower(): one for one in known}
    close = get_close_matches(name.lower(), alike, n=1, cutoff=0.7)
    if close:
        return f"did you mean {alike[close[0]]}()?"
    return f"there are {', '.join(f'{one}()' for one in sorted(known))}"
