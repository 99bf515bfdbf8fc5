"""Compare what a foreign client received with what it should have, value by value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

__all__ = ["ABSENT", "ANY", "Maybe", "altered", "differences", "leaves"]

_CLOSE: Final = Fraction(1, 10**12)


class _Anything:
    """Stands for a value that the books do not keep, such as one of a moment long past."""


class _Absent:
    """Stands for a field that must not be there."""


ANY: Final = _Anything()
ABSENT: Final = _Absent()


@dataclass(frozen=True)
class Maybe:
    """A field that may be left out, and otherwise has this value."""

    value: object


def differences(expected: object, received: object, path: str = "") -> Iterator[str]:
    """Say where two values differ.

    Args:
        expected: Dictionaries and lists of values. Fractions match numbers and texts of numbers.
        received: A JSON value.
        path: Where the values stand.
    """
    if expected is ANY:
        return
    if isinstance(expected, Mapping) and isinstance(received, Mapping):
        yield from _fields(expected, received, path)
    elif isinstance(expected, (list, tuple)) and isinstance(received, list):
        if len(expected) != len(received):
            yield f"{path}: {len(received)} items instead of {len(expected)}"
        for place, (wanted, got) in enumerate(zip(expected, received, strict=False)):
            yield from differences(wanted, got, f"{path}[{place}]")
    elif isinstance(expected, Fraction):
        if not _is_near(expected, received):
            yield f"{path}: {received!r} instead of {float(expected)!r}"
    elif type(expected) is not type(received) or expected != received:
        yield f"{path}: {received!r} instead of {expected!r}"


def leaves(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Return the paths of all single values inside a JSON value."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from leaves(each, (*path, name))
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from leaves(each, (*path, place))
    else:
        yield path


def altered(document: Any, path: Sequence[str | int]) -> Any:
    """Return a JSON document with one value changed to a similar one; the rest is shared."""
    if not path:
        return _other(document)
    copied: Any = dict(document) if isinstance(document, Mapping) else list(document)
    copied[path[0]] = altered(document[path[0]], path[1:])
    return copied


# Private


def _fields(
    expected: Mapping[str, object], received: Mapping[str, object], path: str
) -> Iterator[str]:
    for name in received:
        if name not in expected:
            yield f"{path}.{name}: {received[name]!r}, which nobody expects"
    for name, wanted in expected.items():
        where = f"{path}.{name}"
        if wanted is ABSENT:
            if name in received:
                yield f"{where}: {received[name]!r} instead of nothing"
        elif isinstance(wanted, Maybe):
            if name in received:
                yield from differences(wanted.value, received[name], where)
        elif name not in received:
            if wanted is not ANY:
                yield f"{where}: nothing instead of {wanted!r}"
        else:
            yield from differences(wanted, received[name], where)


def _is_near(expected: Fraction, received: object) -> bool:
    if isinstance(received, bool) or not isinstance(received, (int, float, str)):
        return False
    try:
        number = Fraction(str(received))
    except ValueError:
        return False
    return abs(number - expected) <= _CLOSE * max(Fraction(1), abs(expected))


def _other(value: object) -> object:
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            try:
                return str(Fraction(value) + 1)
            except ValueError:
                return f"{value}~"
        case None:
            return 1
        case _:
            return deepcopy(value)
