"""Read and write fields of messages: absent is None, unknown stays unknown.

Everything here either returns a value or raises `ProtocolError`; hostile bytes that parse as a
message can cause no other exception in a model.
"""

from __future__ import annotations

__all__ = [
    "bool_of",
    "decimal_of",
    "enum_of",
    "float_of",
    "int_of",
    "millis_text",
    "minutes_text",
    "missing_fields",
    "money_digits_of",
    "money_of",
    "required_enum_of",
    "required_float_of",
    "required_money_of",
    "required_time_of",
    "text_of",
    "time_of",
    "write_enum",
]

import math
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, cast

from ctrader.enums import WireEnum
from ctrader.errors import ProtocolError
from ctrader.units import datetime_from_millis, datetime_from_minutes, money_from_wire

if TYPE_CHECKING:
    from datetime import datetime

    from google.protobuf.message import Message


_E = TypeVar("_E", bound=WireEnum)


class _Findable(Protocol):
    def FindInitializationErrors(self) -> list[str]: ...  # noqa: N802 (the runtime's name)


_WIRE_TYPE: Final = 0b111  # bits of a field's key that say how its value is written
_GROUP_START: Final = 3
_MORE: Final = 0x80  # bit of a varint's byte that says that another follows
_ALL_BITS: Final = 2**64 - 1  # a negative enum is written as its complement
_MAX_MONEY_DIGITS: Final = 18  # 8 is the most that any asset uses; 18 is what an int64 can hold


def enum_of(message: Message, field: str, enum: type[_E]) -> _E | None:
    """Read an enum field: its member, an explicit unknown, or None where it is absent.

    A number that the schema does not know is kept among the message's unknown fields, and the
    field itself then reads as its default. Taking that default would invent a plausible value.
    """
    if message.HasField(field):
        return enum(getattr(message, field))
    number = _unknown_number(message, field)
    return None if number is None else enum(number)


def required_enum_of(message: Message, field: str, enum: type[_E]) -> _E:
    """Read an enum field that must be there.

    Raises:
        ProtocolError: the field is absent.
    """
    value = enum_of(message, field, enum)
    if value is None:
        raise _complaint(message, field, "is missing")
    return value


def bool_of(message: Message, field: str) -> bool | None:
    """Read a flag, None where it is absent; a False that was sent is False."""
    if not message.HasField(field):
        return None
    value: bool = getattr(message, field)
    return value


def int_of(message: Message, field: str) -> int | None:
    """Read an integer, None where it is absent; a zero that was sent is 0."""
    if not message.HasField(field):
        return None
    value: int = getattr(message, field)
    return value


def float_of(message: Message, field: str) -> float | None:
    """Read a double, None where it is absent.

    Raises:
        ProtocolError: the value is not a finite number.
    """
    return required_float_of(message, field) if message.HasField(field) else None


def required_float_of(message: Message, field: str) -> float:
    """Read a double that must be there.

    Raises:
        ProtocolError: the value is not a finite number.
    """
    value: float = getattr(message, field)
    if not math.isfinite(value):
        raise _complaint(message, field, f"is {value}, not a finite number")
    return value


def decimal_of(message: Message, field: str) -> Decimal | None:
    """Read a double as its shortest decimal, None where it is absent.

    Raises:
        ProtocolError: the value is not a finite number.
    """
    value = float_of(message, field)
    return None if value is None else Decimal(repr(value))


def text_of(message: Message, field: str) -> str | None:
    """Read a text, None where it is absent.

    Raises:
        ProtocolError: the bytes are no UTF-8.
    """
    if not message.HasField(field):
        return None
    value: object = getattr(message, field)
    # The parser lets bytes through that are no text, and gives them as they are.
    if not isinstance(value, str):
        raise _complaint(message, field, "is not UTF-8")
    return value


def time_of(message: Message, field: str) -> datetime | None:
    """Read Unix milliseconds as an aware UTC datetime, None where absent.

    Raises:
        ProtocolError: no calendar holds that time.
    """
    return required_time_of(message, field) if message.HasField(field) else None


def required_time_of(message: Message, field: str) -> datetime:
    """Read a time in Unix milliseconds that must be there.

    Raises:
        ProtocolError: no calendar holds that time.
    """
    return datetime_from_millis(getattr(message, field))


def money_digits_of(message: Message, fallback: int | None = None) -> int | None:
    """Read how many decimals the money of this message has.

    Args:
        message: A message with a `moneyDigits` field.
        fallback: The trader's digits, for a message that does not say its own.

    Returns: The digits, or None where nobody said them; money then has 2.
    Raises: ProtocolError: more digits than any amount can have.
    """
    digits = int_of(message, "moneyDigits")
    if digits is not None and digits > _MAX_MONEY_DIGITS:
        raise _complaint(message, "moneyDigits", f"is {digits}")
    return fallback if digits is None else digits


def money_of(message: Message, field: str, digits: int | None) -> Decimal | None:
    """Read an amount of money by its digits, None where it is absent."""
    return required_money_of(message, field, digits) if message.HasField(field) else None


def required_money_of(message: Message, field: str, digits: int | None) -> Decimal:
    """Read an amount of money that must be there."""
    amount: int = getattr(message, field)
    return money_from_wire(amount, digits)


def write_enum(message: Message, field: str, value: WireEnum) -> None:
    """Set an enum field to a member's number, one that only the server knows included."""
    if value.is_known:
        setattr(message, field, value.value)
        return
    # The runtime refuses such a number as a value, and keeps it as it came in as bytes.
    key = message.DESCRIPTOR.fields_by_name[field].number << 3
    message.MergeFromString(_varint_bytes(key) + _varint_bytes(value.value & _ALL_BITS))


def missing_fields(message: Message) -> tuple[str, ...]:
    """Name the required fields that the sender left out, with their paths.

    The parser counts a required enum whose number it does not know as missing. Here it counts as
    present: such a message is whole, and its models hold an explicit unknown.

    Returns: Paths such as `"order[0].tradeData.symbolId"`; empty for a message fit to decode.
    """
    if message.IsInitialized():
        return ()
    # cast: the type stubs leave this method out.
    paths = cast("_Findable", message).FindInitializationErrors()
    return tuple(path for path in paths if not _is_unknown_enum(message, path))


def _unknown_number(message: Message, field: str) -> int | None:
    """Find the number of an enum value that the schema does not know, None where none came.

    It reads the message's bytes. The runtime's own view of unknown fields builds Python objects
    inside C code, where an exception of a signal handler, such as Ctrl-C, ends the interpreter.
    """
    field_number = message.DESCRIPTOR.fields_by_name[field].number
    data = message.SerializePartialToString()
    if _varint_key(field_number) not in data:
        return None  # as nearly always; only what holds these bytes by chance is read for nothing
    number: int | None = None
    position = depth = 0
    while position < len(data):
        key, position = _varint(data, position)
        match key & _WIRE_TYPE:
            case 0:
                value, position = _varint(data, position)
                if key >> 3 == field_number and not depth:
                    # Enums are 32 bits wide and signed; a negative one comes as its complement.
                    low = value & 0xFFFF_FFFF
                    number = low - 0x1_0000_0000 if low & 0x8000_0000 else low
            case 1:
                position += 8
            case 2:
                length, position = _varint(data, position)
                position += length
            case 5:
                position += 4
            case group:
                # An unknown group brackets fields of its own.
                depth += 1 if group == _GROUP_START else -1
    return number


@cache
def _varint_key(field_number: int) -> bytes:
    """Return how the runtime begins a field that holds a varint."""
    return _varint_bytes(field_number << 3)


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Read a number that the runtime has written; return it with the position behind it."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < _MORE:
            return value, position
        shift += 7


def _varint_bytes(value: int) -> bytes:
    """Write a number as the runtime does."""
    written = bytearray()
    while value >= _MORE:
        written.append(value & (_MORE - 1) | _MORE)
        value >>= 7
    written.append(value)
    return bytes(written)


def _is_unknown_enum(message: Message, path: str) -> bool:
    """Say whether the field at this path was sent with an enum value that nobody knows."""
    *parents, field = path.split(".")
    for parent in parents:
        name, _, index = parent.partition("[")
        child = getattr(message, name)
        message = child[int(index[:-1])] if index else child
    return (
        message.DESCRIPTOR.fields_by_name[field].enum_type is not None
        and _unknown_number(message, field) is not None
    )


def _complaint(message: Message, field: str, problem: str) -> ProtocolError:
    return ProtocolError(f"{message.DESCRIPTOR.name}.{field} {problem}")


def millis_text(millis: int) -> str:
    """Return Unix milliseconds as text for people."""
    # Text must never fail, so a moment outside the calendar is shown as the wire has it.
    try:
        return str(datetime_from_millis(millis))
    except ProtocolError:
        return f"{millis} ms"


def minutes_text(minutes: int) -> str:
    """Return Unix minutes as text for people."""
    try:
        return str(datetime_from_minutes(minutes))
    except ProtocolError:
        return f"{minutes} min"
