"""Wrap a message in the envelope that says its type, and unwrap one.

The envelope is `ProtoMessage`: a payload type, the serialised message, and the id that ties an
answer to its request. A message's own `payloadType` field is never needed and never trusted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from google.protobuf.message import DecodeError

from ctrader.errors import DeserializationError, ProtocolError
from ctrader.models.wire import text_of
from ctrader.proto import ProtoMessage
from ctrader.proto.registry import PAYLOAD_TYPE_BY_MESSAGE, PROTO_MESSAGE
from ctrader.protocol.framing import encode_frame

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["HEARTBEAT_FRAME", "Envelope", "encode_envelope", "encode_message", "open_envelope"]

HEARTBEAT_FRAME: Final = b"\x00\x00\x00\x02\x08\x33"
"""A whole heartbeat frame: payload type 51 and nothing else."""


class Envelope(NamedTuple):
    """One unwrapped envelope."""

    payload_type: int
    """Number of the message's type; it may be one that this library does not know."""
    payload: bytes
    """The serialised message; empty where the sender left it out."""
    client_msg_id: str | None
    """Id of the request that this answers or caused, None where there is none."""


def encode_envelope(payload_type: int, payload: bytes, client_msg_id: str | None = None) -> bytes:
    """Build a whole frame around a serialised message.

    The payload field is written even when it is empty, as the real server does.

    Raises:
        FramingError: the frame would be longer than the limit.
    """
    envelope = ProtoMessage(payloadType=payload_type, payload=payload)
    if client_msg_id is not None:
        envelope.clientMsgId = client_msg_id
    return encode_frame(envelope.SerializeToString())


def encode_message(message: Message, client_msg_id: str | None = None) -> bytes:
    """Build a whole frame around a message of the Open API.

    Raises:
        FramingError: the frame would be longer than the limit.
        google.protobuf.message.EncodeError: a required field is not set.
        KeyError: the message is none of the Open API's.
    """
    return encode_envelope(
        PAYLOAD_TYPE_BY_MESSAGE[type(message)], message.SerializeToString(), client_msg_id
    )


def open_envelope(body: bytes) -> Envelope:
    """Unwrap one frame body.

    Raises:
        DeserializationError: the body is no envelope, or names no payload type. The stream
            cannot be trusted any further.
    """
    envelope = ProtoMessage()
    try:
        envelope.ParseFromString(body)
    except DecodeError as error:
        raise DeserializationError(PROTO_MESSAGE, body) from error
    if not envelope.HasField("payloadType"):
        raise DeserializationError(PROTO_MESSAGE, body, reason="it names no payload type")
    try:
        client_msg_id = text_of(envelope, "clientMsgId")
    except ProtocolError as error:
        raise DeserializationError(PROTO_MESSAGE, body, reason=str(error)) from error
    return Envelope(envelope.payloadType, envelope.payload, client_msg_id)
