"""How much work it is to check data against a JSON Schema, before it is done.

Schemas come from users and data from strangers, so that neither may hold up who checks. What costs is
how often parts of a schema meet parts of the data. Without a schema that refers to itself in place, each
part meets a value at most once for each way that leads to it, so that the ways are counted, level by
level: `allOf`, `$ref` and the like stay at the value, `properties`, `items` and the like go one down.

To keep that true, what reaches elsewhere is refused: references to other documents or by anchor, dynamic
references, and `unevaluatedProperties` and `unevaluatedItems`, which look at everything again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from shared.errors import InvalidExpression, InvalidRequest
from shared.expressions import patterns
from shared.payload import MAX_DEPTH

MAX_WAYS = 100_000
"""Ways through a schema, over all levels: of more, data of a few lines could make too much work."""
MAX_PATTERN_BUILD = 1_000_000
"""Of all patterns together, in units of shared/expressions/cost.py: 0.1 s."""
_FAR_TOO_MANY = 10**12

_REFUSED = {
    **dict.fromkeys(("$dynamicRef", "$recursiveRef"), "use $ref"),
    **dict.fromkeys(
        ("unevaluatedProperties", "unevaluatedItems"),
        "use additionalProperties or additionalItems",
    ),
}
_HERE = ("not", "if", "then", "else")
_HERE_LISTS = ("allOf", "anyOf", "oneOf")
_HERE_MAPS = ("dependentSchemas", "dependencies")
_BELOW = ("additionalProperties", "additionalItems", "items", "contains", "propertyNames")
_BELOW_LISTS = ("items", "prefixItems")
_BELOW_MAPS = ("properties", "patternProperties")
_COMPARED = ("enum", "const", "required", "dependentRequired", "dependencies", "type")

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ways:
    """On one level below the root: how often a value is looked at, and by how many places of patterns
    each of its characters.
    """

    checks: int = 0
    places: int = 0

    def __add__(self, other: Ways) -> Ways:
        return Ways(
            min(self.checks + other.checks, _FAR_TOO_MANY),
            min(self.places + other.places, _FAR_TOO_MANY),
        )


def count_ways(schema: Schema) -> tuple[Ways, ...]:
    """Level by level, down to the deepest that data may have.

    Raises InvalidRequest for what is refused here, naming it, and for a schema of too many ways.
    """
    counter = _Counter(schema)
    levels: list[Ways] = []
    total = 0
    try:
        while len(levels) < MAX_DEPTH and (ways := counter.ways(schema, len(levels))).checks:
            levels.append(ways)
            total += ways.checks + ways.places
            if total > MAX_WAYS:
                raise _too_much_work()
    except RecursionError:
        raise _too_much_work() from None
    return tuple(levels)


def _too_much_work() -> InvalidRequest:
    return InvalidRequest("The schema is too much work: it refers to too much, or too often")


def check_patterns(schema: Schema) -> None:
    """Raises InvalidRequest, with the place, if the patterns are too much work to build."""
    total = 0
    for place, pattern in _patterns(schema, ()):
        try:
            total += patterns.weigh(pattern).build
        except InvalidExpression:
            total = MAX_PATTERN_BUILD + 1
        if total > MAX_PATTERN_BUILD:
            words = "the pattern is too large, or all are together; use smaller repeats"
            raise InvalidRequest(f"{'.'.join(place)}: {words}")


def work(levels: tuple[Ways, ...], data: Any) -> int:
    """How much it is to check this data, in units of some 10 ns."""
    units = 0
    values: list[Any] = [data]
    for ways in levels:
        if not values:
            break
        characters = sum(len(value) for value in values if type(value) is str)
        below: list[Any] = []
        for value in values:
            if type(value) is dict:
                below.extend(value.values())
                # A name is what patternProperties and propertyNames look at, one level down.
                below.extend(value)
            elif type(value) is list:
                below.extend(value)
        units += ways.checks * len(values) + ways.places * characters
        values = below
    return units


class _Counter:
    def __init__(self, root: Schema) -> None:
        self._root = root
        self._known: dict[tuple[int, int], Ways] = {}
        self._open: set[tuple[int, int]] = set()

    def ways(self, schema: Any, level: int) -> Ways:
        if not isinstance(schema, dict):
            return Ways(checks=1) if level == 0 else Ways()
        key = (id(schema), level)
        if key in self._open:
            raise InvalidRequest("$ref: the schema refers to itself without going down a level")
        if key not in self._known:
            self._open.add(key)
            self._known[key] = self._count(schema, level)
            self._open.remove(key)
        return self._known[key]

    def _count(self, schema: Schema, level: int) -> Ways:
        self._refuse(schema)
        total = _own(schema) if level == 0 else Ways()
        for inner in self._here(schema):
            total += self.ways(inner, level)
        if level > 0:
            for inner in _below(schema):
                total += self.ways(inner, level - 1)
            if level == 1:
                total += _names(schema)
        return total

    def _refuse(self, schema: Schema) -> None:
        for key, instead in _REFUSED.items():
            if key in schema:
                raise InvalidRequest(f"{key} is not supported: {instead}")
        if "$id" in schema and schema is not self._root:
            raise InvalidRequest("$id may stand at the top only")

    def _here(self, schema: Schema) -> Iterator[Any]:
        yield from (schema[key] for key in _HERE if key in schema)
        for key in _HERE_LISTS:
            yield from _listed(schema.get(key))
        for key in _HERE_MAPS:
            yield from (one for one in _mapped(schema.get(key)) if isinstance(one, dict | bool))
        if "$ref" in schema:
            yield self._target(schema["$ref"])

    def _target(self, reference: Any) -> Any:
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            raise InvalidRequest("$ref: it must begin with #/, as in #/$defs/address")
        found: Any = self._root
        for part in unquote(reference[1:]).split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and key in found:
                found = found[key]
                # A schema with an id of its own would give what is inside another meaning.
                if isinstance(found, dict):
                    self._refuse(found)
            elif isinstance(found, list) and key.isdecimal() and int(key[:6]) < len(found):
                found = found[int(key[:6])]
            else:
                raise InvalidRequest(f"$ref: there is no {reference[:100]} in the schema")
        return found


def _own(schema: Schema) -> Ways:
    """Of a schema without those inside it."""
    checks = 1 + len(schema) + sum(_size(schema[key]) for key in _COMPARED if key in schema)
    pattern = schema.get("pattern")
    return Ways(checks, _places(pattern) if isinstance(pattern, str) else 0)


def _names(schema: Schema) -> Ways:
    """What looks at the names in an object, which count as one level down."""
    named, by_pattern = schema.get("properties"), schema.get("patternProperties")
    places = sum(map(_places, by_pattern)) if isinstance(by_pattern, dict) else 0
    return Ways(1 if named else 0, places)


def _below(schema: Schema) -> Iterator[Any]:
    yield from (schema[key] for key in _BELOW if isinstance(schema.get(key), dict | bool))
    for key in _BELOW_LISTS:
        yield from _listed(schema.get(key))
    for key in _BELOW_MAPS:
        yield from _mapped(schema.get(key))


def _listed(value: Any) -> Iterator[Any]:
    return iter(value if isinstance(value, list) else ())


def _mapped(value: Any) -> Iterator[Any]:
    return iter(value.values() if isinstance(value, dict) else ())


def _size(value: Any) -> int:
    """How many values there are in one, itself included."""
    if isinstance(value, dict):
        return 1 + sum(map(_size, value.values()))
    return 1 + sum(map(_size, value)) if isinstance(value, list) else 1


def _places(pattern: str) -> int:
    try:
        return patterns.weigh(pattern).places
    except InvalidExpression:
        return _FAR_TOO_MANY


def _patterns(value: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every pattern, with its place, wherever it stands: what is no pattern is counted for nothing."""
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _patterns(item, (*place, str(number)))
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        if key == "pattern" and isinstance(item, str):
            yield (*place, key), item
        elif key == "patternProperties" and isinstance(item, dict):
            yield from (((*place, key, name), name) for name in item)
        yield from _patterns(item, (*place, key))
