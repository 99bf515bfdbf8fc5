"""Prices that a script holds and sets, and their agreement with ticks and bars."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader.proto import (
    ProtoOANewOrderReq,
    ProtoOAOrderStatus,
    ProtoOAOrderType,
    ProtoOASpotEvent,
    ProtoOASubscribeSpotsReq,
    ProtoOATradeSide,
)
from ctrader.simulator.market.prices import Quote, TickPrices, fold_ticks
from ctrader.simulator.market.scripted import ScriptedPrices
from tests.simulator.peer import START, USD_ACCOUNT, Peer, log_in, make_tick, scripted_exchange

TICKS = [(second, 112_500 + second, 112_502 + second) for second in range(20)]


def source() -> ScriptedPrices:
    return ScriptedPrices(TickPrices({1: [make_tick(*each) for each in TICKS]}))


def watching() -> Peer:
    peer = log_in(Peer(scripted_exchange(TICKS)), USD_ACCOUNT)
    peer.send(ProtoOASubscribeSpotsReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=[1]), "s")
    peer.received()
    return peer


def bids(peer: Peer) -> list[int]:
    return [each.bid for each in peer.messages(ProtoOASpotEvent)]


def test_held_price_stands_still_and_goes_on_when_released():
    peer = watching()
    peer.run(2)
    assert bids(peer) == [112_501, 112_502]
    script = peer.exchange.script
    script.hold_prices("EURUSD")
    peer.run(3)
    assert bids(peer) == []
    assert peer.exchange.quote(1) == Quote(112_502, 112_504, START + 2000)
    script.release_prices(1)
    assert bids(peer) == [112_505]
    peer.run(2)
    assert bids(peer) == [112_506, 112_507]


def test_set_price_is_quoted_at_once_and_held():
    peer = watching()
    peer.run(1)
    peer.received()
    peer.exchange.script.set_price("EURUSD", 1.2, 1.20002)
    (event,) = peer.messages(ProtoOASpotEvent)
    assert (event.bid, event.ask) == (120_000, 120_002)
    peer.run(5)
    assert bids(peer) == []
    peer.exchange.script.set_price(1, 1.2, 1.20002)
    assert bids(peer) == []  # nothing changed
    peer.exchange.script.set_price(1, 1.3, 1.30002)
    assert bids(peer) == [130_000]


def test_set_price_counts_both_sides_that_it_tells():
    peer = watching()
    peer.run(1)
    for bid, ask in ((1.2, 1.20002), (1.2, 1.20003), (1.2, 1.20003)):
        peer.exchange.script.set_price("EURUSD", bid, ask)
    bar = peer.exchange.prices.bar(1, START + 1000, START + 1001)
    assert bar is not None
    assert bar.volume == 2 + 2 + 2  # the source's own tick, and two that told both sides


def test_quote_after_a_release_is_that_of_the_release():
    prices = source()
    prices.hold(1, START + 2500)
    prices.set(1, 120_000, 120_002, START + 3500)
    prices.release(1, START + 4500)
    assert prices.quote(1, START + 4400) == Quote(120_000, 120_002, START + 3500)
    assert prices.quote(1, START + 4900) == Quote(112_504, 112_506, START + 4500)
    assert prices.quote(1, START + 5000) == Quote(112_505, 112_507, START + 5000)


def test_release_to_the_held_price_is_no_news():
    peer = log_in(Peer(scripted_exchange()), USD_ACCOUNT)
    peer.send(ProtoOASubscribeSpotsReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=[1]), "s")
    peer.exchange.script.set_price("EURUSD", 1.12567, 1.12569)
    peer.received()
    peer.exchange.script.release_prices(1)
    assert bids(peer) == []


def test_order_fills_when_the_price_is_set_to_its_level():
    peer = watching()
    peer.exchange.script.hold_prices()
    peer.send(
        ProtoOANewOrderReq(
            ctidTraderAccountId=USD_ACCOUNT,
            symbolId=1,
            orderType=ProtoOAOrderType.LIMIT,
            tradeSide=ProtoOATradeSide.BUY,
            volume=100_000,
            limitPrice=1.1,
        ),
        "limit",
    )
    (order,) = peer.exchange.books[USD_ACCOUNT].orders.values()
    peer.run(5)
    peer.exchange.script.set_price("EURUSD", 1.09998, 1.1)
    peer.run(1)
    assert order.status == ProtoOAOrderStatus.ORDER_STATUS_FILLED


@pytest.mark.parametrize(("bid", "ask"), [(0, 1), (-1, 1), (float("nan"), 1), (1, float("inf"))])
def test_impossible_prices_are_refused(bid: float, ask: float):
    script = scripted_exchange().script
    with pytest.raises(ValueError, match=r"must be|positive"):
        script.set_price("EURUSD", bid, ask)


def test_unknown_symbol_is_refused():
    script = scripted_exchange().script
    with pytest.raises(KeyError, match=r"no symbol 'EURUSDX'; known are .*EURUSD"):
        script.set_price("EURUSDX", 1, 2)
    with pytest.raises(KeyError, match=r"no symbol 999; known are .*EURUSD \(1\)"):
        script.hold_prices(999)


def test_crossed_prices_are_told_as_they_were_given():
    script = scripted_exchange().script
    with pytest.raises(ValueError, match=r"bid of EURUSD, 1\.2, lies over the ask, 1\.1"):
        script.set_price("EURUSD", 1.2, 1.1)


@pytest.mark.parametrize("price", [1.1000001, Decimal("1.100001")])
def test_price_with_more_digits_than_the_symbol_has_is_refused(price: float | Decimal):
    script = scripted_exchange().script
    with pytest.raises(ValueError, match=r"EURUSD has 5 digits.*round\(price, 5\)"):
        script.set_price("EURUSD", price, 1.2)


def test_dust_of_computed_prices_is_no_digit():
    exchange = scripted_exchange()
    bid = 1.1 + 0.0002  # 1.1002000000000003
    exchange.script.set_price("EURUSD", bid, bid + 0.0001)
    quote = exchange.quote(1)
    assert quote is not None
    assert (quote.bid, quote.ask) == (110_020, 110_030)


def test_symbol_without_a_price_can_be_given_one():
    exchange = scripted_exchange()
    assert exchange.quote(41) is None
    exchange.script.set_price("XAUUSD", 2400, 2400.25)
    assert exchange.quote(41) == Quote(240_000_000, 240_025_000, START)
    assert not exchange.prices.is_held(1)
    exchange.script.release_prices("EURUSD")
    exchange.script.release_prices("XAUUSD")
    assert not exchange.prices.is_held(41)


actions = st.lists(
    st.tuples(
        st.integers(0, 2_500),
        st.one_of(st.sampled_from(["hold", "release"]), st.integers(112_000, 113_000)),
    ),
    max_size=8,
)


@given(actions, st.integers(-1, 22_000), st.integers(0, 22_000))
def test_quotes_ticks_bars_and_times_agree(
    steps: list[tuple[int, str | int]], first: int, length: int
):
    prices, now = source(), START
    for wait, action in steps:
        now += wait
        if isinstance(action, int):
            prices.set(1, action, action + 2, now)
        elif action == "hold":
            prices.hold(1, now)
        else:
            prices.release(1, now)
    start, end = START + first, START + first + length
    ticks = prices.ticks(1, start, end)
    assert [tick.time for tick in ticks] == sorted(tick.time for tick in ticks)
    assert all(start <= tick.time < end for tick in ticks)
    # Ticks are what the quote changes by.
    at_end = prices.quote(1, end - 1)
    if ticks and length:
        assert at_end is not None
        assert (at_end.bid, at_end.ask) == (ticks[-1].bid, ticks[-1].ask)
    elif length:
        before = prices.quote(1, start - 1)
        assert (before and before[:2]) == (at_end and at_end[:2])
    assert prices.bar(1, start, end) == fold_ticks(ticks)
    everything = [tick.time for tick in prices.ticks(1, 0, START + 10**9)]
    assert prices.next_time(1, start) == min((t for t in everything if t > start), default=None)
    assert prices.previous_time(1, end) == max((t for t in everything if t < end), default=None)
    assert prices.first_time(1) == START
    assert prices.start is None


def test_price_that_is_set_again_is_no_tick():
    prices = source()
    assert prices.set(1, 50, 52, START) is not None
    assert prices.set(1, 50, 52, START + 10) is None
    assert prices.ticks(1, START + 1, START + 20) == []
    assert prices.bar(1, START + 5, START + 20) is None
    prices.hold(1, START + 30)
    quote = prices.source.quote(1, START + 40)
    assert quote is not None
    prices.set(1, quote.bid, quote.ask, START + 40)
    assert prices.release(1, START + 40) is None


def test_other_symbols_are_the_source_s():
    prices = source()
    prices.hold(2, START)
    assert prices.ticks(1, START, START + 2000) == prices.source.ticks(1, START, START + 2000)
    assert prices.quote(2, START + 5) is None
