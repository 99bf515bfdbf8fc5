"""Client and server together under virtual time: long runs, storms and large numbers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Any, TypeVar

import pytest

from ctrader.config import ClientConfig
from ctrader.enums import AuthTrigger, ExecutionType, OrderSide, TrendbarPeriod
from ctrader.errors import (
    AccountNotFoundError,
    ApplicationAuthError,
    ClientClosedError,
    CTraderConnectionError,
    CTraderConnectionTimeoutError,
    CTraderReconnectAbandonedError,
    OrderNotSentError,
    OrderOutcomeUnknownError,
    RateLimitedError,
)
from ctrader.events import (
    ConnectedEvent,
    DataGapEvent,
    DisconnectedEvent,
    ExecutionEvent,
    ReadyEvent,
    ReconnectedEvent,
    ServerErrorEvent,
    SpotEvent,
    SubscriptionRestoreFailedEvent,
)
from ctrader.models import ClosePositionRequest, NewOrderRequest
from ctrader.operations import accounts, auth, history, market_data, symbols, trading
from ctrader.protocol.effects import Phase
from ctrader.simulator import (
    DEFAULT_APPLICATIONS,
    DEFAULT_CATALOGUE,
    Catalogue,
    Exchange,
    Switches,
)
from ctrader.simulator.world import World, WorldStoppedError
from ctrader.units import SECOND, datetime_from_millis

E = TypeVar("E")

UNIX_MS = 1_700_000_000_000
ACCOUNT = 1_000_001
LINK_EVENTS = (DisconnectedEvent, ConnectedEvent, DataGapEvent, ReadyEvent, ReconnectedEvent)
WATCHED = (
    SpotEvent,
    ExecutionEvent,
    ServerErrorEvent,
    SubscriptionRestoreFailedEvent,
    *LINK_EVENTS,
)


def make_world(
    *,
    seed: int = 1,
    catalogue: Catalogue = DEFAULT_CATALOGUE,
    switches: Switches | None = None,
    speed: float = 1.0,
    **settings: Any,
) -> World:
    exchange = Exchange(
        seed=seed, unix_ms=UNIX_MS, catalogue=catalogue, switches=switches, speed=speed
    )
    application = DEFAULT_APPLICATIONS[0]
    usual: dict[str, Any] = {
        "client_id": application.client_id,
        "client_secret": application.client_secret,
    }
    config = ClientConfig(**{**usual, **settings})
    world = World(exchange, config, seed=seed, unix_ms=UNIX_MS)
    world.listen(*WATCHED)
    return world


def ready_world(**options: Any) -> World:
    """Make a world whose client is connected, with its account authenticated."""
    world = make_world(**options)
    world.connect()
    authenticate(world)
    return world


def authenticate(world: World) -> None:
    """Authenticate the account on a client that is connected."""
    grant = world.exchange.grants.grants[0]
    credentials = world.run(
        auth.authenticate_by_trader_login(
            17_091_452, grant.access_token, grant.refresh_token, float(grant.expires_at)
        )
    )
    assert credentials.account_id == ACCOUNT


def seen(world: World, kind: type[E]) -> list[E]:
    return [event for event in world.events if isinstance(event, kind)]


def buy(volume: int = 100_000, **terms: Any) -> NewOrderRequest:
    return NewOrderRequest(symbol_id=1, side=OrderSide.BUY, volume=volume, **terms)


# The main job


def test_main_job_from_end_to_end():
    world = ready_world()
    assert world.session.is_ready
    assert world.session.authenticated_accounts == [ACCOUNT]
    trader = world.run(accounts.get_trader(ACCOUNT))
    assert trader.balance == Decimal("100000.00")
    (euro,) = world.run(symbols.search(ACCOUNT, "EURUSD"))
    world.run(market_data.subscribe_spots(ACCOUNT, [euro.symbol_id, 270]))
    world.run(market_data.subscribe_trendbars(ACCOUNT, euro.symbol_id, TrendbarPeriod.M1))
    world.run_for(300)
    assert {spot.symbol_id for spot in seen(world, SpotEvent)} == {1, 270}
    minutes = {bar.timestamp for spot in seen(world, SpotEvent) for bar in spot.trendbars}
    assert len(minutes) >= 5
    now = datetime_from_millis(world.exchange.market_now())
    bars = world.run(
        history.get_trendbars(ACCOUNT, 1, TrendbarPeriod.H1, now - timedelta(days=5), now)
    )
    assert len(bars) == 120
    filled = world.run(trading.place_order(ACCOUNT, buy(relative_stop_loss=0.01)))
    assert filled.execution_type is ExecutionType.ORDER_FILLED
    world.run_for(1)
    (position,) = world.run(trading.get_open_positions(ACCOUNT))
    assert position.stop_loss is not None
    world.run_for(60)
    (pnl,) = world.run(trading.get_unrealized_pnl_per_position(ACCOUNT))
    closed = world.run(
        trading.close_position(
            ACCOUNT, ClosePositionRequest(position_id=position.position_id, volume=100_000)
        )
    )
    assert closed.deal is not None
    detail = closed.deal.close_detail
    assert detail is not None
    assert abs(detail.gross_profit - pnl.gross_unrealized_pnl) < 1
    assert world.run(trading.get_open_positions(ACCOUNT)) == []
    deals = world.run(history.get_deals_by_position_id(ACCOUNT, position.position_id))
    assert [deal.is_closing_deal for deal in deals] == [False, True]
    world.close()
    assert world.finished is not None
    assert world.finished.error is None
    assert seen(world, ServerErrorEvent) == []


def test_a_day_of_silence_costs_no_link():
    world = ready_world()
    world.run_for(86_400)
    assert seen(world, DisconnectedEvent) == []
    assert world.session.is_ready
    assert world.run(accounts.get_trader(ACCOUNT)).trader_login == 17_091_452


def test_wrong_secret_and_wrong_login():
    world = make_world(client_secret="wrong")
    world.connect()
    for _ in range(2):
        with pytest.raises(ApplicationAuthError):
            world.run(auth.authenticate_app())
    world = ready_world()
    grant = world.exchange.grants.grants[0]
    with pytest.raises(AccountNotFoundError) as caught:
        world.run(auth.authenticate_by_trader_login(1, grant.access_token, "-", 2e9))
    assert 17_091_452 in caught.value.available_logins


def test_many_operations_at_once_keep_to_the_rates():
    world = ready_world(switches=Switches(rate_limit=50))
    tasks = [world.start(accounts.get_trader(ACCOUNT)) for _ in range(500)]
    began = world.now
    world.run_until(lambda: all(task.is_done for task in tasks))
    assert {task.result.trader_login for task in tasks} == {17_091_452}
    assert (world.now - began) / SECOND >= 500 / 45 - 2


# Lost links


def test_events_of_a_reconnect_come_in_their_order():
    world = ready_world()
    world.run(market_data.subscribe_spots(ACCOUNT, [1, 270]))
    world.run_for(10)
    world.events.clear()
    cut = datetime_from_millis(UNIX_MS + world.now // 1_000_000)
    world.cut()
    world.run_for(10)
    links = [event for event in world.events if isinstance(event, LINK_EVENTS)]
    assert [type(event) for event in links] == list(LINK_EVENTS)
    lost, connected, gap, ready, reconnected = links
    assert isinstance(lost, DisconnectedEvent)
    assert lost.will_reconnect
    assert isinstance(connected, ConnectedEvent)
    assert connected.epoch == 2
    assert isinstance(gap, DataGapEvent)
    assert gap.symbol_ids == (1, 270)
    assert gap.start <= lost.at < connected.at < gap.end
    assert abs(lost.at - cut) < timedelta(milliseconds=2)
    assert isinstance(ready, ReadyEvent)
    assert ready.trigger is AuthTrigger.RECONNECT
    assert isinstance(reconnected, ReconnectedEvent)
    assert reconnected.restored_accounts == (ACCOUNT,)
    first_spots: dict[int, SpotEvent] = {}
    for spot in seen(world, SpotEvent):
        first_spots.setdefault(spot.symbol_id, spot)
    assert all(spot.bid is not None and spot.ask is not None for spot in first_spots.values())


def test_storm_of_cuts_ends_with_everything_restored():
    world = ready_world()
    dice = Random(7)
    world.run(market_data.subscribe_spots(ACCOUNT, [1, 2, 270]))
    world.run(market_data.subscribe_trendbars(ACCOUNT, 1, TrendbarPeriod.M5))
    reads = []
    for _ in range(300):
        world.cut()
        reads.append(world.start(accounts.get_trader(ACCOUNT)))
        world.run_for(dice.expovariate(1.0))
    world.run_until(lambda: world.session.is_ready)
    world.run_until(lambda: all(read.is_done for read in reads))
    assert all(
        read.error is None or isinstance(read.error, CTraderConnectionTimeoutError)
        for read in reads
    )
    world.events.clear()
    world.run_for(120)
    assert {spot.symbol_id for spot in seen(world, SpotEvent)} == {1, 2, 270}
    assert any(spot.trendbars for spot in seen(world, SpotEvent))
    assert seen(world, DisconnectedEvent) == []
    assert world.server is not None
    assert set(world.server.accounts[ACCOUNT].spots) == {1, 2, 270}


def test_long_outage_is_survived_with_spaced_attempts():
    world = ready_world(reconnect_min_wait=1, reconnect_max_wait=60)
    world.run(market_data.subscribe_spots(ACCOUNT, [1]))
    world.can_connect = False
    world.trace.clear()
    world.cut()
    world.run_for(3600)
    attempts = sum(what == "OpenConnection" for _, what in world.trace)
    assert 60 <= attempts <= 200  # about two a minute once the waits are long
    world.can_connect = True
    world.run_for(70)
    assert world.session.is_ready
    (gap,) = seen(world, DataGapEvent)
    assert gap.end - gap.start >= timedelta(hours=1)


def test_attempts_that_are_limited_end_the_client():
    world = ready_world(reconnect_attempts=3)
    world.can_connect = False
    world.cut()
    world.run_until(lambda: world.finished is not None)
    assert world.finished is not None
    assert isinstance(world.finished.error, CTraderReconnectAbandonedError)
    with pytest.raises(CTraderConnectionError):
        world.run(accounts.get_trader(ACCOUNT))


def test_orders_around_a_cut_are_never_sent_twice():
    world = ready_world(switches=Switches(fill_delay=0.5))
    filled = world.start(trading.place_order(ACCOUNT, buy(client_order_id="under way")))
    world.run_for(0.1)
    world.cut()
    refused = world.start(trading.place_order(ACCOUNT, buy(client_order_id="too late")))
    assert isinstance(filled.error, OrderOutcomeUnknownError)
    assert isinstance(refused.error, OrderNotSentError)
    world.run_until(lambda: world.session.is_ready)
    world.run_for(5)
    (position,) = world.run(trading.get_open_positions(ACCOUNT))
    assert position.volume == 100_000
    with pytest.raises(WorldStoppedError):
        _ = world.start(accounts.get_trader(ACCOUNT)).result


# The server's unknowns

VARIANTS: dict[str, tuple[object, ...]] = {
    "close_on_garbage": (True,),
    "rate_limit_code": ("REQUEST_FREQUENCY_EXCEEDED",),
    "authentication_counts_for_rate": (True,),
    "application_already_authenticated_code": ("INVALID_REQUEST",),
    "unauthorised_account_code": ("ACCOUNT_NOT_AUTHORIZED",),
    "expired_token_code": ("OA_AUTH_TOKEN_EXPIRED",),
    "refresh_ends_sessions": (False,),
    "write_inner_payload_type": (True,),
    "write_unknown_fields": (False,),
    "first_spot_before_response": (False,),
    "duplicate_subscription_code": ("INVALID_REQUEST",),
    "trendbar_without_spots_code": ("NOT_SUBSCRIBED_TO_SPOTS",),
    "bars_count_minus_one": (True,),
    "bars_page_size": (7,),
    "bars_flat_close_bug": (True,),
    "enforce_bar_windows": (True,),
    "ticks_page_size": (11,),
    "lists_page_size": (1,),
    "fill_delay": (0.0, 2.0),
    "protection_delay": (0.0, 2.0),
    "market_absolute_protection_frame": ("error",),
    "zero_ids_in_order_errors": (False,),
    "omitted_levels_clear": (False,),
    "reject_small_remainder": (False,),
    "conversion_side": ("ask", "mid"),
    "historical_requests": (frozenset({2137}),),
    "heartbeat_interval": (5.0,),
    "retry_after": (0, 3),
}


@pytest.mark.parametrize(
    "switches",
    [
        pytest.param(Switches(**{name: value}), id=f"{name}={value}")  # type: ignore[arg-type]  # each value fits its field
        for name, values in VARIANTS.items()
        for value in values
    ],
)
def test_client_holds_whatever_the_server_does(switches: Switches):
    world = ready_world(switches=switches)
    world.run(market_data.subscribe_trendbars(ACCOUNT, 1, TrendbarPeriod.M1))
    world.run(market_data.subscribe_spots(ACCOUNT, [1, 270]))
    filled = world.run(trading.place_order(ACCOUNT, buy(200_000, relative_stop_loss=0.01)))
    assert filled.execution_type is ExecutionType.ORDER_FILLED
    world.run_for(5)
    (position,) = world.run(trading.get_open_positions(ACCOUNT))
    assert position.stop_loss is not None
    world.cut()
    world.events.clear()
    world.run_for(10)
    assert world.session.is_ready
    assert {spot.symbol_id for spot in seen(world, SpotEvent)} == {1, 270}
    assert any(spot.trendbars for spot in seen(world, SpotEvent))
    for part in (100_000, 100_000):
        request = ClosePositionRequest(position_id=position.position_id, volume=part)
        closed = world.run(trading.close_position(ACCOUNT, request))
        assert closed.deal is not None
    assert world.run(trading.get_open_positions(ACCOUNT)) == []
    now = datetime_from_millis(world.exchange.market_now())
    bars = world.run(
        history.get_trendbars(ACCOUNT, 1, TrendbarPeriod.H1, now - timedelta(hours=30), now)
    )
    assert [later.timestamp - earlier.timestamp for earlier, later in pairwise(bars)] == [
        timedelta(hours=1)
    ] * 29
    ticks = world.run(history.get_tick_data(ACCOUNT, 1, now - timedelta(minutes=1), now))
    assert len(ticks) > 5
    deals = world.run(history.get_deals(ACCOUNT, now - timedelta(hours=1), now, now=now))
    assert [deal.is_closing_deal for deal in deals] == [False, True, True]
    assert seen(world, ServerErrorEvent) == []


def test_reads_that_are_refused_for_their_rate_are_asked_again():
    world = ready_world(switches=Switches(rate_limit=10, retry_after=2))
    reads = [world.start(accounts.get_trader(ACCOUNT)) for _ in range(30)]
    world.run_until(lambda: all(read.is_done for read in reads))
    assert [read.error for read in reads] == [None] * 30


def test_orders_that_are_refused_for_their_rate_are_not_sent_again():
    world = ready_world(switches=Switches(rate_limit=10, retry_after=1))
    orders = [world.start(trading.place_order(ACCOUNT, buy())) for _ in range(20)]
    world.run_until(lambda: all(order.is_done for order in orders))
    refused = [order.error for order in orders if order.error is not None]
    assert refused
    assert all(isinstance(error, RateLimitedError | OrderNotSentError) for error in refused)
    positions = world.run(trading.get_open_positions(ACCOUNT))
    assert len(positions) == 20 - len(refused)


def test_restoration_gets_through_a_server_that_allows_little():
    world = ready_world(
        catalogue=catalogue_of(40),
        switches=Switches(rate_limit=10, retry_after=1, authentication_counts_for_rate=True),
    )
    ids = [10_000 + number for number in range(40)]
    bars = [
        world.start(market_data.subscribe_trendbars(ACCOUNT, symbol_id, TrendbarPeriod.M1))
        for symbol_id in ids
    ]
    world.run_until(lambda: all(task.is_done for task in bars))
    assert [task.error for task in bars] == [None] * 40
    world.cut()
    world.run_for(120)
    assert world.session.is_ready
    assert world.server is not None
    spots = world.server.accounts[ACCOUNT].spots
    assert sorted(spots) == ids
    assert all(spot.periods == {int(TrendbarPeriod.M1)} for spot in spots.values())


# Large numbers


def catalogue_of(count: int) -> Catalogue:
    euro = DEFAULT_CATALOGUE.symbol_named("EURUSD")
    return replace(
        DEFAULT_CATALOGUE,
        symbols=DEFAULT_CATALOGUE.symbols
        + tuple(
            replace(euro, symbol_id=10_000 + number, name=f"PAIR{number}")
            for number in range(count)
        ),
    )


def test_two_hundred_symbols_are_restored():
    world = ready_world(catalogue=catalogue_of(200))
    ids = [10_000 + number for number in range(200)]
    world.run(market_data.subscribe_spots(ACCOUNT, ids))
    bars = [
        world.start(market_data.subscribe_trendbars(ACCOUNT, symbol_id, TrendbarPeriod.M1))
        for symbol_id in ids
    ]
    world.run_until(lambda: all(task.is_done for task in bars))
    assert [task.error for task in bars] == [None] * 200
    for _ in range(3):
        world.events.clear()
        world.cut()
        world.run_until(lambda: bool(seen(world, ReconnectedEvent)))
        world.run_until(lambda: world.session.is_ready)
        assert world.server is not None
        spots = world.server.accounts[ACCOUNT].spots
        assert sorted(spots) == ids
        assert all(spot.periods == {int(TrendbarPeriod.M1)} for spot in spots.values())
        assert seen(world, SubscriptionRestoreFailedEvent) == []
        (gap,) = seen(world, DataGapEvent)
        assert sorted(gap.symbol_ids) == ids
    world.run_for(120)
    assert {spot.symbol_id for spot in seen(world, SpotEvent)} == set(ids)


def test_three_accounts_are_restored_independently():
    world = ready_world()
    grant = world.exchange.grants.grants[0]
    for login in (17_091_453, 17_091_454):
        world.run(
            auth.authenticate_by_trader_login(
                login, grant.access_token, grant.refresh_token, float(grant.expires_at)
            )
        )
    wanted = world.session.authenticated_accounts
    for account_id in wanted:
        world.run(market_data.subscribe_spots(account_id, [1]))
    world.events.clear()
    world.cut()
    world.run_for(10)
    assert sorted(event.account_id for event in seen(world, ReadyEvent)) == sorted(wanted)
    (reconnected,) = seen(world, ReconnectedEvent)
    assert sorted(reconnected.restored_accounts) == sorted(wanted)
    assert {spot.account_id for spot in seen(world, SpotEvent)} == set(wanted)


def test_long_history_is_paged_without_loss():
    world = ready_world(switches=Switches(bars_page_size=500))
    now = datetime_from_millis(world.exchange.market_now())
    bars = world.run(
        history.get_trendbars(ACCOUNT, 1, TrendbarPeriod.M15, now - timedelta(days=100), now),
    )
    starts = [bar.timestamp for bar in bars]
    assert starts == [starts[0] + number * timedelta(minutes=15) for number in range(len(starts))]
    assert len(starts) == 9600


# Determinism


def eventful_hour(seed: int) -> World:
    world = ready_world(seed=seed)
    dice = Random(seed)
    world.run(market_data.subscribe_spots(ACCOUNT, [1, 270]))
    for _ in range(20):
        world.run_for(dice.uniform(1, 300))
        if dice.random() < 0.4:
            world.cut()
        world.start(trading.place_order(ACCOUNT, buy()))
    world.run_for(60)
    world.close()
    return world


def test_same_seed_gives_the_same_trace():
    one, same, other = eventful_hour(3), eventful_hour(3), eventful_hour(4)
    assert one.trace == same.trace
    assert [str(event) for event in one.events] == [str(event) for event in same.events]
    assert one.trace != other.trace


# The world itself


def test_close_ends_reads_and_refuses_what_comes_after():
    world = ready_world()
    read = world.start(accounts.get_trader(ACCOUNT))
    world.close()
    assert isinstance(read.error, ClientClosedError)
    assert world.session.phase is Phase.FINISHED
    with pytest.raises(ClientClosedError):
        world.run(accounts.get_trader(ACCOUNT))


def test_command_that_was_given_to_the_session_itself_goes_out_when_time_passes():
    world = ready_world()
    world.session.close(world.now)
    world.run_for(0)
    assert world.finished is not None


def test_waiting_for_what_never_happens_is_given_up():
    world = make_world()
    with pytest.raises(WorldStoppedError):
        world.run_until(lambda: False)
    world = ready_world()
    with pytest.raises(WorldStoppedError, match="did not come true"):
        world.run_until(lambda: False, limit=60)


def test_actions_and_reactions_in_the_middle_of_a_run():
    world = ready_world()
    world.run(market_data.subscribe_spots(ACCOUNT, [1]))
    happened: list[str] = []
    world.on_event = lambda event: happened.append(type(event).__name__)
    world.at(world.now + 5 * SECOND, world.cut)
    world.run_for(20)
    assert happened.index("DisconnectedEvent") < happened.index("ReconnectedEvent")
    world.cut()
    world.cut()  # there is nothing left to cut
    assert world.server is None


def test_timeout_of_an_operation_is_virtual_time():
    world = ready_world()
    world.can_connect = False
    world.cut()
    began = world.now
    with pytest.raises(CTraderConnectionTimeoutError):
        world.run(accounts.get_trader(ACCOUNT), timeout=600)
    assert (world.now - began) / SECOND == pytest.approx(600, abs=0.001)


def test_server_that_hangs_up_on_a_client_that_says_nothing():
    world = ready_world(heartbeat_interval=25)
    world.run_for(100)
    assert seen(world, DisconnectedEvent) == []
    strict = ready_world(switches=Switches(idle_timeout=5), heartbeat_interval=10)
    strict.run_for(60)
    assert seen(strict, DisconnectedEvent)
    assert strict.session.epoch > 1


def test_whoever_acts_after_a_run_acts_at_its_end():
    world = ready_world()
    world.run_for(0.0377)
    assert world.exchange.now == world.now
