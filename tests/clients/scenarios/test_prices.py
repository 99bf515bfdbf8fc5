"""Live quotes and bars, and prices of the past."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ctrader.enums import QuoteType, TrendbarPeriod
from ctrader.events import SpotEvent
from ctrader.models.market import Trendbar
from ctrader.proto import (
    ProtoOASpotEvent,
    ProtoOASubscribeLiveTrendbarReq,
    ProtoOASubscribeSpotsReq,
    ProtoOAUnsubscribeSpotsReq,
)
from ctrader.simulator import Simulator, Switches, Tick, TickPrices
from ctrader.units import datetime_from_millis
from tests.clients.scenarios.stage import BOUND, Record, Stage, at_desk, eventually
from tests.clients.scenarios.test_connecting import received

pytestmark = pytest.mark.anyio

HOUR = 3_600_000


def market_now(simulator: Simulator) -> datetime:
    with simulator.locked() as exchange:
        return datetime_from_millis(exchange.market_now())


async def test_first_event_has_both_sides_and_later_ones_what_changed(
    stage: Stage, brisk: Simulator
):
    async with at_desk(stage, brisk) as desk:
        stream = desk.client.stream(SpotEvent, symbol_id=1)
        await desk.client.market_data.subscribe_spots(desk.account_id, [1])
        spots = [await stream.get(BOUND) for _ in range(12)]
    first = spots[0]
    assert (first.account_id, first.symbol_id) == (desk.account_id, 1)
    assert first.bid is not None
    assert first.ask is not None
    assert first.session_close is not None
    bid, ask = first.bid, first.ask
    for spot in spots:
        bid = bid if spot.bid is None else spot.bid
        ask = ask if spot.ask is None else spot.ask
        assert spot.quote is not None
        assert (spot.quote.bid, spot.quote.ask) == (bid, ask)
        assert bid < ask
        assert spot.bid is not None or spot.ask is not None
    assert any(spot.bid is None or spot.ask is None for spot in spots[1:])


async def test_quotes_are_those_that_the_server_sent(stage: Stage, brisk: Simulator):
    seen: Record[SpotEvent] = Record()
    async with at_desk(stage, brisk) as desk:
        desk.client.register_handler(SpotEvent, seen)
        await desk.client.market_data.subscribe_spots(desk.account_id, [1, 270])
        await eventually(stage, lambda: len(seen.events) > 20, "twenty quotes")
        await desk.client.market_data.unsubscribe_spots(desk.account_id, [1, 270])
        sent = [
            ProtoOASpotEvent.FromString(frame.payload)
            for frame in brisk.frames
            if "SPOT_EVENT" in repr(frame)
        ]
        await eventually(stage, lambda: len(seen.events) >= len(sent), "all quotes")
    assert [(spot.symbol_id, spot.bid_points, spot.ask_points) for spot in seen.events] == [
        (
            spot.symbolId,
            spot.bid if spot.HasField("bid") else None,
            spot.ask if spot.HasField("ask") else None,
        )
        for spot in sent
    ]


async def test_quotes_stop_when_unsubscribed_and_are_asked_for_once(stage: Stage, brisk: Simulator):
    async with at_desk(stage, brisk) as desk:
        market, account_id = desk.client.market_data, desk.account_id
        await market.subscribe_spots(account_id, [1, 270])
        await market.subscribe_spots(account_id, [1])  # subscribed already: a success
        await market.unsubscribe_spots(account_id, [1])
        async with desk.client.stream(SpotEvent) as stream:
            symbols = {(await stream.get(BOUND)).symbol_id for _ in range(10)}
    assert symbols == {270}
    assert received(brisk, ProtoOASubscribeSpotsReq) == 1
    assert received(brisk, ProtoOAUnsubscribeSpotsReq) == 1


async def test_live_bars_bring_the_forming_bar(stage: Stage, brisk: Simulator):
    async with at_desk(stage, brisk) as desk:
        market, account_id = desk.client.market_data, desk.account_id
        async with desk.client.stream(SpotEvent, symbol_id=1) as stream:
            await market.subscribe_trendbars(account_id, 1, TrendbarPeriod.M1)
            bars: dict[datetime, Trendbar] = {}
            while len(bars) < 3:  # a minute of the market is a second
                spot = await stream.get(BOUND)
                for bar in spot.trendbars:
                    assert bar.period is TrendbarPeriod.M1
                    assert bar.low <= bar.open <= bar.high
                    assert bar.low <= bar.close <= bar.high
                    if spot.bid is not None:
                        assert bar.close == spot.bid
                    bars[bar.timestamp] = bar
        complete = sorted(bars)[1]
        history = await market.get_trendbars(account_id, 1, TrendbarPeriod.M1, complete, complete)
        (past,) = history
        live = bars[complete]
        assert (past.open, past.high, past.low, past.close) == (
            live.open,
            live.high,
            live.low,
            live.close,
        )
        # Bars need the symbol's quotes: they were subscribed for them, and are let go with them.
        assert received(brisk, ProtoOASubscribeSpotsReq) == 1
        assert received(brisk, ProtoOASubscribeLiveTrendbarReq) == 1
        await market.unsubscribe_trendbars(account_id, 1, TrendbarPeriod.M1)
        await eventually(
            stage, lambda: received(brisk, ProtoOAUnsubscribeSpotsReq) == 1, "the end of the quotes"
        )


async def test_hourly_bars(stage: Stage, simulator: Simulator):
    now = market_now(simulator)
    start = now - timedelta(days=30)
    async with at_desk(stage, simulator) as desk:
        bars = await desk.client.market_data.get_trendbars(
            desk.account_id, 1, TrendbarPeriod.H1, start, now
        )
    assert len(bars) == 720
    starts = [bar.timestamp for bar in bars]
    assert starts[0] >= start
    assert starts == [starts[0] + timedelta(hours=hour) for hour in range(720)]
    with simulator.locked() as exchange:
        for bar in bars[:-1]:
            begin = bar.start_minutes * 60_000
            expected = exchange.market.prices.bar(1, begin, begin + HOUR)
            assert expected is not None
            assert (
                bar.open_points,
                bar.high_points,
                bar.low_points,
                bar.close_points,
                bar.volume,
            ) == expected


async def test_bars_of_several_pages_are_whole(stage: Stage, serve):
    simulator = serve(switches=Switches(bars_page_size=40))
    now = market_now(simulator).replace(second=0, microsecond=0)
    async with at_desk(stage, simulator) as desk:
        bars = await desk.client.market_data.get_trendbars(
            desk.account_id, 1, TrendbarPeriod.M1, now - timedelta(minutes=120), now
        )
    starts = [bar.timestamp for bar in bars]
    assert starts == sorted(set(starts))
    with simulator.locked() as exchange:
        expected = [
            minute
            for minute in (now - timedelta(minutes=120 - number) for number in range(121))
            if exchange.market.prices.bar(
                1, round(minute.timestamp() * 1000), round(minute.timestamp() * 1000) + 60_000
            )
        ]
    # The forming bar may hold no tick yet.
    assert starts[:-1] == expected[: len(starts) - 1]
    assert len(expected) - len(starts) in (0, 1)


async def test_ticks_of_several_pages_are_whole(stage: Stage, serve):
    # A quote every second or so, the sides in turn.
    opening = 1_700_000_000_000
    ticks = [Tick(opening - 100_000, 110_000, 110_002, 2)] + [
        Tick(opening - 99_000 + 1000 * n, 110_000 + n, None, 1)
        if n % 2
        else Tick(opening - 99_000 + 1000 * n, None, 110_002 + n, 1)
        for n in range(90)
    ]
    simulator = serve(
        prices=TickPrices({1: ticks}, start=opening), switches=Switches(ticks_page_size=20)
    )
    start = datetime_from_millis(opening - 100_000)
    end = datetime_from_millis(opening)
    async with at_desk(stage, simulator) as desk:
        for quote_type, side in ((QuoteType.BID, "bid"), (QuoteType.ASK, "ask")):
            found = await desk.client.market_data.get_tick_data(
                desk.account_id, 1, start, end, quote_type
            )
            assert [(tick.timestamp_ms, tick.price_points) for tick in found] == [
                (tick.time, getattr(tick, side))
                for tick in ticks
                if getattr(tick, side) is not None
            ]


async def test_naive_and_reversed_spans_are_refused(stage: Stage, simulator: Simulator):
    now = datetime.now(UTC)
    async with at_desk(stage, simulator) as desk:
        for start, end in [(now, now - timedelta(1)), (now.replace(tzinfo=None), now)]:
            with pytest.raises(ValueError):
                await desk.client.market_data.get_trendbars(
                    desk.account_id, 1, TrendbarPeriod.H1, start, end
                )
