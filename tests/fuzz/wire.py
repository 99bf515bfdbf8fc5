"""Take serialised messages apart and put them together again, wrongly if wanted.

Nothing here is the runtime's or the library's: what is to be damaged, and what is to be expected
of it, must not depend on what is tested.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["RAW", "Field", "fields_of", "joined", "varint"]

RAW = -1  # a number of no field: its content is written as it is
VARINT, FIXED64, LENGTH, GROUP_START, GROUP_END, FIXED32 = range(6)
MOST = 0x7F


class Field(NamedTuple):
    """One field as it is on the wire."""

    number: int
    wire_type: int
    content: bytes
    """The value without the key; of a field with a length, without that."""


def varint(value: int) -> bytes:
    """Write a number of any size, a negative one as the 64 bits of its complement."""
    value = value & (2**64 - 1) if value < 0 else value
    written = bytearray()
    while value > MOST:
        written.append(value & MOST | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def joined(fields: list[Field]) -> bytes:
    """Write fields in this order."""
    parts: list[bytes] = []
    for number, wire_type, content in fields:
        if number != RAW:
            parts.append(varint(number << 3 | wire_type))
            if wire_type == LENGTH:
                parts.append(varint(len(content)))
        parts.append(content)
    return b"".join(parts)


def fields_of(data: bytes) -> list[Field]:
    """Read the fields of a message that is whole and has no groups."""
    fields: list[Field] = []
    position = 0
    while position < len(data):
        key, position = _number(data, position)
        number, wire_type = key >> 3, key & 7
        start = position
        match wire_type:
            case 0:
                _, position = _number(data, position)
            case 1:
                position += 8
            case 2:
                length, start = _number(data, position)
                position = start + length
            case 5:
                position += 4
            case _:
                raise ValueError(f"wire type {wire_type}")
        fields.append(Field(number, wire_type, data[start:position]))
    return fields


def _number(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & MOST) << shift
        if byte <= MOST:
            return value, position
        shift += 7
