"""Valid messages of every payload type, filled from a seed with what a server might say."""

from __future__ import annotations

from random import Random
from typing import Final

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto
from google.protobuf.message import Message

from ctrader.proto.registry import MESSAGE_BY_PAYLOAD_TYPE

__all__ = ["ACCOUNT", "FOREIGN_ACCOUNT", "PAYLOAD_TYPES", "plausible", "shape"]

ACCOUNT: Final = 1_000_001
"""The account that the messages are about; the simulator has one of this number."""
FOREIGN_ACCOUNT: Final = 7_654_321
PAYLOAD_TYPES: Final = sorted(MESSAGE_BY_PAYLOAD_TYPE)

_MOMENT: Final = 1_600_000_000_000
_OPTIONAL: Final = 0.7  # share of the optional fields that are set
_shapes: dict[type[Message], DescriptorProto] = {}


def plausible(kind: type[Message], rng: Random, depth: int = 3) -> Message:
    """Return a valid message: its required fields, most others, and up to two of each list."""
    message = kind()
    for field in shape(kind).field:
        is_repeated = field.label == FieldDescriptorProto.LABEL_REPEATED
        is_required = field.label == FieldDescriptorProto.LABEL_REQUIRED
        is_redundant = field.name == "payloadType" and not is_required
        if is_redundant or not (is_required or rng.random() < _OPTIONAL):
            continue
        for _ in range(1 + rng.randrange(2) if is_repeated else 1):
            if field.type == FieldDescriptorProto.TYPE_MESSAGE:
                if not (depth or is_required):
                    continue
                slot = getattr(message, field.name)
                part = slot.add() if is_repeated else slot
                part.CopyFrom(plausible(type(part), rng, depth - 1))
                continue
            value = _value(message, field, rng)
            if is_repeated:
                getattr(message, field.name).append(value)
            else:
                setattr(message, field.name, value)
    return message


def shape(kind: type[Message]) -> DescriptorProto:
    """Return a message's fields; descriptors' own properties change with the runtime."""
    found = _shapes.get(kind)
    if found is None:
        found = _shapes[kind] = DescriptorProto()
        kind.DESCRIPTOR.CopyToProto(found)
    return found


def _value(message: Message, field: FieldDescriptorProto, rng: Random) -> object:
    name = field.name
    match field.type:
        case FieldDescriptorProto.TYPE_ENUM:
            enum = message.DESCRIPTOR.fields_by_name[name].enum_type
            assert enum is not None
            return rng.choice(sorted(enum.values_by_number))
        case FieldDescriptorProto.TYPE_BOOL:
            return rng.randrange(2) == 1
        case FieldDescriptorProto.TYPE_DOUBLE:
            return rng.randrange(100_000, 130_000) / 100_000
        case FieldDescriptorProto.TYPE_STRING:
            return rng.choice(["EURUSD", "MARKET_CLOSED", "x", "Europe/London", "€uro"])
        case FieldDescriptorProto.TYPE_BYTES:
            return rng.randbytes(3)
        case _:
            return _integer(name, rng)


def _integer(name: str, rng: Random) -> int:
    if name == "ctidTraderAccountId":
        return ACCOUNT if rng.random() < 0.9 else FOREIGN_ACCOUNT
    if name == "symbolId":
        return rng.randrange(1, 4)
    if name in ("moneyDigits", "digits", "pipPosition"):
        return rng.randrange(2, 6)
    if "InMinutes" in name:
        return _MOMENT // 60_000 + rng.randrange(1000)
    if "imestamp" in name:
        return _MOMENT + rng.randrange(10**6)
    if "olume" in name:
        return 1000 * rng.randrange(1, 500)
    if name in ("bid", "ask", "low"):
        return 110_000 + rng.randrange(500)
    return rng.randrange(1, 1000)
