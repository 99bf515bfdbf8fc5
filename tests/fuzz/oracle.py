"""What must become of bytes, told by the protobuf runtime alone and not by the library."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple, cast

from google.protobuf.message import DecodeError, Message

from ctrader.proto import (
    ProtoErrorRes,
    ProtoMessage,
    ProtoOAAccountsTokenInvalidatedEvent,
    ProtoOAClientDisconnectEvent,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOAOrderErrorEvent,
)
from ctrader.proto.registry import (
    ACCOUNT_DISCONNECT_EVENT,
    CLIENT_DISCONNECT_EVENT,
    MESSAGE_BY_PAYLOAD_TYPE,
)

__all__ = ["Fate", "Outcome", "can_decide_an_order", "fates_of", "read"]

LONGEST: Final = 15_000_000
TOLD: Final = (
    ProtoErrorRes,
    ProtoOAAccountsTokenInvalidatedEvent,
    ProtoOAClientDisconnectEvent,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOAOrderErrorEvent,
)
"""Messages whose texts a session reads by itself."""
DECISIONS: Final = (ProtoErrorRes, ProtoOAErrorRes, ProtoOAExecutionEvent, ProtoOAOrderErrorEvent)


class Outcome(Enum):
    """What a frame is to a reader."""

    BREAKS = "breaks"
    """Nothing behind it can be trusted: the link ends."""
    UNFINISHED = "unfinished"
    """Its end never comes."""
    UNKNOWN = "unknown"
    """A payload type that nobody knows."""
    UNDECODABLE = "undecodable"
    """Its payload is no such message."""
    READABLE = "readable"
    """It parses; what it says may still make no sense."""
    ENDS = "ends"
    """It says that a session is over; if it does not parse, its type alone does."""


class Fate(NamedTuple):
    """A frame and what it is."""

    outcome: Outcome
    payload_type: int = 0
    payload: bytes = b""


def fates_of(data: bytes) -> list[Fate]:
    """Read a link's bytes from its beginning, up to where nobody reads on."""
    fates: list[Fate] = []
    position = 0
    while position < len(data):
        head = data[position : position + 4]
        length = int.from_bytes(head, "big")
        if len(head) == 4 and length > LONGEST:
            return [*fates, Fate(Outcome.BREAKS)]
        body = data[position + 4 : position + 4 + length]
        if len(head) < 4 or len(body) < length:
            return [*fates, Fate(Outcome.UNFINISHED)]
        position += 4 + length
        if not length:
            continue
        fate = _fate_of(body)
        fates.append(fate)
        if fate.outcome in (Outcome.BREAKS, Outcome.ENDS):
            return fates
    return fates


def read(payload_type: int, payload: bytes) -> Message | None:
    """Return the message, None where it is unknown or does not parse."""
    kind = MESSAGE_BY_PAYLOAD_TYPE.get(payload_type)
    if kind is None:
        return None
    message = kind()
    try:
        message.ParseFromString(payload)
    except DecodeError:
        return None
    return message


def can_decide_an_order(payload_type: int, payload: bytes) -> bool:
    """Whether a payload, with an order's id, is an answer that may tell what became of it."""
    message = read(payload_type, payload)
    return isinstance(message, DECISIONS) and not _lacks(message)


def _fate_of(body: bytes) -> Fate:
    envelope = ProtoMessage()
    try:
        envelope.ParseFromString(body)
        if not envelope.HasField("payloadType"):
            return Fate(Outcome.BREAKS)
        # cast: the runtime gives bytes for what is no text
        if not isinstance(cast("object", envelope.clientMsgId), str):
            return Fate(Outcome.BREAKS)
    except (DecodeError, UnicodeDecodeError):
        return Fate(Outcome.BREAKS)
    payload_type, payload = envelope.payloadType, envelope.payload
    if payload_type not in MESSAGE_BY_PAYLOAD_TYPE:
        return Fate(Outcome.UNKNOWN, payload_type, payload)
    message = read(payload_type, payload)
    if message is None or _lacks(message) or not _is_legible(message):
        is_end = payload_type in (CLIENT_DISCONNECT_EVENT, ACCOUNT_DISCONNECT_EVENT)
        return Fate(Outcome.ENDS if is_end else Outcome.UNDECODABLE, payload_type, payload)
    is_end = payload_type == CLIENT_DISCONNECT_EVENT
    return Fate(Outcome.ENDS if is_end else Outcome.READABLE, payload_type, payload)


def _lacks(message: Message) -> bool:
    """Whether a required field is missing; an enum of an unknown value is there."""
    if message.IsInitialized():
        return False
    paths: list[str] = getattr(message, "FindInitializationErrors")()  # noqa: B009  # not in stubs
    return any(not _is_enum(message, path) for path in paths)


def _is_legible(message: Message) -> bool:
    """Whether texts that the session reads are texts; the runtime gives others as bytes."""
    if not isinstance(message, TOLD):
        return True
    values = [value for field, value in message.ListFields() if field.type == field.TYPE_STRING]
    return all(isinstance(value, str) for value in values)


def _is_enum(message: Message, path: str) -> bool:
    *parents, leaf = path.split(".")
    descriptor = message.DESCRIPTOR
    for parent in parents:
        inner = descriptor.fields_by_name[parent.partition("[")[0]].message_type
        assert inner is not None
        descriptor = inner
    return descriptor.fields_by_name[leaf].enum_type is not None
