"""Frames become events for those who listen, by the fast path or the general one alike."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader.errors import DeserializationError
from ctrader.events import (
    ExecutionEvent,
    MarginChangeEvent,
    OrderErrorEvent,
    SpotEvent,
    SymbolChangedEvent,
    TrailingStopChangedEvent,
    UndecodableMessageEvent,
)
from ctrader.proto import (
    ProtoErrorRes,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOAMarginChangedEvent,
    ProtoOAOrderErrorEvent,
    ProtoOASpotEvent,
    ProtoOASymbolChangedEvent,
    ProtoOATrader,
    ProtoOATraderRes,
    ProtoOATraderUpdatedEvent,
    ProtoOATrailingSLChangedEvent,
    ProtoOATrendbar,
)
from ctrader.protocol.decoding import EventDecoder, bare_spot, open_message
from ctrader.protocol.envelope import Envelope, encode_message, open_envelope

SPOT = 2131
ALL = (frozenset({SpotEvent}), None)


def spot_message(symbol: int = 1, account: int = 7, **fields: object) -> ProtoOASpotEvent:
    return ProtoOASpotEvent(ctidTraderAccountId=account, symbolId=symbol, **fields)  # type: ignore[arg-type]


def envelope_of(message: object) -> Envelope:
    return open_envelope(encode_message(message)[4:])  # type: ignore[arg-type]


def decode(decoder: EventDecoder, message: object) -> list[object]:
    return decoder.events(message, envelope_of(message))  # type: ignore[arg-type]


# The fast path


def test_bare_quote_is_recognised():
    body = encode_message(spot_message(bid=108512))[4:]
    payload = bare_spot(b"before" + body + b"after", 6, 6 + len(body))
    assert payload == spot_message(bid=108512).SerializeToString()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x08\xd3\x10\x12",
        encode_message(spot_message(bid=1), "an-id")[4:],
        encode_message(ProtoOASymbolChangedEvent(ctidTraderAccountId=1, symbolId=[1]))[4:],
        b"\x08\xd3\x10\x12\x80\x01" + bytes(128),  # a length of two bytes
        b"\x08\xd3\x10\x12\x02\x10",  # shorter than it says
        b"\x08\xd3\x10\x12\x01\x10\x00",  # longer than it says
        b"\x08\xd3\x10\x1a\x01a",  # an id and no payload
    ],
)
def test_every_other_frame_takes_the_general_path(body):
    assert bare_spot(body, 0, len(body)) is None


@given(
    symbol=st.integers(0, 2**40),
    bid=st.none() | st.integers(0, 2**40),
    ask=st.none() | st.integers(0, 2**40),
    bars=st.lists(st.integers(1, 14), max_size=3),
    close=st.none() | st.integers(0, 2**40),
    timestamp=st.none() | st.integers(0, 2**41),
)
def test_fast_path_sees_what_the_general_path_sees(symbol, bid, ask, bars, close, timestamp):
    message = ProtoOASpotEvent(
        ctidTraderAccountId=7,
        symbolId=symbol,
        bid=bid,
        ask=ask,
        sessionClose=close,
        timestamp=timestamp,
        trendbar=[
            ProtoOATrendbar(volume=3, period=p, low=5, deltaOpen=1, utcTimestampInMinutes=9)
            for p in bars
        ],
    )
    body = encode_message(message)[4:]
    payload = bare_spot(body, 0, len(body))
    if payload is None:
        assert message.ByteSize() >= 128
    else:
        assert payload == open_envelope(body).payload


# Messages


def test_unknown_payload_type_is_no_message():
    assert open_message(Envelope(9999, b"anything", None)) is None


def test_payload_that_does_not_parse_is_refused():
    with pytest.raises(DeserializationError):
        open_message(Envelope(SPOT, b"\xff", None))


def test_payload_without_a_required_field_is_refused_by_its_name():
    with pytest.raises(DeserializationError, match="it lacks executionType"):
        open_message(Envelope(2126, b"\x10\x01", None))


def test_execution_type_of_the_future_is_no_missing_field():
    message = open_message(Envelope(2126, b"\x10\x01\x18\x63", None))
    assert isinstance(message, ProtoOAExecutionEvent)


@pytest.mark.parametrize(
    "payload_type, payload",
    [
        (2142, b"\x1a\x02\xff\xfe"),
        (2142, b"\x1a\x01A\x22\x02\xff\xfe"),
        (50, b"\x12\x02\xff\xfe"),
        (2148, b"\x12\x02\xff\xfe"),
        (2132, b"\x28\x01\x12\x01A\x3a\x02\xff\xfe"),
        (2126, b"\x10\x01\x18\x07\x4a\x02\xff\xfe"),
    ],
)
def test_texts_that_the_core_reads_must_be_text(payload_type, payload):
    with pytest.raises(DeserializationError, match="UTF-8"):
        open_message(Envelope(payload_type, payload, None))


def test_both_error_families_are_opened():
    assert open_message(Envelope(50, b"\x12\x01A", None)) == ProtoErrorRes(errorCode="A")
    assert open_message(Envelope(2142, b"\x1a\x01A", None)) == ProtoOAErrorRes(errorCode="A")


# Quotes


def test_last_known_sides_are_remembered():
    decoder = EventDecoder()
    decoder.listen(*ALL)
    first = decoder.spot(spot_message(bid=100))
    second = decoder.spot(spot_message(ask=102))
    third = decoder.spot(spot_message(bid=101))
    assert first is not None
    assert second is not None
    assert third is not None
    assert first.quote is None
    assert (second.bid_points, second.last_bid_points, second.last_ask_points) == (None, 100, 102)
    assert third.quote is not None
    assert (third.quote.bid_points, third.quote.ask_points) == (101, 102)


def test_sides_are_those_of_the_account_and_the_symbol():
    decoder = EventDecoder()
    decoder.listen(*ALL)
    decoder.spot(spot_message(bid=100, ask=101))
    for message in (spot_message(symbol=2, bid=5), spot_message(account=8, bid=5)):
        event = decoder.spot(message)
        assert event is not None
        assert event.quote is None


def test_a_lost_link_forgets_the_sides():
    decoder = EventDecoder()
    decoder.listen(*ALL)
    decoder.spot(spot_message(bid=100, ask=101))
    decoder.lost()
    event = decoder.spot(spot_message(bid=100))
    assert event is not None
    assert event.quote is None


def test_sides_are_remembered_while_nobody_listens():
    decoder = EventDecoder()
    assert decoder.spot(spot_message(bid=100, ask=101)) is None
    decoder.listen(*ALL)
    event = decoder.spot(spot_message(bid=102))
    assert event is not None
    assert event.last_ask_points == 101


def test_zero_is_a_price_and_not_an_absent_side():
    decoder = EventDecoder()
    decoder.listen(*ALL)
    event = decoder.spot(spot_message(bid=0))
    assert event is not None
    assert event.bid_points == 0


# Listening


def test_nothing_is_decoded_for_nobody():
    decoder = EventDecoder()
    assert decode(decoder, spot_message(bid=1)) == []
    assert decode(decoder, ProtoOASymbolChangedEvent(ctidTraderAccountId=1)) == []


def test_quotes_are_filtered_by_symbol():
    decoder = EventDecoder()
    decoder.listen(frozenset({SpotEvent}), frozenset({1}))
    assert len(decode(decoder, spot_message(symbol=1, bid=1))) == 1
    assert decode(decoder, spot_message(symbol=2, bid=1)) == []


def test_typed_event_and_message_may_both_be_wanted():
    decoder = EventDecoder()
    message = ProtoOASymbolChangedEvent(ctidTraderAccountId=1, symbolId=[5])
    decoder.listen(frozenset({SymbolChangedEvent, ProtoOASymbolChangedEvent}), None)
    assert decode(decoder, message) == [SymbolChangedEvent(1, (5,)), message]


def test_message_alone_may_be_wanted():
    decoder = EventDecoder()
    decoder.listen(frozenset({ProtoOASpotEvent}), frozenset())
    message = spot_message(bid=1)
    assert decode(decoder, message) == [message]


def test_waiting_wants_besides_listening_until_it_is_over():
    decoder = EventDecoder()
    for _ in range(2):
        decoder.wait_for((SpotEvent, OrderErrorEvent))
    decoder.wait_over((SpotEvent, OrderErrorEvent))
    assert decoder.wants(SpotEvent)
    assert len(decode(decoder, spot_message(bid=1))) == 1
    decoder.wait_over((SpotEvent, OrderErrorEvent))
    assert not decoder.wants(SpotEvent)
    assert decode(decoder, spot_message(bid=1)) == []


def test_order_errors_and_executions_are_typed():
    decoder = EventDecoder()
    decoder.listen(frozenset({ExecutionEvent, OrderErrorEvent}), None)
    order_error = ProtoOAOrderErrorEvent(ctidTraderAccountId=1, errorCode="X", orderId=0)
    assert decode(decoder, order_error) == [OrderErrorEvent(1, None, None, "X", "")]
    execution = ProtoOAExecutionEvent.FromString(b"\x10\x01\x18\x03")
    (event,) = decode(decoder, execution)
    assert isinstance(event, ExecutionEvent)


def test_event_whose_fields_make_no_sense_together_is_delivered_as_undecodable():
    decoder = EventDecoder()
    decoder.listen(frozenset({ExecutionEvent}), None)
    message = ProtoOAExecutionEvent.FromString(b"\x10\x01\x18\x03")
    message.order.tradeData.openTimestamp = 2**62
    envelope = Envelope(2126, message.SerializePartialToString(), "id")
    (event,) = decoder.events(message, envelope)
    assert isinstance(event, UndecodableMessageEvent)
    assert event.client_msg_id == "id"


BAD_BAR = ProtoOATrendbar(volume=1, deltaOpen=1)
GOOD_BAR = ProtoOATrendbar(volume=1, low=90, deltaHigh=20, utcTimestampInMinutes=5)


def test_bar_that_makes_no_sense_is_left_out_of_its_quote():
    decoder = EventDecoder()
    decoder.listen(*ALL)
    decoder.spot(spot_message(ask=102))
    message = spot_message(bid=100, sessionClose=99, trendbar=[BAD_BAR, GOOD_BAR])
    event, problem = decode(decoder, message)
    assert event == SpotEvent.from_proto(
        spot_message(bid=100, sessionClose=99, trendbar=[GOOD_BAR]), 100, 102
    )
    assert isinstance(problem, UndecodableMessageEvent)
    assert problem.payload == message.SerializeToString()
    assert "without a low" in problem.problem


def test_quote_of_nothing_but_a_bar_that_makes_no_sense_is_undecodable():
    decoder = EventDecoder()
    decoder.listen(*ALL)
    (event,) = decode(decoder, spot_message(trendbar=[BAD_BAR]))
    assert isinstance(event, UndecodableMessageEvent)
    assert "the rest" not in event.problem


def test_stop_that_is_no_number_is_delivered_as_undecodable():
    decoder = EventDecoder()
    decoder.listen(frozenset({TrailingStopChangedEvent}), None)
    message = ProtoOATrailingSLChangedEvent(
        ctidTraderAccountId=1,
        positionId=2,
        orderId=3,
        stopPrice=float("nan"),
        utcLastUpdateTimestamp=4,
    )
    (event,) = decode(decoder, message)
    assert isinstance(event, UndecodableMessageEvent)


@pytest.mark.parametrize("bid, ask", list(product([None, 5], [None, 6])))
def test_event_says_what_the_message_carried(bid, ask):
    decoder = EventDecoder()
    decoder.listen(*ALL)
    event = decoder.spot(spot_message(bid=bid, ask=ask))
    assert event is not None
    assert (event.bid_points, event.ask_points) == (bid, ask)


@given(
    bid=st.none() | st.integers(0, 2**40),
    ask=st.none() | st.integers(0, 2**40),
    close=st.none() | st.integers(0, 2**40),
    timestamp=st.none() | st.integers(1, 2**41),
)
def test_quick_reading_equals_the_event_s_own(bid, ask, close, timestamp):
    message = spot_message(bid=bid, ask=ask, sessionClose=close, timestamp=timestamp)
    decoder = EventDecoder()
    decoder.listen(*ALL)
    decoder.spot(spot_message(bid=3, ask=4))
    assert decoder.spot(message) == SpotEvent.from_proto(message, 3, 4)


# Decimals of money


def margin_change(account_id: int = 7, digits: int | None = None) -> ProtoOAMarginChangedEvent:
    return ProtoOAMarginChangedEvent(
        ctidTraderAccountId=account_id, positionId=1, usedMargin=12_345, moneyDigits=digits
    )


def margin_told(decoder: EventDecoder, message: ProtoOAMarginChangedEvent) -> str:
    (event,) = decode(decoder, message)
    assert isinstance(event, MarginChangeEvent)
    return str(event.amount)


def trader(digits: int | None) -> ProtoOATrader:
    return ProtoOATrader(ctidTraderAccountId=7, balance=0, depositAssetId=1, moneyDigits=digits)


@pytest.mark.parametrize("kind", [ProtoOATraderRes, ProtoOATraderUpdatedEvent])
def test_money_without_decimals_has_those_that_the_account_told_last(kind):
    decoder = EventDecoder()
    decoder.listen(frozenset({MarginChangeEvent}), None)
    decode(decoder, kind(ctidTraderAccountId=7, trader=trader(0)))

    assert margin_told(decoder, margin_change()) == "12345"
    assert margin_told(decoder, margin_change(digits=3)) == "12.345"
    assert margin_told(decoder, margin_change(8)) == "123.45"


def test_account_that_does_not_tell_its_decimals_takes_none_away():
    decoder = EventDecoder()
    decoder.listen(frozenset({MarginChangeEvent}), None)
    decode(decoder, ProtoOATraderRes(ctidTraderAccountId=7, trader=trader(8)))
    decode(decoder, ProtoOATraderRes(ctidTraderAccountId=7, trader=trader(None)))

    assert margin_told(decoder, margin_change()) == "0.00012345"


def test_decimals_beyond_reason_are_not_remembered():
    decoder = EventDecoder()
    decoder.listen(frozenset({MarginChangeEvent}), None)

    (problem,) = decode(decoder, ProtoOATraderRes(ctidTraderAccountId=7, trader=trader(1000)))

    assert isinstance(problem, UndecodableMessageEvent)
    assert margin_told(decoder, margin_change()) == "123.45"


def test_time_of_zero_is_not_an_absent_time():
    decoder = EventDecoder()
    decoder.listen(frozenset({SpotEvent}), None)

    (zero,) = decode(decoder, spot_message(bid=1, timestamp=0))
    (absent,) = decode(decoder, spot_message(bid=1))

    assert isinstance(zero, SpotEvent)
    assert isinstance(absent, SpotEvent)
    assert (zero.timestamp_ms, absent.timestamp_ms) == (0, None)
