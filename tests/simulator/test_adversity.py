"""Every kind of fault really happens, to the client or to the server, and passes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, get_args

import pytest

from ctrader.errors import (
    CTraderConnectionTimeoutError,
    MaintenanceError,
    OrderNotSentError,
    OrderOutcomeUnknownError,
    OrderRejectedError,
    UnexpectedResponseError,
)
from ctrader.events import (
    AccountDisconnectEvent,
    ClientDisconnectEvent,
    ConnectedEvent,
    DisconnectedEvent,
    ExecutionEvent,
    ReadyEvent,
    ServerErrorEvent,
    SpotEvent,
    TokenInvalidatedEvent,
    UndecodableMessageEvent,
)
from ctrader.models import ClosePositionRequest, NoEffect
from ctrader.operations import accounts, history, market_data, resolution, symbols, trading
from ctrader.protocol.effects import Phase
from ctrader.simulator.adversity import Adversity
from ctrader.simulator.faults import (
    LONGEST,
    AccountDropped,
    AnswerLate,
    AnswerWrong,
    ClientDisconnected,
    ClientKilled,
    ClockStepped,
    ConnectingFails,
    ConsumerSlow,
    EofInsideFrame,
    Fault,
    FilledInParts,
    Finished,
    FrameAltered,
    FrameDuplicated,
    HalfOpen,
    HistoryLags,
    LatencyChanged,
    Lost,
    Maintenance,
    Merged,
    OrderAnsweredWithError,
    OrderRejected,
    OrdersRefused,
    RateLimited,
    Reset,
    ServerError,
    ServerRestarted,
    Split,
    StoreFails,
    Suspended,
    TokenInvalidated,
    WritesStalled,
    draw_plan,
    plan_end,
)
from ctrader.simulator.switches import Switches
from ctrader.simulator.world import Task, World, WorldStoppedError
from ctrader.units import SECOND, datetime_from_millis
from tests.simulator.test_world import ACCOUNT, buy, ready_world, seen

LISTENED = (
    AccountDisconnectEvent,
    ClientDisconnectEvent,
    ConnectedEvent,
    DisconnectedEvent,
    ExecutionEvent,
    ReadyEvent,
    ServerErrorEvent,
    SpotEvent,
    TokenInvalidatedEvent,
    UndecodableMessageEvent,
)


def world_with_quotes(**options: Any) -> World:
    world = ready_world(**options)
    world.listen(*LISTENED)
    world.run(market_data.subscribe_spots(ACCOUNT, [1]))
    world.run(symbols.get_by_ids(ACCOUNT, [1]))  # no order has to ask for it
    world.run_for(10)
    world.events.clear()
    return world


def strike(world: World, fault: Fault) -> Adversity:
    adversity = Adversity(world, (fault,))
    adversity.apply(fault)
    return adversity


def reads(world: World, timeout: float | None = None) -> float:
    """Return how many seconds a read takes."""
    began = world.now
    world.run(accounts.get_trader(ACCOUNT), timeout)
    return (world.now - began) / SECOND


def is_restored(world: World) -> bool:
    server = world.server
    return (
        world.session.is_ready
        and server is not None
        and not server.is_closed
        and 1 in server.accounts[ACCOUNT].spots
    )


def lost_because(world: World) -> str:
    (lost,) = seen(world, DisconnectedEvent)
    return str(lost.cause)


# Plans


def test_plan_is_the_same_for_the_same_seed_and_in_order():
    plan = draw_plan(5, begin=30, end=3000, count=40, account_ids=[1, 2])
    assert plan == draw_plan(5, begin=30, end=3000, count=40, account_ids=[1, 2])
    assert plan != draw_plan(6, begin=30, end=3000, count=40, account_ids=[1, 2])
    assert [fault.at for fault in plan] == sorted(fault.at for fault in plan)
    assert all(fault.at >= 30 and fault.end <= 3000 for fault in plan)
    assert plan_end(plan) == max(fault.end for fault in plan)
    assert plan_end(()) == 0


def test_every_kind_is_drawn_as_often_as_any_other():
    kinds = set(get_args(Fault))
    plan = draw_plan(1, begin=0, end=3000, count=2 * len(kinds), account_ids=[1])
    assert {kind: sum(type(fault) is kind for fault in plan) for kind in kinds} == dict.fromkeys(
        kinds, 2
    )
    lengths = [
        fault.end - fault.at
        for seed in range(50)
        for fault in draw_plan(seed, begin=0, end=3000, count=len(kinds), account_ids=[1])
    ]
    assert max(lengths) <= LONGEST + 0.001


def test_fault_says_what_it_is_in_a_few_words():
    assert repr(Lost(1.5, 20.0, "up")) == "Lost(1.500, seconds=20.0, way='up', heals=False)"
    assert repr(Reset(3.0)) == "Reset(3.000)"


def test_plan_needs_room_and_an_account():
    with pytest.raises(ValueError, match="account"):
        draw_plan(1, begin=0, end=3000, count=1, account_ids=[])
    with pytest.raises(ValueError, match="120 s"):
        draw_plan(1, begin=0, end=100, count=1, account_ids=[1])


def test_plan_is_carried_out_at_its_moments_and_stands_in_the_trace():
    world = world_with_quotes()
    plan = (Reset(30.0), ClockStepped(40.0, 5.0))
    adversity = Adversity(world, plan)
    adversity.begin()
    world.run_for(60)
    told = [(at / SECOND, what) for at, what in world.trace if what.startswith("fault: ")]
    assert told == [(30.0, "fault: Reset(30.000)"), (40.0, "fault: ClockStepped(40.000, by=5.0)")]
    assert adversity.end == 40 * SECOND
    assert not adversity.is_calm(39 * SECOND)
    assert adversity.is_calm(41 * SECOND)


def test_the_same_seed_gives_the_same_trace():
    def trace(seed: int) -> list[tuple[int, str]]:
        world = world_with_quotes(seed=3)
        plan = draw_plan(seed, begin=20, end=600, count=12, account_ids=[ACCOUNT])
        Adversity(world, plan).begin()
        world.run_for(700)
        return world.trace

    assert trace(4) == trace(4)
    assert trace(4) != trace(5)


# The network


def test_latency_changes_for_each_direction_and_passes():
    world = world_with_quotes()
    strike(world, LatencyChanged(0.0, 30.0, up=1.5, down=0.25))
    assert reads(world) == pytest.approx(1.75)
    world.run_for(30)
    assert reads(world) == pytest.approx(0.04)


def test_jitter_lets_nothing_overtake():
    world = world_with_quotes()
    strike(world, LatencyChanged(0.0, 60.0, up=0.0, down=0.0, jitter=5.0))
    tasks = [world.start(accounts.get_trader(ACCOUNT)) for _ in range(5)]
    world.run_until(lambda: all(task.is_done for task in tasks))
    world.run_for(50)
    assert len(seen(world, SpotEvent)) > 10
    assert seen(world, DisconnectedEvent) == []


@pytest.mark.parametrize("way", ["up", "down"])
def test_bytes_vanish_one_way_while_the_link_stays(way: Any):
    world = world_with_quotes(request_timeout=5)
    strike(world, Lost(0.0, 20.0, way, heals=True))
    order = world.start(trading.place_order(ACCOUNT, buy(client_order_id="into the dark")))
    world.run_for(8)
    assert isinstance(order.error, OrderOutcomeUnknownError)
    booked = world.exchange.books[ACCOUNT].orders.values()
    assert [each.client_order_id for each in booked] == ([] if way == "up" else ["into the dark"])
    assert seen(world, DisconnectedEvent) == []
    assert any("bytes vanish" in what for _, what in world.trace)
    world.run_for(15)
    assert reads(world) < 1  # on the same link
    assert seen(world, DisconnectedEvent) == []


@pytest.mark.parametrize("way", ["up", "down"])
def test_link_that_went_deaf_is_noticed_and_replaced(way: Any):
    world = world_with_quotes(heartbeat_timeout=25)
    strike(world, Lost(0.0, 2.0, way))
    assert world.wire is not None
    assert world.wire.is_damaged
    world.run_for(90)
    assert is_restored(world)
    assert len(seen(world, DisconnectedEvent)) == 1


def test_system_gives_up_a_link_on_which_nothing_is_acknowledged():
    # Quotes go on, and this server never ends a link by itself.
    world = world_with_quotes(switches=Switches(idle_timeout=0))
    strike(world, Lost(0.0, 2.0, "up"))
    world.run_for(25)
    assert seen(world, DisconnectedEvent) == []
    assert len(seen(world, SpotEvent)) > 5
    world.run_for(60)
    assert "nobody acknowledges" in lost_because(world)
    assert is_restored(world)


def test_system_may_try_without_end():
    world = world_with_quotes(switches=Switches(idle_timeout=0))
    world.network.acknowledged_within = None
    strike(world, Lost(0.0, 2.0, "up"))
    world.run_for(120)
    assert seen(world, DisconnectedEvent) == []


def test_nobody_connects_while_one_side_cannot_hear_the_other():
    world = world_with_quotes()
    strike(world, Lost(0.0, 20.0, "down"))
    world.cut()
    world.run_for(19)
    assert not world.session.is_connected
    world.run_for(30)
    assert is_restored(world)


def test_half_open_link_is_gone_at_the_server_only():
    world = world_with_quotes(heartbeat_timeout=25)
    strike(world, HalfOpen(0.0))
    world.run_for(20)
    assert world.exchange.connections == ()
    assert world.session.is_connected
    world.run_for(60)
    assert "waiting for any sign" in lost_because(world)
    assert is_restored(world)


@pytest.mark.parametrize(
    ("fault", "cause"),
    [(Finished(0.0), "closed"), (Reset(0.0), "reset"), (EofInsideFrame(0.0), "closed")],
    ids=lambda value: type(value).__name__,
)
def test_link_ends(fault: Fault, cause: str):
    world = world_with_quotes()
    strike(world, fault)
    world.run_for(30)
    assert cause in lost_because(world)
    assert is_restored(world)


def test_reset_loses_what_was_under_way_and_an_orderly_end_does_not():
    for fault, arrives in ((Reset(0.0), False), (Finished(0.0), True)):
        world = world_with_quotes()
        order = world.start(trading.place_order(ACCOUNT, buy()))
        world.run_for(0.05)  # filled at the server, and the answer is on its way
        strike(world, fault)
        world.run_for(20)
        assert (order.error is None) is arrives
        assert len(world.exchange.books[ACCOUNT].deals) == 1


def test_stream_ends_inside_a_frame():
    world = world_with_quotes()
    received: list[bytes] = []
    world.on_received = lambda _, data: received.append(data)
    strike(world, EofInsideFrame(0.0))
    world.run_for(5)
    torn = [data for data in received if len(data) != 4 + int.from_bytes(data[:4], "big")]
    assert torn
    assert seen(world, DisconnectedEvent)


def test_bytes_are_split_and_merged_and_all_of_them_arrive():
    for fault in (Split(0.0, 60.0, 3, 0.001), Merged(0.0, 60.0, 5.0)):
        world = world_with_quotes()
        sizes: list[int] = []
        world.on_received = lambda _, data, sizes=sizes: sizes.append(len(data))
        strike(world, fault)
        assert reads(world) < 12
        world.run_for(50)
        if isinstance(fault, Split):
            assert max(sizes) <= 3
        else:
            assert len(sizes) < 15
        assert len(seen(world, SpotEvent)) > 15
        assert seen(world, DisconnectedEvent) == []


def test_stalled_transport_takes_nothing_and_an_order_in_it_is_not_sent():
    world = world_with_quotes()
    sent: list[bytes] = []
    world.on_sent = lambda _, data: sent.append(data)
    strike(world, WritesStalled(0.0, 12.0))
    order = world.start(trading.place_order(ACCOUNT, buy()), 5.0)
    world.run_for(11)
    assert sent == []
    assert isinstance(order.error, OrderNotSentError)
    assert not world.exchange.books[ACCOUNT].orders
    assert reads(world) < 2
    assert sent


def test_connecting_fails_for_a_time():
    world = world_with_quotes()
    strike(world, ConnectingFails(0.0, 30.0))
    world.run_for(29)
    assert not world.session.is_connected
    assert sum(what == "OpenConnection" for _, what in world.trace) > 3
    world.run_for(60)
    assert is_restored(world)


def test_connecting_takes_long_for_a_time():
    world = world_with_quotes()
    strike(world, ConnectingFails(0.0, 60.0, delay=3.0))
    world.run_for(2.9)
    assert not world.session.is_connected
    world.run_for(10)
    assert is_restored(world)


# The client's machine


def test_wall_clock_steps_and_the_monotonic_one_does_not():
    world = world_with_quotes()
    world.cut()
    world.run_for(10)
    before = world.client_now
    strike(world, ClockStepped(0.0, -3600.0))
    assert world.client_now == before
    world.cut()
    world.run_for(10)
    first, second = seen(world, ConnectedEvent)
    assert timedelta(minutes=59) < first.at - second.at < timedelta(minutes=60)
    assert is_restored(world)


@pytest.mark.parametrize("clock_stood", [False, True])
def test_suspended_process_gets_everything_when_it_wakes(clock_stood: bool):
    world = world_with_quotes(heartbeat_timeout=60)
    strike(world, Suspended(0.0, 20.0, clock_stood=clock_stood))
    began, clock = world.now, world.client_now
    with pytest.raises(WorldStoppedError):
        world.start(accounts.get_trader(ACCOUNT))
    done: list[int] = []
    world.when_awake(lambda: done.append(world.now))
    world.run_for(19.99)
    assert world.events == []
    assert done == []
    world.run_for(0.02)
    assert done == [began + 20 * SECOND]
    assert len(seen(world, SpotEvent)) > 3
    assert world.client_now - clock == pytest.approx((0.01 if clock_stood else 20.01) * SECOND)
    world.run_for(60)
    assert is_restored(world)


def test_client_whose_system_says_that_it_slept_trusts_its_link_no_more():
    world = world_with_quotes(heartbeat_timeout=60)
    strike(world, Suspended(0.0, 20.0, clock_stood=True))
    world.run_for(60)
    assert "the computer slept for 20 s" in lost_because(world)
    assert is_restored(world)


def test_sleep_shows_by_the_time_of_day_where_the_system_does_not_say():
    world = world_with_quotes(heartbeat_timeout=60)
    world.tells_sleep = False
    strike(world, Suspended(0.0, 20.0, clock_stood=True))
    world.run_for(60)
    assert "or its clock was set forward" in lost_because(world)
    assert is_restored(world)


@pytest.mark.parametrize("tells_sleep", [False, True])
def test_clock_that_is_set_forward_looks_like_sleep_only_where_the_system_does_not_say(
    tells_sleep: bool,
):
    world = world_with_quotes()
    world.tells_sleep = tells_sleep
    strike(world, ClockStepped(0.0, 3600.0))
    world.run_for(60)
    assert len(seen(world, DisconnectedEvent)) == (0 if tells_sleep else 1)
    assert is_restored(world)


def test_what_arrived_in_the_sleep_is_read_before_anything_new_is_begun():
    world = world_with_quotes(heartbeat_timeout=60)
    answered = world.start(accounts.get_trader(ACCOUNT))
    strike(world, Suspended(0.0, 20.0, clock_stood=True))
    orders: list[Task[ExecutionEvent]] = []
    world.when_awake(lambda: orders.append(world.start(trading.place_order(ACCOUNT, buy()))))
    world.run_for(20.01)
    assert answered.result.account_id == ACCOUNT
    (order,) = orders
    assert isinstance(order.error, OrderNotSentError)  # on a link that is not trusted


def test_server_gives_a_sleeping_client_up():
    world = world_with_quotes(heartbeat_timeout=60)
    strike(world, Suspended(0.0, 100.0))
    world.run_for(99)
    assert world.exchange.connections == ()
    assert world.session.is_connected  # it does not know yet
    world.run_for(40)
    assert is_restored(world)


def test_slow_consumer_gets_everything_later_in_order():
    world = world_with_quotes()
    strike(world, ConsumerSlow(0.0, 30.0))
    filled = world.run(trading.place_order(ACCOUNT, buy()))
    world.run_for(20)
    assert world.events == []
    world.run_for(10)
    told = [event.deal.deal_id for event in seen(world, ExecutionEvent) if event.deal is not None]
    assert filled.deal is not None
    assert told == [filled.deal.deal_id]
    assert len(seen(world, SpotEvent)) > 5


def test_store_is_told_when_it_fails_and_when_it_works():
    world = world_with_quotes()
    told: list[tuple[int, bool]] = []
    world.on_store_fault = lambda fails: told.append((world.now, fails))
    began = world.now
    strike(world, StoreFails(0.0, 7.0))
    world.run_for(20)
    assert told == [(began, True), (began + 7 * SECOND, False)]
    world.on_store_fault = None
    strike(world, StoreFails(0.0, 7.0))


def test_killed_process_begins_anew_and_what_it_handed_over_arrives():
    world = world_with_quotes()
    order = world.start(trading.place_order(ACCOUNT, buy(client_order_id="last words")))
    restarted: list[int] = []
    world.on_restart = lambda: restarted.append(world.life)
    before = world.session
    strike(world, ClientKilled(0.0))
    assert restarted == [1]
    assert isinstance(order.error, WorldStoppedError)
    assert world.session is not before
    assert world.session.phase is Phase.IDLE
    world.run_for(1)
    assert world.exchange.connections == ()
    booked = [each.client_order_id for each in world.exchange.books[ACCOUNT].orders.values()]
    assert booked == ["last words"]
    world.connect()
    assert world.session.is_connected
    world.run_for(30)


# The broker


def test_server_restarts_and_its_books_stay():
    world = world_with_quotes()
    world.run(trading.place_order(ACCOUNT, buy()))
    strike(world, ServerRestarted(0.0, 20.0))
    world.run_for(19)
    assert world.exchange.connections == ()
    assert not world.session.is_connected
    world.run_for(60)
    assert is_restored(world)
    assert len(world.run(trading.get_open_positions(ACCOUNT))) == 1


@pytest.mark.parametrize(
    ("fault", "event"),
    [
        (AccountDropped(0.0, ACCOUNT), AccountDisconnectEvent),
        (ClientDisconnected(0.0), ClientDisconnectEvent),
        (TokenInvalidated(0.0), TokenInvalidatedEvent),
        (TokenInvalidated(0.0, ends_sessions=False), TokenInvalidatedEvent),
        (ServerError(0.0, "UNKNOWN_ERROR"), ServerErrorEvent),
        (ServerError(0.0, "BRAND_NEW", common=True), ServerErrorEvent),
    ],
    ids=repr,
)
def test_server_says_so(fault: Fault, event: type):
    world = world_with_quotes()
    assert world.server is not None
    before = world.server.accounts[ACCOUNT]
    strike(world, fault)
    ends = not isinstance(fault, ServerError) and getattr(fault, "ends_sessions", True)
    assert (world.server.accounts.get(ACCOUNT) is not before) is ends
    world.run_for(30)
    assert len(seen(world, event)) == 1
    assert is_restored(world)


def test_requests_are_refused_for_their_rate():
    world = world_with_quotes()
    strike(world, RateLimited(0.0, 30.0, 1, "BLOCKED_PAYLOAD_TYPE", 3))
    assert 3 <= reads(world) < 4
    strike(world, RateLimited(0.0, 30.0, 1, "REQUEST_FREQUENCY_EXCEEDED"))
    with pytest.raises(OrderRejectedError):
        world.run(trading.place_order(ACCOUNT, buy()))
    strike(world, RateLimited(0.0, 30.0, 5, "BLOCKED_PAYLOAD_TYPE", 3))
    world.run_for(31)
    assert reads(world) < 1  # it waited in vain


@pytest.mark.parametrize("frame", ["open_api", "common"])
def test_maintenance_refuses_with_its_end(frame: Any):
    world = world_with_quotes()
    strike(world, Maintenance(0.0, 60.0, frame))
    with pytest.raises(MaintenanceError) as caught:
        reads(world)
    assert caught.value.maintenance_end is not None
    left = caught.value.maintenance_end.timestamp() - world.exchange.unix_now()
    assert 59 <= left <= 61
    assert seen(world, DisconnectedEvent) == []
    world.run_for(61)
    assert reads(world) < 1


def test_maintenance_ends_connections_and_takes_none():
    world = world_with_quotes()
    strike(world, Maintenance(0.0, 30.0, "open_api", accepts_connections=False, cuts=True))
    world.run_for(29)
    assert not world.session.is_application_authenticated
    assert len(seen(world, DisconnectedEvent)) > 1
    world.run_for(60)
    assert is_restored(world)


def test_history_and_what_is_open_lag_behind():
    world = world_with_quotes()
    strike(world, HistoryLags(0.0, 60.0, 5.0))
    world.run(trading.place_order(ACCOUNT, buy(client_order_id="new")))
    assert world.run(trading.get_open_positions(ACCOUNT)) == []
    assert deals(world) == 0
    world.run_for(6)
    assert len(world.run(trading.get_open_positions(ACCOUNT))) == 1
    assert deals(world) == 1
    world.run_for(60)
    world.run(trading.place_order(ACCOUNT, buy()))
    assert len(world.run(trading.get_open_positions(ACCOUNT))) == 2


def deals(world: World) -> int:
    now = datetime_from_millis(world.exchange.market_now())
    start = now - timedelta(hours=1)
    return len(world.run(history.get_deals(ACCOUNT, start, now + timedelta(seconds=1), now=now)))


# Single frames


@pytest.mark.parametrize("foreign_id", [False, True])
def test_execution_events_come_twice(foreign_id: bool):
    world = world_with_quotes()
    arrived: list[bytes] = []
    world.on_received = lambda _, data: arrived.append(data)
    strike(world, FrameDuplicated(0.0, 60.0, "execution", 2, foreign_id=foreign_id))
    world.run(trading.place_order(ACCOUNT, buy()))
    world.run_for(1)
    stream = b"".join(arrived)
    assert stream.count(b"\x08\xce\x10") == 4  # envelopes of execution events
    assert (b"another-program-1" in stream) is foreign_id
    assert len(world.exchange.books[ACCOUNT].deals) == 1


def test_answer_comes_after_its_request_was_given_up():
    world = world_with_quotes()
    strike(world, AnswerLate(0.0, 60.0, "order", 15.0))
    order = world.start(trading.place_order(ACCOUNT, buy(), until="accepted"), 5.0)
    world.run_for(6)
    assert order.error is None or isinstance(order.error, OrderOutcomeUnknownError)
    strike(world, AnswerLate(0.0, 60.0, "read", 15.0))
    with pytest.raises(CTraderConnectionTimeoutError):
        reads(world, 5.0)
    world.run_for(30)
    assert is_restored(world)
    assert reads(world) < 1


@pytest.mark.parametrize("how", ["dropped", "wrong type", "foreign id"])
def test_answer_is_none(how: Any):
    world = world_with_quotes(request_timeout=5)
    strike(world, AnswerWrong(0.0, 60.0, "read", how))
    expected = UnexpectedResponseError if how == "wrong type" else CTraderConnectionTimeoutError
    with pytest.raises(expected):
        reads(world)
    world.run_for(10)
    assert is_restored(world)
    assert reads(world) < 1


@pytest.mark.parametrize("how", ["undecodable", "missing fields", "one field missing"])
def test_content_makes_no_sense(how: Any):
    world = world_with_quotes()
    strike(world, FrameAltered(0.0, 60.0, "execution", how))
    order = world.start(trading.place_order(ACCOUNT, buy()))
    world.run_for(35)
    assert len(seen(world, UndecodableMessageEvent)) == 1
    assert isinstance(order.error, OrderOutcomeUnknownError)
    assert is_restored(world)


def test_frame_that_is_waited_for_in_vain_is_left_alone_later():
    world = world_with_quotes()
    strike(world, AnswerWrong(0.0, 10.0, "order", "dropped"))
    world.run_for(11)
    assert world.run(trading.place_order(ACCOUNT, buy())).deal is not None


def test_quotes_and_the_session_are_aimed_at():
    world = world_with_quotes(switches=Switches())
    strike(world, FrameAltered(0.0, 60.0, "quote", "undecodable"))
    strike(world, AnswerWrong(0.0, 60.0, "session", "dropped"))
    world.run_for(10)
    assert len(seen(world, UndecodableMessageEvent)) == 1
    assert reads(world) < 1  # a read is none of either
    world.cut()
    world.run_for(10)
    assert not world.session.is_application_authenticated
    world.run_for(60)
    assert is_restored(world)


# Trading


@pytest.mark.parametrize("frame", ["error", "common", "order"])
def test_trading_requests_are_refused_and_nothing_of_them_is_done(frame: Any):
    world = world_with_quotes()
    strike(world, OrdersRefused(0.0, 60.0, 1, "NOT_ENOUGH_MONEY", frame))
    with pytest.raises(OrderRejectedError) as caught:
        world.run(trading.place_order(ACCOUNT, buy()))
    assert caught.value.error_code == "NOT_ENOUGH_MONEY"
    assert world.exchange.books[ACCOUNT].deals == []
    filled = world.run(trading.place_order(ACCOUNT, buy()))
    assert filled.position_id is not None
    with pytest.raises(OrderRejectedError):
        close(world, filled.position_id)
    strike(world, OrdersRefused(0.0, 10.0, 1, "NOT_ENOUGH_MONEY"))
    world.run_for(11)
    assert world.run(trading.place_order(ACCOUNT, buy())).deal is not None  # it waited in vain


def close(world: World, position_id: int) -> None:
    request = ClosePositionRequest(position_id=position_id, volume=100_000)
    world.run(trading.close_position(ACCOUNT, request))


def test_request_that_is_refused_with_a_code_that_proves_nothing_is_found_absent():
    world = world_with_quotes()
    strike(world, OrdersRefused(0.0, 60.0, 1, "TIMEOUT_ERROR"))
    with pytest.raises(OrderOutcomeUnknownError) as caught:
        world.run(trading.place_order(ACCOUNT, buy()), 10.0)
    outcome = world.run(resolution.outcome_of(caught.value), 200.0)
    assert isinstance(outcome, NoEffect)


@pytest.mark.parametrize("delay", [0.0, 20.0])
@pytest.mark.parametrize("common", [False, True])
def test_request_is_done_though_its_first_answer_is_an_error(common: bool, delay: float):
    world = world_with_quotes()
    strike(world, OrderAnsweredWithError(0.0, 60.0, "BRAND_NEW", delay, common=common))
    order = world.start(trading.place_order(ACCOUNT, buy(), until="accepted"), 10.0)
    world.run_for(10)
    assert order.result.order_id is not None
    world.run_for(20)
    assert len([each for each in seen(world, ExecutionEvent) if each.deal is not None]) == 1
    assert len(world.exchange.books[ACCOUNT].deals) == 1


@pytest.mark.parametrize("with_deal", [False, True])
def test_order_is_rejected_after_it_was_accepted(with_deal: bool):
    world = world_with_quotes()
    strike(world, OrderRejected(0.0, ACCOUNT, "MARKET_CLOSED", with_deal=with_deal))
    with pytest.raises(OrderRejectedError) as caught:
        world.run(trading.place_order(ACCOUNT, buy()))
    assert caught.value.error_code == "MARKET_CLOSED"


def test_order_is_filled_in_parts():
    world = world_with_quotes()
    strike(world, FilledInParts(0.0, ACCOUNT, (100_000, 200_000)))
    world.run(trading.place_order(ACCOUNT, buy(300_000)))
    world.run_for(5)
    deals = world.exchange.books[ACCOUNT].deals
    assert [deal.filled_volume for deal in deals] == [100_000, 200_000]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(lambda at: WritesStalled(at, 10.0), id="stalls"),
        pytest.param(lambda at: ConsumerSlow(at, 10.0), id="consumer"),
    ],
)
def test_of_two_of_a_kind_the_later_one_counts(fault: Callable[[float], Fault]):
    world = world_with_quotes()
    began = world.now / SECOND
    first, second = fault(began), fault(began + 5)
    Adversity(world, (first, second)).begin()
    world.run_for(11)
    assert world.network.is_stalled or world.is_consumer_slow
    world.run_for(5)
    assert not any((world.network.is_stalled, world.is_consumer_slow))
