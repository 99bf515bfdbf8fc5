"""What orders and positions may not do, and what happens when two things meet."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from ctrader.proto import (
    ProtoOAAccessRights,
    ProtoOAChangeBalanceType,
    ProtoOADealListByPositionIdReq,
    ProtoOADealListByPositionIdRes,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOAExpectedMarginReq,
    ProtoOAExpectedMarginRes,
    ProtoOAOrderDetailsReq,
    ProtoOAOrderDetailsRes,
    ProtoOAOrderErrorEvent,
    ProtoOAOrderListByPositionIdReq,
    ProtoOAOrderListByPositionIdRes,
    ProtoOAOrderListReq,
    ProtoOAOrderListRes,
    ProtoOAOrderType,
    ProtoOAReconcileReq,
    ProtoOAReconcileRes,
    ProtoOATotalMarginCalculationType,
    ProtoOATradeSide,
    ProtoOATradingMode,
    ProtoOATrailingSLChangedEvent,
)
from ctrader.simulator.catalogue import DEFAULT_ACCOUNTS, DEFAULT_CATALOGUE
from ctrader.simulator.exchange import Exchange
from ctrader.simulator.market.prices import TickPrices
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
    NETTED_ACCOUNT,
    START,
    USD_ACCOUNT,
    Peer,
    log_in,
    make_tick,
    scripted_exchange,
    with_fields,
)

# Protection of positions


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [
        ({}, "INVALID_REQUEST", "Nothing to amend."),
        (
            {"stopLoss": 1.2},
            "TRADING_BAD_STOPS",
            "New SL for BUY position should be <= current BID",
        ),
        ({"takeProfit": 1.1}, "TRADING_BAD_STOPS", "New TP for BUY position should be >= current"),
        (
            {"stopLoss": 1.1, "takeProfit": 1.1},
            "TRADING_BAD_STOPS",
            "current BID: 1.12567, TP: 1.1",
        ),
        ({"stopLoss": 0.0}, "TRADING_BAD_STOPS", "Protection can't be negative"),
        ({"stopLoss": 1.123456}, "INVALID_REQUEST", "Allowed 5 digits"),
        ({"takeProfit": 1.2, "trailingStopLoss": True}, "INVALID_REQUEST", "needs a stop loss"),
    ],
)
def test_bad_protection_is_refused_as_a_whole(fields: dict[str, float], code: str, text: str):
    peer = trader()
    peer.send(order())
    events(peer)
    event = peer.ask(amend(**fields), ProtoOAOrderErrorEvent)
    assert event.errorCode == code
    assert text in event.description
    state = peer.ask(ProtoOAReconcileReq(ctidTraderAccountId=USD_ACCOUNT), ProtoOAReconcileRes)
    assert not state.position[0].HasField("stopLoss")
    assert not state.position[0].HasField("takeProfit")


def test_sides_of_a_short_position_are_mirrored():
    peer = trader()
    peer.send(order(side="SELL"))
    events(peer)
    assert "ASK" in peer.ask(amend(stopLoss=1.1), ProtoOAOrderErrorEvent).description
    assert "ASK" in peer.ask(amend(takeProfit=1.2), ProtoOAOrderErrorEvent).description
    peer.send(amend(stopLoss=1.2, takeProfit=1.1))
    assert kinds(events(peer)) == ["ORDER_ACCEPTED"]


def test_trailing_stop_of_a_short_position_follows_down():
    peer = trader((0, 112567, 112569), (5, 112467, 112469), (6, 112567, 112569))
    peer.send(order(side="SELL"))
    events(peer)
    peer.send(amend(stopLoss=1.12669, trailingStopLoss=True))
    peer.run(10)
    moves = peer.messages(ProtoOATrailingSLChangedEvent)
    assert [each.stopPrice for each in moves] == [1.12569]
    # The price came back to the stop that had followed it.
    assert not peer.exchange.books[USD_ACCOUNT].positions


def test_unknown_position_cannot_be_amended():
    event = trader().ask(amend(77, stopLoss=1.0), ProtoOAOrderErrorEvent)
    assert (event.errorCode, event.positionId) == ("POSITION_NOT_FOUND", 77)


def test_position_that_is_being_closed_is_locked():
    peer = trader()
    peer.send(order(relativeStopLoss=1000))
    events(peer)
    peer.send(close())
    assert peer.ask(amend(), ProtoOAOrderErrorEvent).errorCode == "PENDING_EXECUTION"
    added = order(positionId=POSITION)
    assert peer.ask(added, ProtoOAOrderErrorEvent).errorCode == "POSITION_LOCKED"
    assert kinds(events(peer)) == ["ORDER_FILLED", "ORDER_CANCELLED"]


def test_position_closed_before_its_protection_came_gets_none():
    peer = trader(switches=replace(BARE, protection_delay=0.5))
    peer.send(order(relativeStopLoss=1000))
    events(peer, 0.1)
    peer.send(close())
    assert kinds(events(peer)) == ["ORDER_ACCEPTED", "ORDER_FILLED"]
    assert not peer.exchange.books[USD_ACCOUNT].working


def test_level_reached_while_the_position_is_being_closed_changes_nothing():
    peer = trader((0, 112567, 112569), (2.01, 111000, 111002))
    peer.send(order(relativeStopLoss=1000))
    events(peer, 2)
    peer.send(close())
    found = events(peer)
    assert kinds(found) == ["ORDER_ACCEPTED", "ORDER_FILLED", "ORDER_CANCELLED"]
    assert found[1].order.orderType == ProtoOAOrderType.MARKET


def test_addition_and_close_under_way_are_executed_in_their_order():
    peer = trader()
    peer.send(order())
    events(peer)
    peer.send(order(positionId=POSITION))
    peer.send(close())
    found = events(peer)
    assert kinds(found)[:2] == ["ORDER_ACCEPTED", "ORDER_ACCEPTED"]
    # The addition is filled first, so the close leaves it open; then the rest is closed.
    assert found[-1].position.tradeData.volume == 100_000
    peer.send(close())
    peer.run(0.01)
    peer.received()
    assert kinds(events(peer)) == ["ORDER_FILLED"]


def test_order_whose_position_is_gone_is_rejected_instead_of_filled():
    peer = trader()
    peer.send(order())
    events(peer)
    peer.send(order(positionId=POSITION))
    peer.exchange.books[USD_ACCOUNT].positions.clear()
    accepted, rejected = events(peer)
    assert kinds([accepted, rejected]) == ["ORDER_ACCEPTED", "ORDER_REJECTED"]
    assert (rejected.errorCode, rejected.order.orderStatus) == ("POSITION_NOT_OPEN", 3)
    assert not rejected.HasField("position")


# Pending orders


def test_protective_order_is_neither_cancelled_nor_amended_by_its_id():
    peer = trader()
    peer.send(order(relativeStopLoss=1000))
    events(peer)
    refusal = peer.ask(cancel(ORDER + 1), ProtoOAOrderErrorEvent)
    assert (refusal.errorCode, refusal.orderId) == ("UNABLE_TO_CANCEL_ORDER", ORDER + 1)
    request = with_fields(amend_order(volume=200_000), orderId=ORDER + 1)
    assert peer.ask(request, ProtoOAOrderErrorEvent).errorCode == "UNABLE_TO_AMEND_ORDER"


def test_unknown_order_is_refused_with_its_id():
    peer = trader()
    event = peer.ask(cancel(77), ProtoOAOrderErrorEvent)
    assert (event.errorCode, event.orderId) == ("ORDER_NOT_FOUND", 77)
    assert event.description == "Order not found with id 77"
    assert not event.HasField("positionId")


def test_cancel_that_meets_the_fill_is_rejected_by_an_event():
    peer = trader((0, 112567, 112569), (5, 109998, 110000))
    peer.send(order("LIMIT", limitPrice=1.1))
    peer.run(5.01)
    peer.received()
    rejected = peer.ask(cancel(ORDER), ProtoOAExecutionEvent)
    assert kinds([rejected]) == ["ORDER_CANCEL_REJECTED"]
    assert rejected.errorCode == "PENDING_EXECUTION"
    refusal = peer.ask(amend_order(volume=200_000), ProtoOAOrderErrorEvent)
    assert refusal.errorCode == "PENDING_EXECUTION"
    assert kinds(events(peer)) == ["ORDER_FILLED"]


def test_limit_that_the_market_has_passed_is_filled_at_once_at_the_market():
    peer = trader()
    peer.send(order("LIMIT", "SELL", limitPrice=1.1))
    accepted, filled = events(peer)
    assert kinds([accepted, filled]) == ["ORDER_ACCEPTED", "ORDER_FILLED"]
    assert filled.order.executionPrice == 1.12567


def test_stop_order_is_filled_at_the_market_when_it_is_reached():
    peer = trader((0, 112567, 112569), (5, 111990, 111992))
    peer.send(order("STOP", "SELL", stopPrice=1.12))
    (accepted,) = events(peer)
    assert accepted.order.HasField("stopTriggerMethod")
    (filled,) = events(peer, 5)
    assert filled.order.executionPrice == 1.1199


def test_pending_order_without_money_at_its_price_is_rejected():
    balance = DEFAULT_ACCOUNTS[0].balance / 5000
    accounts = [replace(DEFAULT_ACCOUNTS[0], balance=balance, stop_out_level=0)]
    exchange = scripted_exchange(((0, 112567, 112569), (5, 110000, 110002)), accounts=accounts)
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    peer.send(order("LIMIT", limitPrice=1.11))
    events(peer)
    peer.send(order())
    events(peer)
    (rejected,) = events(peer, 10)
    assert kinds([rejected]) == ["ORDER_REJECTED"]
    assert rejected.errorCode == "NOT_ENOUGH_MONEY"
    assert (rejected.order.orderStatus, rejected.position.positionStatus) == (3, 2)


def test_amending_changes_price_levels_and_expiry():
    peer = trader()
    peer.send(order("LIMIT", limitPrice=1.11, relativeStopLoss=200, trailingStopLoss=True))
    events(peer)
    request = amend_order(
        limitPrice=1.1099,
        stopLoss=1.1079,
        takeProfit=1.12,
        expirationTimestamp=START + 60_000,
        trailingStopLoss=False,
    )
    peer.send(request)
    (replaced,) = events(peer)
    assert replaced.order.limitPrice == 1.1099
    assert (replaced.order.relativeStopLoss, replaced.order.relativeTakeProfit) == (200, 1010)
    assert (replaced.order.timeInForce, replaced.order.expirationTimestamp) == (1, START + 60_000)
    assert replaced.order.HasField("trailingStopLoss")
    assert not replaced.order.trailingStopLoss
    assert kinds(events(peer, 100)) == ["ORDER_EXPIRED"]


def test_expiry_that_was_amended_away_does_not_come():
    peer = trader()
    for _ in range(2):
        peer.send(order("LIMIT", limitPrice=1.11, expirationTimestamp=START + 60_000))
    events(peer)
    later = amend_order(limitPrice=1.11, expirationTimestamp=START + 600_000)
    never = amend_order(limitPrice=1.11)
    never.orderId = ORDER + 1
    for request in (later, never):
        peer.send(request)
    assert kinds(events(peer)) == ["ORDER_REPLACED"] * 2
    assert not events(peer, 120)
    (expired,) = events(peer, 600)
    assert (kinds([expired]), expired.order.orderId) == (["ORDER_EXPIRED"], ORDER)


def test_amending_keeps_what_is_left_out_if_so_switched():
    peer = trader(switches=replace(BARE, omitted_levels_clear=False))
    peer.send(order("STOP", stopPrice=1.13, relativeStopLoss=200, relativeTakeProfit=300))
    events(peer)
    peer.send(amend_order(stopPrice=1.131))
    (replaced,) = events(peer)
    assert replaced.order.stopPrice == 1.131
    assert (replaced.order.relativeStopLoss, replaced.order.relativeTakeProfit) == (200, 300)
    refusal = peer.ask(amend_order(stopPrice=1.1), ProtoOAOrderErrorEvent)
    assert refusal.errorCode == "TRADING_BAD_PRICES"


# Rights and modes


@pytest.mark.parametrize(
    ("rights", "opening", "closing"),
    [
        (ProtoOAAccessRights.CLOSE_ONLY, "TRADING_NOT_ALLOWED", None),
        (ProtoOAAccessRights.NO_TRADING, "TRADING_NOT_ALLOWED", "TRADING_NOT_ALLOWED"),
    ],
)
def test_access_rights_limit_trading(rights: int, opening: str, closing: str | None):
    peer = trader()
    peer.send(order())
    events(peer)
    book = peer.exchange.books[USD_ACCOUNT]
    book.spec = replace(book.spec, access_rights=rights)
    assert peer.ask(order(), ProtoOAOrderErrorEvent).errorCode == opening
    if closing is None:
        peer.send(close())
        assert kinds(events(peer)) == ["ORDER_ACCEPTED", "ORDER_FILLED"]
    else:
        assert peer.ask(close(), ProtoOAOrderErrorEvent).errorCode == closing


@pytest.mark.parametrize(
    ("change", "side", "code"),
    [
        ({"enabled": False}, "BUY", "TRADING_DISABLED"),
        ({"trading_mode": ProtoOATradingMode.CLOSE_ONLY_MODE}, "BUY", "TRADING_DISABLED"),
        ({"short_selling": False}, "SELL", "SHORT_SELLING_NOT_ALLOWED"),
    ],
)
def test_symbol_may_refuse_orders(change: dict[str, bool], side: str, code: str):
    first, *others = DEFAULT_CATALOGUE.symbols
    catalogue = replace(DEFAULT_CATALOGUE, symbols=(replace(first, **change), *others))  # type: ignore[arg-type]  # any field
    prices = TickPrices({1: [make_tick(0, 112567, 112569)]})
    exchange = Exchange(unix_ms=START, prices=prices, catalogue=catalogue, switches=BARE)
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    assert peer.ask(order(side=side), ProtoOAOrderErrorEvent).errorCode == code


def test_position_of_another_symbol_and_too_much_volume_are_refused():
    exchange = scripted_exchange(others={4: ((0, 15_000_000, 15_000_400),)})
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    peer.send(order())
    events(peer)
    wrong = order(symbolId=4, positionId=POSITION)
    assert peer.ask(wrong, ProtoOAOrderErrorEvent).errorCode == "INVALID_REQUEST"
    over = order(side="SELL", positionId=POSITION, volume=200_000)
    assert peer.ask(over, ProtoOAOrderErrorEvent).errorCode == "TRADING_BAD_VOLUME"
    peer.send(order(side="SELL", positionId=POSITION))
    found = events(peer)
    assert kinds(found) == ["ORDER_ACCEPTED", "ORDER_FILLED"]
    assert found[0].order.closingOrder
    assert found[1].position.positionStatus == 2


def test_remainder_under_the_smallest_volume_is_refused():
    first, *others = DEFAULT_CATALOGUE.symbols
    small = replace(first, min_volume=200_000)
    catalogue = replace(DEFAULT_CATALOGUE, symbols=(small, *others))
    prices = TickPrices({1: [make_tick(0, 112567, 112569)]})
    exchange = Exchange(unix_ms=START, prices=prices, catalogue=catalogue, switches=BARE)
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    peer.send(order(volume=300_000))
    events(peer)
    refusal = peer.ask(close(200_000), ProtoOAOrderErrorEvent)
    assert refusal.errorCode == "TRADING_BAD_VOLUME"
    assert "Remaining volume 100000" in refusal.description


# Margin and lists


@pytest.mark.parametrize(("method", "expected"), [("SUM", 3377), ("MAX", 2251), ("NET", 1125)])
def test_used_margin_of_both_sides(method: str, expected: int):
    calculation = ProtoOATotalMarginCalculationType.Value(method)
    accounts = [replace(DEFAULT_ACCOUNTS[0], margin_calculation=calculation)]
    peer = log_in(Peer(scripted_exchange(accounts=accounts)), USD_ACCOUNT)
    peer.send(order(volume=200_000))
    peer.send(order(side="SELL"))
    events(peer)
    book = peer.exchange.books[USD_ACCOUNT]
    assert peer.exchange.floor.used_margin(book) == expected


def test_take_profit_stays_a_limit_when_the_market_falls_back_before_the_fill():
    peer = trader((0, 112567, 112569), (5, 112700, 112702), (5.01, 112600, 112602))
    peer.send(order(relativeStopLoss=20, relativeTakeProfit=131))
    peer.run(1)
    peer.received()
    (fill,) = events(peer, 6)
    # The stop is nearer by then, but it was the target that released the order.
    assert fill.order.executionPrice == 1.127


def test_netted_account_never_holds_two_positions_of_a_symbol():
    ticks = ((0, 112567, 112569), (10, 112400, 112402))
    peer = log_in(Peer(scripted_exchange(ticks)), NETTED_ACCOUNT)
    peer.send(order("LIMIT", limitPrice=1.125, ctidTraderAccountId=NETTED_ACCOUNT))
    peer.send(order(ctidTraderAccountId=NETTED_ACCOUNT))
    peer.send(order(ctidTraderAccountId=NETTED_ACCOUNT))  # the first is not filled yet

    def held() -> list[tuple[int, int, int]]:
        answer = peer.ask(
            ProtoOAReconcileReq(ctidTraderAccountId=NETTED_ACCOUNT), ProtoOAReconcileRes
        )
        return [
            (each.positionId, each.tradeData.tradeSide, each.tradeData.volume)
            for each in answer.position
        ]

    found = events(peer, 1)
    assert kinds(found) == [*["ORDER_ACCEPTED"] * 3, "ORDER_FILLED", "ORDER_FILLED"]
    assert held() == [(POSITION + 1, ProtoOATradeSide.BUY, 200_000)]
    (fill,) = events(peer, 12)
    assert (fill.order.positionId, fill.deal.positionId) == (POSITION + 1, POSITION + 1)
    assert (fill.position.tradeData.volume, fill.order.closingOrder) == (300_000, False)
    peer.send(
        order("LIMIT", "SELL", limitPrice=1.1, volume=400_000, ctidTraderAccountId=NETTED_ACCOUNT)
    )
    found = events(peer, 1)
    assert kinds(found) == ["ORDER_ACCEPTED", "ORDER_PARTIAL_FILL", "ORDER_FILLED"]
    assert found[1].deal.closePositionDetail.closedVolume == 300_000
    ((_, side, volume),) = held()
    assert (side, volume) == (ProtoOATradeSide.SELL, 100_000)


def test_netted_position_outlives_a_pending_order_without_money():
    ticks = ((0, 112567, 112569), (10, 112400, 112402))
    peer = log_in(Peer(scripted_exchange(ticks)), NETTED_ACCOUNT)
    peer.send(order(ctidTraderAccountId=NETTED_ACCOUNT))
    peer.send(
        order("LIMIT", limitPrice=1.125, volume=900_000_000, ctidTraderAccountId=NETTED_ACCOUNT)
    )
    events(peer, 1)
    (rejected,) = events(peer, 12)
    assert (kinds([rejected]), rejected.errorCode) == (["ORDER_REJECTED"], "NOT_ENOUGH_MONEY")
    assert rejected.position.tradeData.volume == 0
    answer = peer.ask(ProtoOAReconcileReq(ctidTraderAccountId=NETTED_ACCOUNT), ProtoOAReconcileRes)
    assert [each.tradeData.volume for each in answer.position] == [100_000]
    assert len(answer.order) == 0


def test_list_by_position_leaves_cancelled_protective_orders_out():
    peer = trader((0, 112567, 112569), (20, 112000, 112002))
    peer.send(order(relativeStopLoss=100))
    events(peer)
    peer.send(close())
    events(peer)
    peer.send(order(relativeStopLoss=100))
    events(peer, 30)

    def listed(position: int) -> list[int]:
        request = ProtoOAOrderListByPositionIdReq(
            ctidTraderAccountId=USD_ACCOUNT, positionId=position
        )
        answer = peer.ask(request, ProtoOAOrderListByPositionIdRes)
        return [each.orderId for each in answer.order]

    everything = peer.ask(ProtoOAOrderListReq(ctidTraderAccountId=USD_ACCOUNT), ProtoOAOrderListRes)
    # Recorded: the account's list has the cancelled protective order, the position's has not,
    # while one that was hit is in both.
    assert len(everything.order) == 5
    assert listed(POSITION) == [ORDER + 2, ORDER]
    assert listed(POSITION + 1) == [ORDER + 4, ORDER + 3]


def test_expected_margin_refuses_what_it_cannot_know():
    peer = trader()

    def request(symbol: int, volume: int) -> ProtoOAExpectedMarginReq:
        return ProtoOAExpectedMarginReq(
            ctidTraderAccountId=USD_ACCOUNT, symbolId=symbol, volume=[volume]
        )

    assert peer.ask(request(999, 1), ProtoOAErrorRes).errorCode == "SYMBOL_NOT_FOUND"
    assert peer.ask(request(1, 0), ProtoOAErrorRes).errorCode == "TRADING_BAD_VOLUME"
    answer = peer.ask(request(1, 100_000), ProtoOAExpectedMarginRes)
    assert (answer.margin[0].buyMargin, answer.margin[0].sellMargin) == (1126, 1126)


def test_lists_and_details_of_orders_and_deals():
    peer = trader()
    peer.send(order())
    events(peer)
    peer.send(order("LIMIT", limitPrice=1.1))
    events(peer)
    orders = peer.ask(ProtoOAOrderListReq(ctidTraderAccountId=USD_ACCOUNT), ProtoOAOrderListRes)
    # An order that still waits is state, not history.
    assert [each.orderId for each in orders.order] == [ORDER]
    deals = peer.ask(
        ProtoOADealListByPositionIdReq(ctidTraderAccountId=USD_ACCOUNT, positionId=POSITION),
        ProtoOADealListByPositionIdRes,
    )
    assert [each.dealId for each in deals.deal] == [7_000_001]
    details = peer.ask(
        ProtoOAOrderDetailsReq(ctidTraderAccountId=USD_ACCOUNT, orderId=ORDER),
        ProtoOAOrderDetailsRes,
    )
    assert (details.order.orderId, [each.dealId for each in details.deal]) == (ORDER, [7_000_001])
    unknown = ProtoOAOrderDetailsReq(ctidTraderAccountId=USD_ACCOUNT, orderId=77)
    refusal = peer.ask(unknown, ProtoOAErrorRes)
    assert refusal.errorCode == "ORDER_NOT_FOUND"
    assert refusal.description == "Order 77 not found or not belong to trader 17091452"
    old = ProtoOAOrderListReq(
        ctidTraderAccountId=USD_ACCOUNT, fromTimestamp=START - 10_000, toTimestamp=START - 1
    )
    assert len(peer.ask(old, ProtoOAOrderListRes).order) == 0


@pytest.mark.parametrize("mode", ["DISABLED_WITHOUT_PENDINGS_EXECUTION", "CLOSE_ONLY_MODE"])
def test_pending_order_on_its_way_to_its_fill_waits_if_its_symbol_stops_executing(mode: str):
    peer = trader((0, 112567, 112569), (5, 111998, 112000), (9, 111997, 111999))
    peer.send(order("LIMIT", limitPrice=1.12))
    peer.run(5.01)
    peer.received()
    peer.exchange.change_symbol(1, trading_mode=ProtoOATradingMode.Value(mode))
    assert events(peer) == []
    # It was not the order's fault: it is there still, and the next price after that finds it.
    peer.exchange.change_symbol(1, trading_mode=ProtoOATradingMode.ENABLED)
    assert events(peer) == []
    assert kinds(events(peer, 5)) == ["ORDER_FILLED"]


def test_stop_loss_on_its_way_waits_if_its_symbol_stops_executing():
    peer = trader((0, 112567, 112569), (5, 111998, 112000), (9, 111997, 111999))
    peer.send(order(relativeStopLoss=500))
    peer.run(5.01)
    peer.received()
    without = ProtoOATradingMode.DISABLED_WITHOUT_PENDINGS_EXECUTION
    peer.exchange.change_symbol(1, trading_mode=without)
    assert events(peer) == []
    with_pendings = ProtoOATradingMode.DISABLED_WITH_PENDINGS_EXECUTION
    peer.exchange.change_symbol(1, trading_mode=with_pendings)
    assert kinds(events(peer, 5)) == ["ORDER_FILLED"]


def test_market_order_on_its_way_is_rejected_if_its_symbol_stops_trading():
    peer = trader()
    peer.send(order())
    without = ProtoOATradingMode.DISABLED_WITHOUT_PENDINGS_EXECUTION
    peer.exchange.change_symbol(1, trading_mode=without)
    accepted, rejected = events(peer)
    assert kinds([accepted, rejected]) == ["ORDER_ACCEPTED", "ORDER_REJECTED"]
    assert rejected.errorCode == "TRADING_DISABLED"


def test_pending_order_may_leave_a_netted_position_under_the_smallest_volume():
    ticks = ((0, 112567, 112569), (5, 113000, 113002))
    peer = log_in(Peer(scripted_exchange(ticks)), NETTED_ACCOUNT)
    peer.exchange.change_symbol(1, min_volume=200_000)
    for request in (order(volume=300_000), order("LIMIT", "SELL", limitPrice=1.13, volume=200_000)):
        peer.send(with_fields(request, ctidTraderAccountId=NETTED_ACCOUNT))
    events(peer)
    (filled,) = events(peer, 5)
    assert filled.position.tradeData.volume == 100_000
    # What is left can be closed, for the smallest volume is a rule of what is opened.
    peer.send(with_fields(close(100_000), ctidTraderAccountId=NETTED_ACCOUNT))
    assert kinds(events(peer)) == ["ORDER_ACCEPTED", "ORDER_FILLED"]


def ruined(*, protected: bool) -> Peer:
    """Let a gap stop an account out, far below nothing."""
    switches = replace(BARE, negative_balance_protection=protected)
    ticks = ((0, 112567, 112569), (5, 102567, 102569))
    account = replace(DEFAULT_ACCOUNTS[0], balance=Decimal(2000))
    peer = log_in(
        Peer(scripted_exchange(ticks, switches=switches, accounts=[account])), USD_ACCOUNT
    )
    peer.send(order(volume=10_000_000))
    events(peer)
    return peer


def test_balance_that_a_stop_out_leaves_below_zero_stays_there():
    peer = ruined(protected=False)
    assert kinds(events(peer, 6)) == ["ORDER_ACCEPTED", "ORDER_FILLED"]
    assert peer.exchange.books[USD_ACCOUNT].balance < 0


def test_protected_balance_is_brought_back_to_zero_after_a_stop_out():
    peer = ruined(protected=True)
    _, filled, deposit = events(peer, 6)
    lost = filled.deal.closePositionDetail.balance
    assert lost < 0
    cash = deposit.depositWithdraw
    wanted = ProtoOAChangeBalanceType.BALANCE_DEPOSIT_NEGATIVE_BALANCE_PROTECTION
    assert (cash.operationType, cash.delta, cash.balance) == (wanted, -lost, 0)
    assert cash.balanceVersion == filled.deal.closePositionDetail.balanceVersion + 1
    # A broker may take more than there is: that is no stop-out.
    peer.exchange.withdraw(USD_ACCOUNT, Decimal(5))
    events(peer)
    assert peer.exchange.books[USD_ACCOUNT].balance == -500


def test_balance_below_zero_waits_for_the_end_of_all_positions():
    peer = ruined(protected=True)
    peer.exchange.deposit(USD_ACCOUNT, Decimal(2000))
    peer.send(order(volume=9_000_000))
    events(peer)
    found = events(peer, 6)
    assert kinds(found) == [*["ORDER_ACCEPTED", "ORDER_FILLED"] * 2, "DEPOSIT_WITHDRAW"]
    assert found[1].deal.closePositionDetail.balance < 0
    assert found[4].depositWithdraw.balance == 0
