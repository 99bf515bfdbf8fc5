"""Whether values are of the types that records and frames need.

A wrong value is refused where it is given, by the one who gave it; later it would fail in the
middle of somebody else's request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from functools import cache
from math import isfinite
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Literal,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "INT64_MAX",
    "check_integer",
    "check_text",
    "check_types",
    "fault_of",
    "wrong_field",
]

INT64_MAX: Final = 2**63 - 1
"""Largest integer that most fields of the protocol hold."""


def check_types(record: DataclassInstance) -> None:
    """Check that the fields of a record hold what their types say.

    Raises:
        ValueError: one does not; the text names the field, the value and what it must be.
    """
    found = wrong_field(record)
    if found is not None:
        raise ValueError(found[1])


def wrong_field(record: DataclassInstance) -> tuple[str, str] | None:
    """Return the first field of a record that is not of its type, and why.

    Returns: Its name and a text for people, or None where all do.
    """
    hints = _hints_of(type(record))
    for each in fields(record):
        value = getattr(record, each.name)
        fault = fault_of(value, hints[each.name])
        if fault is not None:
            return each.name, f"{each.name} must be {fault}, not {value!r}"
    return None


def fault_of(value: object, hint: Any) -> str | None:  # Any: a type, as annotations write it
    """Return what a value must be to be of a type, None where it is of it."""
    if hint is None or hint is type(None):
        return None if value is None else "None"
    origin = get_origin(hint)
    if origin is Literal:
        # Equal is not enough: True equals 1.
        known = [each for each in get_args(hint) if type(each) is type(value) and each == value]
        return None if known else " or ".join(map(repr, get_args(hint)))
    if origin in (Union, UnionType):
        faults = [fault_of(value, each) for each in get_args(hint)]
        return None if None in faults else " or ".join(filter(None, faults))
    if hint in _PLAIN:
        return _PLAIN[hint](value)
    return _fault_of_many(value, hint, origin)


def check_text(name: str, value: object) -> None:
    """Check that a value is text that a frame can hold.

    Raises:
        ValueError: it is not.
    """
    fault = _text(value)
    if fault is not None:
        raise ValueError(f"{name} must be {fault}, not {value!r}")


def check_integer(name: str, value: object, least: int = 0, most: int = INT64_MAX) -> None:
    """Check that a value is a whole number in a range.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{name} must be a whole number from {least} to {most}, not {value!r}")


# Private


def _fault_of_many(value: object, hint: Any, origin: object) -> str | None:
    """Look at what holds other values, and at records."""
    inner = get_args(hint)
    if origin is tuple:
        if not isinstance(value, tuple):
            return "a tuple"
        parts = cast("tuple[object, ...]", value)
        endless = len(inner) == 2 and inner[1] is Ellipsis
        if not endless and len(parts) != len(inner):
            return f"a tuple of {len(inner)}"
        kinds = (inner[0],) * len(parts) if endless else inner
        faults = [fault_of(each, kind) for each, kind in zip(parts, kinds, strict=True)]
        return next((f"a tuple of which each is {fault}" for fault in faults if fault), None)
    if origin is frozenset:
        if not isinstance(value, frozenset):
            return "a frozenset"
        faults = [fault_of(each, inner[0]) for each in cast("frozenset[object]", value)]
        return next((f"a frozenset of which each is {fault}" for fault in faults if fault), None)
    if origin is Mapping:
        if not isinstance(value, Mapping):
            return "a mapping"
        faults = [
            fault_of(each, kind)
            for pair in cast("Mapping[object, object]", value).items()
            for each, kind in zip(pair, inner, strict=True)
        ]
        return next((f"a mapping in which each is {fault}" for fault in faults if fault), None)
    return None if isinstance(value, hint) else f"a {hint.__name__}"


def _integer(value: object) -> str | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**64
    return None if fits else "a whole number of 64 bits"


def _number(value: object) -> str | None:
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
    return None if fits else "a finite number"


def _truth(value: object) -> str | None:
    return None if isinstance(value, bool) else "True or False"


def _text(value: object) -> str | None:
    if not isinstance(value, str):
        return "a text"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "a text that UTF-8 can hold"
    return None


def _exact(value: object) -> str | None:
    return None if isinstance(value, Decimal) and value.is_finite() else "a finite Decimal"


_PLAIN: Final = {int: _integer, float: _number, bool: _truth, str: _text, Decimal: _exact}


@cache
def _hints_of(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
