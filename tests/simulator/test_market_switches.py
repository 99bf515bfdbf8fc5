"""The client holds whatever the server does about prices where that is not known."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ctrader.enums import TrendbarPeriod
from ctrader.events import (
    DataGapEvent,
    DepthEvent,
    ServerErrorEvent,
    SpotEvent,
    SubscriptionRestoreFailedEvent,
)
from ctrader.operations import history, market_data, symbols
from ctrader.simulator import Switches
from ctrader.simulator.world import World
from ctrader.units import datetime_from_millis
from tests.clients.scenarios.test_depth import book_of
from tests.simulator.test_world import ACCOUNT, ready_world, seen

VARIANTS: dict[str, tuple[object, ...]] = {
    "first_spot_before_response": (True, False),
    "first_depth_before_response": (True,),
    "duplicate_subscribes_rest": (True,),
    "trendbar_without_spots_code": ("NOT_SUBSCRIBED_TO_SPOTS",),
    "depth_without_spots_code": ("INVALID_REQUEST", None),
    "spots_end_what_needs_them": (False,),
    "stray_spots": (True,),
    "session_close_at_day_change": (False,),
    "depth_first_id": (2**63,),
    "depth_ids_come_back": (True,),
    "bars_in_own_events": (True,),
    "live_bar_close": ("lagging", "current"),
    "first_live_bar_may_be_over": (False,),
    "forming_bar_in_history": ("always", "never"),
    "bars_count_minus_one": (True,),
    "bars_without_beginning": ("page",),
    "unknown_symbol_code": ("UNKNOWN_SYMBOL",),
    "unknown_symbol_fails_batch": (True,),
}


def check_prices(world: World) -> None:
    """Compare what the client holds with what the exchange has."""
    spots = [spot for spot in seen(world, SpotEvent) if spot.symbol_id == 1]
    quote = world.exchange.quote(1)
    assert quote is not None
    last = spots[-1].quote
    assert last is not None
    assert (last.bid_points, last.ask_points) == (quote.bid, quote.ask)
    assert any(spot.trendbars for spot in spots)
    ladder = world.exchange.ladder(1)
    assert ladder is not None
    assert book_of(seen(world, DepthEvent)) == (
        [(level.price, level.size) for level in ladder.bids],
        [(level.price, level.size) for level in ladder.asks],
    )


@pytest.mark.parametrize(
    "switches",
    [
        pytest.param(Switches(**{name: value}), id=f"{name}={value}")  # type: ignore[arg-type]  # each value fits its field
        for name, values in VARIANTS.items()
        for value in values
    ],
)
def test_client_keeps_its_prices_whatever_the_server_does(switches: Switches):
    world = ready_world(switches=switches)
    world.listen(
        SpotEvent, DepthEvent, DataGapEvent, ServerErrorEvent, SubscriptionRestoreFailedEvent
    )
    world.run(market_data.subscribe_depth(ACCOUNT, [1]))
    world.run(market_data.subscribe_trendbars(ACCOUNT, 1, TrendbarPeriod.M1))
    world.run(market_data.subscribe_spots(ACCOUNT, [2, 1]))
    hold(world)
    check_prices(world)
    world.exchange.release_price(1)
    world.cut()
    world.events.clear()
    world.run_for(20)
    assert world.session.is_ready
    hold(world)
    check_prices(world)
    # Ended and begun again, alone and with what needs it.
    world.run(market_data.unsubscribe_spots(ACCOUNT, [1, 2]))
    world.run(market_data.unsubscribe_trendbars(ACCOUNT, 1, TrendbarPeriod.M1))
    world.run(market_data.unsubscribe_depth(ACCOUNT, [1]))
    world.run_for(1)
    world.events.clear()
    world.exchange.release_price(1)
    world.run_for(20)
    assert seen(world, SpotEvent) == []
    assert seen(world, DepthEvent) == []
    world.run(market_data.subscribe_depth(ACCOUNT, [1]))
    world.run(market_data.subscribe_trendbars(ACCOUNT, 1, TrendbarPeriod.M1))
    hold(world)
    check_prices(world)
    assert seen(world, ServerErrorEvent) == []
    assert seen(world, SubscriptionRestoreFailedEvent) == []
    now = datetime_from_millis(world.exchange.market_now())
    bars = world.run(
        history.get_trendbars(ACCOUNT, 1, TrendbarPeriod.M1, now - timedelta(hours=3), now)
    )
    assert len(bars) in (179, 180)
    known = world.run(symbols.get_by_ids(ACCOUNT, [1, 41]))
    assert [symbol.symbol_id for symbol in known] == [1, 41]


def hold(world: World) -> None:
    """Let prices come for a while, then stand still until all have arrived."""
    world.run_for(20)
    world.exchange.hold_price(1)
    world.run_for(1)
