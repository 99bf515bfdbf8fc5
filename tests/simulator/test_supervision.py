"""Margin calls, stop-outs and the margin of positions as their surroundings change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrader.proto import (
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOAExpectedMarginReq,
    ProtoOAExpectedMarginRes,
    ProtoOAGetPositionUnrealizedPnLReq,
    ProtoOALimitedRiskMarginCalculationStrategy,
    ProtoOAMarginCall,
    ProtoOAMarginCallListReq,
    ProtoOAMarginCallListRes,
    ProtoOAMarginCallTriggerEvent,
    ProtoOAMarginCallUpdateEvent,
    ProtoOAMarginCallUpdateReq,
    ProtoOAMarginCallUpdateRes,
    ProtoOAMarginChangedEvent,
    ProtoOANotificationType,
    ProtoOAOrderType,
    ProtoOAReconcileReq,
    ProtoOAReconcileRes,
    ProtoOAStopOutStrategy,
    ProtoOATotalMarginCalculationType,
)
from ctrader.simulator.catalogue import DEFAULT_ACCOUNTS
from ctrader.simulator.market.prices import Quote
from ctrader.simulator.switches import Switches
from tests.simulator.orders import amend, order
from tests.simulator.peer import BARE, START, USD_ACCOUNT, Peer, log_in, scripted_exchange
from tests.simulator.trades import close, market_order, open_position, perform, trader_of

FIRST = ProtoOANotificationType.MARGIN_LEVEL_THRESHOLD_1
Path = Sequence[tuple[float, int, int]]


def margin_trader(
    *path: tuple[float, int], switches: Switches = BARE, others: Any = None, **terms: Any
) -> Peer:
    """Make a peer whose account has 2,000 dollars at 1:100, on EURUSD at given prices."""
    given = {"balance": Decimal(2000), "leverage": 100, **terms}
    exchange = scripted_exchange(
        ((0, 110_000, 110_000), *((at, bid, bid) for at, bid in path)),
        accounts=[replace(DEFAULT_ACCOUNTS[0], **given)],
        switches=switches,
        others=others,
    )
    return log_in(Peer(exchange), USD_ACCOUNT)


def calls(peer: Peer, seconds: float) -> list[tuple[int, int]]:
    """Let time pass and return threshold and second of the margin calls that came."""
    found: list[tuple[int, int]] = []
    for second in range(round(seconds)):
        peer.run(1)
        found += [
            (int(event.marginCall.marginLevelThreshold), second)
            for event in peer.messages(ProtoOAMarginCallTriggerEvent)
        ]
    return found


# Margin calls. One lot binds 1,100 dollars; at 1.09 a pip of ten dollars ends at 900 less 2.50.


def test_call_comes_with_the_price_that_takes_the_level_below():
    peer = margin_trader((10, 109_100), (12, 109_090))
    open_position(peer)
    # 2,000 - 2.50 - 900 are 99.77 percent of 1,100, at 1.0909 98.86 percent.
    peer.run(10)
    (event,) = peer.messages(ProtoOAMarginCallTriggerEvent)
    assert event.marginCall.marginCallType == FIRST
    assert event.marginCall.marginLevelThreshold == 100.0
    peer.run(5)
    assert not peer.messages(ProtoOAMarginCallTriggerEvent)


def test_each_level_has_its_own_call():
    peer = margin_trader((5, 109_000), (10, 108_760), (15, 108_650), stop_out_level=0)
    open_position(peer)
    assert calls(peer, 20) == [(100, 3), (70, 8), (60, 13)]


def test_call_is_repeated_after_ten_minutes_and_not_before():
    path = [(float(at), 109_000 + at % 7) for at in range(5, 1300, 5)]
    peer = margin_trader(*path, stop_out_level=0)
    open_position(peer)
    assert calls(peer, 1300) == [(100, 3), (100, 603), (100, 1203)]


def test_one_pause_may_silence_all_levels():
    switches = replace(BARE, margin_calls_pause_together=True, margin_call_pause=30.0)
    peer = margin_trader(
        (5, 109_000), (10, 108_700), (40, 108_701), switches=switches, stop_out_level=0
    )
    open_position(peer)
    assert calls(peer, 50) == [(100, 3), (100, 38)]


def test_list_and_update_of_calls():
    peer = margin_trader()
    other = log_in(Peer(peer.exchange), USD_ACCOUNT)
    answer = peer.ask(
        ProtoOAMarginCallListReq(ctidTraderAccountId=USD_ACCOUNT), ProtoOAMarginCallListRes
    )
    assert [(each.marginCallType, each.marginLevelThreshold) for each in answer.marginCall] == [
        (61, 100.0),
        (62, 70.0),
        (63, 60.0),
    ]
    peer.run(3)
    call = ProtoOAMarginCall(marginCallType=FIRST, marginLevelThreshold=150.5)
    peer.received()
    other.received()
    peer.send(
        ProtoOAMarginCallUpdateReq(ctidTraderAccountId=USD_ACCOUNT, marginCall=call), "update"
    )
    response, event = peer.received()
    assert (response.client_msg_id, event.client_msg_id) == ("update", None)
    assert isinstance(response.message, ProtoOAMarginCallUpdateRes)
    assert isinstance(event.message, ProtoOAMarginCallUpdateEvent)
    assert event.message.marginCall == ProtoOAMarginCall(
        marginCallType=FIRST, marginLevelThreshold=150.5, utcLastUpdateTimestamp=START + 3000
    )
    assert [each.message for each in other.received()] == [event.message]
    open_position(peer)
    # 2,000 less 2.50 are 181 percent: 1.0966 takes 340 dollars, which leaves 150.68.
    assert not calls(peer, 5)


def test_update_takes_effect_at_once():
    peer = margin_trader()
    open_position(peer)
    call = ProtoOAMarginCall(marginCallType=FIRST, marginLevelThreshold=182.0)
    peer.ask(
        ProtoOAMarginCallUpdateReq(ctidTraderAccountId=USD_ACCOUNT, marginCall=call),
        ProtoOAMarginCallUpdateRes,
    )
    assert calls(peer, 2) == [(182, 0)]


@pytest.mark.parametrize("level", [-1.0, float("nan"), float("inf"), 2e6])
def test_level_that_is_none(level: float):
    peer = margin_trader()
    call = ProtoOAMarginCall(marginCallType=FIRST, marginLevelThreshold=level)
    answer = peer.ask(
        ProtoOAMarginCallUpdateReq(ctidTraderAccountId=USD_ACCOUNT, marginCall=call),
        ProtoOAErrorRes,
    )
    assert answer.errorCode == "INVALID_REQUEST"


def test_account_without_positions_is_never_called():
    peer = margin_trader()
    peer.exchange.withdraw(USD_ACCOUNT, Decimal(3000))
    assert not calls(peer, 3)


def test_withdrawal_can_bring_a_call():
    peer = margin_trader(stop_out_level=0)
    open_position(peer)
    peer.exchange.withdraw(USD_ACCOUNT, Decimal(1200))
    assert calls(peer, 2) == [(100, 0)]


def test_price_that_converts_the_profit_can_bring_a_call():
    # The euro falls by 1.65 yen, which costs 165,000 yen: 1,100 dollars at 150, 1,269 at 130.
    exchange = scripted_exchange(
        ((0, 16_500_000, 16_500_000), (3, 16_335_000, 16_335_000)),
        symbol_id=3,
        others={
            1: ((0, 110_000, 110_000),),
            4: ((0, 15_000_000, 15_000_000), (10, 13_000_000, 13_000_000)),
        },
        switches=BARE,
        accounts=[replace(DEFAULT_ACCOUNTS[0], balance=Decimal(2300), stop_out_level=0)],
    )
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    open_position(peer, symbol=3)
    assert calls(peer, 8) == []
    assert calls(peer, 5) == [(100, 0)]


# Stop-outs


def stopped(peer: Peer, seconds: float = 10) -> list[ProtoOAExecutionEvent]:
    peer.run(seconds)
    return [
        event
        for event in peer.messages(ProtoOAExecutionEvent)
        if event.order.isStopOut or event.executionType != ProtoOAExecutionType.ORDER_ACCEPTED
    ]


def test_stop_out_closes_at_the_market():
    peer = margin_trader((5, 108_552), (6, 108_540))
    position = open_position(peer)
    # 2,000 - 2.50 - 1,448 are 49.95 percent of 1,100: below 50.
    accepted, filled = stopped(peer)
    assert accepted.executionType == ProtoOAExecutionType.ORDER_ACCEPTED
    assert filled.executionType == ProtoOAExecutionType.ORDER_FILLED
    for event in (accepted, filled):
        assert event.isServerEvent
        assert event.order.isStopOut
        assert event.order.closingOrder
        assert event.order.orderType == ProtoOAOrderType.MARKET
        assert event.order.positionId == position
    assert filled.deal.closePositionDetail.balance == 200_000 - 144_800 - 500
    assert trader_of(peer).balance == 200_000 - 144_800 - 500


def test_level_that_is_just_reached_stops_nothing():
    # 2,000 - 2.50 - 1,447.50 would be 550: 50 percent exactly; the next point is below.
    peer = margin_trader((5, 108_553))
    open_position(peer)
    assert not stopped(peer)


@pytest.mark.parametrize(
    ("strategy", "is_largest"),
    [
        (ProtoOAStopOutStrategy.MOST_MARGIN_USED_FIRST, True),
        (ProtoOAStopOutStrategy.MOST_LOSING_FIRST, False),
    ],
)
def test_strategy_names_the_position_that_goes_first(strategy: int, is_largest: bool):
    peer = margin_trader(
        (5, 107_000), stop_out_strategy=strategy, others={2: ((0, 127_000, 127_000),)}
    )
    losing = open_position(peer, volume=5_000_000)
    largest = open_position(peer, volume=6_000_000, symbol=2)
    filled = [event for event in stopped(peer) if event.HasField("deal")]
    # Half a lot lost 1,500 dollars of 2,000 and binds 550; the other binds 762.
    assert filled[0].deal.positionId == (largest if is_largest else losing)


def test_fair_stop_out_closes_no_more_than_it_must():
    peer = margin_trader((5, 108_540), fair_stop_out=True)
    open_position(peer)
    accepted, filled = stopped(peer)
    # Equity 537.50 bears a margin of 1,075: 25 of 1,100 dollars must go, and what closing costs.
    assert accepted.order.tradeData.volume == 300_000
    assert filled.position.tradeData.volume == 9_700_000
    assert not stopped(peer)


@pytest.mark.parametrize(
    ("calculation", "goes_first"),
    [
        (ProtoOATotalMarginCalculationType.SUM, "short"),
        # What frees no margin is not closed for nothing, though it lost the most.
        (ProtoOATotalMarginCalculationType.MAX, "long"),
        (ProtoOATotalMarginCalculationType.NET, "long"),
    ],
)
def test_fair_stop_out_closes_what_frees_margin(calculation: int, goes_first: str):
    peer = margin_trader(
        (5, 111_000),
        balance=Decimal(20_000),
        fair_stop_out=True,
        margin_calculation=calculation,
        stop_out_strategy=ProtoOAStopOutStrategy.MOST_LOSING_FIRST,
        stop_out_level=100,
        margin_call_levels=(0.0, 0.0, 0.0),
    )
    ids = {"long": open_position(peer, volume=15_000_000)}
    ids["short"] = open_position(peer, "SELL", volume=10_000_000)
    peer.run(10)
    # 20,000 - 6.25 of commission + 1,500 - 1,000; 1,100 dollars are bound for each lot.
    bound = {"SUM": 2_750, "MAX": 1_650, "NET": 550}[
        ProtoOATotalMarginCalculationType.Name(calculation)
    ]
    peer.exchange.withdraw(USD_ACCOUNT, Decimal("20493.75") - bound + Decimal("0.03"))
    accepted, filled = [event for event in stopped(peer, 60) if event.order.isStopOut]
    assert accepted.order.positionId == ids[goes_first]
    assert filled.deal.filledVolume == 100_000


def test_fair_stop_out_ends_where_neither_side_frees_margin_any_more():
    peer = margin_trader(
        fair_stop_out=True,
        margin_calculation=ProtoOATotalMarginCalculationType.MAX,
        stop_out_level=100,
        margin_call_levels=(0.0, 0.0, 0.0),
    )
    open_position(peer, volume=15_000_000)
    open_position(peer, "SELL", volume=10_000_000)
    peer.exchange.withdraw(USD_ACCOUNT, Decimal(1500))
    deals = [event.deal for event in stopped(peer, 60) if event.HasField("deal")]
    # What one side has over the other goes first, then one side of two that are alike, then what
    # the other one must: 490 dollars are left, and each lot that goes frees 1,100 for 2.50.
    assert [deal.filledVolume for deal in deals] == [5_000_000, 10_000_000, 5_600_000]
    assert not stopped(peer)


@pytest.mark.parametrize(
    ("calculation", "long", "used", "closed"),
    [
        # A lot of the short side, opened 0.0002 above the long one, binds 20 cents more.
        (ProtoOATotalMarginCalculationType.NET, 10_100_000, 1_080, "long"),
        (ProtoOATotalMarginCalculationType.MAX, 10_100_000, 111_100, "long"),
        (ProtoOATotalMarginCalculationType.MAX, 10_000_000, 110_020, "short"),
    ],
)
def test_fair_stop_out_closes_a_step_where_less_would_be_enough(
    calculation: int, long: int, used: int, closed: str
):
    peer = margin_trader(
        (1, 110_020),
        (2, 110_000),
        balance=Decimal(20_000),
        fair_stop_out=True,
        margin_calculation=calculation,
        stop_out_level=100,
        margin_call_levels=(0.0, 0.0, 0.0),
    )
    ids = {"long": open_position(peer, volume=long)}
    ids["short"] = open_position(peer, "SELL", volume=10_000_000)
    peer.run(10)
    book = peer.exchange.books[USD_ACCOUNT]
    commission = sum(position.commission for position in book.open_positions())
    equity = book.balance + commission + 2_000  # what the short side gained
    peer.exchange.withdraw(USD_ACCOUNT, Decimal(equity - used + 3) / 100)
    deals = [event.deal for event in stopped(peer, 60) if event.HasField("deal")]
    assert [(deal.positionId, deal.filledVolume) for deal in deals] == [(ids[closed], 100_000)]


def test_fair_stop_out_reckons_with_the_tiers_of_dynamic_leverage():
    peer = margin_trader(
        balance=Decimal(20_000),
        leverage=500,
        fair_stop_out=True,
        stop_out_level=100,
        margin_call_levels=(0.0, 0.0, 0.0),
    )
    # Of 2.2 million dollars 1 million is at 1:500, the rest at 1:200: 2,000 and 6,000 dollars.
    position_id = open_position(peer, volume=200_000_000)
    book = peer.exchange.books[USD_ACCOUNT]
    assert book.positions[position_id].used_margin == 800_000
    equity = book.balance + book.positions[position_id].commission
    peer.exchange.withdraw(USD_ACCOUNT, Decimal(equity - 800_000 + 50_000) / 100)
    # A lot of 110,000 dollars frees 550, which costs 2.50: 0.92 of it free the 500.
    (deal,) = [event.deal for event in stopped(peer, 60) if event.HasField("deal")]
    assert deal.filledVolume == 9_200_000


def test_fair_stop_out_leaves_what_binds_no_margin():
    strategy = ProtoOALimitedRiskMarginCalculationStrategy.ACCORDING_TO_GSL
    peer = margin_trader(
        (5, 112_000),
        (15, 111_000),
        balance=Decimal(20_000),
        is_limited_risk=True,
        limited_risk_strategy=strategy,
        fair_stop_out=True,
        stop_out_level=100,
        stop_out_strategy=ProtoOAStopOutStrategy.MOST_LOSING_FIRST,
        margin_call_levels=(0.0, 0.0, 0.0),
    )
    peer.exchange.change_symbol(1, guaranteed_stops=True)
    terms: dict[str, Any] = {"relativeStopLoss": 2000, "guaranteedStopLoss": True}
    safe, at_risk = (
        perform(peer, order(volume=volume, **terms))[1].position.positionId
        for volume in (10_000_000, 30_000_000)
    )
    peer.run(10)
    peer.send(amend(safe, stopLoss=1.1, guaranteedStopLoss=True))
    peer.run(1)
    book = peer.exchange.books[USD_ACCOUNT]
    assert [each.used_margin for each in book.open_positions()] == [0, 600_000]
    profit = sum(each.commission for each in book.open_positions()) + 800_000
    peer.exchange.withdraw(USD_ACCOUNT, Decimal(book.balance + profit - 600_000 + 3) / 100)
    deals = [event.deal for event in stopped(peer, 2) if event.HasField("deal")]
    assert [(deal.positionId, deal.filledVolume) for deal in deals] == [(at_risk, 100_000)]


def test_fair_stop_out_closes_all_when_nothing_is_left():
    peer = margin_trader((5, 107_000), fair_stop_out=True)
    open_position(peer)
    _, filled = stopped(peer)
    assert filled.deal.filledVolume == 10_000_000
    assert trader_of(peer).balance < 0


def test_account_may_have_no_stop_out():
    peer = margin_trader((5, 100_000), stop_out_level=0, margin_call_levels=(0.0, 0.0, 0.0))
    open_position(peer)
    assert not stopped(peer)


def test_missing_price_stops_the_watch_and_not_the_exchange(monkeypatch: pytest.MonkeyPatch):
    peer = margin_trader((5, 108_000), (9, 108_001))
    open_position(peer)
    with monkeypatch.context() as patch:
        patch.setattr(peer.exchange.market.prices, "quote", lambda _symbol, _at: None)
        assert not stopped(peer, 6)
    assert stopped(peer)


def test_rate_that_went_missing_is_the_last_that_was_known(monkeypatch: pytest.MonkeyPatch):
    exchange = scripted_exchange(
        ((0, 16_500_000, 16_500_000), (90_000, 16_600_000, 16_600_000)),
        symbol_id=3,
        others={1: ((0, 110_000, 110_000),), 4: ((0, 15_000_000, 15_000_000),)},
        switches=replace(BARE, heartbeat_interval=1e9),
    )
    exchange.change_symbol(3, swap_long=-1.5, swap_time=0)
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    position = open_position(peer, symbol=3)
    told = exchange.market.prices.quote
    monkeypatch.setattr(
        exchange.market.prices,
        "quote",
        lambda symbol, at: None if symbol == 4 else told(symbol, at),
    )
    peer.run(91_000)
    _, closed = perform(peer, close(position, 10_000_000))
    detail = closed.deal.closePositionDetail
    # 100,000 yen and 1.5 pips of swap, both at 150 yen.
    assert (detail.grossProfit, detail.swap) == (66_667, -1000)


@settings(max_examples=200, derandomize=True, database=None)
@given(
    lots=st.lists(st.tuples(st.sampled_from([1, 3, 4]), st.booleans(), st.integers(1, 99))),
    prices=st.tuples(
        st.integers(50_000, 200_000), st.integers(10**7, 3 * 10**7), st.integers(10**7, 2 * 10**7)
    ),
    spread=st.integers(0, 500),
    side=st.sampled_from(["bid", "ask", "mid"]),
    deposit=st.sampled_from(["USD", "EUR", "JPY"]),
)
def test_cheap_estimate_is_never_above_the_exact_level(
    lots: list[tuple[int, bool, int]],
    prices: tuple[int, int, int],
    spread: int,
    side: Literal["bid", "ask", "mid"],
    deposit: str,
):
    opening = (110_000, 16_500_000, 15_000_000)
    paths: dict[int, Sequence[tuple[float, int | None, int | None]]] = {
        symbol: ((0, before, before), (60, after, after + spread))
        for symbol, before, after in zip((1, 3, 4), opening, prices, strict=True)
    }
    account = replace(
        DEFAULT_ACCOUNTS[0],
        deposit_asset=deposit,
        balance=Decimal(1_000_000),
        stop_out_level=1,
        margin_call_levels=(0.0, 0.0, 0.0),
    )
    exchange = scripted_exchange(
        paths.pop(1),
        others=paths,
        accounts=[account],
        switches=replace(BARE, conversion_side=side),
    )
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    for symbol, is_buy, steps in lots[:8]:
        perform(peer, market_order("BUY" if is_buy else "SELL", steps * 100_000, symbol=symbol))
    book, floor = exchange.books[USD_ACCOUNT], exchange.floor
    peer.run(61)
    used = floor.used_margin(book)
    if not used:
        return
    level = Fraction(100 * floor.equity(book), used)
    # The estimate is right about everything but a narrow band around the exact level.
    exposures = exchange.floor.life.exposures
    exposure = exposures.renew(book)
    assert exposure is not None
    assert not exposures.is_above(exposure, float(level) * (1 + 1e-12))
    assert exposures.is_above(exposure, float(level) - max(1.0, abs(float(level))) * 1e-3)


@settings(max_examples=200, derandomize=True, database=None)
@given(
    lots=st.lists(
        st.tuples(st.sampled_from([1, 3, 4]), st.booleans(), st.integers(1, 99)), min_size=1
    ),
    moves=st.tuples(*(st.sampled_from([-1.0, -0.5, 0.0, 1.0]) for _ in range(3))),
    spread=st.integers(0, 500),
    deposit=st.sampled_from(["USD", "EUR", "JPY"]),
    level=st.integers(10, 2000),
)
def test_prices_in_their_bands_never_bring_the_level_too_low(
    lots: list[tuple[int, bool, int]],
    moves: tuple[float, ...],
    spread: int,
    deposit: str,
    level: int,
):
    opening = {1: 110_000, 3: 16_500_000, 4: 15_000_000}
    account = replace(
        DEFAULT_ACCOUNTS[0],
        deposit_asset=deposit,
        balance=Decimal(1_000_000 if deposit == "JPY" else 10_000),
        stop_out_level=1,
    )
    exchange = scripted_exchange(
        ((0, 110_000, 110_000 + spread),),
        others={each: ((0, opening[each], opening[each] + spread),) for each in (3, 4)},
        accounts=[account],
    )
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    for symbol, is_buy, steps in lots[:8]:
        perform(peer, market_order("BUY" if is_buy else "SELL", steps * 100_000, symbol=symbol))
    book, floor = exchange.books[USD_ACCOUNT], exchange.floor
    exposures = floor.life.exposures
    exposure = exposures.renew(book)
    if exposure is None or not exposures.is_above(exposure, level):
        return
    exposures.settle(exposure, level)
    ends: dict[int, Quote] = {}
    for (symbol, price), move in zip(opening.items(), moves, strict=True):
        low, high = exposure.bands.get(symbol, (price, price + spread))
        there = {-1.0: math.ceil(low), 1.0: math.floor(high) - spread, 0.0: price}
        bid = there.get(move, math.ceil((low + price) / 2))
        ends[symbol] = Quote(bid, bid + spread, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exchange.market.prices, "quote", lambda symbol, _at: ends.get(symbol))
        assert 100 * floor.equity(book) >= level * floor.used_margin(book)


def test_rate_that_never_was_is_refused_before_anything_is_opened():
    exchange = scripted_exchange(((0, 90_000, 90_002),), symbol_id=6)
    exchange.change_symbol(6, min_commission=10**8, min_commission_asset="GBP")
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    answer = peer.ask(market_order(symbol=6), ProtoOAErrorRes)
    assert answer.errorCode == "NO_QUOTES"
    assert "GBPUSD" in answer.description


# Margins that change


def changes(peer: Peer) -> list[tuple[int, int]]:
    return [
        (event.positionId, event.usedMargin) for event in peer.messages(ProtoOAMarginChangedEvent)
    ]


def used(peer: Peer) -> dict[int, int]:
    answer = peer.ask(ProtoOAReconcileReq(ctidTraderAccountId=USD_ACCOUNT), ProtoOAReconcileRes)
    return {each.positionId: each.usedMargin for each in answer.position}


def test_other_leverage_renews_the_margin_of_what_is_open():
    peer = margin_trader()
    position = open_position(peer)
    assert used(peer) == {position: 110_000}
    peer.received()
    peer.exchange.change_account(USD_ACCOUNT, leverage=200)
    peer.run(0.1)
    assert changes(peer) == [(position, 55_000)]
    assert used(peer) == {position: 55_000}
    assert trader_of(peer).leverageInCents == 20_000


def test_margin_that_changes_twice_in_a_moment_is_told_once():
    peer = margin_trader()
    position = open_position(peer)
    peer.received()
    peer.exchange.change_account(USD_ACCOUNT, leverage=200)
    peer.exchange.change_account(USD_ACCOUNT, leverage=50)
    peer.run(0.1)
    assert changes(peer) == [(position, 220_000)]


def test_tiers_move_up_when_an_older_position_closes():
    peer = margin_trader(balance=Decimal(100_000), leverage=1000)
    # EURUSD at 1.1: 1:500 up to a million dollars, 1:200 up to five.
    first = open_position(peer, volume=90_000_000)
    second = open_position(peer, volume=90_000_000)
    assert used(peer) == {first: 198_000, second: 2_000 + 490_000}
    peer.received()
    peer.send(close(first, 90_000_000))
    peer.run(1)
    kinds = [each.message for each in peer.received()]
    assert isinstance(kinds[1], ProtoOAExecutionEvent)
    (changed,) = [each for each in kinds if isinstance(each, ProtoOAMarginChangedEvent)]
    assert kinds.index(changed) > 1
    assert (changed.positionId, changed.usedMargin, changed.moneyDigits) == (second, 198_000, 2)
    assert used(peer) == {second: 198_000}


def test_margin_of_what_closed_in_the_same_moment_is_not_told_any_more():
    peer = margin_trader(balance=Decimal(100_000), leverage=1000)
    first = open_position(peer, volume=90_000_000)
    second = open_position(peer, volume=90_000_000)
    peer.received()
    peer.send(close(first, 90_000_000))
    peer.send(close(second, 90_000_000))
    peer.run(1)
    assert changes(peer) == []
    assert used(peer) == {}


@pytest.mark.parametrize(
    ("calculation", "refused"),
    [
        # 1.5 lots bought and one sold at 1,100 a lot: 2,750, 1,650 or 550 dollars are bound.
        (ProtoOATotalMarginCalculationType.SUM, True),
        (ProtoOATotalMarginCalculationType.MAX, True),
        (ProtoOATotalMarginCalculationType.NET, False),
    ],
)
def test_total_margin_by_each_method(calculation: int, refused: bool):
    peer = margin_trader(balance=Decimal(2800), margin_calculation=calculation, stop_out_level=0)
    open_position(peer, volume=15_000_000)
    open_position(peer, "SELL")
    events = perform(peer, market_order(volume=15_000_000))
    assert bool(events) is not refused


def test_expected_margin_of_each_side():
    peer = margin_trader(leverage=1000)
    answer = peer.ask(
        ProtoOAExpectedMarginReq(
            ctidTraderAccountId=USD_ACCOUNT, symbolId=1, volume=[100_000_000, 100_000]
        ),
        ProtoOAExpectedMarginRes,
    )
    # A million euros are 1.1 million dollars: 2,000 for the first million, 500 for the rest.
    assert [(each.volume, each.buyMargin, each.sellMargin) for each in answer.margin] == [
        (100_000_000, 250_000, 250_000),
        (100_000, 220, 220),
    ]
    assert answer.moneyDigits == 2


@pytest.mark.parametrize(("ends_pause", "expected"), [(True, [200, 201]), (False, [])])
def test_a_new_threshold_may_warn_at_once_or_keep_the_pause(ends_pause: bool, expected: list[int]):
    switches = replace(BARE, margin_call_update_ends_pause=ends_pause)
    peer = margin_trader((2, 109_990), balance=Decimal(1120), stop_out_level=0, switches=switches)
    open_position(peer)
    request = ProtoOAMarginCallUpdateReq(ctidTraderAccountId=USD_ACCOUNT)
    request.marginCall.marginCallType = FIRST
    request.marginCall.marginLevelThreshold = 150
    peer.send(request)
    peer.run(1)
    assert peer.messages(ProtoOAMarginCallTriggerEvent)
    called: list[int] = []
    for level in (200, 201):
        request.marginCall.marginLevelThreshold = level
        peer.send(request)
        peer.run(1)
        called += [
            round(event.marginCall.marginLevelThreshold)
            for event in peer.messages(ProtoOAMarginCallTriggerEvent)
        ]
    assert called == expected


@pytest.mark.parametrize("balance", [1500, 1700])
def test_terms_that_changed_to_an_unknown_rate_stop_no_stop_out(balance: int):
    # Nothing converts pounds here, as GBPUSD has no price.
    path = ((2, 109_200), (3, 109_100), (4, 98_000))
    peer = margin_trader(*path, balance=Decimal(balance), fair_stop_out=True, stop_out_level=80)
    open_position(peer)
    peer.exchange.change_symbol(1, min_commission=10**8, min_commission_asset="GBP")
    peer.received()
    peer.run(5)
    closed = [
        event.deal.closePositionDetail.closedVolume
        for event in peer.messages(ProtoOAExecutionEvent)
        if event.order.isStopOut and event.HasField("deal")
    ]
    assert sum(closed) == 10_000_000
    assert not list(peer.exchange.books[USD_ACCOUNT].open_positions())


def test_what_has_an_unknown_smallest_commission_can_be_closed_but_not_opened():
    peer = margin_trader()
    position = open_position(peer, volume=100_000)
    peer.exchange.change_symbol(1, min_commission=10**8, min_commission_asset="GBP")
    (closed,) = [each for each in perform(peer, close(position, 100_000)) if each.HasField("deal")]
    assert closed.deal.closePositionDetail.closedVolume == 100_000
    refused = perform(peer, market_order(volume=100_000))
    assert not any(event.HasField("deal") for event in refused)


def rich_trader(*path: tuple[float, int]) -> Peer:
    """Make a peer that bought a value which is near what messages can hold."""
    peer = margin_trader(
        *path, balance=Decimal(90_000_000_000), money_digits=8, leverage=500, stop_out_level=0
    )
    peer.exchange.change_symbol(1, max_volume=10**12)
    peer.received()
    return peer


def test_a_result_that_cannot_be_told_is_rejected_and_changes_nothing():
    peer = rich_trader((3, 220_000))
    position = open_position(peer, volume=10**12)
    peer.run(3)
    book = peer.exchange.books[USD_ACCOUNT]
    before = book.balance, len(book.deals), len(book.offsets), book.positions[position].volume
    accepted, rejected = perform(peer, close(position, 10**12))
    assert accepted.executionType == ProtoOAExecutionType.ORDER_ACCEPTED
    assert rejected.executionType == ProtoOAExecutionType.ORDER_REJECTED
    assert rejected.errorCode == "TRADING_BAD_VOLUME"
    after = book.balance, len(book.deals), len(book.offsets), book.positions[position].volume
    assert after == before
    small = perform(peer, close(position, 100_000))
    assert small[-1].deal.closePositionDetail.closedVolume == 100_000


def test_a_profit_that_cannot_be_told_is_refused():
    peer = rich_trader((3, 60_000_000))
    open_position(peer, volume=10**12)
    peer.run(3)
    request = ProtoOAGetPositionUnrealizedPnLReq(ctidTraderAccountId=USD_ACCOUNT)
    assert peer.ask(request, ProtoOAErrorRes).errorCode == "INVALID_REQUEST"
