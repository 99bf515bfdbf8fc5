"""Real EURUSD hours, replayed: quotes, live bars and history are those of the file."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from ctrader.config import ClientConfig
from ctrader.enums import OrderSide, TrendbarPeriod
from ctrader.events import SpotEvent
from ctrader.models import ClosePositionRequest, NewOrderRequest
from ctrader.models.market import Trendbar
from ctrader.operations import auth, history, market_data, trading
from ctrader.simulator import DEFAULT_APPLICATIONS, Exchange, ReplayPrices, SourceBar
from ctrader.simulator.world import World
from ctrader.units import datetime_from_millis
from tests.clients.scenarios.stage import BOUND, Stage, at_desk

pytestmark = [pytest.mark.replay, pytest.mark.anyio]

EURUSD = 1
ACCOUNT = 1_000_001
HOUR = 3_600_000  # ms
SPREAD = 2  # points, that the simulator adds to the bid


class WireBar(NamedTuple):
    """A bar in the wire's integers."""

    start: int
    open: int
    high: int
    low: int
    close: int
    volume: int


def points(price: Decimal) -> int:
    """Return a price as the wire has it; the file's have five decimals."""
    wire = price * 100_000
    assert wire == int(wire)
    return int(wire)


def expected(bars: Iterable[SourceBar]) -> list[WireBar]:
    return [
        WireBar(
            bar.time,
            points(bar.open),
            points(bar.high),
            points(bar.low),
            points(bar.close),
            bar.volume,
        )
        for bar in bars
    ]


def wire_bar(bar: Trendbar) -> WireBar:
    return WireBar(
        bar.start_minutes * 60_000,
        bar.open_points,
        bar.high_points,
        bar.low_points,
        bar.close_points,
        bar.volume,
    )


def path(bar: SourceBar) -> list[int]:
    """Return the bids that the bar is played as."""
    middle = (bar.high, bar.low) if bar.close < bar.open else (bar.low, bar.high)
    return [points(price) for price in (bar.open, *middle, bar.close)]


def by_hour(spots: Iterable[SpotEvent]) -> dict[int, list[SpotEvent]]:
    """Sort quotes by the hour whose bar they bring."""
    sorted_spots: dict[int, list[SpotEvent]] = {}
    for spot in spots:
        if spot.trendbars:
            sorted_spots.setdefault(spot.trendbars[0].start_minutes * 60_000, []).append(spot)
    return sorted_spots


def open_world(bar_file: Path) -> World:
    """Open a market in which an hour takes a second, with a client that listens to EURUSD."""
    unix_ms = 1_700_000_000_000
    exchange = Exchange(prices=ReplayPrices(bar_file), speed=3600, unix_ms=unix_ms)
    application = DEFAULT_APPLICATIONS[0]
    config = ClientConfig(client_id=application.client_id, client_secret=application.client_secret)
    world = World(exchange, config, unix_ms=unix_ms)
    world.listen(SpotEvent)
    world.connect()
    grant = exchange.grants.grants[0]
    world.run(
        auth.authenticate_by_trader_login(
            17_091_452, grant.access_token, grant.refresh_token, float(grant.expires_at)
        )
    )
    return world


def test_file_is_what_these_tests_expect(hours: list[SourceBar]):
    assert len(hours) > 1000
    assert all(later.time - earlier.time >= HOUR for earlier, later in pairwise(hours))


def test_every_hour_of_the_second_half_is_played_as_the_file_has_it(
    bar_file: Path, hours: list[SourceBar]
):
    world = open_world(bar_file)
    world.run(market_data.subscribe_trendbars(ACCOUNT, EURUSD, TrendbarPeriod.H1))
    live = hours[len(hours) // 2 :]
    hours_long = (live[-1].time - live[0].time) // HOUR + 2
    world.run_for(hours_long)
    played = by_hour(event for event in world.events if isinstance(event, SpotEvent))
    whole = {bar.time: bar for bar in live[1:]}  # the first had begun
    assert list(played)[-len(whole) :] == list(whole)
    for start, bar in whole.items():
        spots = played[start]
        assert [spot.bid_points for spot in spots] == path(bar)
        assert [spot.ask_points for spot in spots] == [bid + SPREAD for bid in path(bar)]
        assert [wire_bar(spots[-1].trendbars[0])] == expected([bar])


def test_history_of_the_whole_file(bar_file: Path, hours: list[SourceBar]):
    world = open_world(bar_file)
    world.run_for((hours[-1].time - hours[len(hours) // 2].time) // HOUR + 2)
    read = world.run(
        history.get_trendbars(
            ACCOUNT,
            EURUSD,
            TrendbarPeriod.H1,
            datetime_from_millis(hours[0].time),
            datetime_from_millis(hours[-1].time),
        )
    )
    assert [wire_bar(bar) for bar in read] == expected(hours)


def test_profit_of_a_trade_is_that_of_the_real_prices(bar_file: Path, hours: list[SourceBar]):
    world = open_world(bar_file)
    world.run(market_data.subscribe_spots(ACCOUNT, [EURUSD]))

    def bid() -> int:
        quote = world.exchange.quote(EURUSD)
        assert quote is not None
        return quote.bid

    entry = bid() + SPREAD
    bought = world.run(
        trading.place_order(
            ACCOUNT, NewOrderRequest(symbol_id=EURUSD, side=OrderSide.BUY, volume=100_000_000)
        )
    )
    assert bought.deal is not None
    assert bought.deal.execution_price == pytest.approx(entry / 100_000, abs=1e-9)
    world.run_for(40)  # hours
    exit_at = bid()
    request = ClosePositionRequest(position_id=bought.deal.position_id, volume=100_000_000)
    closed = world.run(trading.close_position(ACCOUNT, request))
    assert closed.deal is not None
    assert closed.deal.close_detail is not None
    # A point of a million euros is ten dollars.
    assert closed.deal.close_detail.gross_profit == 10 * (exit_at - entry)


async def test_both_clients_get_real_hours_over_sockets(
    stage: Stage, serve, bar_file: Path, hours: list[SourceBar]
):
    simulator = serve(replay=bar_file, speed=20 * 3600, record_frames=False)  # 20 hours a second
    middle = len(hours) // 2
    async with at_desk(stage, simulator) as desk:
        market, account_id = desk.client.market_data, desk.account_id
        spots: list[SpotEvent] = []
        async with desk.client.stream(SpotEvent, symbol_id=EURUSD) as stream:
            await market.subscribe_trendbars(account_id, EURUSD, TrendbarPeriod.H1)
            while len(by_hour(spots)) < 14:
                spots.append(await stream.get(BOUND))
        read = await market.get_trendbars(
            account_id,
            EURUSD,
            TrendbarPeriod.H1,
            datetime_from_millis(hours[0].time),
            datetime_from_millis(hours[middle - 1].time),
        )
    played = by_hour(spots)
    whole = [bar for bar in hours[middle:] if bar.time in list(played)[1:-1]]
    assert len(whole) == 12
    for bar in whole:
        assert [spot.bid_points for spot in played[bar.time]] == path(bar)
        assert [wire_bar(played[bar.time][-1].trendbars[0])] == expected([bar])
    assert [wire_bar(bar) for bar in read] == expected(hours[:middle])
