"""The rules by which orders are refused, and how each kind of order finds its price."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Literal

import pytest

from ctrader.proto import (
    ProtoOAAccessRights,
    ProtoOAAccountType,
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOADealStatus,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOALimitedRiskMarginCalculationStrategy,
    ProtoOAMarginChangedEvent,
    ProtoOANewOrderReq,
    ProtoOAOrderErrorEvent,
    ProtoOAOrderListByPositionIdReq,
    ProtoOAOrderListByPositionIdRes,
    ProtoOAOrderListReq,
    ProtoOAOrderListRes,
    ProtoOAOrderType,
    ProtoOASymbolDistanceType,
    ProtoOATotalMarginCalculationType,
    ProtoOATradingMode,
    ProtoOATrailingSLChangedEvent,
)
from ctrader.simulator.book import AccountBook
from ctrader.simulator.catalogue import (
    DEFAULT_ACCOUNTS,
    DEFAULT_CATALOGUE,
    AccountSpec,
    HolidaySpec,
)
from ctrader.simulator.orders.admission import check_volume
from ctrader.simulator.refusals import OrderRefusal
from ctrader.simulator.switches import Switches
from tests.simulator.orders import (
    ORDER,
    POSITION,
    amend,
    amend_order,
    cancel,
    close,
    events,
    kinds,
    order,
    trader,
)
from tests.simulator.peer import (
    BARE,
    EUR_ACCOUNT,
    NETTED_ACCOUNT,
    START,
    USD_ACCOUNT,
    Peer,
    log_in,
    scripted_exchange,
    with_fields,
)

DAY = 86_400_000


def account(**terms: object) -> list[AccountSpec]:
    return [replace(DEFAULT_ACCOUNTS[0], **terms)]  # type: ignore[arg-type]  # any field


def book_of(peer: Peer) -> AccountBook:
    return peer.exchange.books[USD_ACCOUNT]


def refusal(peer: Peer, request: object) -> ProtoOAOrderErrorEvent:
    """Send a request that must be refused by an order error event."""
    assert isinstance(
        request,
        ProtoOANewOrderReq
        | ProtoOAAmendOrderReq
        | ProtoOAAmendPositionSLTPReq
        | ProtoOAClosePositionReq
        | ProtoOACancelOrderReq,
    )
    return peer.ask(request, ProtoOAOrderErrorEvent)


# What is wrong with an order whatever the market does


@pytest.mark.parametrize(
    ("request_", "code", "text"),
    [
        (order(symbolId=99), "SYMBOL_NOT_FOUND", "Symbol not found with id 99"),
        (order(volume=0), "TRADING_BAD_VOLUME", "Order volume = 0 must be from 100000"),
        (order(volume=50_000), "TRADING_BAD_VOLUME", "Order volume = 50000"),
        (order(volume=150_000), "TRADING_BAD_VOLUME", "in steps of 100000"),
        (order(volume=10_000_100_000), "TRADING_BAD_VOLUME", "to 10000000000"),
        (order(stopLoss=1.1), "INVALID_REQUEST", "allowed only for order types: [LIMIT, STOP"),
        (
            order("MARKET_RANGE", takeProfit=1.2, baseSlippagePrice=1.1, slippageInPoints=1),
            "INVALID_REQUEST",
            "SL/TP in absolute values",
        ),
        (
            order(relativeStopLoss=0),
            "TRADING_BAD_STOPS",
            "Protection can't be negative",
        ),
        (order(relativeTakeProfit=-5), "TRADING_BAD_STOPS", "Protection can't be negative"),
        (order(relativeStopLoss=200_000), "TRADING_BAD_STOPS", "Protection can't be negative"),
        (order(trailingStopLoss=True), "INVALID_REQUEST", "needs a stop loss"),
        (order(label="x" * 101), "INVALID_REQUEST", "label has 101 characters, 100 are allowed"),
        (order(comment="x" * 513), "INVALID_REQUEST", "comment has 513 characters"),
        (order(clientOrderId="x" * 51), "INVALID_REQUEST", "clientOrderId has 51 characters"),
        (order("STOP_LOSS_TAKE_PROFIT"), "INVALID_REQUEST", "STOP_LOSS_TAKE_PROFIT is not"),
        (order("LIMIT"), "INVALID_REQUEST", "missing required fields: limitPrice"),
        (order("STOP"), "INVALID_REQUEST", "missing required fields: stopPrice"),
        (order("STOP_LIMIT", stopPrice=1.13), "INVALID_REQUEST", "fields: slippageInPoints"),
        (order("MARKET_RANGE", slippageInPoints=1), "INVALID_REQUEST", "baseSlippagePrice"),
        (order("MARKET_RANGE", baseSlippagePrice=1.1), "INVALID_REQUEST", "slippageInPoints"),
        (
            order("MARKET_RANGE", baseSlippagePrice=1.1, slippageInPoints=-1),
            "INVALID_REQUEST",
            "slippageInPoints = -1 is negative",
        ),
        (order("LIMIT", limitPrice=0.0), "TRADING_BAD_PRICES", "Limit price 0.0 is not a price"),
        (order("LIMIT", limitPrice=-1.0), "TRADING_BAD_PRICES", "is not a price"),
        (order("LIMIT", limitPrice=1.123456), "INVALID_REQUEST", "Allowed 5 digits"),
        (order("STOP", stopPrice=1.13, stopLoss=0.0), "TRADING_BAD_STOPS", "can't be negative"),
        (
            order("LIMIT", limitPrice=1.1, stopLoss=1.09, relativeStopLoss=100),
            "INVALID_REQUEST",
            "Both absolute and relative stop loss",
        ),
        (
            order("LIMIT", limitPrice=1.1, takeProfit=1.2, relativeTakeProfit=100),
            "INVALID_REQUEST",
            "Both absolute and relative take profit",
        ),
        (order("LIMIT", limitPrice=1.1, stopLoss=1.1), "TRADING_BAD_STOPS", "wrong side"),
        (order("LIMIT", "SELL", limitPrice=1.2, takeProfit=1.3), "TRADING_BAD_STOPS", "wrong side"),
        (order("STOP", stopPrice=1.12569), "TRADING_BAD_PRICES", "BID: 1.12567, ASK: 1.12569"),
        (order("STOP", "SELL", stopPrice=1.12567), "TRADING_BAD_PRICES", "must be below"),
        (
            order("LIMIT", limitPrice=1.1, timeInForce="GOOD_TILL_DATE"),
            "TRADING_BAD_EXPIRATION_DATE",
            "GOOD_TILL_DATE needs an expiration",
        ),
        (
            order("LIMIT", limitPrice=1.1, expirationTimestamp=START),
            "TRADING_BAD_EXPIRATION_DATE",
            "Expiration is in the past",
        ),
        (
            order("LIMIT", limitPrice=1.1, expirationTimestamp=2_147_483_646_001),
            "TRADING_BAD_EXPIRATION_DATE",
            "Expiration is after 2147483646000",
        ),
        (
            order("LIMIT", limitPrice=1.1, timeInForce="MARKET_ON_OPEN"),
            "INVALID_REQUEST",
            "for market orders only",
        ),
        (order(positionId=77), "POSITION_NOT_FOUND", "Position not found with id 77"),
        (order("LIMIT", limitPrice=1.1, positionId=77), "INVALID_REQUEST", "positionId is allowed"),
        (order(guaranteedStopLoss=True, relativeStopLoss=100), "INVALID_REQUEST", "not available"),
        (close(position_id=77), "POSITION_NOT_FOUND", "Position not found with id 77"),
        (cancel(77), "ORDER_NOT_FOUND", "Order not found with id 77"),
        (with_fields(amend_order(), orderId=77), "ORDER_NOT_FOUND", "Order not found with id 77"),
    ],
)
def test_order_is_refused_and_uses_up_no_id(request_: object, code: str, text: str):
    peer = trader()
    event = refusal(peer, request_)
    assert event.errorCode == code
    assert text in event.description
    book = book_of(peer)
    assert not book.orders
    assert not book.positions
    peer.send(order())
    accepted, filled = events(peer)
    assert (accepted.order.orderId, filled.position.positionId) == (ORDER, POSITION)


def test_refusals_name_the_ids_that_are_known_and_zero_otherwise():
    peer = trader()
    bad = refusal(peer, order(volume=1))
    assert (bad.orderId, bad.positionId) == (0, 0)
    assert bad.HasField("orderId")
    unknown = refusal(peer, cancel(77))
    assert unknown.orderId == 77
    assert not unknown.HasField("positionId")


def test_absolute_levels_on_a_market_order_are_refused_by_an_error_answer_if_so_switched():
    peer = trader(switches=replace(BARE, market_absolute_protection_frame="error"))
    assert peer.ask(order(stopLoss=1.1), ProtoOAErrorRes).errorCode == "INVALID_REQUEST"


def test_relative_distances_must_lie_on_the_grid_of_a_symbol_with_three_digits():
    exchange = scripted_exchange(((0, 15_000_000, 15_000_400),), symbol_id=4)
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    event = refusal(peer, order(symbolId=4, relativeStopLoss=150))
    assert event.errorCode == "INVALID_REQUEST"
    assert event.description == "Relative stop loss has invalid precision"
    event = refusal(peer, order(symbolId=4, relativeTakeProfit=150))
    assert event.description == "Relative take profit has invalid precision"
    event = refusal(peer, order("LIMIT", symbolId=4, limitPrice=149.1234))
    assert "Allowed 3 digits" in event.description


# Hours, modes, rights, money


def test_market_is_closed_or_has_a_holiday():
    closed = trader(switches=replace(BARE, always_open=False))  # a Sunday, before the opening
    assert refusal(closed, order()).errorCode == "MARKET_CLOSED"
    today = HolidaySpec(holiday_id=1, name="Day off", date=START // DAY)
    holiday = trader(switches=replace(BARE, always_open=False), holidays=(today,), schedule=())
    assert refusal(holiday, order()).errorCode == "SYMBOL_HAS_HOLIDAY"
    assert refusal(holiday, order("LIMIT", limitPrice=1.1)).errorCode == "SYMBOL_HAS_HOLIDAY"


def test_pending_order_may_be_cancelled_but_not_changed_while_the_market_is_closed():
    switches = replace(BARE, always_open=False)
    peer = trader(switches=switches, schedule=())
    peer.send(order("LIMIT", limitPrice=1.1))
    events(peer)
    peer.exchange.change_symbol(1, schedule=((0, 1),))
    assert refusal(peer, amend_order(limitPrice=1.11)).errorCode == "MARKET_CLOSED"
    peer.send(cancel())
    assert kinds(events(peer)) == ["ORDER_CANCELLED"]


def test_pending_order_is_not_even_cancelled_while_closed_if_so_switched():
    switches = replace(BARE, always_open=False, cancel_while_closed=False)
    peer = trader(switches=switches, schedule=())
    peer.send(order("LIMIT", limitPrice=1.1))
    events(peer)
    peer.exchange.change_symbol(1, schedule=((0, 1),))
    assert refusal(peer, cancel()).errorCode == "MARKET_CLOSED"


@pytest.mark.parametrize(
    ("mode", "code", "fills"),
    [
        ("DISABLED_WITHOUT_PENDINGS_EXECUTION", "TRADING_DISABLED", False),
        ("DISABLED_WITH_PENDINGS_EXECUTION", "TRADING_DISABLED", True),
        ("CLOSE_ONLY_MODE", "TRADING_DISABLED", False),
    ],
)
def test_trading_mode_decides_over_new_and_waiting_orders(mode: str, code: str, fills: bool):
    peer = trader((0, 112567, 112569), (5, 111000, 111002))
    peer.send(order("LIMIT", limitPrice=1.12))
    events(peer)
    peer.exchange.change_symbol(1, trading_mode=ProtoOATradingMode.Value(mode))
    assert refusal(peer, order()).errorCode == code
    assert kinds(events(peer, 6)) == (["ORDER_FILLED"] if fills else [])


def test_close_only_mode_lets_positions_go():
    peer = trader((0, 112567, 112569), (5, 111000, 111002))
    peer.send(order(relativeStopLoss=1000))
    peer.send(order())
    events(peer)
    peer.exchange.change_symbol(1, trading_mode=ProtoOATradingMode.CLOSE_ONLY_MODE)
    peer.send(close(position_id=POSITION + 1))
    assert kinds(events(peer)) == ["ORDER_ACCEPTED", "ORDER_FILLED"]
    assert kinds(events(peer, 5)) == ["ORDER_FILLED"]


def test_account_without_trading_rights_may_not_even_cancel():
    peer = trader()
    peer.send(order("LIMIT", limitPrice=1.1))
    events(peer)
    peer.exchange.change_account(USD_ACCOUNT, access_rights=ProtoOAAccessRights.NO_TRADING)
    for request in (order(), amend_order(limitPrice=1.11), cancel()):
        assert refusal(peer, request).errorCode == "TRADING_NOT_ALLOWED"


def test_money_for_orders_under_way_is_reserved():
    # 100,000 EUR bind 1,125.69 dollars at 1:100, and cost 2.50 to open.
    peer = trader(accounts=account(balance=Decimal("2000.00")))
    peer.send(order(volume=10_000_000))
    assert peer.exchange.floor.reserved(book_of(peer)) == 112_569 + 250
    assert refusal(peer, order(volume=10_000_000)).errorCode == "NOT_ENOUGH_MONEY"
    assert kinds(events(peer)) == ["ORDER_FILLED"]
    assert peer.exchange.floor.reserved(book_of(peer)) == 0
    assert refusal(peer, order(volume=10_000_000)).errorCode == "NOT_ENOUGH_MONEY"


def test_money_that_is_reserved_shrinks_with_each_part():
    peer = trader()
    peer.exchange.floor.script_fill(100_000)
    peer.exchange.floor.script_fill(100_000, 100_000)
    peer.send(order(volume=200_000))
    assert peer.exchange.floor.reserved(book_of(peer)) == 2251 + 5
    assert kinds(events(peer)) == ["ORDER_ACCEPTED", "ORDER_PARTIAL_FILL", "ORDER_CANCELLED"]
    assert peer.exchange.floor.reserved(book_of(peer)) == 0
    peer.send(order(volume=200_000))
    peer.run(0.03)
    assert peer.exchange.floor.reserved(book_of(peer)) == (2251 + 5) // 2


def test_pending_order_needs_its_money_at_once_if_so_switched():
    poor = account(balance=Decimal("1000.00"))
    request = order("LIMIT", limitPrice=1.1, volume=10_000_000)
    peer = trader(accounts=poor)
    peer.send(request)
    assert kinds(events(peer)) == ["ORDER_ACCEPTED"]
    strict = trader(accounts=poor, switches=replace(BARE, pending_orders_check_money=True))
    assert refusal(strict, request).errorCode == "NOT_ENOUGH_MONEY"


def test_positions_and_pending_orders_are_counted_together():
    peer = trader(accounts=account(max_positions=2))
    peer.send(order())
    peer.send(order("LIMIT", limitPrice=1.1))
    for request in (order(), order("LIMIT", limitPrice=1.1)):
        assert refusal(peer, request).errorCode == "TOO_MANY_POSITIONS"
    events(peer)
    peer.send(order(positionId=POSITION))  # needs no room of its own
    assert kinds(events(peer)) == ["ORDER_ACCEPTED", "ORDER_FILLED"]


def test_exposure_is_counted_for_each_side_orders_under_way_included():
    peer = trader(max_exposure=300_000)
    peer.send(order(volume=200_000))
    assert refusal(peer, order(volume=200_000)).errorCode == "MAX_EXPOSURE_REACHED"
    peer.send(order(side="SELL", volume=300_000))
    peer.send(order())
    assert kinds(events(peer)).count("ORDER_FILLED") == 3
    assert refusal(peer, order()).errorCode == "MAX_EXPOSURE_REACHED"
    assert refusal(peer, order("LIMIT", limitPrice=1.1)).errorCode == "MAX_EXPOSURE_REACHED"


def test_what_may_not_be_sold_short_may_not_wait_for_it_either():
    peer = trader(short_selling=False)
    event = refusal(peer, order("LIMIT", "SELL", limitPrice=1.2))
    assert event.errorCode == "SHORT_SELLING_NOT_ALLOWED"
    peer.send(order())
    events(peer)
    peer.send(close())
    assert kinds(events(peer)) == ["ORDER_ACCEPTED", "ORDER_FILLED"]


def test_closing_more_than_there_is_is_refused():
    peer = trader()
    peer.send(order())
    events(peer)
    for volume in (200_000, 0, 50_000, -100_000):
        event = refusal(peer, close(volume))
        assert (event.errorCode, event.positionId) == ("TRADING_BAD_VOLUME", POSITION)


# Distances from the market


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (ProtoOASymbolDistanceType.SYMBOL_DISTANCE_IN_POINTS, 50),
        # 4.4 hundredths of a percent of 1.12569 are 49.5 points.
        (ProtoOASymbolDistanceType.SYMBOL_DISTANCE_IN_PERCENTAGE, 4),
    ],
)
def test_levels_keep_their_distance_from_the_market(kind: int, rule: int):
    peer = trader(stop_loss_distance=rule, take_profit_distance=rule, distance_type=kind)
    for fields in (
        order(relativeStopLoss=44),
        order(relativeTakeProfit=44),
    ):
        event = refusal(peer, fields)
        assert event.errorCode == "PROTECTION_IS_TOO_CLOSE_TO_MARKET"
    near = order("LIMIT", limitPrice=1.12, stopLoss=1.1196)
    assert refusal(peer, near).errorCode == "PROTECTION_IS_TOO_CLOSE_TO_MARKET"
    peer.send(order(relativeStopLoss=60, relativeTakeProfit=60))
    assert kinds(events(peer)) == ["ORDER_ACCEPTED", "ORDER_FILLED", "ORDER_ACCEPTED"]
    event = refusal(peer, amend(stopLoss=1.12547, takeProfit=1.13))
    assert event.errorCode == "PROTECTION_IS_TOO_CLOSE_TO_MARKET"
    assert event.positionId == POSITION


def test_level_that_stays_may_be_near_already():
    peer = trader((0, 112567, 112569), (2, 112510, 112512), stop_loss_distance=50)
    peer.send(order(relativeStopLoss=60))
    events(peer, 3)
    peer.send(amend(stopLoss=1.12509, takeProfit=1.13))
    assert kinds(events(peer)) == ["ORDER_REPLACED"]


# Triggers


def mirrored(price: int | None) -> int | None:
    """Return a price as far below the first quote as it was above."""
    return None if price is None else 225_136 - price


@pytest.mark.parametrize(
    ("method", "second"),
    [("TRADE", 2), ("OPPOSITE", 3), ("DOUBLE_TRADE", 4), ("DOUBLE_OPPOSITE", 6)],
)
@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_trigger_method_decides_which_prices_a_stop_looks_at(side: str, method: str, second: int):
    up: tuple[tuple[float, int | None, int | None], ...] = (
        (0, 112567, 112569),
        (2, 112990, 113001),  # the ask is there
        (3, 113000, None),  # the bid, too; the ask has no new price
        (4, 112995, 113002),  # the second ask in a row; the bid is away again
        (5, 113003, 113004),
        (6, 113004, 113005),  # the second bid in a row
    )
    down = tuple((at, mirrored(ask), mirrored(bid)) for at, bid, ask in up)
    peer = trader(*(up if side == "BUY" else down))
    stop = 1.13 if side == "BUY" else 1.12136
    peer.send(order("STOP", side, stopPrice=stop, stopTriggerMethod=method))
    peer.run(second - 0.01)
    assert kinds(peer.messages(ProtoOAExecutionEvent)) == ["ORDER_ACCEPTED"]
    assert kinds(events(peer, 0.1)) == ["ORDER_FILLED"]


def test_stop_that_looks_at_the_other_side_may_lie_inside_the_spread():
    peer = trader((0, 112560, 112580), (3, 112572, 112590))
    peer.send(order("STOP", stopPrice=1.1257, stopTriggerMethod="OPPOSITE"))
    assert kinds(events(peer)) == ["ORDER_ACCEPTED"]
    assert kinds(events(peer, 3)) == ["ORDER_FILLED"]


def test_stop_loss_of_a_position_has_a_trigger_method():
    ticks = ((0, 112567, 112569), (3, 112460, 112475), (5, 112450, 112465))
    peer = trader(*ticks)
    peer.send(order())
    events(peer)
    peer.send(amend(stopLoss=1.1247, stopLossTriggerMethod="OPPOSITE"))
    (accepted,) = events(peer)
    assert (accepted.order.stopTriggerMethod, accepted.position.stopLossTriggerMethod) == (2, 2)
    assert events(peer, 2) == []  # only the bid is there
    assert kinds(events(peer, 3)) == ["ORDER_FILLED"]


def test_stop_limit_order_is_filled_at_once_while_its_limit_holds():
    peer = trader((0, 112567, 112569), (3, 113000, 113002))
    peer.send(order("STOP_LIMIT", stopPrice=1.13, slippageInPoints=5))
    events(peer)
    (filled,) = events(peer, 3)
    assert filled.order.executionPrice == 1.13002


def test_amended_stop_limit_order_waits_for_its_stop_again():
    ticks = ((0, 112567, 112569), (3, 113008, 113010), (6, 113003, 113005), (9, 113200, 113202))
    peer = trader(*ticks)
    peer.send(order("STOP_LIMIT", stopPrice=1.13, slippageInPoints=5))
    events(peer, 4)
    peer.send(amend_order(stopPrice=1.132, slippageInPoints=7))
    (replaced,) = events(peer)
    assert (replaced.order.stopPrice, replaced.order.slippageInPoints) == (1.132, 7)
    assert events(peer, 3) == []
    (filled,) = events(peer, 3)
    assert filled.order.executionPrice == 1.13202


def test_amending_changes_the_trigger_method():
    peer = trader()
    peer.send(order("STOP", stopPrice=1.13))
    events(peer)
    peer.send(amend_order(stopTriggerMethod="DOUBLE_TRADE"))
    (replaced,) = events(peer)
    assert replaced.order.stopTriggerMethod == 3
    peer.send(amend_order(volume=200_000))
    (replaced,) = events(peer)
    assert replaced.order.stopTriggerMethod == 3


def test_market_range_order_takes_only_the_levels_inside_its_range():
    peer = trader(switches=replace(BARE, fill_through_depth=True))
    ladder = peer.exchange.ladder(1)
    assert ladder is not None
    best, second = ladder.asks[0], ladder.asks[1]
    request = order(
        "MARKET_RANGE",
        baseSlippagePrice=best.price / 100_000,
        slippageInPoints=second.price - best.price,
        volume=best.size + second.size + 100_000,
    )
    peer.send(request)
    found = events(peer)
    assert kinds(found) == [
        "ORDER_ACCEPTED",
        "ORDER_PARTIAL_FILL",
        "ORDER_PARTIAL_FILL",
        "ORDER_CANCELLED",
    ]
    assert [each.deal.filledVolume for each in found[1:3]] == [best.size, second.size]
    average = (best.price * best.size + second.price * second.size) / (best.size + second.size)
    assert found[-1].order.executionPrice == pytest.approx(average / 100_000, abs=1e-12)


def test_limit_order_takes_only_the_levels_at_its_limit_and_keeps_the_rest():
    ticks = ((0, 112567, 112569), (3, 111998, 112000), (6, 111997, 111999))
    peer = trader(*ticks, switches=replace(BARE, fill_through_depth=True))
    peer.send(order("LIMIT", limitPrice=1.12, volume=500_000_000))
    events(peer)
    first = events(peer, 3)
    assert set(kinds(first)) == {"ORDER_PARTIAL_FILL"}
    assert all(each.deal.executionPrice <= 1.12 for each in first)
    assert first[-1].order.executedVolume < 500_000_000
    listed = book_of(peer).working[ORDER]
    assert listed.remaining == 500_000_000 - first[-1].order.executedVolume
    refused = refusal(peer, amend_order(volume=first[-1].order.executedVolume))
    assert refused.errorCode == "TRADING_BAD_VOLUME"
    second = events(peer, 3)
    assert second[0].deal.executionPrice == 1.11999


def test_rest_of_a_limit_order_opens_a_new_position_after_the_first_was_closed():
    ticks = ((0, 112567, 112569), (3, 111998, 112000), (6, 111997, 111999))
    peer = trader(*ticks)
    peer.send(order("LIMIT", limitPrice=1.12, volume=300_000))
    peer.exchange.floor.script_fill(100_000)
    peer.run(4)
    peer.send(close())
    events(peer)
    (filled,) = events(peer, 4)
    assert (filled.order.executedVolume, filled.position.tradeData.volume) == (300_000, 200_000)
    assert filled.position.positionId == POSITION + 1


def test_partly_filled_order_still_expires():
    ticks = ((0, 112567, 112569), (3, 111998, 112000))
    peer = trader(*ticks)
    peer.send(order("LIMIT", limitPrice=1.12, volume=300_000, expirationTimestamp=START + 3_010))
    peer.exchange.floor.script_fill(100_000)
    peer.run(2)
    peer.received()
    # The date passes while a part is on its way.
    partial, expired = events(peer, 3)
    assert kinds([partial, expired]) == ["ORDER_PARTIAL_FILL", "ORDER_EXPIRED"]
    assert (expired.order.executedVolume, expired.position.tradeData.volume) == (100_000, 100_000)


def test_position_is_locked_while_parts_are_on_their_way():
    peer = trader()
    peer.exchange.floor.script_fill(100_000, 100_000)
    peer.send(order(volume=200_000))
    peer.run(0.025)
    peer.received()
    assert refusal(peer, close()).errorCode == "POSITION_LOCKED"
    assert refusal(peer, amend(stopLoss=1.1)).errorCode == "PENDING_EXECUTION"
    assert kinds(events(peer)) == ["ORDER_FILLED"]
    peer.send(close(200_000))
    assert kinds(events(peer)) == ["ORDER_ACCEPTED", "ORDER_FILLED"]


def test_stop_loss_that_finds_a_part_only_goes_on_at_the_next_price():
    ticks = ((0, 112567, 112569), (3, 112460, 112462), (5, 112450, 112452))
    peer = trader(*ticks)
    peer.send(order(volume=300_000, relativeStopLoss=100))
    events(peer)
    peer.exchange.floor.script_fill(100_000)
    (partial,) = events(peer, 3)
    assert kinds([partial]) == ["ORDER_PARTIAL_FILL"]
    assert (partial.order.executedVolume, partial.position.tradeData.volume) == (100_000, 200_000)
    (filled,) = events(peer, 3)
    assert (filled.order.executedVolume, filled.position.positionStatus) == (300_000, 2)
    assert filled.isServerEvent


def test_scripted_rejection_of_a_pending_order_ends_it():
    peer = trader((0, 112567, 112569), (3, 111998, 112000))
    peer.send(order("LIMIT", limitPrice=1.12))
    events(peer)
    peer.exchange.floor.script_rejection(
        "TIMEOUT_ERROR", deal_status=ProtoOADealStatus.INTERNALLY_REJECTED, account_id=USD_ACCOUNT
    )
    (rejected,) = events(peer, 3)
    assert (rejected.errorCode, rejected.order.orderStatus) == ("TIMEOUT_ERROR", 3)
    assert (rejected.deal.dealStatus, rejected.deal.filledVolume) == (5, 0)
    assert not rejected.deal.HasField("executionPrice")
    assert not book_of(peer).positions
    assert not book_of(peer).working


def test_script_for_another_account_is_left_to_it():
    peer = trader()
    peer.exchange.floor.script_rejection("TIMEOUT_ERROR", account_id=EUR_ACCOUNT)
    peer.send(order())
    assert kinds(events(peer)) == ["ORDER_ACCEPTED", "ORDER_FILLED"]


@pytest.mark.parametrize("volumes", [(), (0,), (100_000, -1)])
def test_script_without_volume_is_an_error(volumes: tuple[int, ...]):
    with pytest.raises(ValueError, match="parts"):
        trader().exchange.floor.script_fill(*volumes)


# Races


@pytest.mark.parametrize(
    ("race", "code"),
    [
        ("pending_execution", "PENDING_EXECUTION"),
        ("unable", "UNABLE_TO_CANCEL_ORDER"),
        ("not_found", "ORDER_NOT_FOUND"),
    ],
)
def test_cancel_that_meets_the_fill_is_refused_as_switched(race: str, code: str):
    switches = replace(BARE, cancel_race=race, amend_race_code="CONCURRENT_MODIFICATION")  # type: ignore[arg-type]  # one of four
    peer = trader((0, 112567, 112569), (3, 111998, 112000), switches=switches)
    peer.send(order("LIMIT", limitPrice=1.12))
    peer.run(3.01)
    event = refusal(peer, cancel())
    assert (event.errorCode, event.orderId) == (code, ORDER)
    event = refusal(peer, amend_order(volume=200_000))
    assert (event.errorCode, event.orderId) == ("CONCURRENT_MODIFICATION", ORDER)


def test_closing_what_is_being_closed_is_refused_as_switched():
    for code in ("POSITION_LOCKED", "PENDING_EXECUTION"):
        peer = trader(switches=replace(BARE, locked_position_code=code))
        peer.send(order())
        events(peer)
        peer.send(close())
        assert refusal(peer, close()).errorCode == code


def test_protective_order_that_is_on_its_way_stays_so_when_its_position_grows():
    ticks = ((0, 112567, 112569), (3.01, 112460, 112462))
    peer = trader(*ticks)
    peer.send(order(relativeStopLoss=100))
    peer.run(3)
    peer.received()
    peer.send(order(positionId=POSITION))  # filled at 3.02, while the stop is filled at 3.03
    found = events(peer)
    assert kinds(found) == ["ORDER_ACCEPTED", "ORDER_FILLED", "ORDER_FILLED"]
    assert found[-1].deal.closePositionDetail.closedVolume == 200_000
    assert not book_of(peer).positions


def test_new_position_is_unknown_for_a_moment_if_so_switched():
    peer = trader(switches=replace(BARE, position_hidden_after_fill=0.1))
    peer.send(order())
    peer.run(0.05)
    for request in (amend(stopLoss=1.1), close(), order(positionId=POSITION)):
        assert refusal(peer, request).errorCode == "POSITION_NOT_FOUND"
    peer.run(0.1)
    peer.received()
    peer.send(amend(stopLoss=1.1))
    assert kinds(events(peer)) == ["ORDER_ACCEPTED"]


# Trailing


def test_trailing_is_kept_when_it_is_left_out_and_ends_when_it_is_denied():
    peer = trader()
    peer.send(order(relativeStopLoss=100, trailingStopLoss=True))
    events(peer)
    peer.send(amend(stopLoss=1.12, takeProfit=1.13))
    (replaced,) = events(peer)
    assert replaced.position.trailingStopLoss
    assert replaced.order.trailingStopLoss
    event = refusal(peer, amend(takeProfit=1.13, trailingStopLoss=False))
    assert (event.errorCode, event.positionId) == ("INVALID_REQUEST", POSITION)
    peer.send(amend(stopLoss=1.12, trailingStopLoss=False))
    (replaced,) = events(peer)
    assert not replaced.position.trailingStopLoss
    peer.send(amend())
    assert kinds(events(peer)) == ["ORDER_CANCELLED"]


def test_levels_that_are_both_removed_are_told_as_a_change_if_so_switched():
    peer = trader(switches=replace(BARE, removed_protection="replaced"))
    peer.send(order())
    events(peer)
    peer.send(amend(stopLoss=1.12, takeProfit=1.13))
    events(peer)
    peer.send(amend())
    (told,) = events(peer)
    assert kinds([told]) == ["ORDER_REPLACED"]
    assert not told.position.HasField("stopLoss")
    assert not told.order.HasField("stopPrice")
    assert not told.order.HasField("limitPrice")
    assert book_of(peer).positions[POSITION].protective_order_id is None


def test_stop_loss_that_trails_cannot_be_removed_at_once_if_so_switched():
    peer = trader(switches=replace(BARE, trailing_holds_stop=True))
    peer.send(order(relativeStopLoss=100, trailingStopLoss=True))
    events(peer)
    assert refusal(peer, amend(takeProfit=1.13)).errorCode == "INVALID_REQUEST"
    peer.send(amend(stopLoss=1.12, trailingStopLoss=False))
    peer.send(amend(takeProfit=1.13))
    assert kinds(events(peer)) == ["ORDER_REPLACED", "ORDER_REPLACED"]


def test_trailing_distance_is_that_of_the_moment_of_the_request():
    peer = trader((0, 112567, 112569), (3, 112587, 112589))
    peer.send(order())
    events(peer)
    peer.send(amend(stopLoss=1.12467, trailingStopLoss=True))
    peer.run(3)
    (move,) = peer.messages(ProtoOATrailingSLChangedEvent)
    assert move.stopPrice == 1.12487


# Guaranteed stops


def guarded(
    *ticks: tuple[float, int | None, int | None],
    switches: Switches = BARE,
    accounts: list[AccountSpec] | None = None,
) -> Peer:
    """Open an exchange that guarantees stop losses, for a charge."""
    return trader(
        *ticks,
        switches=switches,
        accounts=accounts,
        guaranteed_stops=True,
        guaranteed_distance=50,
        guaranteed_charge=20_000,
    )


def test_guaranteed_stop_is_filled_at_its_very_level():
    peer = guarded(
        (0, 112567, 112569),
        (3, 111000, 111002),
    )
    peer.send(order(relativeStopLoss=100, guaranteedStopLoss=True))
    accepted, _, protected, charged = events(peer)
    assert kinds([charged]) == ["DEPOSIT_WITHDRAW"]
    assert accepted.order.tradeData.guaranteedStopLoss
    assert protected.position.guaranteedStopLoss
    assert protected.order.tradeData.guaranteedStopLoss
    (hit,) = events(peer, 3)
    assert hit.order.executionPrice == 1.12469
    assert hit.deal.closePositionDetail.grossProfit == -100


def test_guaranteed_stop_is_charged_once_for_each_volume():
    peer = guarded()
    book = book_of(peer)
    before = book.balance
    peer.send(order(relativeStopLoss=100, guaranteedStopLoss=True))
    # 1,000 units at 0.0002 dollars each.
    assert kinds(events(peer))[-1] == "DEPOSIT_WITHDRAW"
    assert book.balance == before - 20
    peer.send(amend(stopLoss=1.125))
    events(peer)
    assert book.balance == before - 20
    peer.send(order(positionId=POSITION))
    events(peer)
    assert book.balance == before - 40
    assert [each.change_type for each in book.journal] == [17, 17]


def test_guaranteed_stop_is_charged_when_it_is_hit_if_so_switched():
    switches = replace(BARE, guaranteed_charge_at="hit")
    peer = guarded(
        (0, 112567, 112569),
        (3, 111000, 111002),
        switches=switches,
    )
    peer.send(order(relativeStopLoss=100, guaranteedStopLoss=True))
    assert "DEPOSIT_WITHDRAW" not in kinds(events(peer))
    assert kinds(events(peer, 3)) == ["ORDER_FILLED", "DEPOSIT_WITHDRAW"]


def test_guaranteed_stop_never_gets_worse():
    peer = guarded()
    peer.send(order(relativeStopLoss=100, guaranteedStopLoss=True))
    events(peer)
    for request in (
        amend(stopLoss=1.124),
        amend(takeProfit=1.13),
        amend(),
        amend(stopLoss=1.125, guaranteedStopLoss=False),
    ):
        assert refusal(peer, request).errorCode == "WORSE_GSL_NOT_ALLOWED"
    event = refusal(peer, amend(stopLoss=1.12547))
    assert event.errorCode == "PROTECTION_IS_TOO_CLOSE_TO_MARKET"
    peer.send(amend(stopLoss=1.125))
    assert kinds(events(peer)) == ["ORDER_REPLACED"]


def test_guaranteed_stop_does_not_get_worse_by_an_addition():
    peer = guarded()
    peer.send(order(relativeStopLoss=100, guaranteedStopLoss=True))
    events(peer)
    peer.send(order(relativeStopLoss=1000, positionId=POSITION))
    replaced = next(each for each in events(peer) if kinds([each]) == ["ORDER_REPLACED"])
    assert (replaced.position.stopLoss, replaced.order.stopPrice) == (1.12469, 1.12469)
    assert replaced.order.tradeData.volume == 200_000


def test_guarantee_needs_a_stop_loss_to_hold_for():
    peer = guarded()
    assert "needs a stop loss" in refusal(peer, order(guaranteedStopLoss=True)).description
    assert (
        refusal(peer, order(relativeStopLoss=40, guaranteedStopLoss=True)).errorCode
        == "PROTECTION_IS_TOO_CLOSE_TO_MARKET"
    )


def test_limited_risk_account_trades_with_guaranteed_stops_only():
    peer = guarded(
        accounts=account(is_limited_risk=True),
    )
    words = "Guaranteed stop loss is required for limited risk accounts"
    for request in (order(), order(relativeStopLoss=100), order("LIMIT", limitPrice=1.1)):
        assert refusal(peer, request).description == words
    pending = order("LIMIT", limitPrice=1.1, relativeStopLoss=100, guaranteedStopLoss=True)
    peer.send(pending)
    events(peer)
    assert refusal(peer, amend_order(limitPrice=1.11)).description == words
    peer.send(amend_order(limitPrice=1.11, relativeStopLoss=100))
    (replaced,) = events(peer)
    assert replaced.order.tradeData.guaranteedStopLoss
    peer.send(order(relativeStopLoss=100, guaranteedStopLoss=True))
    events(peer)
    peer.send(close(position_id=POSITION + 1))
    assert kinds(events(peer)) == ["ORDER_ACCEPTED", "ORDER_FILLED", "ORDER_CANCELLED"]


# The opening


def test_market_on_open_order_waits_for_the_opening():
    # The Sunday opening, 17:05 in New York, is 8.6 hours away.
    opening = 31_100.0
    peer = trader(
        (0, 112567, 112569),
        (100, 112560, 112562),
        (opening, 112500, 112502),
        switches=replace(BARE, always_open=False),
    )
    peer.send(order(timeInForce="MARKET_ON_OPEN", relativeStopLoss=100), "m1")
    (accepted,) = events(peer)
    assert (accepted.order.timeInForce, accepted.position.positionStatus) == (5, 3)
    refused = refusal(peer, amend_order(volume=200_000))
    assert refused.errorCode == "UNABLE_TO_AMEND_ORDER"
    filled, protected = events(peer, 32_000)
    assert filled.order.executionPrice == 1.12502
    assert filled.position.tradeData.openTimestamp == START + 31_100_020
    assert protected.position.stopLoss == 1.12402


def test_market_on_open_order_is_an_ordinary_one_while_the_market_is_open():
    peer = trader()
    peer.send(order(timeInForce="MARKET_ON_OPEN"))
    assert kinds(events(peer)) == ["ORDER_ACCEPTED", "ORDER_FILLED"]
    refused = trader(switches=replace(BARE, market_on_open=False))
    event = refusal(refused, order(timeInForce="MARKET_ON_OPEN"))
    assert "not supported" in event.description


def test_market_on_open_order_that_fails_at_the_opening_answers_no_request():
    peer = trader(
        (0, 112567, 112569),
        (31_100.0, 112500, 112502),
        switches=replace(BARE, always_open=False),
    )
    peer.send(order(timeInForce="MARKET_ON_OPEN"), "m1")
    events(peer)
    peer.exchange.floor.script_rejection("NOT_ENOUGH_MONEY")
    (rejected,) = events(peer, 32_000)
    assert (kinds([rejected]), rejected.isServerEvent) == (["ORDER_REJECTED"], True)


def test_market_on_open_order_may_be_cancelled():
    peer = trader(switches=replace(BARE, always_open=False))
    peer.send(order(timeInForce="MARKET_ON_OPEN"))
    events(peer)
    peer.send(cancel())
    (cancelled,) = events(peer)
    assert (cancelled.order.orderStatus, cancelled.position.positionStatus) == (5, 2)


# Books


def test_closing_deals_name_the_deals_that_they_take_from():
    peer = trader()
    peer.send(order(volume=200_000))
    events(peer)
    peer.send(order(positionId=POSITION))
    events(peer)
    peer.send(close(300_000))
    events(peer)
    book = book_of(peer)
    assert [(each.opening_deal_id, each.closing_deal_id, each.volume) for each in book.offsets] == [
        (7_000_001, 7_000_003, 200_000),
        (7_000_002, 7_000_003, 100_000),
    ]
    assert [(each.kind, each.deal_id) for each in book.journal] == [("deal", 7_000_003)]


def test_terms_that_change_hold_for_the_next_order():
    peer = trader()
    peer.exchange.change_symbol(1, min_volume=300_000)
    assert refusal(peer, order()).errorCode == "TRADING_BAD_VOLUME"


def test_limits_wait_in_spite_of_their_time_in_force_if_so_switched():
    peer = trader(switches=replace(BARE, limits_honour_time_in_force=False))
    peer.send(order("LIMIT", limitPrice=1.12, timeInForce="IMMEDIATE_OR_CANCEL"))
    (accepted,) = events(peer)
    assert (kinds([accepted]), accepted.order.timeInForce) == (["ORDER_ACCEPTED"], 2)


def test_immediate_stop_order_waits_for_its_stop_only():
    peer = trader((0, 112567, 112569), (3, 113000, 113002))
    peer.send(order("STOP", stopPrice=1.13, timeInForce="FILL_OR_KILL", volume=300_000))
    assert kinds(events(peer)) == ["ORDER_ACCEPTED"]
    peer.exchange.floor.script_fill(100_000)
    assert kinds(events(peer, 3)) == ["ORDER_CANCELLED"]


def test_wrong_side_of_a_stop_has_the_code_of_the_switch():
    peer = trader(switches=replace(BARE, wrong_stop_code="TRADING_BAD_STOPS"))
    assert refusal(peer, order("STOP", stopPrice=1.1)).errorCode == "TRADING_BAD_STOPS"


def test_pending_order_without_a_rate_to_reckon_with_is_rejected():
    # The account is kept in dollars, and there is no price of dollars in yen.
    exchange = scripted_exchange(
        ((0, 16_500_000, 16_500_400), (3, 16_400_000, 16_400_400)), symbol_id=3
    )
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    peer.send(order("LIMIT", symbolId=3, limitPrice=164.5))
    assert kinds(events(peer)) == ["ORDER_ACCEPTED"]
    (rejected,) = events(peer, 3)
    assert (kinds([rejected]), rejected.errorCode) == (["ORDER_REJECTED"], "NO_QUOTES")
    assert rejected.isServerEvent


def test_stop_loss_that_a_script_rejects_tries_again_at_once():
    peer = trader((0, 112567, 112569), (3, 112460, 112462))
    peer.send(order(relativeStopLoss=100))
    events(peer)
    peer.exchange.floor.script_rejection("TIMEOUT_ERROR", deal_status=ProtoOADealStatus.MISSED)
    (filled,) = events(peer, 3)
    assert filled.order.executionPrice == 1.1246
    assert filled.deal.executionTimestamp == START + 3040  # twice the fill delay after the price


def test_rest_of_an_addition_is_rejected_when_a_netted_position_was_closed_meanwhile():
    peer = log_in(
        Peer(scripted_exchange(((0, 112567, 112569), (3.01, 112500, 112502)))), NETTED_ACCOUNT
    )
    peer.send(order(ctidTraderAccountId=NETTED_ACCOUNT))
    peer.send(
        order("STOP", "SELL", stopPrice=1.1255, volume=200_000, ctidTraderAccountId=NETTED_ACCOUNT)
    )
    peer.run(3)
    peer.received()
    peer.exchange.floor.script_fill(100_000, 100_000)
    peer.send(
        order(volume=200_000, ctidTraderAccountId=NETTED_ACCOUNT)
    )  # parts at 3.02 and 3.04, the stop at 3.03
    found = events(peer)
    assert kinds(found) == [
        "ORDER_ACCEPTED",
        "ORDER_PARTIAL_FILL",
        "ORDER_FILLED",
        "ORDER_REJECTED",
    ]
    assert found[2].position.positionStatus == 2
    assert (found[3].errorCode, found[3].order.executedVolume) == ("POSITION_NOT_OPEN", 100_000)
    assert not peer.exchange.books[NETTED_ACCOUNT].positions


def test_stop_loss_on_its_way_ends_with_a_netted_position_that_is_closed_before():
    peer = log_in(
        Peer(scripted_exchange(((0, 112567, 112569), (3, 112500, 112502)))), NETTED_ACCOUNT
    )
    peer.send(order("STOP", "SELL", stopPrice=1.1255, ctidTraderAccountId=NETTED_ACCOUNT))
    peer.send(order(relativeStopLoss=19, ctidTraderAccountId=NETTED_ACCOUNT))
    events(peer)
    filled, cancelled = events(peer, 3)
    assert kinds([filled, cancelled]) == ["ORDER_FILLED", "ORDER_CANCELLED"]
    assert filled.order.orderType == ProtoOAOrderType.STOP
    assert cancelled.order.orderType == ProtoOAOrderType.STOP_LOSS_TAKE_PROFIT
    book = peer.exchange.books[NETTED_ACCOUNT]
    assert not book.positions
    assert not book.working


def test_close_request_never_opens_the_other_side_of_a_netted_account():
    peer = log_in(
        Peer(scripted_exchange(((0, 112567, 112569), (3, 112500, 112502)))), NETTED_ACCOUNT
    )
    peer.send(order(volume=300_000, ctidTraderAccountId=NETTED_ACCOUNT))
    peer.send(
        order("STOP", "SELL", stopPrice=1.1255, volume=200_000, ctidTraderAccountId=NETTED_ACCOUNT)
    )
    peer.run(3.01)
    peer.received()
    request = close(300_000)
    request.ctidTraderAccountId = NETTED_ACCOUNT
    peer.send(request)  # filled at 3.03, after the stop
    found = events(peer)
    assert kinds(found) == [
        "ORDER_ACCEPTED",
        "ORDER_FILLED",
        "ORDER_PARTIAL_FILL",
        "ORDER_CANCELLED",
    ]
    assert found[2].deal.closePositionDetail.closedVolume == 100_000
    assert not peer.exchange.books[NETTED_ACCOUNT].positions


def test_stop_loss_in_parts_closes_no_more_than_a_netted_position_still_holds():
    ticks = ((0, 112567, 112569), (3, 112460, 112462), (5, 112450, 112452))
    peer = log_in(Peer(scripted_exchange(ticks)), NETTED_ACCOUNT)
    peer.send(order(volume=300_000, relativeStopLoss=100, ctidTraderAccountId=NETTED_ACCOUNT))
    events(peer)
    # Both are released at once; the parts of the stop loss come before and after the other's.
    peer.send(order("STOP", "SELL", stopPrice=1.1247, ctidTraderAccountId=NETTED_ACCOUNT))
    peer.exchange.floor.script_fill(100_000, 200_000)
    found = events(peer, 3)
    assert kinds(found) == [
        "ORDER_ACCEPTED",
        "ORDER_PARTIAL_FILL",
        "ORDER_FILLED",
        "ORDER_FILLED",
    ]
    assert [each.deal.filledVolume for each in found[1:]] == [100_000, 100_000, 100_000]
    book = peer.exchange.books[NETTED_ACCOUNT]
    assert not book.positions
    assert not book.working


# What happens while a fill is under way


def test_level_that_is_being_filled_is_not_replaced_by_that_of_an_addition():
    peer = trader((0, 112567, 112569), (1.03, 112900, 112902), (1.055, 112700, 112702))
    peer.send(order(relativeTakeProfit=200))
    peer.run(1)
    peer.send(order(relativeTakeProfit=5000, positionId=POSITION))
    *_, filled = events(peer)
    assert filled.order.orderType == ProtoOAOrderType.STOP_LOSS_TAKE_PROFIT
    assert (filled.order.limitPrice, filled.order.executionPrice) == (1.12769, 1.129)
    assert filled.deal.filledVolume == 200_000


def test_guaranteed_stop_that_is_being_filled_keeps_its_price():
    peer = guarded((0, 112567, 112569), (1.03, 111000, 111002))
    peer.send(order(relativeStopLoss=1000, guaranteedStopLoss=True))
    peer.run(1)
    peer.received()
    # Filled at 1.02; its better stop loss is due at 1.04, and the fill of the first at 1.05.
    peer.send(order(relativeStopLoss=500, guaranteedStopLoss=True, positionId=POSITION))
    found = events(peer)
    assert kinds(found) == ["ORDER_ACCEPTED", "ORDER_FILLED", "ORDER_FILLED"]
    assert found[1].order.executionPrice == 1.12569
    assert (found[2].order.stopPrice, found[2].order.executionPrice) == (1.11569, 1.11569)
    assert found[2].deal.filledVolume == 200_000


def test_levels_of_an_addition_come_when_the_fill_of_the_others_was_rejected():
    peer = trader((0, 112567, 112569), (1.03, 112900, 112902), (1.06, 112600, 112602))
    peer.send(order(relativeTakeProfit=200))
    peer.run(1)
    peer.received()
    # Filled at 1.02; its take profit is due at 1.04, and the fill of the first at 1.05.
    peer.send(order(relativeTakeProfit=5000, positionId=POSITION))
    peer.run(0.045)
    assert kinds(peer.messages(ProtoOAExecutionEvent)) == ["ORDER_ACCEPTED", "ORDER_FILLED"]
    peer.exchange.floor.script_rejection("TIMEOUT_ERROR")
    (replaced,) = events(peer, 2)
    assert kinds([replaced]) == ["ORDER_REPLACED"]
    assert (replaced.order.limitPrice, replaced.order.tradeData.volume) == (1.17569, 200_000)
    assert replaced.order.utcLastUpdateTimestamp == START + 1050
    assert book_of(peer).positions[POSITION].executing is None


def test_addition_without_a_stop_loss_leaves_the_trailing_one_as_it_is():
    peer = trader((0, 112567, 112569), (5, 112700, 112702))
    peer.send(order(relativeStopLoss=300, trailingStopLoss=True))
    events(peer)
    peer.send(amend(stopLoss=1.12269, stopLossTriggerMethod="OPPOSITE"))
    events(peer)
    peer.send(order(relativeTakeProfit=300, positionId=POSITION))
    replaced = events(peer)[-1]
    assert (replaced.position.stopLoss, replaced.position.takeProfit) == (1.12269, 1.12869)
    assert replaced.position.trailingStopLoss
    assert replaced.order.stopTriggerMethod == 2
    peer.run(5)
    (moved,) = peer.messages(ProtoOATrailingSLChangedEvent)
    assert moved.stopPrice == 1.12402  # 298 behind the bid, as when it was set


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_level_that_a_gap_puts_below_zero_is_the_smallest_price(side: str):
    peer = trader((0, 112567, 112569), (2, 50_000, 50_002))
    if side == "BUY":
        peer.send(order("LIMIT", "BUY", limitPrice=1.0, relativeStopLoss=90_000))
    else:
        peer.send(order("STOP", "SELL", stopPrice=1.12, relativeTakeProfit=110_000))
    protected = events(peer, 3)[-1]
    assert protected.order.orderType == ProtoOAOrderType.STOP_LOSS_TAKE_PROFIT
    assert 0.00001 in (protected.order.stopPrice, protected.order.limitPrice)


def test_stop_loss_that_is_passed_while_a_part_is_closed_waits_for_that():
    peer = trader((0, 112567, 112569), (1.205, 112400, 112402))
    peer.send(order(volume=200_000, relativeStopLoss=100))
    peer.run(1.2)
    peer.received()
    peer.send(close())  # filled at 1.22, when the stop loss was passed already
    found = events(peer)
    assert kinds(found) == ["ORDER_ACCEPTED", "ORDER_FILLED", "ORDER_REPLACED", "ORDER_FILLED"]
    assert [found[each].deal.filledVolume for each in (1, 3)] == [100_000, 100_000]
    assert found[3].order.orderType == ProtoOAOrderType.STOP_LOSS_TAKE_PROFIT


def test_stop_loss_on_its_way_does_not_close_a_later_position_of_the_same_id():
    peer = trader(
        (0, 112567, 112569),
        (3, 112400, 112402),
        switches=replace(BARE, flip_keeps_position_id=True),
        accounts=account(account_type=ProtoOAAccountType.NETTED),
    )
    # One price releases all three: the position is sold, bought again, and then its stop loss.
    peer.send(order("STOP", "SELL", stopPrice=1.125, volume=200_000))
    peer.send(order("LIMIT", limitPrice=1.1245, volume=200_000))
    peer.send(order(relativeStopLoss=100))
    events(peer)
    found = events(peer, 3)
    assert kinds(found).count("ORDER_CANCELLED") == 1
    (held,) = book_of(peer).open_positions()
    assert (held.is_buy, held.volume) == (True, 100_000)
    assert {each.position.positionId for each in found if each.HasField("deal")} == {
        held.position_id
    }
    assert not book_of(peer).working


def test_stop_loss_that_was_passed_during_a_rejected_close_is_filled_without_a_new_price():
    peer = trader((0, 112567, 112569), (1.21, 112000, 112002))
    peer.send(order(relativeStopLoss=100))
    peer.run(1.2)
    peer.received()
    peer.exchange.floor.script_rejection("TIMEOUT_ERROR")
    peer.send(close())
    found = events(peer)
    assert kinds(found) == ["ORDER_ACCEPTED", "ORDER_REJECTED", "ORDER_FILLED"]
    assert found[2].order.executionPrice == 1.12


def test_stop_out_that_a_script_rejects_is_tried_again_without_a_new_price():
    peer = trader((0, 112567, 112569), (2, 110000, 110002), accounts=account(balance=Decimal(1500)))
    peer.send(order(volume=10_000_000))
    events(peer)
    peer.exchange.floor.script_rejection("TIMEOUT_ERROR")
    found = events(peer, 2)
    assert kinds(found) == ["ORDER_ACCEPTED", "ORDER_REJECTED", "ORDER_ACCEPTED", "ORDER_FILLED"]
    assert all(each.order.isStopOut for each in found)


def test_plain_stop_loss_is_not_charged_as_a_guaranteed_one():
    switches = replace(BARE, guaranteed_charge_at="hit")
    peer = guarded((0, 112567, 112569), (3, 112469, 112471), switches=switches)
    peer.send(order(relativeStopLoss=100))
    events(peer)
    (filled,) = events(peer, 3)
    assert filled.order.executionPrice == filled.order.stopPrice == 1.12469


def test_market_order_under_way_is_rejected_when_its_symbol_or_account_stops_trading():
    slow = replace(BARE, fill_delay=1.0)
    peer = trader(switches=slow)
    peer.send(order())
    peer.run(0.5)
    peer.exchange.change_symbol(1, enabled=False)
    assert events(peer)[-1].errorCode == "TRADING_DISABLED"
    closing = trader(switches=replace(slow, always_open=False), schedule=())
    closing.send(order())
    closing.run(0.5)
    holiday = HolidaySpec(
        holiday_id=1, name="X", date=START // DAY, zone="UTC", start_second=0, end_second=86_399
    )
    closing.exchange.change_symbol(1, holidays=(holiday,))
    assert events(closing)[-1].errorCode == "SYMBOL_HAS_HOLIDAY"
    denied = trader(switches=slow)
    denied.send(order())
    denied.run(0.5)
    denied.exchange.change_account(USD_ACCOUNT, access_rights=ProtoOAAccessRights.CLOSE_ONLY)
    assert events(denied)[-1].errorCode == "TRADING_NOT_ALLOWED"


def test_market_range_order_waits_for_the_opening_too():
    ticks = ((0, 112567, 112569), (300, 112600, 112602))
    holiday = HolidaySpec(
        holiday_id=1,
        name="X",
        date=START // DAY,
        zone="UTC",
        start_second=0,
        end_second=START // 1000 % 86_400 + 200,
    )
    switches = replace(BARE, always_open=False)
    peer = trader(*ticks, switches=switches, schedule=(), holidays=(holiday,))
    for points in (100, 10):
        peer.send(
            order(
                "MARKET_RANGE",
                timeInForce="MARKET_ON_OPEN",
                baseSlippagePrice=1.12569,
                slippageInPoints=points,
            )
        )
    assert kinds(events(peer)) == ["ORDER_ACCEPTED", "ORDER_ACCEPTED"]
    filled, cancelled = events(peer, 400)
    assert kinds([filled, cancelled]) == ["ORDER_FILLED", "ORDER_CANCELLED"]
    assert filled.order.executionPrice == 1.12602


# Netted accounts


def netted(
    *ticks: tuple[float, int | None, int | None], switches: Switches = BARE, **terms: object
) -> Peer:
    """Open an exchange with one netted account on these terms, which holds a long position."""
    accounts = account(account_type=ProtoOAAccountType.NETTED, **terms)
    peer = trader(*ticks, switches=switches, accounts=accounts)
    if terms.get("is_limited_risk"):
        peer.exchange.change_symbol(1, guaranteed_stops=True)
        peer.send(order(relativeStopLoss=5000, guaranteedStopLoss=True))
    else:
        peer.send(order())
    peer.run(1)
    peer.received()
    return peer


def test_flip_at_the_market_has_the_protection_that_it_asked_for():
    peer = netted()
    peer.send(
        order(
            side="SELL",
            volume=200_000,
            relativeStopLoss=300,
            relativeTakeProfit=200,
            trailingStopLoss=True,
        )
    )
    protected = events(peer)[-1]
    assert protected.order.orderType == ProtoOAOrderType.STOP_LOSS_TAKE_PROFIT
    assert protected.position.positionId == 5_000_002
    assert (protected.order.stopPrice, protected.order.limitPrice) == (1.12867, 1.12367)
    assert protected.position.trailingStopLoss


def test_what_a_flip_opens_is_under_the_rules_of_opening():
    flip = order(side="SELL", volume=200_000)
    near = netted()
    near.exchange.change_symbol(1, stop_loss_distance=100)
    too_near = order(side="SELL", volume=200_000, relativeStopLoss=50)
    assert refusal(near, too_near).errorCode == "PROTECTION_IS_TOO_CLOSE_TO_MARKET"
    symbol = netted()
    symbol.exchange.change_symbol(1, trading_mode=ProtoOATradingMode.CLOSE_ONLY_MODE)
    assert refusal(symbol, flip).errorCode == "TRADING_DISABLED"
    symbol.send(order(side="SELL"))
    assert kinds(events(symbol)) == ["ORDER_ACCEPTED", "ORDER_FILLED"]
    rights = netted()
    rights.exchange.change_account(USD_ACCOUNT, access_rights=ProtoOAAccessRights.CLOSE_ONLY)
    assert refusal(rights, flip).errorCode == "TRADING_NOT_ALLOWED"
    limited = netted(is_limited_risk=True)
    assert "required for limited risk" in refusal(limited, flip).description
    limited.send(order(side="SELL", volume=200_000, relativeStopLoss=300, guaranteedStopLoss=True))
    opened = [each for each in events(limited) if each.position.positionId == 5_000_002]
    assert opened[-1].position.guaranteedStopLoss
    assert opened[-1].position.stopLoss == 1.12867


def test_volume_rules_hold_for_what_an_order_leaves_or_opens_beyond_a_position():
    peer = netted()
    peer.send(order(volume=700_000))
    peer.run(1)
    peer.exchange.change_symbol(1, min_volume=500_000)
    left = refusal(peer, order(side="SELL", volume=500_000))
    assert (left.errorCode, left.positionId) == ("TRADING_BAD_VOLUME", POSITION)
    assert "Remaining volume 300000" in left.description
    beyond = refusal(peer, order(side="SELL", volume=900_000))
    assert "Order volume = 100000" in beyond.description
    hedged = trader(min_volume=100_000)
    hedged.send(order(volume=800_000))
    hedged.run(1)
    hedged.exchange.change_symbol(1, min_volume=500_000)
    by_id = order(side="SELL", volume=500_000, positionId=POSITION)
    assert "Remaining volume 300000" in refusal(hedged, by_id).description


@pytest.mark.parametrize("by_order", [False, True])
def test_whole_position_can_be_closed_though_such_volumes_are_not_opened_any_more(by_order: bool):
    peer = trader()
    peer.send(order(volume=300_000))
    peer.run(1)
    peer.exchange.change_symbol(1, min_volume=400_000, step_volume=200_000)
    whole = order(side="SELL", volume=300_000, positionId=POSITION) if by_order else close(300_000)
    peer.received()
    peer.send(whole)
    assert kinds(events(peer)) == ["ORDER_ACCEPTED", "ORDER_FILLED"]
    assert not book_of(peer).positions


def test_volume_of_nothing_is_refused_whatever_the_smallest_volume_is():
    symbol = replace(DEFAULT_CATALOGUE.symbols[0], min_volume=0)
    for volume in (0, -symbol.step_volume):
        with pytest.raises(OrderRefusal, match="TRADING_BAD_VOLUME"):
            check_volume(symbol, volume)


def test_rest_of_a_netted_limit_opens_when_what_it_was_to_close_is_gone():
    peer = netted(
        (0, 112567, 112569), (2, 112600, 112602), (4, 112500, 112502), (6, 112650, 112652)
    )
    peer.exchange.floor.script_fill(30_000)
    peer.exchange.change_symbol(1, min_volume=10_000, step_volume=10_000)
    peer.send(order("LIMIT", "SELL", limitPrice=1.126, volume=200_000))
    peer.run(2)
    peer.send(close(70_000))
    peer.run(1)
    peer.received()
    (filled,) = events(peer, 5)
    assert kinds([filled]) == ["ORDER_FILLED"]
    assert (filled.position.tradeData.tradeSide, filled.position.tradeData.volume) == (2, 170_000)
    assert not filled.order.closingOrder


@pytest.mark.parametrize(
    ("keeps", "new_id"), [(False, 5_000_002), (True, POSITION)], ids=["new id", "same id"]
)
def test_flip_has_a_new_id_unless_it_is_switched_to_keep_the_old_one(keeps: bool, new_id: int):
    peer = netted(switches=replace(BARE, flip_keeps_position_id=keeps))
    peer.send(amend(stopLoss=1.11))
    peer.run(1)
    peer.received()
    peer.send(order(side="SELL", volume=300_000, relativeStopLoss=300))
    found = events(peer)
    assert [each.position.positionId for each in found if each.HasField("deal")] == [
        POSITION,
        new_id,
    ]
    cancelled = next(each for each in found if each.executionType == 5)
    assert cancelled.order.orderId == 6_000_002
    assert cancelled.position.tradeData.volume == (200_000 if keeps else 0)
    assert found[-1].order.stopPrice == 1.12867
    (held,) = book_of(peer).open_positions()
    assert (held.position_id, held.is_buy, held.volume) == (new_id, False, 200_000)
    peer.send(close(200_000, position_id=new_id))
    assert kinds(events(peer)) == ["ORDER_ACCEPTED", "ORDER_FILLED", "ORDER_CANCELLED"]
    assert not book_of(peer).positions
    assert not book_of(peer).working


def test_orders_of_a_position_hold_the_one_that_closed_it_and_opened_another():
    peer = netted()
    peer.send(order(side="SELL", volume=200_000))
    peer.run(1)
    for position in (POSITION, 5_000_002):
        answer = peer.ask(
            ProtoOAOrderListByPositionIdReq(ctidTraderAccountId=USD_ACCOUNT, positionId=position),
            ProtoOAOrderListByPositionIdRes,
        )
        assert 6_000_002 in [each.orderId for each in answer.order]


# Margin


@pytest.mark.parametrize(("method", "free"), [("MAX", True), ("NET", True), ("SUM", False)])
def test_hedge_needs_margin_only_where_both_sides_are_added(method: str, free: bool):
    terms = {
        "balance": Decimal(1500),
        "margin_calculation": ProtoOATotalMarginCalculationType.Value(method),
        "stop_out_level": 0,
    }
    peer = trader(accounts=account(**terms))
    peer.send(order(volume=10_000_000))
    events(peer)
    hedge = order(side="SELL", volume=10_000_000)
    if free:
        peer.send(hedge)
        assert kinds(events(peer)) == ["ORDER_ACCEPTED", "ORDER_FILLED"]
        # Of two hedges under way at once only one sets off the position.
        peer.send(close(10_000_000, position_id=5_000_002))
        peer.run(1)
        peer.received()
        peer.send(hedge)
    assert refusal(peer, hedge).errorCode == "NOT_ENOUGH_MONEY"


def test_flip_may_use_the_margin_that_it_sets_free():
    peer = netted(balance=Decimal(1500), stop_out_level=0)
    peer.send(order(volume=9_900_000))
    peer.run(1)
    peer.received()
    peer.send(order(side="SELL", volume=20_000_000))
    assert kinds(events(peer)) == ["ORDER_ACCEPTED", "ORDER_PARTIAL_FILL", "ORDER_FILLED"]
    assert refusal(peer, order("MARKET", volume=25_000_000)).errorCode == "NOT_ENOUGH_MONEY"


def test_amended_volume_needs_its_money_too_if_so_switched():
    poor = account(balance=Decimal(2000))
    peer = trader(accounts=poor, switches=replace(BARE, pending_orders_check_money=True))
    peer.send(order("LIMIT", limitPrice=1.1))
    peer.run(1)
    assert refusal(peer, amend_order(volume=100_000_000)).errorCode == "NOT_ENOUGH_MONEY"
    peer.send(amend_order(volume=1_000_000))
    assert kinds(events(peer)) == ["ORDER_REPLACED"]


# Choices


def test_refusals_of_an_amendment_name_the_order():
    peer = trader()
    peer.send(order("STOP_LIMIT", stopPrice=1.13, slippageInPoints=5))
    peer.run(1)
    for fields in ({"slippageInPoints": -5}, {"stopPrice": 1.1300001}, {"volume": 1}):
        assert refusal(peer, amend_order(**fields)).orderId == ORDER


@pytest.mark.parametrize(
    ("setting", "distance"), [("refused", None), ("absolute", 1000), ("relative", 500)]
)
def test_level_given_as_price_and_as_distance(
    setting: Literal["refused", "absolute", "relative"], distance: int | None
):
    peer = trader(switches=replace(BARE, absolute_and_relative=setting))
    both = order("LIMIT", limitPrice=1.1, stopLoss=1.09, relativeStopLoss=500)
    if distance is None:
        assert refusal(peer, both).errorCode == "INVALID_REQUEST"
        return
    peer.send(both)
    (accepted,) = events(peer)
    assert accepted.order.relativeStopLoss == distance


@pytest.mark.parametrize("setting", ["filled", "refused"])
def test_limit_that_the_market_has_passed(setting: Literal["filled", "refused"]):
    peer = trader(switches=replace(BARE, limit_beyond_market=setting))
    passed = order("LIMIT", limitPrice=1.126)
    if setting == "filled":
        peer.send(passed)
        assert kinds(events(peer)) == ["ORDER_ACCEPTED", "ORDER_FILLED"]
        return
    assert refusal(peer, passed).errorCode == "TRADING_BAD_PRICES"
    peer.send(order("LIMIT", limitPrice=1.125))
    events(peer)
    assert refusal(peer, amend_order(limitPrice=1.126)).errorCode == "TRADING_BAD_PRICES"
    peer.send(order("LIMIT", "SELL", limitPrice=1.126))
    assert kinds(events(peer)) == ["ORDER_ACCEPTED"]


@pytest.mark.parametrize("setting", ["refused", "ignored"])
def test_position_id_on_a_pending_order(setting: Literal["refused", "ignored"]):
    peer = trader(switches=replace(BARE, pending_position_id=setting))
    request = order("LIMIT", limitPrice=1.1, positionId=77)
    if setting == "refused":
        assert refusal(peer, request).errorCode == "INVALID_REQUEST"
        return
    peer.send(request)
    (accepted,) = events(peer)
    assert accepted.position.positionId == POSITION


@pytest.mark.parametrize("rights", ["CLOSE_ONLY", "NO_TRADING"])
@pytest.mark.parametrize("setting", ["wait", "rejected"])
def test_pending_order_of_an_account_that_may_not_open_any_more(
    setting: Literal["wait", "rejected"], rights: str
):
    ticks = ((0, 112567, 112569), (2, 112400, 112402), (5, 112390, 112392))
    peer = trader(*ticks, switches=replace(BARE, pending_without_rights=setting))
    peer.send(order("LIMIT", limitPrice=1.125))
    peer.run(1)
    peer.exchange.change_account(USD_ACCOUNT, access_rights=ProtoOAAccessRights.Value(rights))
    peer.received()
    found = events(peer, 3)
    if setting == "rejected":
        assert [each.errorCode for each in found] == ["TRADING_NOT_ALLOWED"]
        return
    assert found == []
    peer.exchange.change_account(USD_ACCOUNT, access_rights=ProtoOAAccessRights.FULL_ACCESS)
    assert kinds(events(peer, 3)) == ["ORDER_FILLED"]


@pytest.mark.parametrize("accepted_first", [True, False])
def test_stop_out_is_told_when_it_begins_or_only_when_it_is_done(accepted_first: bool):
    peer = trader(switches=replace(BARE, stop_out_accepted_first=accepted_first))
    peer.send(order())
    peer.run(1)
    peer.received()
    assert peer.exchange.floor.stop_out(book_of(peer), book_of(peer).positions[POSITION], 100_000)
    assert kinds(events(peer)) == ["ORDER_ACCEPTED"] * accepted_first + ["ORDER_FILLED"]


@pytest.mark.parametrize(
    ("kind", "price", "missing"),
    [
        ("LIMIT", {"limitPrice": 1.1}, "volume, limitPrice"),
        ("STOP_LIMIT", {"stopPrice": 1.13}, "volume, stopPrice, slippageInPoints"),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_what_an_amendment_leaves_out_is_kept_or_missed(
    kind: str, price: dict[str, float], missing: str, strict: bool
):
    peer = trader(switches=replace(BARE, amend_needs_all_fields=strict))
    fields: dict[str, object] = {**price}
    if kind == "STOP_LIMIT":
        fields["slippageInPoints"] = 5
    peer.send(order(kind, "BUY", **fields))
    (placed,) = events(peer)
    if strict:
        assert missing in refusal(peer, amend_order()).description
        peer.send(amend_order(volume=100_000, **fields))
    else:
        peer.send(amend_order())
    (replaced,) = events(peer)
    kept = ("limitPrice", "stopPrice", "slippageInPoints")
    assert [getattr(replaced.order, each) for each in kept] == [
        getattr(placed.order, each) for each in kept
    ]
    assert replaced.order.tradeData.volume == 100_000


@pytest.mark.parametrize(
    ("cancelling", "amending"),
    [("UNABLE_TO_CANCEL_ORDER", "UNABLE_TO_AMEND_ORDER"), ("ORDER_NOT_FOUND", "INVALID_REQUEST")],
)
def test_code_for_touching_a_protective_order(cancelling: str, amending: str):
    switches = replace(BARE, protective_cancel_code=cancelling, protective_amend_code=amending)
    peer = trader(switches=switches)
    peer.send(order(relativeStopLoss=100))
    peer.run(1)
    assert refusal(peer, cancel(6_000_002)).errorCode == cancelling
    request = with_fields(amend_order(limitPrice=1.1), orderId=6_000_002)
    assert refusal(peer, request).errorCode == amending


# Protection of what was just filled


def test_amendment_right_after_the_fill_replaces_what_the_order_asked_for():
    peer = trader(switches=replace(BARE, protection_delay=0.02))
    peer.send(order(relativeStopLoss=1000, relativeTakeProfit=2000))
    assert kinds(events(peer, 0.025)) == ["ORDER_ACCEPTED", "ORDER_FILLED"]
    peer.send(amend(stopLoss=1.1), "amend")
    (accepted,) = events(peer, 2)
    assert (accepted.order.stopPrice, accepted.order.HasField("limitPrice")) == (1.1, False)
    position = book_of(peer).positions[POSITION]
    assert (position.stop_loss, position.take_profit) == (110_000, None)


def test_amended_distances_hold_for_what_is_filled_later():
    ticks = (0, 112567, 112569), (10, 112400, 112402), (20, 112340, 112342)
    peer = trader(*ticks)
    peer.exchange.script.fill_next_order(100_000)
    peer.send(
        order("LIMIT", limitPrice=1.125, volume=200_000, relativeStopLoss=1000), client_msg_id="new"
    )
    assert kinds(events(peer, 12))[:2] == ["ORDER_ACCEPTED", "ORDER_PARTIAL_FILL"]
    assert book_of(peer).positions[POSITION].stop_loss == 112_402 - 1000
    peer.send(amend_order(limitPrice=1.1235, relativeStopLoss=3000))
    assert kinds(events(peer, 1)) == ["ORDER_REPLACED"]
    assert kinds(events(peer, 20))[0] == "ORDER_FILLED"
    assert book_of(peer).positions[POSITION].stop_loss == 112_342 - 3000


# What a part of a position may be


@pytest.mark.parametrize("volume", [100_000, 150_000, 1_050_000, 3_100_000])
def test_part_that_no_order_may_have_is_not_closed(volume: int):
    peer = trader(min_volume=1_000_000, max_volume=3_000_000, step_volume=100_000)
    peer.send(order(volume=3_000_000))
    events(peer)
    peer.send(order(volume=3_000_000, positionId=POSITION))
    events(peer)
    event = refusal(peer, close(volume))
    assert event.errorCode == "TRADING_BAD_VOLUME"
    assert f"Close volume {volume} must be all of 6000000, or from 1000000" in event.description
    peer.send(close(6_000_000))
    assert kinds(events(peer)) == ["ORDER_ACCEPTED", "ORDER_FILLED"]


# Netted accounts


def test_flip_leaves_levels_and_texts_to_the_position_that_it_closed():
    peer = trader(accounts=account(account_type=ProtoOAAccountType.NETTED))
    peer.send(order(label="old", comment="cold", relativeStopLoss=1000, relativeTakeProfit=1000))
    events(peer)
    peer.send(order(side="SELL", volume=300_000), "flip")
    flip = [each for each in events(peer) if each.order.orderId == ORDER + 2]
    assert kinds(flip) == ["ORDER_ACCEPTED", "ORDER_PARTIAL_FILL", "ORDER_FILLED"]
    assert [each.order.tradeData.label for each in flip] == ["old", "old", ""]
    (position,) = peer.exchange.books[USD_ACCOUNT].open_positions()
    assert (position.label, position.comment) == (None, None)
    orders = peer.ask(
        ProtoOAOrderListReq(ctidTraderAccountId=USD_ACCOUNT), ProtoOAOrderListRes
    ).order
    (listed,) = (each for each in orders if each.orderId == ORDER + 2)
    assert not listed.closingOrder
    assert (listed.HasField("stopLoss"), listed.HasField("takeProfit")) == (False, False)
    assert not listed.tradeData.HasField("label")


def test_pending_order_that_only_reduces_is_no_short_sale():
    peer = netted()
    peer.exchange.change_symbol(1, short_selling=False)
    peer.send(order(volume=200_000))
    events(peer)
    peer.send(order("LIMIT", "SELL", limitPrice=1.129, volume=300_000))
    assert kinds(events(peer)) == ["ORDER_ACCEPTED"]
    event = refusal(peer, order("LIMIT", "SELL", limitPrice=1.129, volume=400_000))
    assert event.errorCode == "SHORT_SELLING_NOT_ALLOWED"
    change = amend_order(orderId=ORDER + 2, limitPrice=1.13, volume=400_000)
    assert refusal(peer, change).errorCode == "SHORT_SELLING_NOT_ALLOWED"


@pytest.mark.parametrize("restricted", ["rights", "mode"])
@pytest.mark.parametrize("placed", ["before", "after"])
def test_pending_order_that_only_reduces_is_executed_where_closing_is_allowed(
    restricted: str, placed: str
):
    peer = netted((0, 112567, 112569), (20, 113000, 113002))
    peer.send(order(volume=200_000))
    events(peer)
    if placed == "before":
        peer.send(order("LIMIT", "SELL", limitPrice=1.129))
    events(peer)
    if restricted == "rights":
        peer.exchange.change_account(USD_ACCOUNT, access_rights=ProtoOAAccessRights.CLOSE_ONLY)
    else:
        peer.exchange.change_symbol(1, trading_mode=ProtoOATradingMode.CLOSE_ONLY_MODE)
    if placed == "after":
        peer.send(order("LIMIT", "SELL", limitPrice=1.129))
        assert kinds(events(peer)) == ["ORDER_ACCEPTED"]
    opening = refusal(peer, order("LIMIT", limitPrice=1.1))
    assert opening.errorCode in ("TRADING_NOT_ALLOWED", "TRADING_DISABLED")
    assert kinds(events(peer, 30)) == ["ORDER_FILLED"]
    (position,) = peer.exchange.books[USD_ACCOUNT].open_positions()
    assert position.volume == 200_000


# Margin that follows from guaranteed stop losses


def at_risk(balance: int, *bids: int, **terms: object) -> Peer:
    """Open an exchange with an account whose margin is what its guaranteed stops may cost."""
    strategy = ProtoOALimitedRiskMarginCalculationStrategy.ACCORDING_TO_GSL
    accounts = account(
        balance=Decimal(balance), is_limited_risk=True, limited_risk_strategy=strategy, **terms
    )
    ticks = [(10 * place, bid, bid + 2) for place, bid in enumerate(bids or (112567,))]
    return trader(*ticks, accounts=accounts, guaranteed_stops=True)


def test_order_needs_what_its_guaranteed_stop_loss_may_cost():
    # 100,000 units at a leverage of 100 would bind 1125.69 dollars; a distance of 0.02 costs 2000.
    guaranteed = order(volume=10_000_000, relativeStopLoss=2000, guaranteedStopLoss=True)
    event = refusal(at_risk(1990), guaranteed)
    assert event.errorCode == "NOT_ENOUGH_MONEY"
    assert "margin 200000 is needed, 199000 is free" in event.description
    peer = at_risk(2010)
    peer.send(guaranteed)
    _, filled, protected = events(peer)
    assert filled.position.usedMargin == protected.position.usedMargin == 200_000
    near = at_risk(150)  # what leverage would bind is not asked for
    near.send(order(volume=10_000_000, relativeStopLoss=100, guaranteedStopLoss=True))
    assert kinds(events(near)) == ["ORDER_ACCEPTED", "ORDER_FILLED", "ORDER_ACCEPTED"]
    assert book_of(near).positions[POSITION].used_margin == 10_000


def test_addition_needs_what_the_guaranteed_stop_loss_of_its_position_may_cost():
    peer = at_risk(4000, 112567, 112767)
    peer.send(order(volume=10_000_000, relativeStopLoss=1000, guaranteedStopLoss=True))
    peer.run(11)  # 0.002 over the first price, so 0.012 over the stop loss
    event = refusal(peer, order(volume=30_000_000, positionId=POSITION, guaranteedStopLoss=True))
    # 4000 - 1000 of margin, 198 of profit, 2.50 of commission
    assert "margin 360000 is needed, 319550 is free" in event.description
    peer.received()
    peer.send(order(volume=10_000_000, positionId=POSITION, guaranteedStopLoss=True))
    assert kinds(events(peer)) == ["ORDER_ACCEPTED", "ORDER_FILLED", "ORDER_REPLACED"]
    assert book_of(peer).positions[POSITION].used_margin == 100_000 + 120_000


def test_addition_with_a_better_guaranteed_stop_loss_needs_what_all_of_it_may_cost_then():
    peer = at_risk(2010)
    peer.send(order(volume=10_000_000, relativeStopLoss=2000, guaranteedStopLoss=True))
    peer.run(1)
    peer.received()
    # Ten dollars are left; what is there binds 2,000, and all of it will bind 400.
    peer.send(
        order(volume=10_000_000, relativeStopLoss=200, guaranteedStopLoss=True, positionId=POSITION)
    )
    assert kinds(events(peer)) == ["ORDER_ACCEPTED", "ORDER_FILLED", "ORDER_REPLACED"]
    assert book_of(peer).positions[POSITION].used_margin == 40_000


def test_addition_must_be_able_to_pay_for_what_it_takes_from_a_side_that_made_up_for_the_other():
    peer = at_risk(2010, margin_calculation=ProtoOATotalMarginCalculationType.NET)
    for side in ("BUY", "SELL"):
        guaranteed = order(
            side=side, volume=10_000_000, relativeStopLoss=2000, guaranteedStopLoss=True
        )
        peer.send(guaranteed)
        peer.run(1)
    peer.exchange.withdraw(USD_ACCOUNT, Decimal(200))
    peer.received()
    better = order(relativeStopLoss=100, guaranteedStopLoss=True, positionId=POSITION)
    # The long side would bind 101 dollars, and the short one 2,000 as before.
    event = refusal(peer, better)
    assert event.errorCode == "NOT_ENOUGH_MONEY"
    assert "margin 189900 is needed" in event.description


def gain_guaranteed(calculation: int) -> Peer:
    """Open a long position whose stop loss comes to stand over its entry; ten dollars are left."""
    peer = at_risk(20_000, 112567, 117567, margin_calculation=calculation)
    for side, distance in (("BUY", 2000), ("SELL", 8000)):
        peer.send(
            order(side=side, volume=10_000_000, relativeStopLoss=distance, guaranteedStopLoss=True)
        )
        peer.run(1)
    peer.run(10)
    peer.send(amend(stopLoss=1.155, guaranteedStopLoss=True))
    peer.run(1)
    book, floor = book_of(peer), peer.exchange.floor
    assert [each.used_margin for each in book.open_positions()] == [293_100, 800_000]
    free = floor.equity(book) - floor.used_margin(book)
    peer.exchange.withdraw(USD_ACCOUNT, Decimal(free - 1000) / 100)
    peer.received()
    return peer


def test_addition_to_what_has_its_gain_guaranteed_needs_what_all_of_it_may_cost_then():
    # Stop 0.02931 over what is there and 0.02069 under what is added: 862 dollars instead of 2,931.
    addition = order(volume=10_000_000, positionId=POSITION, guaranteedStopLoss=True)
    peer = gain_guaranteed(ProtoOATotalMarginCalculationType.SUM)
    peer.send(addition)
    assert kinds(events(peer)) == ["ORDER_ACCEPTED", "ORDER_FILLED", "ORDER_REPLACED"]
    assert book_of(peer).positions[POSITION].used_margin == 86_200
    net = gain_guaranteed(ProtoOATotalMarginCalculationType.NET)
    # So less makes up for the 8,000 of the other side.
    assert "margin 206900 is needed" in refusal(net, addition).description


def test_addition_needs_what_it_moves_to_dearer_tiers_behind_its_position():
    strategy = ProtoOALimitedRiskMarginCalculationStrategy.ACCORDING_TO_GSL_AND_LEVERAGE
    accounts = account(
        balance=Decimal(30_000), leverage=500, is_limited_risk=True, limited_risk_strategy=strategy
    )
    peer = trader(accounts=accounts, guaranteed_stops=True)
    for _ in range(2):
        peer.send(order(volume=80_000_000, relativeStopLoss=200, guaranteedStopLoss=True))
        peer.run(1)
    book = book_of(peer)
    assert [each.used_margin for each in book.open_positions()] == [180_110, 420_436]
    free = peer.exchange.floor.equity(book) - peer.exchange.floor.used_margin(book)
    peer.exchange.withdraw(USD_ACCOUNT, Decimal(free - 440_000) / 100)
    peer.received()
    better = order(
        volume=80_000_000, relativeStopLoss=199, guaranteedStopLoss=True, positionId=POSITION
    )
    # All that is added is at 1:200 in the end: the position takes what those behind it had.
    assert "margin 450277 is needed" in refusal(peer, better).description


def test_margin_follows_a_guaranteed_stop_loss_that_trails():
    peer = at_risk(2010, 112567, 112767)
    peer.send(
        order(
            volume=10_000_000,
            relativeStopLoss=1000,
            guaranteedStopLoss=True,
            trailingStopLoss=True,
        )
    )
    peer.run(1)
    assert book_of(peer).positions[POSITION].used_margin == 100_000
    peer.received()
    peer.run(11)
    trailed, margin = (
        each.message
        for each in peer.received()
        if isinstance(each.message, ProtoOATrailingSLChangedEvent | ProtoOAMarginChangedEvent)
    )
    assert isinstance(trailed, ProtoOATrailingSLChangedEvent)
    assert isinstance(margin, ProtoOAMarginChangedEvent)
    assert (trailed.stopPrice, margin.usedMargin) == (1.11767, 80_200)
    assert book_of(peer).positions[POSITION].used_margin == 80_200


@pytest.mark.parametrize("force", ["GOOD_TILL_CANCEL", "IMMEDIATE_OR_CANCEL", "FILL_OR_KILL"])
def test_end_of_an_order_that_waited_for_its_stop_answers_no_request(force: str):
    peer = trader((0, 112567, 112569), (5, 112600, 112602))
    peer.send(order("STOP", stopPrice=1.1258, timeInForce=force), "stop")
    assert kinds(events(peer, 4)) == ["ORDER_ACCEPTED"]
    peer.exchange.script.reject_next_order("NOT_ENOUGH_MONEY")
    (rejected,) = peer.executions(3)
    assert rejected.client_msg_id is None
    assert isinstance(rejected.message, ProtoOAExecutionEvent)
    assert rejected.message.isServerEvent


def test_pending_order_waits_while_its_symbol_is_disabled():
    peer = trader((0, 112567, 112569), (5, 112400, 112402), (15, 112390, 112392))
    peer.send(order("LIMIT", limitPrice=1.125))
    events(peer)
    peer.exchange.change_symbol(1, enabled=False)
    assert refusal(peer, order()).errorCode == "TRADING_DISABLED"
    assert events(peer, 10) == []
    peer.exchange.change_symbol(1, enabled=True)
    assert kinds(events(peer, 10)) == ["ORDER_FILLED"]


def test_stop_loss_follows_the_price_that_came_while_the_take_profit_was_tried():
    peer = trader(
        (0, 112567, 112569),
        (5, 112278, 112280),
        (6, 112265, 112267),
        (6.01, 112268, 112270),
        switches=replace(BARE, fill_delay=0.02, fill_through_depth=True),
    )
    peer.send(
        order(side="SELL", relativeStopLoss=800, relativeTakeProfit=300, trailingStopLoss=True)
    )
    peer.run(5.5)
    position = book_of(peer).positions[POSITION]
    assert (position.stop_loss, position.take_profit) == (113_080, 112_267)
    peer.run(1)
    assert position.is_open
    assert position.stop_loss == 113_070
