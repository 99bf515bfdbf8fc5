"""Hostile bytes lead to a declared error and a closed link, or to an event; never to a crash."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto

from ctrader.errors import CTraderError
from ctrader.events import EVENT_TYPE_BY_MESSAGE, DisconnectedEvent
from ctrader.proto import (
    ProtoHeartbeatEvent,
    ProtoOAAccountAuthReq,
    ProtoOAApplicationAuthReq,
    ProtoOASubscribeSpotsReq,
    ProtoOASymbolsListReq,
)
from ctrader.proto.registry import MESSAGE_BY_PAYLOAD_TYPE
from ctrader.protocol.effects import Phase
from ctrader.protocol.envelope import encode_envelope, encode_message
from ctrader.protocol.framing import encode_frame
from tests.protocol.peer import ACCOUNT, Peer, read_call, trade_call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

PAYLOAD_TYPES = sorted(MESSAGE_BY_PAYLOAD_TYPE)
SHAPES: dict[type[Message], DescriptorProto] = {}
NUMBERS = [0, 1, -1, 7, ACCOUNT, 2**31 - 1, -(2**31), 2**62, -(2**62), 2**63 - 1, -(2**63)]


def listening() -> Peer:
    """A session in full swing, whose user listens to everything."""
    peer = Peer(heartbeat_timeout=0)
    kinds = {*EVENT_TYPE_BY_MESSAGE.values(), *MESSAGE_BY_PAYLOAD_TYPE.values()}
    peer.session.listen(frozenset(kinds), None)
    peer.make_ready()
    peer.hold_spots(1, 2)
    return peer


def survive(peer: Peer, data: bytes) -> None:
    """Read bytes; then the link must stand, or be closed for a declared reason."""
    peer.clear()
    epoch = peer.session.epoch
    peer.receive(data)
    assert all(isinstance(error, CTraderError) for error in peer.errors.values())
    for lost in peer.seen(DisconnectedEvent):
        assert isinstance(lost.cause, CTraderError)
        assert peer.closed == [epoch]
    assert peer.session.phase in (Phase.CONNECTED, Phase.WAITING, Phase.FINISHED)
    peer.errors.clear()
    peer.results.clear()


def start_over(peer: Peer) -> None:
    """Make a new link whose buffer holds nothing, with everything restored."""
    if peer.session.phase is Phase.CONNECTED:
        peer.connection_lost()
    peer.history.clear()
    peer.reopen()
    peer.connection_made()


def filled(message: Message, rng: Random, depth: int = 3) -> Message:
    """Fill a message with extreme values, as far as its types allow."""
    for field in shape(type(message)).field:
        if field.label != FieldDescriptorProto.LABEL_REQUIRED and rng.random() < 0.4:
            continue
        is_repeated = field.label == FieldDescriptorProto.LABEL_REPEATED
        for _ in range(rng.randrange(3) if is_repeated else 1):
            if field.type == FieldDescriptorProto.TYPE_MESSAGE:
                if depth:
                    target = getattr(message, field.name)
                    filled(target.add() if is_repeated else target, rng, depth - 1)
                continue
            value = extreme(message, field, rng)
            if is_repeated:
                getattr(message, field.name).append(value)
            else:
                setattr(message, field.name, value)
    return message


def shape(message_type: type[Message]) -> DescriptorProto:
    # The descriptors' own properties changed their names over the runtime's releases; this did not.
    proto = SHAPES.get(message_type)
    if proto is None:
        proto = SHAPES[message_type] = DescriptorProto()
        message_type.DESCRIPTOR.CopyToProto(proto)
    return proto


def extreme(message: Message, field: FieldDescriptorProto, rng: Random) -> object:
    match field.type:
        case FieldDescriptorProto.TYPE_ENUM:
            enum = message.DESCRIPTOR.fields_by_name[field.name].enum_type
            assert enum is not None
            return rng.choice(sorted(enum.values_by_number))
        case FieldDescriptorProto.TYPE_BOOL:
            return rng.random() < 0.5
        case FieldDescriptorProto.TYPE_DOUBLE:
            return rng.choice([0.0, 1.5, -1.0, 1e308, math.inf, -math.inf, math.nan])
        case FieldDescriptorProto.TYPE_BYTES:
            return rng.randbytes(rng.randrange(5))
        case FieldDescriptorProto.TYPE_STRING:
            return rng.choice(["", "x", "BLOCKED_PAYLOAD_TYPE", "ALREADY_LOGGED_IN", "\x00 é"])
        case FieldDescriptorProto.TYPE_INT32:
            return rng.choice([n for n in NUMBERS if -(2**31) <= n < 2**31])
        case FieldDescriptorProto.TYPE_UINT32:
            return rng.choice([0, 1, 2**32 - 1])
        case FieldDescriptorProto.TYPE_UINT64:
            return rng.choice([0, 1, 2**63, 2**64 - 1])
        case _:
            return rng.choice(NUMBERS)


def mutations(frame: bytes, rng: Random) -> Iterator[bytes]:
    """Change a frame's body here and there; its length prefix stays right."""
    body = bytearray(frame[4:])
    for _ in range(3):
        if body:
            body[rng.randrange(len(body))] = rng.randrange(256)
        yield encode_frame(bytes(body))
    del body[rng.randrange(len(body) + 1) :]
    yield encode_frame(bytes(body))
    yield frame[4:]


def test_random_bytes():
    peer, rng = listening(), Random(1)
    for _ in range(10_000):
        survive(peer, rng.randbytes(rng.randrange(1, 64)))
        if peer.session.phase is not Phase.CONNECTED or rng.random() < 0.05:
            start_over(peer)


def test_random_bytes_in_frames():
    peer, rng = listening(), Random(2)
    for _ in range(10_000):
        survive(peer, encode_frame(rng.randbytes(rng.randrange(1, 64))))
        if peer.session.phase is not Phase.CONNECTED:
            start_over(peer)


def test_random_payloads_in_envelopes():
    peer, rng = listening(), Random(3)
    for _ in range(10_000):
        payload = rng.randbytes(rng.randrange(40))
        survive(peer, encode_envelope(rng.choice(PAYLOAD_TYPES), payload, "somebody-elses"))
        if peer.session.phase is not Phase.CONNECTED:
            start_over(peer)


@pytest.mark.parametrize("seed", range(4))
def test_every_message_with_extreme_values_and_its_mutations(seed):
    peer, rng = listening(), Random(seed)
    for _ in range(6):
        for payload_type in PAYLOAD_TYPES:
            message = filled(MESSAGE_BY_PAYLOAD_TYPE[payload_type](), rng)
            frame = encode_message(message)
            for data in (frame, *mutations(frame, rng)):
                survive(peer, data)
                if peer.session.phase is not Phase.CONNECTED or data is not frame:
                    start_over(peer)


@pytest.mark.parametrize(
    "asked", [ProtoOAApplicationAuthReq, ProtoOAAccountAuthReq, ProtoOASubscribeSpotsReq]
)
def test_every_message_as_the_answer_to_what_the_session_asks(asked):
    rng = Random(4)
    for payload_type in PAYLOAD_TYPES * 2:
        peer = listening()
        calls = [peer.submit(read_call()), peer.submit(trade_call())]
        start_over(peer)
        while not peer.open(asked):
            peer.answer(type(peer.history[-1].message))
        (sent,) = peer.open(asked)
        message = filled(MESSAGE_BY_PAYLOAD_TYPE[payload_type](), rng)
        frame = encode_message(message, sent.message_id)
        for data in (frame, *mutations(frame, rng)):
            survive(peer, data)
        peer.close(grace=0)
        peer.advance(5)
        assert peer.is_finished
        assert not set(calls) & peer.errors.keys() & peer.results.keys()


def test_answers_of_every_type_end_calls_in_a_declared_way():
    rng = Random(5)
    peer = listening()
    for payload_type in PAYLOAD_TYPES * 4:
        read, order = peer.submit(read_call()), peer.submit(trade_call())
        sent = peer.history[-2:]
        answer = MESSAGE_BY_PAYLOAD_TYPE[payload_type]
        for request in sent:
            peer.receive(encode_message(filled(answer(), rng), request.message_id))
        for call_id in (read, order):
            peer.cancel(call_id)
        assert all(isinstance(error, CTraderError) for error in peer.errors.values())
        peer = listening()


def test_a_frame_of_the_greatest_length_is_waited_for_without_being_allocated():
    peer = listening()
    peer.receive((15_000_000).to_bytes(4, "big") + b"x")
    assert peer.is_connected()
    peer.receive(b"y" * 1000)
    assert peer.is_connected()


def test_requests_echoed_by_the_server_are_no_answers():
    peer = listening()
    call_id = peer.submit(read_call())
    peer.push(ProtoOASymbolsListReq(ctidTraderAccountId=1), message_id=peer.sent[-1].message_id)
    assert isinstance(peer.errors[call_id], CTraderError)
    peer.push(ProtoOAAccountAuthReq(ctidTraderAccountId=1, accessToken="x"), ProtoHeartbeatEvent())
    assert peer.is_connected()
