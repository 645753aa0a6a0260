"""The one place that touches the `cel` library, which evaluates expressions in Rust.

What it does that has to be known:

- `import cel` also imports its command line (typer, rich, prompt_toolkit), 0.4 s of a cold start.
  Only its extension module is loaded here, in 0.04 s. It can be loaded once per process, so it goes
  into `sys.modules` under its own name, where `import cel` finds it.
- It holds the GIL while it evaluates and knows no limits: what is too much work must never start.
- It converts Python values recursively and overflows the stack, which kills the process, on values
  nested some thousands deep. `Expression` bounds the depth.
- A Rust panic would arrive as a BaseException that `except Exception` lets through.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from shared.errors import InvalidExpression
from shared.expressions.tokens import refuse

if TYPE_CHECKING:
    from cel import cel

_MODULE = "cel.cel"
_PLACE = re.compile(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?(.*)")


class MissingValue(Exception):
    """The expression reads a key, a list's item or a field of null that is not there."""


class EvaluationFailed(Exception):
    """The expression is wrong for these values; the message never shows the values."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class WrongValues(EvaluationFailed):
    """A function or operator got values that it does not take; null may be one of them."""


def _load() -> Any:
    if _MODULE in sys.modules:
        return sys.modules[_MODULE]
    package = importlib.util.find_spec("cel")
    folders = package.submodule_search_locations if package else None
    spec = importlib.machinery.PathFinder.find_spec(_MODULE, folders)
    if spec is None or spec.loader is None:
        raise ImportError("common-expression-language is not installed")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[_MODULE] = module
    return module


_cel = _load()


def compile_program(text: str) -> cel.Program:
    """Raises InvalidExpression, with the place, for what the library does not take."""
    try:
        program: cel.Program = _cel.compile(text)
    except Exception as error:  # noqa: BLE001 - refused, with its place
        _refuse(error, text)
    except BaseException as error:  # noqa: BLE001 - a panic
        _raise_unless_panic(error)
        raise InvalidExpression("The expression cannot be understood") from None
    return program


def run(program: cel.Program, variables: dict[str, Any]) -> Any:
    """Raises MissingValue or EvaluationFailed."""
    try:
        return program.execute(variables)
    except (KeyError, IndexError):
        raise MissingValue from None
    except TypeError:
        message = "The types of the values do not go together; use int(), double() or string()"
        raise WrongValues(message) from None
    except RuntimeError:
        message = "A function is given a value that it cannot take; ask for its type first, as in type(x) == string"
        raise WrongValues(message) from None
    except Exception as error:  # noqa: BLE001 - its messages hold values, which must not be chained
        raise EvaluationFailed(_explain(error)) from None
    except BaseException as error:  # noqa: BLE001 - a panic
        _raise_unless_panic(error)
        raise EvaluationFailed("The expression cannot be evaluated") from None


def literal(text: str) -> Any:
    """The value of a literal; the caller knows that it is one."""
    return run(compile_program(text), {})


def check_pattern(pattern: str) -> None:
    """Raises InvalidExpression, with the reason, for what is no regular expression."""
    try:
        _cel.compile("''.matches(pattern)").execute({"pattern": pattern})
    except RuntimeError as error:
        reason = re.search(r"error: ([^\n.]+)\.?[^\n]*\Z", str(error))
        detail = f": {reason[1]}" if reason else ""
        raise InvalidExpression(f"The pattern of matches() is not valid{detail}") from None


def _raise_unless_panic(error: BaseException) -> None:
    if type(error).__name__ != "PanicException":
        raise error


def _refuse(error: Exception, text: str) -> NoReturn:
    place = _PLACE.search(str(error))
    if place is None:
        raise InvalidExpression("The expression is not valid") from None
    line, column = int(place[1]), int(place[2])
    position = len("".join(text.splitlines(keepends=True)[: line - 1])) + column - 1
    refuse(f"The expression is not valid; {_advice(place[3])}", text, position)


def _advice(reason: str) -> str:
    """The library speaks of its grammar; this speaks of what to write."""
    if "int literal" in reason:
        return "a whole number has 18 digits at most; write larger ones with a point, as 1e20"
    if "token recognition" in reason:
        return (
            r"in a text, write \\ for a backslash, \n for a new line, \u00e4 for another character"
        )
    return "write it more plainly, with brackets"


def _explain(error: Exception) -> str:
    match error:
        case ZeroDivisionError():
            return "A number is divided by zero"
        case OverflowError():
            return "A number or time is out of range"
        case _:
            return "The expression cannot be evaluated"
