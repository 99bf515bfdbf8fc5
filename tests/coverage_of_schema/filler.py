"""Fill any message with values that can be told apart, by reflection."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any, Final, TypeVar

from google.protobuf.message import Message

from tests.coverage_of_schema.schema import ENUM_NUMBERS, FIELDS, Field

__all__ = ["FILLINGS", "clear", "filled", "minimal"]

M = TypeVar("M", bound=Message)

FILLINGS: Final = (0, 1)
"""Two fillings: in the one every flag is True, in the other False, and no other value agrees."""

_NARROW: Final[dict[str, tuple[int, int]]] = {
    "digits": (3, 5),
    "pipPosition": (2, 4),
    "moneyDigits": (3, 8),
}
"""Fields that take a few numbers only, with their values in each filling."""
_MILLIS: Final = 1_600_000_000_000
_SECONDS: Final = 1_600_000_000


def filled(kind: type[M], filling: int) -> M:
    """Make a message with every field set, down to the last."""
    message = kind()
    _fill(message, filling, count(101 + 400 * filling))
    return message


def minimal(kind: type[M], account_id: int) -> M:
    """Make the least message of a type that a client accepts as an answer."""
    message = kind()
    _need(message, account_id)
    return message


def clear(message: Message, path: str) -> None:
    """Take a field out, given as `tradeData.label`."""
    *parents, field = path.split(".")
    for parent in parents:
        message = getattr(message, parent)
    message.ClearField(field)


# Private


def _fill(message: Message, filling: int, numbers: Iterator[int]) -> None:
    name = message.DESCRIPTOR.name
    for field in FIELDS[name]:
        if field.kind == "message":
            if field.is_repeated:
                for _ in range(2):
                    _fill(getattr(message, field.name).add(), filling, numbers)
            else:
                _fill(getattr(message, field.name), filling, numbers)
        elif field.is_repeated:
            getattr(message, field.name).extend([next(numbers), next(numbers)])
        else:
            setattr(message, field.name, _value(name, field, filling, next(numbers)))


def _value(message: str, field: Field, filling: int, number: int) -> Any:
    if field.kind == "enum":
        return ENUM_NUMBERS[field.type][-1 if filling == 0 else 0]
    match field.type:
        case "bool":
            return filling == 0
        case "string":
            return f"{field.name}-{number}"
        case "double":
            return number + 0.25
        case _:
            pass
    if field.name in _NARROW:
        return _NARROW[field.name][filling]
    if (message, field.name) == ("ProtoOAErrorRes", "maintenanceEndTimestamp"):
        return _SECONDS + number
    if field.name.lower().endswith("timestamp"):
        return _MILLIS + 1000 * number
    return number


def _need(message: Message, account_id: int) -> None:
    for field in FIELDS[message.DESCRIPTOR.name]:
        if not field.is_required:
            continue
        if field.kind == "message":
            child: Message = getattr(message, field.name)
            child.SetInParent()
            _need(child, account_id)
        elif field.name == "ctidTraderAccountId":
            setattr(message, field.name, account_id)
        else:
            setattr(message, field.name, _least(field))


def _least(field: Field) -> Any:
    if field.kind == "enum":
        return ENUM_NUMBERS[field.type][0]
    return {"string": "x", "bool": False}.get(field.type, 1)
