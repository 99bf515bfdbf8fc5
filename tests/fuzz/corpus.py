"""The frozen corpus: 10,000 malformed frames, how they were made, and where they are kept.

`python -m tests.fuzz.corpus --check` tells whether the generator still makes what is frozen;
`--write` freezes anew what it makes, which is a change of the tests to be reviewed as one.
"""

from __future__ import annotations

import argparse
import hashlib
import lzma
import struct
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from google.protobuf.descriptor_pb2 import FieldDescriptorProto
from google.protobuf.message import Message

from ctrader.proto.registry import MESSAGE_BY_PAYLOAD_TYPE
from tests.fuzz.messages import FOREIGN_ACCOUNT, PAYLOAD_TYPES, plausible, shape
from tests.fuzz.oracle import can_decide_an_order
from tests.fuzz.wire import FIXED32, FIXED64, LENGTH, RAW, VARINT, Field, fields_of, joined, varint

__all__ = ["COUNT", "Entry", "frozen", "generated"]

COUNT: Final = 10_000
SEED: Final = 20_231_123
STORE: Final = Path(__file__).with_name("frames.xz")
CHECKSUM: Final = Path(__file__).with_name("frames.sha256")

_HEAD: Final = struct.Struct(">BHI")
_RAW: Final = 0
_ANSWER: Final = 1

Step = tuple[int, ...]
"""Where a part lies: the places of fields from the outermost message inwards."""


class Entry(NamedTuple):
    """One piece of malformed input."""

    kind: str
    """What was done to a valid frame."""
    payload_type: int
    """Of the message in an answer to the order; 0 where `data` is a whole frame."""
    data: bytes
    """Bytes as the link delivers them, or the payload of an answer to the order in flight."""

    def frame(self, message_id: str | None = None) -> bytes:
        """Return the bytes to deliver.

        Args:
            message_id: Id of the order in flight, which answers bear.
        """
        if not self.payload_type:
            return self.data
        return _frame(_envelope(self.payload_type, self.data, message_id))


# Frames and envelopes


def _frame(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


def _envelope_fields(
    payload_type: int, payload: bytes, message_id: str | None = None
) -> list[Field]:
    fields = [Field(1, VARINT, varint(payload_type)), Field(2, LENGTH, payload)]
    return fields if message_id is None else [*fields, Field(3, LENGTH, message_id.encode())]


def _envelope(payload_type: int, payload: bytes, message_id: str | None = None) -> bytes:
    return joined(_envelope_fields(payload_type, payload, message_id))


class _NothingToDamageError(Exception):
    """A message has no field of the kind that is to be damaged."""


class _Base(NamedTuple):
    """A valid message to be damaged."""

    rng: Random
    payload_type: int
    message: Message
    payload: bytes
    message_id: str | None

    @property
    def body(self) -> bytes:
        return _envelope(self.payload_type, self.payload, self.message_id)

    def framed(self, payload: bytes) -> bytes:
        """Wrap a damaged payload in a frame that is in order."""
        return _frame(_envelope(self.payload_type, payload, self.message_id))


def _cut(rng: Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))] if data else data


def _flipped(rng: Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 4) if changed else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _with_length(base: _Base, length: int) -> bytes:
    return max(0, length).to_bytes(4, "big") + base.body


def _length_short(base: _Base) -> bytes:
    return _with_length(base, len(base.body) - base.rng.randrange(1, 6))


def _length_long(base: _Base) -> bytes:
    return _with_length(base, len(base.body) + base.rng.choice([1, 2, 7, 100, 70_000]))


def _length_oversized(base: _Base) -> bytes:
    return _with_length(base, base.rng.choice([15_000_001, 2**24, 2**31, 2**32 - 1]))


def _length_little_endian(base: _Base) -> bytes:
    return len(base.body).to_bytes(4, "little") + base.body


def _length_missing(base: _Base) -> bytes:
    return base.body


def _frame_cut(base: _Base) -> bytes:
    return _cut(base.rng, _frame(base.body)) or b"\0"


def _frame_flipped(base: _Base) -> bytes:
    return _flipped(base.rng, _frame(base.body))


def _frame_of_noise(base: _Base) -> bytes:
    return _frame(base.rng.randbytes(base.rng.randrange(1, 60)))


def _envelope_cut(base: _Base) -> bytes:
    return _frame(_cut(base.rng, base.body) or b"\x08")


def _envelope_with(base: _Base, change: Callable[[list[Field]], None]) -> bytes:
    fields = _envelope_fields(base.payload_type, base.payload, base.message_id)
    change(fields)
    return _frame(joined(fields))


def _envelope_without_type(base: _Base) -> bytes:
    return _envelope_with(base, lambda fields: fields.__delitem__(0))


def _envelope_type_absurd(base: _Base) -> bytes:
    absurd = base.rng.choice([0, -1, 5, 52, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1])
    return _envelope_with(base, lambda fields: fields.__setitem__(0, Field(1, 0, varint(absurd))))


def _envelope_type_unknown(base: _Base) -> bytes:
    number = base.rng.choice([1, 49, 52, 99, 2000, 2099, 2190, 2200, 3000, 9999, 65_536])
    return _frame(_envelope(number, base.payload, base.message_id))


def _envelope_type_wrong_wire(base: _Base) -> bytes:
    wrong = base.rng.choice([Field(1, LENGTH, b"\x33"), Field(1, FIXED32, bytes(4))])
    return _envelope_with(base, lambda fields: fields.__setitem__(0, wrong))


def _envelope_payload_wrong_wire(base: _Base) -> bytes:
    wrong = base.rng.choice([Field(2, VARINT, b"\x07"), Field(2, FIXED64, bytes(8))])
    return _envelope_with(base, lambda fields: fields.__setitem__(1, wrong))


def _envelope_id_no_text(base: _Base) -> bytes:
    bad = base.rng.choice([b"\xff\xfe", b"ab\xc3", b"\xed\xa0\x80", b"\xc0\x80"])
    return _frame(_envelope(base.payload_type, base.payload) + joined([Field(3, LENGTH, bad)]))


def _envelope_fields_twice(base: _Base) -> bytes:
    other = base.rng.choice(PAYLOAD_TYPES)
    first = _envelope(other, base.rng.randbytes(4), "somebody-elses")
    return _frame(first + base.body)


def _envelope_unknown_fields(base: _Base) -> bytes:
    extra = [Field(base.rng.choice([4, 15, 536_870_911]), LENGTH, b"extra")]
    group = b"\x23" + b"\x08\x01" + b"\x24"  # field 4 as a group that holds a field 1
    return _frame(base.body + base.rng.choice([joined(extra), group, b"\x23", b"\x24"]))


# Payloads


def _payload_cut(base: _Base) -> bytes:
    return _cut(base.rng, base.payload)


def _payload_empty(base: _Base) -> bytes:
    return b""


def _payload_flipped(base: _Base) -> bytes:
    return _flipped(base.rng, base.payload)


def _payload_byte_more(base: _Base) -> bytes:
    place = base.rng.randrange(len(base.payload) + 1)
    return base.payload[:place] + base.rng.randbytes(1) + base.payload[place:]


def _payload_byte_less(base: _Base) -> bytes:
    place = base.rng.randrange(len(base.payload) or 1)
    return base.payload[:place] + base.payload[place + 1 :]


def _payload_of_noise(base: _Base) -> bytes:
    return base.rng.randbytes(base.rng.randrange(1, 80))


def _payload_backwards(base: _Base) -> bytes:
    return joined(fields_of(base.payload)[::-1])


def _places(
    base: _Base, wanted: Callable[[FieldDescriptorProto], bool]
) -> list[tuple[Step, FieldDescriptorProto]]:
    """Find the fields that were written, in all depths, that are of the wanted kind."""
    found: list[tuple[Step, FieldDescriptorProto]] = []

    def look(kind: type[Message], data: bytes, step: Step) -> None:
        known = {field.number: field for field in shape(kind).field}
        for place, field in enumerate(fields_of(data)):
            declared = known[field.number]
            here = (*step, place)
            if wanted(declared):
                found.append((here, declared))
            if declared.type == FieldDescriptorProto.TYPE_MESSAGE:
                slot = getattr(kind(), declared.name)
                inner = type(slot.add() if hasattr(slot, "add") else slot)
                look(inner, field.content, here)

    look(type(base.message), base.payload, ())
    return found


def _edited(data: bytes, step: Step, change: Callable[[Field], list[Field]]) -> bytes:
    """Put other fields in the place of one; the lengths around it are right."""
    fields = fields_of(data)
    place, *inner = step
    field = fields[place]
    if inner:
        fields[place] = field._replace(content=_edited(field.content, tuple(inner), change))
    else:
        fields[place : place + 1] = change(field)
    return joined(fields)


def _some_field(
    base: _Base,
    wanted: Callable[[FieldDescriptorProto], bool],
    change: Callable[[Field], list[Field]],
) -> bytes:
    """Change one field of a kind.

    Raises:
        _NothingToDamageError: the message has none.
    """
    places = _places(base, wanted)
    if not places:
        raise _NothingToDamageError
    step, _ = base.rng.choice(places)
    return _edited(base.payload, step, change)


def _is_any(_: FieldDescriptorProto) -> bool:
    return True


def _is_required(field: FieldDescriptorProto) -> bool:
    return field.label == FieldDescriptorProto.LABEL_REQUIRED


def _is_text(field: FieldDescriptorProto) -> bool:
    return field.type == FieldDescriptorProto.TYPE_STRING


def _is_enum(field: FieldDescriptorProto) -> bool:
    return field.type == FieldDescriptorProto.TYPE_ENUM


def _is_integer(field: FieldDescriptorProto) -> bool:
    return field.type in (
        FieldDescriptorProto.TYPE_INT32,
        FieldDescriptorProto.TYPE_INT64,
        FieldDescriptorProto.TYPE_UINT32,
        FieldDescriptorProto.TYPE_UINT64,
    )


def _is_double(field: FieldDescriptorProto) -> bool:
    return field.type == FieldDescriptorProto.TYPE_DOUBLE


def _is_message(field: FieldDescriptorProto) -> bool:
    return field.type == FieldDescriptorProto.TYPE_MESSAGE


def _is_time(field: FieldDescriptorProto) -> bool:
    return _is_integer(field) and ("imestamp" in field.name or "Minutes" in field.name)


def _is_digits(field: FieldDescriptorProto) -> bool:
    return field.name in ("moneyDigits", "digits", "pipPosition")


def _is_account(field: FieldDescriptorProto) -> bool:
    return field.name == "ctidTraderAccountId"


def _required_dropped(base: _Base) -> bytes:
    return _some_field(base, _is_required, lambda _: [])


def _field_dropped(base: _Base) -> bytes:
    return _some_field(base, _is_any, lambda _: [])


def _field_twice(base: _Base) -> bytes:
    return _some_field(base, _is_any, lambda field: [field] * base.rng.choice([2, 3, 40]))


def _field_twice_differently(base: _Base) -> bytes:
    return _some_field(
        base, _is_any, lambda field: [field, field._replace(content=_flipped(base.rng, field[2]))]
    )


def _wrong_wire_type(base: _Base) -> bytes:
    return _some_field(
        base,
        _is_any,
        lambda field: [
            base.rng.choice(
                [
                    Field(field.number, VARINT, b"\x05"),
                    Field(field.number, FIXED64, b"\xff" * 8),
                    Field(field.number, LENGTH, b"\x05\x05"),
                    Field(field.number, FIXED32, bytes(4)),
                ]
            )
        ],
    )


def _impossible_wire_type(base: _Base) -> bytes:
    return _some_field(
        base, _is_any, lambda field: [field._replace(wire_type=base.rng.choice([3, 4, 6, 7]))]
    )


def _inner_length_wrong(base: _Base) -> bytes:
    def wrong(field: Field) -> list[Field]:
        length = len(field.content) + base.rng.choice([-1, 1, 100, 2**31, 2**63])
        head = varint(field.number << 3 | LENGTH) + varint(max(0, length))
        return [Field(RAW, LENGTH, head + field.content)]

    return _some_field(base, _is_message, wrong)


def _unknown_fields(base: _Base) -> bytes:
    rng = base.rng
    number = rng.choice([0, 90, 1000, 19_000, 536_870_911, 536_870_912])
    extra = rng.choice(
        [
            Field(number, VARINT, varint(rng.getrandbits(60))),
            Field(number, LENGTH, rng.randbytes(9)),
            Field(number, FIXED32, bytes(4)),
        ]
    )
    return _some_field(base, _is_any, lambda field: [extra, field])


def _huge_varint(base: _Base) -> bytes:
    huge = base.rng.choice([b"\xff" * 9 + b"\x01", b"\xff" * 9 + b"\x7f", b"\xff" * 10 + b"\x01"])
    return _some_field(base, _is_integer, lambda field: [field._replace(content=huge)])


def _overlong_varint(base: _Base) -> bytes:
    overlong = base.rng.choice([b"\x81\x00", b"\x81" + b"\x80" * 8 + b"\x00", b"\x80" * 12])
    return _some_field(base, _is_integer, lambda field: [field._replace(content=overlong)])


def _nested_deeply(base: _Base) -> bytes:
    depth = base.rng.choice([10, 99, 101, 500])
    if base.rng.randrange(2):
        return base.payload + b"\xa3\x06" * depth + b"\xa4\x06" * depth  # groups of number 100
    inner = b""
    for _ in range(depth):
        inner = joined([Field(2, LENGTH, inner)])
    return _some_field(base, _is_message, lambda field: [field._replace(content=inner)])


def _no_text(base: _Base) -> bytes:
    bad = base.rng.choice([b"\xff", b"EUR\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\x80"])
    return _some_field(base, _is_text, lambda field: [field._replace(content=bad)])


def _long_text(base: _Base) -> bytes:
    text = base.rng.choice([b"x" * 3000, b"\0" * 300, "\u202e€".encode() * 50, b"%s{0}\n\r"])
    return _some_field(base, _is_text, lambda field: [field._replace(content=text)])


def _absurd(base: _Base, wanted: Callable[[FieldDescriptorProto], bool], *values: int) -> bytes:
    value = base.rng.choice(values)
    return _some_field(base, wanted, lambda field: [field._replace(content=varint(value))])


def _absurd_integer(base: _Base) -> bytes:
    return _absurd(
        base, _is_integer, 0, -1, 2**31 - 1, 2**31, -(2**31), 2**53, 2**63 - 1, -(2**63), 2**64 - 1
    )


def _absurd_time(base: _Base) -> bytes:
    return _absurd(base, _is_time, 0, -1, 253_402_300_800_000, -(10**15), 2**62, -(2**63), 10**11)


def _absurd_digits(base: _Base) -> bytes:
    return _absurd(base, _is_digits, -1, 19, 255, 10**6, 2**31 - 1, 2**32 - 1, -(2**31))


def _absurd_enum(base: _Base) -> bytes:
    return _absurd(base, _is_enum, 0, -1, 77, 255, 2**31 - 1, -(2**31), 2**32, 2**63)


def _absurd_double(base: _Base) -> bytes:
    value = base.rng.choice(
        [float("inf"), float("-inf"), float("nan"), 1e308, -1.0, 5e-324, -0.0, 0.1 + 0.2]
    )
    return _some_field(
        base, _is_double, lambda field: [field._replace(content=struct.pack("<d", value))]
    )


def _foreign_account(base: _Base) -> bytes:
    return _absurd(base, _is_account, FOREIGN_ACCOUNT, 0, -1, 2**63 - 1)


def _swapped(base: _Base) -> bytes:
    others = [each for each in PAYLOAD_TYPES if each != base.payload_type]
    return _frame(_envelope(base.rng.choice(others), base.payload, base.message_id))


def _foreign_id(base: _Base) -> bytes:
    foreign = base.rng.choice(["", "0", "somebody-elses", "x" * 1000, "é\0", "0" * 16 + "-1"])
    return _frame(_envelope(base.payload_type, base.payload, foreign))


# How answers to an order are damaged; what could still tell what became of it is none.


def _answer_of_another_type(base: _Base) -> bytes:
    return base.payload


_FRAMES: Final[dict[str, Callable[[_Base], bytes]]] = {
    "length too short": _length_short,
    "length too long": _length_long,
    "length oversized": _length_oversized,
    "length little-endian": _length_little_endian,
    "length missing": _length_missing,
    "frame cut": _frame_cut,
    "frame flipped": _frame_flipped,
    "frame of noise": _frame_of_noise,
    "envelope cut": _envelope_cut,
    "envelope without a type": _envelope_without_type,
    "envelope of an absurd type": _envelope_type_absurd,
    "envelope of an unknown type": _envelope_type_unknown,
    "type of a wrong wire type": _envelope_type_wrong_wire,
    "payload of a wrong wire type": _envelope_payload_wrong_wire,
    "id that is no text": _envelope_id_no_text,
    "envelope's fields twice": _envelope_fields_twice,
    "envelope with unknown fields": _envelope_unknown_fields,
    "payload of another type": _swapped,
    "foreign id": _foreign_id,
}
_PAYLOADS: Final[dict[str, Callable[[_Base], bytes]]] = {
    "payload cut": _payload_cut,
    "payload empty": _payload_empty,
    "payload flipped": _payload_flipped,
    "payload with a byte more": _payload_byte_more,
    "payload with a byte less": _payload_byte_less,
    "payload of noise": _payload_of_noise,
    "payload backwards": _payload_backwards,
    "required field dropped": _required_dropped,
    "field dropped": _field_dropped,
    "field twice": _field_twice,
    "field twice, differently": _field_twice_differently,
    "wrong wire type": _wrong_wire_type,
    "impossible wire type": _impossible_wire_type,
    "inner length wrong": _inner_length_wrong,
    "unknown fields": _unknown_fields,
    "huge varint": _huge_varint,
    "overlong varint": _overlong_varint,
    "nested deeply": _nested_deeply,
    "no text": _no_text,
    "long text": _long_text,
    "absurd integer": _absurd_integer,
    "absurd time": _absurd_time,
    "absurd digits": _absurd_digits,
    "absurd enum": _absurd_enum,
    "absurd double": _absurd_double,
    "foreign account": _foreign_account,
}
_ANSWERS: Final[dict[str, Callable[[_Base], bytes]]] = {
    "answer cut": _payload_cut,
    "answer empty": _payload_empty,
    "answer flipped": _payload_flipped,
    "answer without a required field": _required_dropped,
    "answer of noise": _payload_of_noise,
    "answer of a wrong wire type": _wrong_wire_type,
    "answer of another type": _answer_of_another_type,
}
KINDS: Final = (*_FRAMES, *_PAYLOADS, *_ANSWERS)


def generated(count: int = COUNT, seed: int = SEED) -> list[Entry]:
    """Make the corpus; the same every time."""
    rng = Random(seed)
    entries: list[Entry] = []
    types: list[int] = []
    while len(entries) < count:
        if not types:
            types = PAYLOAD_TYPES.copy()
            rng.shuffle(types)
        payload_type = types.pop()
        message = plausible(MESSAGE_BY_PAYLOAD_TYPE[payload_type], rng)
        # Fields are written by number whatever the runtime; nothing here is a map.
        payload = message.SerializeToString(deterministic=True)
        message_id = rng.choice([None, None, "somebody-elses"])
        base = _Base(rng, payload_type, message, payload, message_id)
        kind = KINDS[len(entries) % len(KINDS)]
        try:
            entry = _damaged(kind, base)
        except _NothingToDamageError:
            continue
        if entry.payload_type and can_decide_an_order(entry.payload_type, entry.data):
            continue  # it may be true
        entries.append(entry)
    return entries


def _damaged(kind: str, base: _Base) -> Entry:
    if kind in _FRAMES:
        return Entry(kind, 0, _FRAMES[kind](base))
    if kind in _PAYLOADS:
        return Entry(kind, 0, base.framed(_PAYLOADS[kind](base)))
    return Entry(kind, base.payload_type, _ANSWERS[kind](base))


def packed(entries: list[Entry]) -> bytes:
    """Write entries one behind the other."""
    parts: list[bytes] = []
    for entry in entries:
        parts.append(_HEAD.pack(KINDS.index(entry.kind), entry.payload_type, len(entry.data)))
        parts.append(entry.data)
    return b"".join(parts)


def frozen() -> list[Entry]:
    """Return the corpus as it was frozen, whatever the generator makes now.

    Raises:
        ValueError: the file is not the one whose checksum stands beside it.
    """
    data = lzma.decompress(STORE.read_bytes())
    if hashlib.sha256(data).hexdigest() != CHECKSUM.read_text("ascii").split()[0]:
        raise ValueError(f"{STORE.name} is not what {CHECKSUM.name} says")
    entries: list[Entry] = []
    position = 0
    while position < len(data):
        kind, payload_type, length = _HEAD.unpack_from(data, position)
        position += _HEAD.size
        entries.append(Entry(KINDS[kind], payload_type, data[position : position + length]))
        position += length
    return entries


def main(arguments: list[str] | None = None) -> int:
    """Check or write the frozen corpus."""
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="compare, and write nothing")
    what.add_argument("--write", action="store_true", help="freeze anew")
    options = parser.parse_args(arguments)
    entries = generated()
    data = packed(entries)
    if options.check:
        is_same = entries == frozen()
        word = "the same as" if is_same else "another corpus than"
        sys.stdout.write(f"The generator makes {word} the frozen one.\n")
        return 0 if is_same else 1
    STORE.write_bytes(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))
    CHECKSUM.write_text(f"{hashlib.sha256(data).hexdigest()}  frames\n", "ascii")
    kinds = Counter(entry.kind for entry in entries)
    table = "".join(f"{number:6} {kind}\n" for kind, number in sorted(kinds.items()))
    size = STORE.stat().st_size
    sys.stdout.write(f"{table}{len(entries)} entries, {len(data)} bytes, {size} packed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
