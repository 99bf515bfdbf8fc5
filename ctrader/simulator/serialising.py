"""Messages made bytes, with the oddities that the switches ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from google.protobuf.message import Message

from ctrader.proto import ProtoMessage
from ctrader.protocol.envelope import encode_envelope
from ctrader.protocol.framing import encode_frame
from ctrader.simulator.messages.wire import drop_money_digits, set_payload_type

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor

    from ctrader.protocol.envelope import Envelope
    from ctrader.simulator.switches import Switches

__all__ = ["UNKNOWN_ENUM_NUMBER", "framed", "serialised", "with_renamed_code"]

UNKNOWN_ENUM_NUMBER: Final = 9_999
"""A number that no enum of any schema has."""

_LENGTH_DELIMITED: Final = 2  # wire types
_VARINT: Final = 0


def serialised(message: Message, switches: Switches) -> bytes:
    """Return the bytes of a message that is complete."""
    if switches.write_inner_payload_type:
        set_payload_type(message)
    if not switches.write_money_digits:
        drop_money_digits(message)
    data = message.SerializeToString()
    if not switches.unknown_enum_fields:
        return data
    return _with_unknown_enums(message, switches.unknown_enum_fields)


def with_renamed_code(message: Message, switches: Switches) -> Message:
    """Return a message with the error code that the switches want."""
    renamed = switches.renamed_error_codes
    if not renamed or "errorCode" not in message.DESCRIPTOR.fields_by_name:
        return message
    # Every message that has the field has it as one string.
    code: str = getattr(message, "errorCode")  # noqa: B009  # no common type
    if not code:
        return message
    copy = type(message)()
    copy.CopyFrom(message)  # the same event goes to other connections, too
    setattr(copy, "errorCode", renamed.get(code, renamed.get("*", code)))  # noqa: B010
    return copy


def framed(envelope: Envelope, switches: Switches) -> bytes:
    """Return the frame of an envelope.

    Raises:
        FramingError: it is longer than a frame may be.
    """
    if envelope.payload or switches.write_empty_payload:
        return encode_envelope(*envelope)
    bare = ProtoMessage(payloadType=envelope.payload_type, clientMsgId=envelope.client_msg_id)
    return encode_frame(bare.SerializeToString())


def _with_unknown_enums(message: Message, fields: frozenset[str]) -> bytes:
    """Return the bytes of a message in which some enum fields have a number nobody knows."""
    rest = type(message)()
    rest.CopyFrom(message)
    strange = bytearray()
    # The stubs do not know the method that names the fields; an empty message lacks all of them.
    required: set[str] = set(getattr(type(message)(), "FindInitializationErrors")())  # noqa: B009
    for given, value in message.ListFields():
        if given.type == given.TYPE_MESSAGE:
            # The parser would take no unknown number from the message's own object, so the
            # field is written by hand behind the others.
            rest.ClearField(given.name)
            parts: list[Message] = [value] if isinstance(value, Message) else list(value)
            for part in parts:
                inner = _with_unknown_enums(part, fields)
                strange += _tag(given, _LENGTH_DELIMITED) + _varint(len(inner)) + inner
        elif isinstance(value, int) and _is_chosen(message, given, fields, required):
            rest.ClearField(given.name)
            strange += _tag(given, _VARINT) + _varint(UNKNOWN_ENUM_NUMBER)
    return rest.SerializePartialToString() + bytes(strange)


def _is_chosen(
    message: Message, given: FieldDescriptor, fields: frozenset[str], required: set[str]
) -> bool:
    if given.type != given.TYPE_ENUM or given.name == "payloadType":
        return False
    name = f"{message.DESCRIPTOR.name}.{given.name}"
    return name in fields or ("*" in fields and given.name not in required)


def _tag(given: FieldDescriptor, wire_type: int) -> bytes:
    return _varint(given.number << 3 | wire_type)


def _varint(number: int) -> bytes:
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)
