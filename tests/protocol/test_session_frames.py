"""Whatever bytes come, the outcome is a declared error or an event, never a crash."""

from __future__ import annotations

import pytest

from ctrader.errors import CTraderError, DeserializationError, FramingError
from ctrader.events import (
    DisconnectedEvent,
    ServerErrorEvent,
    SpotEvent,
    SymbolChangedEvent,
    UndecodableMessageEvent,
    UnknownMessageEvent,
)
from ctrader.proto import (
    ProtoErrorRes,
    ProtoHeartbeatEvent,
    ProtoOAApplicationAuthReq,
    ProtoOASpotEvent,
    ProtoOASymbolChangedEvent,
    ProtoOATrendbar,
)
from ctrader.protocol.commands import NextEvent
from ctrader.protocol.effects import Phase, Warned
from ctrader.protocol.envelope import encode_envelope, encode_message
from ctrader.protocol.framing import encode_frame
from tests.protocol.peer import ACCOUNT, Peer

SPOT = 2131


def ready(*kinds: type) -> Peer:
    peer = Peer()
    peer.make_ready()
    peer.session.listen(frozenset(kinds), None)
    peer.clear()
    return peer


def spot(symbol: int = 1, **fields: object) -> ProtoOASpotEvent:
    return ProtoOASpotEvent(ctidTraderAccountId=ACCOUNT, symbolId=symbol, **fields)  # type: ignore[arg-type]


# Broken streams


@pytest.mark.parametrize(
    "data, error",
    [
        (b"\xff\xff\xff\xff", FramingError),
        (b"GET / HTTP/1.1\r\n\r\n", FramingError),
        (encode_frame(b"\xff\xff"), DeserializationError),
        (encode_frame(b"\x12\x00"), DeserializationError),
        (encode_frame(b"\x08\x33\x1a\x01\xff"), DeserializationError),
    ],
)
def test_broken_stream_drops_the_link(data, error):
    peer = ready()
    peer.receive(data)
    assert peer.closed == [1]
    assert peer.session.phase is Phase.WAITING
    (lost,) = peer.seen(DisconnectedEvent)
    assert isinstance(lost.cause, error)
    assert isinstance(lost.cause, CTraderError)


def test_frames_before_the_break_are_handled_and_those_behind_it_are_not():
    peer = ready()
    good = encode_message(ProtoErrorRes(errorCode="GOOD"))
    peer.receive(good + encode_frame(b"\xff") + good)
    assert len(peer.seen(ServerErrorEvent)) == 1


def test_frames_before_a_broken_prefix_are_handled():
    peer = ready()
    peer.receive(encode_message(ProtoErrorRes(errorCode="GOOD")) + b"\xff\xff\xff\xff")
    assert len(peer.seen(ServerErrorEvent)) == 1
    assert peer.closed == [1]


def test_rest_of_a_frame_of_the_old_link_is_forgotten():
    peer = ready()
    peer.receive(b"\0\0\0\x09abc")
    peer.reconnect()
    peer.push(ProtoErrorRes(errorCode="GOOD"))
    assert len(peer.seen(ServerErrorEvent)) == 1


# Whole envelopes


def test_unknown_payload_type_is_an_event():
    peer = ready()
    peer.receive(encode_envelope(4242, b"anything", "an-id"))
    assert peer.outputs == [UnknownMessageEvent(4242, b"anything", "an-id")]
    assert peer.is_connected()


def test_payload_that_does_not_decode_is_an_event():
    peer = ready()
    peer.receive(encode_envelope(2120, b"\xff"))
    event, warning = peer.outputs
    assert isinstance(event, UndecodableMessageEvent)
    assert isinstance(warning, Warned)
    assert "ProtoOASymbolChangedEvent could not be read" in warning.text
    assert peer.is_connected()


@pytest.mark.parametrize("payload_type", [2148, 2164])
def test_end_of_a_session_that_cannot_be_read_ends_the_link(payload_type):
    peer = ready()
    # The server no longer serves somebody, and heartbeats alone would never show it.
    peer.receive(encode_envelope(payload_type, b"\xff"))
    assert isinstance(peer.outputs[0], UndecodableMessageEvent)
    (lost,) = peer.seen(DisconnectedEvent)
    assert isinstance(lost.cause, DeserializationError)
    assert peer.closed == [1]
    peer.reopen()
    peer.connection_made()
    assert peer.sent_kinds() == [ProtoOAApplicationAuthReq]


def test_message_that_cannot_be_read_is_a_warning_once_for_each_type():
    peer = ready(SpotEvent)
    for payload_type in 2120, SPOT, 2120, SPOT, 2126:
        peer.receive(encode_envelope(payload_type, b"\xff"))
    assert len(peer.seen(UndecodableMessageEvent)) == 5
    assert len(peer.seen(Warned)) == 3


@pytest.mark.parametrize("payload", [b"\xff", b"\x10\x01", b""])
def test_quote_that_does_not_decode_is_the_same_event_on_both_paths(payload):
    quick, general = ready(SpotEvent), ready(SpotEvent, ProtoOASpotEvent)
    frame = encode_envelope(SPOT, payload)
    quick.receive(frame)
    general.receive(frame)
    assert quick.outputs == general.outputs
    assert isinstance(quick.outputs[0], UndecodableMessageEvent)


def test_quote_comes_without_the_bar_that_makes_no_sense_on_both_paths():
    frame = encode_message(spot(bid=1, trendbar=[ProtoOATrendbar(volume=1, deltaOpen=1)]))
    quick, general = ready(SpotEvent), ready(SpotEvent, ProtoOASpotEvent)
    quick.receive(frame)
    general.receive(frame)
    event, problem, warning = quick.outputs
    assert event == SpotEvent(ACCOUNT, 1, 1, None, last_bid_points=1)
    assert isinstance(problem, UndecodableMessageEvent)
    assert "the rest of the quote was delivered" in problem.problem
    assert isinstance(warning, Warned)
    assert quick.outputs == general.outputs[:3]  # then the message itself


def test_heartbeats_and_empty_frames_are_nothing():
    peer = ready()
    peer.push(ProtoHeartbeatEvent())
    peer.receive(b"\0\0\0\0")
    assert peer.outputs == []
    assert peer.sent == []


# Quotes


def test_quotes_of_one_read_come_in_one_batch():
    peer = ready(SpotEvent)
    peer.push(spot(bid=100), spot(symbol=2, ask=200), spot(ask=101))
    assert len(peer.batches) == 1
    first, _, third = peer.seen(SpotEvent)
    assert first.quote is None
    assert third.quote is not None
    assert (third.quote.bid_points, third.quote.ask_points) == (100, 101)


def test_quotes_that_nobody_wants_give_nothing():
    peer = ready(SymbolChangedEvent)
    peer.push(spot(bid=100))
    assert peer.outputs == []


def test_quotes_are_forgotten_with_the_link():
    peer = ready(SpotEvent)
    peer.push(spot(bid=100, ask=101))
    peer.reconnect()
    peer.clear()
    peer.push(spot(bid=100))
    (event,) = peer.seen(SpotEvent)
    assert event.quote is None


def test_raw_quotes_may_be_listened_to():
    peer = ready(ProtoOASpotEvent)
    peer.push(spot(bid=100), spot(bid=101))
    assert peer.outputs == [spot(bid=100), spot(bid=101)]


def test_quote_may_be_waited_for():
    peer = ready()
    call_id = peer.submit(
        NextEvent((SpotEvent,), lambda e: isinstance(e, SpotEvent) and e.ask_points == 101)
    )
    peer.push(spot(bid=100), spot(ask=101), spot(bid=102))
    result = peer.results[call_id]
    assert isinstance(result, SpotEvent)
    assert result.last_bid_points == 100


def test_waiting_for_a_raw_message_ends_with_it():
    peer = ready()
    call_id = peer.submit(NextEvent((ProtoOASymbolChangedEvent,), lambda _: True))
    message = ProtoOASymbolChangedEvent(ctidTraderAccountId=ACCOUNT, symbolId=[5])
    peer.push(message)
    assert peer.results[call_id] == message


def test_quote_with_an_id_is_read_the_general_way():
    peer = ready(SpotEvent)
    peer.push(spot(bid=100), message_id="x")
    assert len(peer.seen(SpotEvent)) == 1
