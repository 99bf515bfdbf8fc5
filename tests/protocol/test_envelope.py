"""Messages go into envelopes and come out again, as in the frames recorded in the protocol."""

from __future__ import annotations

import pytest
from google.protobuf.message import EncodeError

from ctrader.errors import DeserializationError, FramingError
from ctrader.proto import (
    ProtoHeartbeatEvent,
    ProtoMessage,
    ProtoOAAccountAuthReq,
    ProtoOAApplicationAuthReq,
    ProtoOAApplicationAuthRes,
    ProtoOADepthEvent,
    ProtoOAErrorRes,
    ProtoOAGetTickDataRes,
    ProtoOAOrderErrorEvent,
    ProtoOASpotEvent,
    ProtoOASymbol,
)
from ctrader.protocol.decoding import open_message
from ctrader.protocol.envelope import (
    HEARTBEAT_FRAME,
    Envelope,
    encode_envelope,
    encode_message,
    open_envelope,
)
from ctrader.protocol.framing import MAX_FRAME_LENGTH, FrameBuffer

GOLDEN_FRAMES = {
    "00000002 0833": (ProtoHeartbeatEvent(), None),
    "00000004 0833 1200": (ProtoHeartbeatEvent(), None),
    "00000012 08b410 1209 1202 6964 1a03 736563 1a02 6131": (
        ProtoOAApplicationAuthReq(clientId="id", clientSecret="sec"),
        "a1",
    ),
    "00000009 08b510 1200 1a02 6131": (ProtoOAApplicationAuthRes(), "a1"),
    "00000012 08b610 1209 10c0c407 1a03 746f6b 1a02 6132": (
        ProtoOAAccountAuthReq(ctidTraderAccountId=123456, accessToken="tok"),
        "a2",
    ),
    "00000021 08de10 1218 10c0c407 1a0f 494e56414c49445f52455155455354 2201 78 1a02 6132": (
        ProtoOAErrorRes(ctidTraderAccountId=123456, errorCode="INVALID_REQUEST", description="x"),
        "a2",
    ),
    "0000000f 08d310 120a 10c0c407 1801 20e0cf06": (
        ProtoOASpotEvent(ctidTraderAccountId=123456, symbolId=1, bid=108512),
        None,
    ),
}

GOLDEN_PAYLOADS = {
    "1001 1801 2a03 05ac02": (
        2155,
        ProtoOADepthEvent(ctidTraderAccountId=1, symbolId=1, deletedQuotes=[5, 300]),
    ),
    "120f 4f524445525f4e4f545f464f554e44 1807 2801": (
        2132,
        ProtoOAOrderErrorEvent(errorCode="ORDER_NOT_FOUND", orderId=7, ctidTraderAccountId=1),
    ),
}


def body_of(frame: bytes) -> bytes:
    block, spans = FrameBuffer().feed(frame)
    ((start, end),) = spans
    return block[start:end]


@pytest.mark.parametrize("text", GOLDEN_FRAMES)
def test_recorded_frame_is_read(text):
    message, message_id = GOLDEN_FRAMES[text]
    envelope = open_envelope(body_of(bytes.fromhex(text)))
    assert envelope.client_msg_id == message_id
    assert open_message(envelope) == message


@pytest.mark.parametrize("text", GOLDEN_FRAMES)
def test_message_of_a_recorded_frame_is_written_and_read_back(text):
    message, message_id = GOLDEN_FRAMES[text]
    envelope = open_envelope(body_of(encode_message(message, message_id)))
    assert envelope.client_msg_id == message_id
    assert open_message(envelope) == message


@pytest.mark.parametrize("text", GOLDEN_PAYLOADS)
def test_recorded_payload_is_read(text):
    payload_type, message = GOLDEN_PAYLOADS[text]
    assert open_message(Envelope(payload_type, bytes.fromhex(text), None)) == message


def test_recorded_tick_data_is_read():
    payload = bytes.fromhex(
        "1001 1a0b 0880d095ffbc31 10e0cf06 1a16 0886feffffffffffffff01 10fdffffffffffffffff01 2000"
    )
    message = open_message(Envelope(2146, payload, None))
    assert isinstance(message, ProtoOAGetTickDataRes)
    assert [(t.timestamp, t.tick) for t in message.tickData] == [
        (1_700_000_000_000, 108512),
        (-250, -3),
    ]
    assert message.HasField("hasMore")
    assert not message.hasMore


def test_inner_payload_type_is_not_needed_and_not_trusted():
    frame = bytes.fromhex("00000006 0833 1202 0833")
    assert open_message(open_envelope(body_of(frame))) == ProtoHeartbeatEvent(payloadType=51)
    lying = Envelope(51, ProtoOAApplicationAuthRes(payloadType=2101).SerializeToString(), None)
    assert isinstance(open_message(lying), ProtoHeartbeatEvent)


def test_heartbeat_frame_is_the_shortest():
    assert HEARTBEAT_FRAME.hex() == "000000020833"


def test_payload_field_is_written_even_when_empty():
    assert encode_envelope(2101, b"", "a1").hex() == "0000000908b51012001a026131"


def test_absent_payload_is_empty():
    envelope = open_envelope(bytes.fromhex("08b510"))
    assert envelope == Envelope(2101, b"", None)
    assert open_message(envelope) == ProtoOAApplicationAuthRes()


def test_empty_message_id_is_not_an_absent_one():
    envelope = ProtoMessage(payloadType=51, clientMsgId="")
    assert open_envelope(envelope.SerializeToString()).client_msg_id == ""


@pytest.mark.parametrize(
    "body",
    [
        b"\x08",  # cut off
        b"\xff\xff\xff",  # no field
        b"\x12\x05ab",  # a payload longer than the frame
        b"\x08\x33\x1a\x02\xff\xfe",  # an id that is no text
        b"\x12\x00",  # no payload type
    ],
)
def test_broken_envelope_is_a_deserialization_error(body):
    with pytest.raises(DeserializationError) as caught:
        open_envelope(body)
    assert caught.value.raw_data == body


def test_message_without_a_required_field_is_not_encoded():
    with pytest.raises(EncodeError):
        encode_message(ProtoOAAccountAuthReq(ctidTraderAccountId=1))


def test_message_that_is_none_of_the_protocol_is_not_encoded():
    with pytest.raises(KeyError):
        encode_message(ProtoOASymbol())


def test_message_over_the_limit_is_not_encoded():
    with pytest.raises(FramingError):
        encode_envelope(51, bytes(MAX_FRAME_LENGTH))
