"""Events: what a message becomes, and what is known of a quote."""

from __future__ import annotations

import gc
import inspect
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from google.protobuf.message import DecodeError, Message
from hypothesis import given
from hypothesis import strategies as st

from ctrader import events
from ctrader.credentials import AccountCredentials
from ctrader.enums import (
    AuthTrigger,
    ChangeBalanceType,
    ChangeBonusType,
    ExecutionType,
    NotificationType,
    OrderStatus,
    TrendbarPeriod,
)
from ctrader.errors import APIError, ProtocolError
from ctrader.events import (
    EVENT_FROM_MESSAGE,
    EVENT_TYPE_BY_MESSAGE,
    AccountDisconnectEvent,
    ClientDisconnectEvent,
    DepthEvent,
    Event,
    ExecutionEvent,
    MarginCallTriggerEvent,
    MarginCallUpdateEvent,
    MarginChangeEvent,
    OrderErrorEvent,
    PnLChangeEvent,
    ReadyEvent,
    ServerErrorEvent,
    SpotEvent,
    SymbolChangedEvent,
    TokenInvalidatedEvent,
    TokensRotatedEvent,
    TraderUpdateEvent,
    TrailingStopChangedEvent,
    merge_spots,
)
from ctrader.models.market import DepthQuote, Quote, Trendbar
from ctrader.models.wire import missing_fields
from ctrader.proto import (
    ProtoOAAccountDisconnectEvent,
    ProtoOAAccountsTokenInvalidatedEvent,
    ProtoOABonusDepositWithdraw,
    ProtoOAClientDisconnectEvent,
    ProtoOADeal,
    ProtoOADepositWithdraw,
    ProtoOADepthEvent,
    ProtoOADepthQuote,
    ProtoOAExecutionEvent,
    ProtoOAMarginCall,
    ProtoOAMarginCallTriggerEvent,
    ProtoOAMarginCallUpdateEvent,
    ProtoOAMarginChangedEvent,
    ProtoOAOrder,
    ProtoOAOrderErrorEvent,
    ProtoOAPosition,
    ProtoOASpotEvent,
    ProtoOASymbolChangedEvent,
    ProtoOATradeData,
    ProtoOATrader,
    ProtoOATraderUpdatedEvent,
    ProtoOATrailingSLChangedEvent,
    ProtoOATrendbar,
    ProtoOAv1PnLChangeEvent,
)
from ctrader.proto.registry import MESSAGE_BY_PAYLOAD_TYPE

MOMENT = datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC)


def event_of(message: Message, money_digits: int | None = None) -> Event:
    return EVENT_FROM_MESSAGE[type(message)](message, money_digits)


# Spots


def test_spot_carries_the_side_that_changed_and_remembers_the_other() -> None:
    message = ProtoOASpotEvent(ctidTraderAccountId=31, symbolId=4, bid=13_107_400)

    spot = SpotEvent.from_proto(message, 13_107_300, 13_107_900)

    assert spot.bid == 131.074
    assert spot.ask is None
    assert spot.quote == Quote(4, 31, 13_107_400, 13_107_900)
    assert (spot.last_bid_points, spot.last_ask_points) == (13_107_400, 13_107_900)
    assert spot.timestamp is None
    assert spot.session_close is None
    assert spot.trendbar == []


def test_there_is_no_quote_until_both_sides_were_seen() -> None:
    bid = SpotEvent.from_proto(ProtoOASpotEvent(ctidTraderAccountId=31, symbolId=4, bid=1))
    ask = SpotEvent.from_proto(ProtoOASpotEvent(ctidTraderAccountId=31, symbolId=4, ask=1))

    assert bid.quote is None
    assert ask.quote is None


def test_spot_with_everything() -> None:
    message = ProtoOASpotEvent(
        ctidTraderAccountId=31,
        symbolId=41,
        bid=265_012_000,
        ask=265_045_000,
        sessionClose=264_900_000,
        timestamp=1_600_000_000_000,
        trendbar=[
            ProtoOATrendbar(
                volume=3,
                period="M5",
                low=265_000_000,
                deltaOpen=1_000,
                deltaHigh=20_000,
                utcTimestampInMinutes=26_666_665,
            )
        ],
    )

    spot = SpotEvent.from_proto(message)

    assert (spot.bid, spot.ask, spot.session_close) == (2650.12, 2650.45, 2649.0)
    assert spot.timestamp == MOMENT
    assert spot.trendbar == [
        Trendbar(
            TrendbarPeriod.M5, 26_666_665, 265_000_000, 265_001_000, 265_020_000, 265_012_000, 3
        )
    ]
    assert spot.quote is not None
    assert spot.quote.timestamp == MOMENT


def test_price_of_zero_that_was_sent_is_not_absent() -> None:
    spot = SpotEvent.from_proto(ProtoOASpotEvent(ctidTraderAccountId=31, symbolId=4, bid=0))

    assert spot.bid == 0.0


def test_bar_in_a_spot_without_a_bid_closes_at_the_last_bid() -> None:
    message = ProtoOASpotEvent(
        ctidTraderAccountId=31,
        symbolId=4,
        trendbar=[ProtoOATrendbar(volume=1, low=100, deltaHigh=9, utcTimestampInMinutes=1)],
    )

    assert SpotEvent.from_proto(message, 105).trendbars[0].close_points == 105


def test_text_of_a_spot_shows_prices() -> None:
    bar = Trendbar(TrendbarPeriod.M1, 29_922_900, 1, 1, 1, 1, 1)
    assert str(SpotEvent(5, 1, 109_849, None)) == (
        "SpotEvent(account_id=5, symbol_id=1, bid=1.09849, ask=None)"
    )
    everything = SpotEvent(5, 1, None, 109_851, (bar,), 110_000, 1_795_374_733_258)
    assert str(everything) == (
        "SpotEvent(account_id=5, symbol_id=1, bid=None, ask=1.09851, "
        f"trendbar=[{bar}], session_close=1.1, timestamp=2026-11-22 19:12:13.258000+00:00)"
    )


def test_spot_made_directly_knows_its_own_sides() -> None:
    assert SpotEvent(31, 4, 1, 2).quote == Quote(4, 31, 1, 2)


def test_spots_are_frozen_hashable_and_not_tracked_by_the_collector() -> None:
    spot = SpotEvent(31, 4, 1, 2)

    with pytest.raises(AttributeError):
        spot.symbol_id = 5  # type: ignore[misc]  # the assignment is what is tested
    assert hash(spot) == hash(SpotEvent(31, 4, 1, 2))
    assert not gc.is_tracked(spot)


def test_merging_keeps_the_newest_of_each_side() -> None:
    older = SpotEvent(
        31,
        4,
        10,
        20,
        session_close_points=5,
        timestamp_ms=1,
        last_bid_points=10,
        last_ask_points=20,
    )
    newer = SpotEvent(31, 4, 11, None, last_bid_points=11, last_ask_points=20)

    merged = merge_spots(older, newer)

    assert merged == SpotEvent(
        31,
        4,
        11,
        20,
        session_close_points=5,
        timestamp_ms=1,
        last_bid_points=11,
        last_ask_points=20,
    )


LOST = SpotEvent(31, 4, 10, 20, session_close_points=5, last_bid_points=10, last_ask_points=20)


@pytest.mark.parametrize(
    ("newer", "sides", "quote"),
    [
        ((None, 22, None, 22), (None, 22), None),
        ((12, None, 12, None), (12, None), None),
        ((None, None, None, None), (None, None), None),
        # The event between the two, which had the new link's bid, could not be read.
        ((None, 22, 12, 22), (12, 22), (12, 22)),
    ],
)
def test_merging_across_a_reconnect_drops_the_sides_of_the_lost_link(
    newer: tuple[int | None, int | None, int | None, int | None],
    sides: tuple[int | None, int | None],
    quote: tuple[int, int] | None,
) -> None:
    bid, ask, last_bid, last_ask = newer

    merged = merge_spots(
        LOST, SpotEvent(31, 4, bid, ask, last_bid_points=last_bid, last_ask_points=last_ask)
    )

    assert (merged.bid_points, merged.ask_points) == sides
    assert (merged.last_bid_points, merged.last_ask_points) == (last_bid, last_ask)
    assert merged.session_close_points == 5
    assert (merged.quote and (merged.quote.bid_points, merged.quote.ask_points)) == quote


def test_merging_does_not_make_up_a_side_that_neither_carried() -> None:
    older = SpotEvent(31, 4, 10, None, last_bid_points=10, last_ask_points=20)
    newer = SpotEvent(31, 4, 11, None, last_bid_points=11, last_ask_points=20)

    assert merge_spots(older, newer) == newer


def test_merging_keeps_every_bar_in_its_newest_state() -> None:
    def bar(start: int, close: int, period: TrendbarPeriod = TrendbarPeriod.M1) -> Trendbar:
        return Trendbar(period, start, 1, 1, 9, close, 1)

    closed, forming = bar(1, 2), bar(2, 3)
    hour = bar(2, 3, TrendbarPeriod.H1)
    grown, next_ = bar(2, 4), bar(3, 5)

    merged = merge_spots(
        SpotEvent(31, 4, None, None, (closed, forming, hour)),
        SpotEvent(31, 4, None, None, (grown, next_)),
    )

    assert merged.trendbars == (closed, grown, hour, next_)


def test_merging_takes_bars_from_the_one_that_has_them() -> None:
    bars = (Trendbar(TrendbarPeriod.M1, 1, 1, 1, 1, 1, 1),)
    with_bars, without = SpotEvent(31, 4, 1, None, bars), SpotEvent(31, 4, 2, None)

    assert merge_spots(with_bars, without).trendbars == bars
    assert merge_spots(without, with_bars).trendbars == bars


@pytest.mark.parametrize("other", [SpotEvent(31, 5, 1, 1), SpotEvent(32, 4, 1, 1)])
def test_spots_of_different_symbols_or_accounts_are_not_merged(other: SpotEvent) -> None:
    with pytest.raises(ValueError, match="cannot be merged"):
        merge_spots(SpotEvent(31, 4, 1, 1), other)


# Other prices


def test_depth_event() -> None:
    event = event_of(
        ProtoOADepthEvent(
            ctidTraderAccountId=31,
            symbolId=4,
            newQuotes=[ProtoOADepthQuote(id=1, size=100, bid=107_001)],
            deletedQuotes=[7, 8],
        )
    )

    assert event == DepthEvent(31, 4, (DepthQuote(1, 107_001, 100, True),), (7, 8))


def test_symbol_changed_event() -> None:
    event = event_of(ProtoOASymbolChangedEvent(ctidTraderAccountId=31, symbolId=[1, 2]))

    assert event == SymbolChangedEvent(31, (1, 2))


# Trading


def filled() -> ProtoOAExecutionEvent:
    trade = ProtoOATradeData(symbolId=4, volume=100_000, tradeSide="BUY")
    return ProtoOAExecutionEvent(
        ctidTraderAccountId=31,
        executionType="ORDER_FILLED",
        order=ProtoOAOrder(
            orderId=6,
            tradeData=trade,
            orderType="MARKET",
            orderStatus="ORDER_STATUS_FILLED",
            clientOrderId="mine",
        ),
        position=ProtoOAPosition(
            positionId=5, tradeData=trade, positionStatus="POSITION_STATUS_OPEN", swap=-12
        ),
        deal=ProtoOADeal(
            dealId=7,
            orderId=6,
            positionId=5,
            volume=100_000,
            filledVolume=100_000,
            symbolId=4,
            createTimestamp=0,
            executionTimestamp=1,
            tradeSide="BUY",
            dealStatus="FILLED",
            commission=-3,
        ),
        isServerEvent=True,
        errorCode="CODE",
    )


def test_execution_event() -> None:
    event = event_of(filled(), 0)

    assert isinstance(event, ExecutionEvent)
    assert event.execution_type is ExecutionType.ORDER_FILLED
    assert event.order is not None
    assert event.position is not None
    assert event.deal is not None
    assert event.order.status is OrderStatus.FILLED
    assert event.position.swap == -12
    assert event.deal.commission == -3
    assert event.is_server_event
    assert event.error_code == "CODE"
    assert (event.symbol_id, event.order_id, event.position_id) == (4, 6, 5)
    assert event.client_order_id == "mine"


def test_execution_event_names_what_it_is_about_from_whatever_it_has() -> None:
    message = filled()
    message.ClearField("position")
    message.ClearField("order")
    deal_only = event_of(message)
    message = filled()
    message.ClearField("position")
    message.ClearField("deal")
    message.order.ClearField("clientOrderId")
    message.order.positionId = 9
    order_only = event_of(message)

    assert isinstance(deal_only, ExecutionEvent)
    assert (deal_only.symbol_id, deal_only.order_id, deal_only.position_id) == (4, 6, 5)
    assert isinstance(order_only, ExecutionEvent)
    assert (order_only.position_id, order_only.client_order_id) == (9, None)


def test_change_of_the_balance_and_of_the_bonus() -> None:
    event = event_of(
        ProtoOAExecutionEvent(
            ctidTraderAccountId=31,
            executionType="DEPOSIT_WITHDRAW",
            depositWithdraw=ProtoOADepositWithdraw(
                operationType="BALANCE_WITHDRAW",
                balanceHistoryId=1,
                balance=100,
                delta=-5,
                changeBalanceTimestamp=0,
            ),
            bonusDepositWithdraw=ProtoOABonusDepositWithdraw(
                operationType="BONUS_DEPOSIT",
                bonusHistoryId=1,
                managerBonus=0,
                managerDelta=0,
                ibBonus=0,
                ibDelta=0,
                changeBonusTimestamp=0,
            ),
        )
    )

    assert isinstance(event, ExecutionEvent)
    assert (event.symbol_id, event.order_id, event.position_id) == (None, None, None)
    assert event.client_order_id is None
    assert event.deposit_withdraw is not None
    assert event.deposit_withdraw.operation_type is ChangeBalanceType.BALANCE_WITHDRAW
    assert event.deposit_withdraw.delta == Decimal("-0.05")
    assert event.bonus_deposit_withdraw is not None
    assert event.bonus_deposit_withdraw.operation_type is ChangeBonusType.BONUS_DEPOSIT


def test_execution_type_of_the_future_is_an_explicit_unknown() -> None:
    message = ProtoOAExecutionEvent.FromString(b"\x10\x1f\x18\x63")

    event = event_of(message)

    assert isinstance(event, ExecutionEvent)
    assert event.execution_type == 0x63
    assert not event.execution_type.is_known


def test_order_error_with_ids_of_zero_has_none() -> None:
    bare = event_of(
        ProtoOAOrderErrorEvent(
            ctidTraderAccountId=31, errorCode="MARKET_CLOSED", orderId=0, positionId=0
        )
    )
    full = event_of(
        ProtoOAOrderErrorEvent(
            ctidTraderAccountId=31,
            errorCode="ORDER_NOT_FOUND",
            orderId=6,
            positionId=5,
            description="text",
        )
    )

    assert bare == OrderErrorEvent(31, None, None, "MARKET_CLOSED")
    assert full == OrderErrorEvent(31, 6, 5, "ORDER_NOT_FOUND", "text")


def test_trailing_stop() -> None:
    event = event_of(
        ProtoOATrailingSLChangedEvent(
            ctidTraderAccountId=31,
            positionId=5,
            orderId=6,
            stopPrice=1.11779,
            utcLastUpdateTimestamp=1_600_000_000_000,
        )
    )

    assert event == TrailingStopChangedEvent(31, 5, 6, 1.11779, 1_600_000_000_000)
    assert isinstance(event, TrailingStopChangedEvent)
    assert event.timestamp == MOMENT


# Accounts


def test_trader_update() -> None:
    event = event_of(
        ProtoOATraderUpdatedEvent(
            ctidTraderAccountId=31,
            trader=ProtoOATrader(ctidTraderAccountId=31, balance=1050, depositAssetId=15),
        ),
        1,
    )

    assert isinstance(event, TraderUpdateEvent)
    assert event.account.balance == 105


@pytest.mark.parametrize(
    ("own", "trader", "amount"), [(8, 2, "0.00001050"), (None, 0, "1050"), (None, None, "10.50")]
)
def test_margin_change(own: int | None, trader: int | None, amount: str) -> None:
    event = event_of(
        ProtoOAMarginChangedEvent(
            ctidTraderAccountId=31, positionId=5, usedMargin=1050, moneyDigits=own
        ),
        trader,
    )

    assert isinstance(event, MarginChangeEvent)
    assert (event.account_id, event.position_id, event.used_margin) == (31, 5, 1050)
    assert event.amount == Decimal(amount)


def test_margin_calls() -> None:
    call = ProtoOAMarginCall(
        marginCallType="MARGIN_LEVEL_THRESHOLD_1",
        marginLevelThreshold=70.5,
        utcLastUpdateTimestamp=1_600_000_000_000,
    )
    trigger = event_of(ProtoOAMarginCallTriggerEvent(ctidTraderAccountId=31, marginCall=call))
    update = event_of(ProtoOAMarginCallUpdateEvent(ctidTraderAccountId=31, marginCall=call))

    assert isinstance(trigger, MarginCallTriggerEvent)
    assert trigger.margin_call_type is NotificationType.MARGIN_LEVEL_THRESHOLD_1
    assert trigger.margin_level_threshold == Decimal("70.5")
    assert trigger.timestamp == MOMENT
    assert isinstance(update, MarginCallUpdateEvent)
    assert update.margin_call.last_update_timestamp == MOMENT


def test_margin_call_without_a_time() -> None:
    event = MarginCallTriggerEvent(31, NotificationType.MARGIN_LEVEL_THRESHOLD_1, Decimal(70))

    assert event.timestamp is None


def test_change_of_profit() -> None:
    event = event_of(
        ProtoOAv1PnLChangeEvent(
            ctidTraderAccountId=31,
            grossUnrealizedPnL=-2621,
            netUnrealizedPnL=-3136,
            moneyDigits=2,
        )
    )

    assert isinstance(event, PnLChangeEvent)
    assert event.gross_unrealized_pnl == Decimal("-26.21")
    assert event.net_unrealized_pnl == Decimal("-31.36")


def test_ends_of_sessions() -> None:
    assert event_of(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=31)) == (
        AccountDisconnectEvent(31)
    )
    assert event_of(ProtoOAClientDisconnectEvent(reason="bye")) == ClientDisconnectEvent("bye")
    assert event_of(ProtoOAClientDisconnectEvent()) == ClientDisconnectEvent()
    assert event_of(
        ProtoOAAccountsTokenInvalidatedEvent(ctidTraderAccountIds=[31, 32], reason="refreshed")
    ) == TokenInvalidatedEvent((31, 32), "refreshed")


# Events of the link


@pytest.mark.parametrize("trigger", AuthTrigger)
def test_ready_after_a_lost_link_is_a_reconnect(trigger: AuthTrigger) -> None:
    assert ReadyEvent(31, trigger).is_reconnect is (trigger is AuthTrigger.RECONNECT)


def test_new_tokens_do_not_show() -> None:
    credentials = AccountCredentials(
        account_id=31, access_token="open-sesame", refresh_token="once-only", expires_at=1.0
    )

    event = TokensRotatedEvent((31,), (credentials,))

    assert event.credentials[0].access_token == "open-sesame"
    for text in (repr(event), str(event), f"{event}"):
        assert "sesame" not in text
        assert "once" not in text


def test_events_with_errors_stay_with_the_collector() -> None:
    assert gc.is_tracked(ServerErrorEvent(APIError("CODE")))


# The tables


def test_every_event_message_is_in_the_tables() -> None:
    messages = {
        message
        for message in MESSAGE_BY_PAYLOAD_TYPE.values()
        if message.__name__.endswith("Event") and message.__name__ != "ProtoHeartbeatEvent"
    }

    assert set(EVENT_TYPE_BY_MESSAGE) == messages
    assert set(EVENT_FROM_MESSAGE) == messages - {ProtoOASpotEvent}


def test_tables_agree_and_cannot_be_changed() -> None:
    for message, read in EVENT_FROM_MESSAGE.items():
        assert getattr(read, "__self__", None) is EVENT_TYPE_BY_MESSAGE[message]
    with pytest.raises(TypeError):
        EVENT_FROM_MESSAGE[ProtoOASpotEvent] = SpotEvent.from_proto  # type: ignore[index]  # tested


def test_every_event_is_a_documented_struct() -> None:
    kinds = [
        value
        for value in vars(events).values()
        if inspect.isclass(value) and issubclass(value, Event)
    ]

    assert len(kinds) > 25
    for kind in kinds:
        assert kind.__doc__
        assert kind.__struct_config__.frozen
        assert kind is Event or kind.__name__ in events.__all__


def _fields(message_type: type[Message]) -> st.SearchStrategy[bytes]:
    """Bytes that often parse as a message of this type, and often make no sense as one."""
    numbers = sorted(field.number for field in message_type.DESCRIPTOR.fields)

    def varint(value: int) -> bytes:
        out = bytearray()
        while value > 0x7F:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        return bytes([*out, value])

    number = st.sampled_from(numbers)
    value = st.integers(0, 2**64 - 1) | st.integers(0, 70)
    return st.lists(
        st.tuples(number, value).map(lambda part: varint(part[0] << 3) + varint(part[1]))
        | st.tuples(number, st.binary(min_size=8, max_size=8)).map(
            lambda part: varint(part[0] << 3 | 1) + part[1]
        )
        | st.tuples(number, st.binary(max_size=30)).map(
            lambda part: varint(part[0] << 3 | 2) + varint(len(part[1])) + part[1]
        ),
        max_size=12,
    ).map(b"".join)


@given(st.data())
def test_hostile_bytes_give_an_event_or_a_protocol_error(data: st.DataObject) -> None:
    message_type: Any = data.draw(st.sampled_from(list(EVENT_TYPE_BY_MESSAGE)))
    raw = data.draw(_fields(message_type))
    try:
        message = message_type.FromString(raw)
    except DecodeError:
        return
    if missing_fields(message):
        return
    try:
        event = (
            SpotEvent.from_proto(message) if message_type is ProtoOASpotEvent else event_of(message)
        )
    except ProtocolError:
        return
    assert isinstance(event, EVENT_TYPE_BY_MESSAGE[message_type])
    assert msgspec.structs.asdict(event)


_EXTREMES = st.sampled_from([0, 1, -1, 2**31 - 1, 2**53, 2**63 - 1, -(2**63)])


@given(st.data())
def test_whole_messages_with_extreme_values_give_an_event_or_a_protocol_error(
    data: st.DataObject,
) -> None:
    message = filled()
    message.deal.closePositionDetail.SetInParent()
    for part in (message.order, message.position, message.deal, message.deal.closePositionDetail):
        for field in part.DESCRIPTOR.fields:
            if data.draw(st.booleans()):
                continue
            if field.cpp_type == field.CPPTYPE_DOUBLE:
                setattr(part, field.name, data.draw(st.floats()))
            elif field.cpp_type == field.CPPTYPE_INT64:
                setattr(part, field.name, data.draw(_EXTREMES))
            elif field.cpp_type == field.CPPTYPE_UINT32:
                setattr(part, field.name, data.draw(st.integers(0, 2**32 - 1)))

    try:
        event = event_of(message)
    except ProtocolError:
        return
    assert isinstance(event, ExecutionEvent)
