"""Prices as they move, compared with the simulator's market and with their own past."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ctrader.enums import QuoteType, TrendbarPeriod
from ctrader.events import DepthEvent, SpotEvent
from ctrader.models.market import Trendbar
from ctrader.proto import ProtoOASubscribeDepthQuotesReq, ProtoOASubscribeSpotsReq
from ctrader.simulator import Simulator
from tests.clients.scenarios.conftest import Serve
from tests.clients.scenarios.stage import BOUND, Record, Stage, at_desk
from tests.clients.scenarios.test_depth import book_of
from tests.clients.scenarios.test_order_kinds import EURUSD, still
from tests.clients.scenarios.test_prices import market_now

pytestmark = pytest.mark.anyio

MINUTE = 60_000
STEPS = ((1.10010, 1.10012), (1.09990, 1.10012), (1.09990, 1.09995), (1.10100, 1.10103))
"""Prices that are set one after the other: both sides, the bid, the ask, both."""


async def test_quotes_carry_the_changed_side_and_the_time_of_their_tick(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator) as desk, desk.client.stream(SpotEvent) as spots:
        await desk.client.market_data.subscribe_spots(desk.account_id, [EURUSD])
        first = await spots.get(BOUND)
        assert (first.bid, first.ask) == (1.1, 1.10002)
        seen = [first]
        for bid, ask in STEPS:
            simulator.set_price("EURUSD", bid, ask)
            spot = await spots.get(BOUND)
            with simulator.locked() as exchange:
                quote = exchange.quote(EURUSD)
            assert quote is not None
            assert spot.timestamp_ms == quote.time
            assert spot.quote is not None
            assert (spot.quote.bid_points, spot.quote.ask_points) == (quote.bid, quote.ask)
            assert (spot.quote.bid, spot.quote.ask) == (bid, ask)
            seen.append(spot)
        # What was live is found again among the ticks of the past.
        end = market_now(simulator) + timedelta(seconds=1)
        for side in (QuoteType.BID, QuoteType.ASK):
            live = [
                (spot.timestamp_ms, spot.bid_points if side is QuoteType.BID else spot.ask_points)
                for spot in seen[1:]
            ]
            ticks = await desk.client.market_data.get_tick_data(
                desk.account_id, EURUSD, end - timedelta(minutes=1), end, side
            )
            past = [(tick.timestamp_ms, tick.price_points) for tick in ticks]
            assert set(past) >= {(time, price) for time, price in live if price is not None}
    (request,) = simulator.sent_by_client(ProtoOASubscribeSpotsReq)
    assert request.subscribeToSpotTimestamp


async def test_quotes_without_times_where_the_client_wants_none(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with (
        at_desk(stage, simulator, spot_timestamps=False) as desk,
        desk.client.stream(SpotEvent) as spots,
    ):
        await desk.client.market_data.subscribe_spots(desk.account_id, [EURUSD])
        simulator.set_price("EURUSD", 1.2, 1.2001)
        assert [(await spots.get(BOUND)).timestamp for _ in "12"] == [None, None]


async def test_forming_bars_are_the_brokers_and_those_of_the_past(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator) as desk, desk.client.stream(SpotEvent) as spots:
        market, account_id = desk.client.market_data, desk.account_id
        for period in (TrendbarPeriod.H1, TrendbarPeriod.D1):
            await market.subscribe_trendbars(account_id, EURUSD, period)
        for bid, ask in STEPS:
            simulator.set_price("EURUSD", bid, ask)
        bars: dict[TrendbarPeriod, Trendbar] = {}
        while not (len(bars) == 2 and all(bar.close == 1.101 for bar in bars.values())):
            bars |= {bar.period: bar for bar in (await spots.get(BOUND)).trendbars}
        for period, bar in bars.items():
            begin = bar.start_minutes * MINUTE
            with simulator.locked() as exchange:
                kept = exchange.market.prices.bar(EURUSD, begin, exchange.market_now() + 1)
            assert kept is not None
            assert (bar.open_points, bar.high_points, bar.low_points, bar.close_points) == kept[:4]
            assert bar.high >= 1.101
            (past,) = await market.get_trendbars(
                account_id, EURUSD, period, bar.timestamp, bar.timestamp
            )
            assert (past.low_points, past.open_points) == (bar.low_points, bar.open_points)
            assert (past.high_points, past.close_points) == (bar.high_points, bar.close_points)
        await market.unsubscribe_trendbars(account_id, EURUSD, TrendbarPeriod.H1)
        simulator.set_price("EURUSD", 1.102, 1.1021)
        spot = await spots.get(BOUND)
        while spot.bid != 1.102:
            spot = await spots.get(BOUND)
        assert [bar.period for bar in spot.trendbars] == [TrendbarPeriod.D1]


async def test_depth_follows_a_jump_of_the_price_and_stops_when_unsubscribed(
    stage: Stage, serve: Serve
):
    simulator = still(serve)
    async with at_desk(stage, simulator) as desk:
        seen: Record[DepthEvent] = Record()
        desk.client.register_handler(DepthEvent, seen, symbol_id=EURUSD)
        await desk.client.market_data.subscribe_depth(desk.account_id, [EURUSD])
        for bid, ask in (*STEPS, (1.5, 1.5002)):
            simulator.set_price("EURUSD", bid, ask)
            expected = ladder(simulator)
            while book_of(seen.events) != expected:
                await stage.pause()
            assert (expected[0][0][0], expected[1][0][0]) == (
                round(bid * 100_000),
                round(ask * 100_000),
            )
        await desk.client.market_data.unsubscribe_depth(desk.account_id, [EURUSD])
        count = len(seen.events)
        simulator.set_price("EURUSD", 1.4, 1.4002)
        await desk.client.protocol.get_version()
        assert len(seen.events) == count
    assert len(simulator.sent_by_client(ProtoOASubscribeDepthQuotesReq)) == 1


def ladder(simulator: Simulator) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return both sides of the simulator's depth, the best prices first."""
    with simulator.locked() as exchange:
        found = exchange.ladder(EURUSD)
    assert found is not None
    return (
        [(level.price, level.size) for level in found.bids],
        [(level.price, level.size) for level in found.asks],
    )
