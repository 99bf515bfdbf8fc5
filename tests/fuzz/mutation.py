"""Change serialised messages field by field, so that what comes out still reaches the readers."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from tests.fuzz.wire import FIXED64, LENGTH, VARINT, Field, fields_of, joined, varint

__all__ = ["changed_frames", "changed_message"]

Mutate = Callable[[bytes, int], bytes]
"""Changes bytes in any way; the second argument is how many may come out."""

_NUMBERS: Final = (0, 1, -1, 2, 7, 19, 2**31 - 1, 2**31, 2**32, 2**53, 2**63 - 1, -(2**63), 10**15)
_PREFIX: Final = 4


def changed_message(data: bytes, rng: Random, mutate: Mutate) -> bytes:
    """Change one field of a message, or of one of its parts, or a few of its bytes.

    Args:
        data: A message, whole or not.
        rng: Decides what is changed.
        mutate: Changes bytes that are no message.
    """
    fields = _fields(data)
    if not fields or rng.random() < 0.1:
        return mutate(data, len(data) + 20)
    place = rng.randrange(len(fields))
    field = fields[place]
    match rng.randrange(8):
        case 0:
            del fields[place]
        case 1:
            fields.insert(rng.randrange(len(fields) + 1), field)
        case 2:
            number = max(1, field.number + rng.choice([-2, -1, 1, 2, 5]))
            fields.insert(place, field._replace(number=number))
        case 3:
            fields[place] = Field(field.number, VARINT, varint(rng.choice(_NUMBERS)))
        case _:
            fields[place] = field._replace(content=_content(field, rng, mutate))
    return joined(fields)


def changed_frames(data: bytes, rng: Random, mutate: Mutate) -> bytes:
    """Change one frame of a stream; its length is right again afterwards."""
    frames: list[bytes] = []
    position = 0
    while position < len(data):
        end = position + _PREFIX + int.from_bytes(data[position : position + _PREFIX], "big")
        frames.append(data[position + _PREFIX : end])
        position = end
    if not frames or rng.random() < 0.1:
        return mutate(data, len(data) + 20)
    place = rng.randrange(len(frames))
    match rng.randrange(6):
        case 0:
            del frames[place]
        case 1:
            frames.insert(rng.randrange(len(frames) + 1), frames[place])
        case _:
            frames[place] = changed_message(frames[place], rng, mutate)
    return b"".join(len(frame).to_bytes(_PREFIX, "big") + frame for frame in frames)


def _content(field: Field, rng: Random, mutate: Mutate) -> bytes:
    if field.wire_type == VARINT:
        return varint(rng.choice([*_NUMBERS, rng.getrandbits(8), rng.getrandbits(40)]))
    if field.wire_type == FIXED64:
        return rng.choice([mutate(field.content, 8).ljust(8, b"\0")[:8], b"\0" * 6 + b"\xf8\x7f"])
    if field.wire_type == LENGTH:
        return changed_message(field.content, rng, mutate)
    return field.content


def _fields(data: bytes) -> list[Field]:
    """Read the fields of what may be no message; then there are none."""
    try:
        fields = fields_of(data)
    except (ValueError, IndexError):
        return []
    # What the last field says of its length may be wrong.
    return fields if joined(fields) == data else []
